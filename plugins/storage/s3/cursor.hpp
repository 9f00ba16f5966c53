// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A walk over the entries of one source in one direction, and the merge of several.
#pragma once

#include <memory>
#include <vector>

#include "coding.hpp"

namespace orbit::s3 {

// At most one entry per key. Starts at its first entry.
class Cursor {
 public:
  virtual ~Cursor() = default;
  bool valid() const noexcept { return valid_; }
  // Valid until next().
  Bytes key() const noexcept { return key_; }
  Bytes value() const noexcept { return value_; }
  bool erased() const noexcept { return erased_; }
  virtual void next() = 0;
  // Whether this source erases the key for all older sources by a range.
  virtual bool covers(Bytes key) = 0;

 protected:
  bool valid_ = false;
  bool erased_ = false;
  Bytes key_;
  Bytes value_;
};

// Newer sources come first and hide what older ones say of a key.
class Merge {
 public:
  Merge(std::vector<std::unique_ptr<Cursor>> newest_first, bool reverse, bool keep_erased);
  bool valid() const noexcept { return winner_ != nullptr; }
  Bytes key() const noexcept { return winner_->key(); }
  Bytes value() const noexcept { return winner_->value(); }
  bool erased() const noexcept { return winner_->erased(); }
  void next() {
    skip();
    settle();
  }

 private:
  void skip();
  void settle();

  std::vector<std::unique_ptr<Cursor>> sources_;
  const bool reverse_;
  const bool keep_erased_;
  Cursor* winner_ = nullptr;
};

}  // namespace orbit::s3
