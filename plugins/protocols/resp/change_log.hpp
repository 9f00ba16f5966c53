// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which elements of a collection storage does not have yet. Elements carry two flags in their names; positions of
// changed ones are noted here, and names of stored ones that went away.
#pragma once

#include <cstdint>
#include <vector>

#include "small_string.hpp"

namespace orbit::resp {

inline constexpr SmallString::Flag kStored = SmallString::kFlagA;   // storage has a sub-record of this name
inline constexpr SmallString::Flag kChanged = SmallString::kFlagB;  // noted below

// Sleeps (tracking() is false) while the whole collection lies in the main record.
class ChangeLog {
 public:
  bool touched() const noexcept { return touched_; }
  bool tracking() const noexcept { return tracking_; }
  size_t heap_bytes() const noexcept {
    return changed_.capacity() * sizeof(uint32_t) + removed_.capacity() * sizeof(SmallString) + removed_heap_bytes_;
  }

  // The element at `position` is new or has a new value. `is_changed(position)`, with the bounds checked by the callee,
  // is used to throw out positions that mean nothing any more.
  template <class IsChanged>
  void note_changed(SmallString& name, uint32_t position, size_t size, IsChanged&& is_changed) {
    touched_ = true;
    if (!tracking_ || name.has(kChanged)) return;
    name.set(kChanged);
    if (changed_.size() > 2 * size + kSlack) {
      std::erase_if(changed_, [&](uint32_t p) { return !is_changed(p); });
    }
    changed_.push_back(position);
  }
  // The element moved; its note must follow.
  void note_moved(const SmallString& name, uint32_t to) {
    if (tracking_ && name.has(kChanged)) changed_.push_back(to);
  }
  // The element leaves; its name is taken when storage must forget it.
  void note_removed(SmallString&& name) {
    touched_ = true;
    if (!tracking_ || !name.has(kStored)) return;
    removed_heap_bytes_ += name.heap_bytes();
    removed_.push_back(std::move(name));
  }

  const std::vector<uint32_t>& changed() const noexcept { return changed_; }
  const std::vector<SmallString>& removed() const noexcept { return removed_; }

  // Everything was written or loaded; from now on changes are noted element by element, or only as a whole.
  void restart(bool tracking) noexcept {
    changed_.clear();
    removed_.clear();
    if (removed_.capacity() > kSlack) removed_.shrink_to_fit();
    if (changed_.capacity() > kSlack) changed_.shrink_to_fit();
    removed_heap_bytes_ = 0;
    tracking_ = tracking;
    touched_ = false;
  }
  void touch() noexcept { touched_ = true; }

 private:
  static constexpr size_t kSlack = 256;

  std::vector<uint32_t> changed_;
  std::vector<SmallString> removed_;
  size_t removed_heap_bytes_ = 0;
  bool tracking_ = false;
  bool touched_ = false;
};

}  // namespace orbit::resp
