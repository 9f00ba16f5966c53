// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A walk over the entries of one source in one direction, and the merge of several.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coding.hpp"

namespace orbit::s3 {

// At most one entry per key. Stands nowhere until it was told to seek.
class Cursor {
 public:
  virtual ~Cursor() = default;
  bool valid() const noexcept { return valid_; }
  // Valid until next().
  Bytes key() const noexcept { return key_; }
  Bytes value() const noexcept { return value_; }
  bool erased() const noexcept { return erased_; }
  virtual void next() = 0;
  // Goes on at the first entry that is not before the bound; backwards, at the last one that is before it (an empty
  // bound: at the last of all). Not against the direction of the walk.
  virtual void seek(Bytes bound) = 0;
  void end() noexcept { valid_ = false; }
  // If an erased range of this source hides the key from older sources, the bound where that ends in the direction of
  // the walk; empty: nowhere. `before`: not the key itself, but what lies right before it.
  virtual std::optional<std::string> hides_until(Bytes key, bool before) = 0;

 protected:
  bool valid_ = false;
  bool erased_ = false;
  Bytes key_;
  Bytes value_;
};

// Newer sources come first and hide what older ones say of a key. What a range of one erases is leapt over in the older
// ones, and never read.
class Merge {
 public:
  // Begins at from; or, backwards, before to (empty: at the end).
  Merge(std::vector<std::unique_ptr<Cursor>> newest_first, Bytes from, Bytes to, bool reverse, bool keep_erased);
  bool valid() const noexcept { return winner_ != nullptr; }
  Bytes key() const noexcept { return winner_->key(); }
  Bytes value() const noexcept { return winner_->value(); }
  bool erased() const noexcept { return winner_->erased(); }
  void next() {
    skip();
    settle();
  }

 private:
  void begin(size_t index, std::string bound);
  bool leap_if_hidden(size_t winner);
  void skip();
  void settle();

  std::vector<std::unique_ptr<Cursor>> sources_;
  const bool reverse_;
  const bool keep_erased_;
  Cursor* winner_ = nullptr;
};

}  // namespace orbit::s3
