// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The members of a Redis set.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dense_map.hpp"
#include "record.hpp"

namespace orbit::resp {

class Set {
 public:
  struct Member {
    explicit Member(std::string_view member) : name(member) {}
    size_t heap_bytes() const noexcept { return name.heap_bytes(); }

    SmallString name;
  };

  size_t size() const noexcept { return members_.size(); }
  std::string_view at(size_t position) const noexcept { return members_.at(position).name.view(); }
  const std::vector<Member>& members() const noexcept { return members_.entries(); }
  bool contains(std::string_view member) const noexcept { return members_.find(member) != members_.kNone; }
  // False when it is there already.
  bool add(std::string_view member);
  bool remove(std::string_view member);
  void remove_at(size_t position);
  template <class Visit>
  uint64_t scan(uint64_t cursor, size_t count, Visit&& visit) const {
    return members_.scan(cursor, count, [&](const Member& member) { visit(member.name.view()); });
  }
  // Whether Redis would call the encoding intset.
  bool integers_only() const noexcept { return integers_only_; }
  size_t heap_bytes() const noexcept { return sizeof(Set) + members_.heap_bytes(); }
  void reserve(size_t count) { members_.reserve(count); }

  // ---- storage: as in hash.hpp ----
  bool touched() const noexcept { return members_.log().touched(); }
  size_t packed_size() const noexcept { return packed_bytes_; }
  void pack(std::string& out) const;
  bool unpack(std::string_view bytes);
  void write_all(RecordWriter& writer);
  void write_changes(RecordWriter& writer);
  bool read(std::span<const Record> records);
  void forget_stored() noexcept;
  void stored_whole() noexcept;
  void copy_from(const Set& other);

 private:
  void stored_split() noexcept;

  DenseMap<Member> members_;
  size_t packed_bytes_ = 0;
  bool integers_only_ = true;
};

}  // namespace orbit::resp
