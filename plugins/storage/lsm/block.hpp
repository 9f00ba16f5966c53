// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A block of versions: keys share their beginning with the key before, and are whole at restart points.
#pragma once

#include <array>
#include <vector>

#include "cursor.hpp"

namespace orbit::lsm {

class BlockBuilder {
 public:
  // In order.
  void add(Bytes key, uint64_t tag, Bytes value);
  // The finished block, borrowed until clear.
  Bytes finish();
  void clear() noexcept;
  bool empty() const noexcept { return count_ == 0; }
  size_t bytes() const noexcept { return out_.size() + restarts_.size() * 4 + 4; }

 private:
  static constexpr size_t kRestartInterval = 8;
  std::string out_;
  std::vector<uint32_t> restarts_;
  std::string last_key_;
  size_t count_ = 0;
};

// What is kept beside a block in memory, so that a search goes to the right restart point at once instead of waiting
// for memory at each that it looks at: of up to kSamples restart points the eight bytes after what all begin with.
class BlockIndex {
 public:
  // A block that does not parse has an index of no restart points.
  explicit BlockIndex(Bytes block) noexcept;
  size_t restarts() const noexcept { return restarts_; }
  // Which restart points the last one before `key` is among. `offset`: of the first of them in the block.
  struct Range {
    size_t begin;
    size_t end;
    size_t offset;
  };
  Range range(Bytes block, Bytes key) const noexcept;

 private:
  static constexpr size_t kSamples = 8;
  uint32_t restarts_ = 0;
  uint32_t step_ = 1;  // from one sample to the next
  uint32_t samples_ = 0;
  uint32_t prefix_at_ = 0;  // in the block
  uint32_t prefix_bytes_ = 0;
  std::array<uint32_t, kSamples> offsets_;
  std::array<uint64_t, kSamples> heads_;
};

// Finds the newest version of `key` up to `seek_tag` without putting keys together. `index` is the block's.
enum class InBlock { found, absent, after };  // after: all of the block is before it
InBlock find_in_block(Bytes block, const BlockIndex& index, Bytes key, uint64_t seek_tag, const std::string& where,
                      uint64_t& tag, Bytes& value);

// Borrows the block. What does not parse is DATA_LOSS with `where`.
class BlockCursor final : public Cursor {
 public:
  explicit BlockCursor(const std::string& where) noexcept : where_(where) {}
  void set(Bytes block);
  void first();
  void last();
  void seek(Bytes key, uint64_t tag) override;
  void seek_before(const Bytes* key) override;
  void next() override;
  void prev() override;
  void invalidate() noexcept { valid_ = false; }

 private:
  void at_restart(size_t index);
  const char* restart(size_t index) const;
  [[noreturn]] void damaged() const;

  const std::string& where_;
  const char* begin_ = nullptr;
  const char* end_ = nullptr;  // of the entries; the restart points follow
  size_t restarts_ = 0;
  const char* entry_ = nullptr;
  const char* next_ = nullptr;
  std::string buffer_;
};

}  // namespace orbit::lsm
