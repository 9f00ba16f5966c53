// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A position in an ordered run of versions: by key ascending, of one key the newest first. Errors are thrown as
// Failure.
#pragma once

#include <memory>
#include <vector>

#include "coding.hpp"
#include "range_set.hpp"

namespace orbit::lsm {

class Cursor {
 public:
  Cursor() = default;
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  virtual ~Cursor() = default;

  // What the position is on; borrowed until the cursor moves. Meaningless where not valid.
  bool valid() const noexcept { return valid_; }
  Bytes key() const noexcept { return key_; }
  uint64_t tag() const noexcept { return tag_; }
  Bytes value() const noexcept { return value_; }

  // To the first version at or after (key, tag).
  virtual void seek(Bytes key, uint64_t tag) = 0;
  // To the last version of the last key before `key`, or of all when it is null.
  virtual void seek_before(const Bytes* key) = 0;
  virtual void next() = 0;
  virtual void prev() = 0;
  // To the first version at or after `to`, or as far towards it as everything that is passed over was written before
  // `sequence`. False: it stays where it is. A cursor need not know.
  virtual bool leap(const RangeEnd& to, uint64_t sequence);
  // The same to the last version before `from`, backwards.
  virtual bool leap_back(Bytes from, uint64_t sequence);
  // The position is on an erased entry, which a reader has to walk over.
  virtual void note_erased() noexcept {}

 protected:
  bool valid_ = false;
  Bytes key_;
  uint64_t tag_ = 0;
  Bytes value_;
};

// a before b; of equal keys the newer version first.
inline int compare(Bytes a, uint64_t a_tag, Bytes b, uint64_t b_tag) noexcept {
  if (const int order = a.compare(b); order != 0) return order;
  return a_tag > b_tag ? -1 : a_tag < b_tag ? 1 : 0;
}

// Several runs as one. No two may contain the same version of a key.
class MergeCursor final : public Cursor {
 public:
  explicit MergeCursor(std::vector<std::unique_ptr<Cursor>> runs);
  void seek(Bytes key, uint64_t tag) override;
  void seek_before(const Bytes* key) override;
  void next() override;
  void prev() override;
  bool leap(const RangeEnd& to, uint64_t sequence) override;
  bool leap_back(Bytes from, uint64_t sequence) override;
  void note_erased() noexcept override { order_[0]->note_erased(); }

 private:
  void sort(bool backward);
  void settle(bool backward);
  void show() noexcept;

  std::vector<std::unique_ptr<Cursor>> runs_;
  std::vector<Cursor*> order_;  // the valid ones, the next first
};

}  // namespace orbit::lsm
