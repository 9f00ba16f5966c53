// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A block of versions: keys share their beginning with the key before, and are whole at restart points.
#pragma once

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

// Finds the newest version of `key` up to `seek_tag` without putting keys together.
enum class InBlock { found, absent, after };  // after: all of the block is before it
InBlock find_in_block(Bytes block, Bytes key, uint64_t seek_tag, const std::string& where, uint64_t& tag, Bytes& value);

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
