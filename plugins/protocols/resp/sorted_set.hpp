// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The members of a Redis sorted set, by name and in order.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "change_log.hpp"
#include "key_index.hpp"
#include "order_tree.hpp"
#include "record.hpp"

namespace orbit::resp {

class SortedSet {
 public:
  static constexpr uint32_t kNone = KeyIndex::kNone;
  using Place = OrderTree::Place;

  SortedSet() noexcept : order_(&name_of) {}

  size_t size() const noexcept { return order_.size(); }
  // Members have numbers that stay while they are in. kNone: no such member.
  uint32_t find(std::string_view member) const noexcept;
  std::string_view name(uint32_t id) const noexcept { return members_[id].name.view(); }
  double score(uint32_t id) const noexcept { return members_[id].score; }

  // The member must not be there; the score is a number.
  void add(std::string_view member, double score);
  void set_score(uint32_t id, double score);
  void remove(uint32_t id);

  size_t rank(uint32_t id) const { return order_.rank(this, {members_[id].score, id}); }
  // rank < size().
  Place at(size_t rank) const noexcept { return order_.at(rank); }
  // How many members have a score below, or not above.
  size_t count_below(double score) const;
  size_t count_not_above(double score) const;
  // The same by name; all scores should be equal.
  size_t count_below(std::string_view name) const;
  size_t count_not_above(std::string_view name) const;

  // See KeyIndex::scan. visit(id).
  template <class Visit>
  uint64_t scan(uint64_t cursor, size_t count, Visit&& visit) const {
    if (!index_.empty()) return index_.scan(cursor, count, visit);
    if (size() == 0) return 0;
    for (Place place = at(0); place.valid(); place.forward()) visit(place.item().id);
    return 0;
  }
  // Whether Redis would call the encoding listpack.
  bool compact() const noexcept { return compact_; }
  size_t heap_bytes() const noexcept;
  void reserve(size_t count);

  // ---- storage: as in hash.hpp ----
  bool touched() const noexcept { return log_.touched(); }
  size_t packed_size() const noexcept { return packed_bytes_; }
  void pack(std::string& out) const;
  bool unpack(std::string_view bytes);
  void write_all(RecordWriter& writer);
  void write_changes(RecordWriter& writer);
  bool read(std::span<const Record> records);
  void forget_stored() noexcept;
  void stored_whole() noexcept;
  void copy_from(const SortedSet& other);

 private:
  struct Member {
    SmallString name;
    double score;  // NaN: a free slot
  };

  static std::string_view name_of(const void* owner, uint32_t id) {
    return static_cast<const SortedSet*>(owner)->members_[id].name.view();
  }
  void note_changed(uint32_t id);
  void mark_all(bool stored) noexcept;
  void stored_split() noexcept;
  bool is_changed(uint32_t id) const noexcept { return members_[id].name.has(kChanged); }

  std::vector<Member> members_;
  std::vector<uint32_t> free_;
  KeyIndex index_;
  OrderTree order_;
  ChangeLog log_;
  size_t names_heap_bytes_ = 0;
  size_t packed_bytes_ = 0;
  bool compact_ = true;
};

}  // namespace orbit::resp
