// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "set.hpp"

#include "numbers.hpp"
#include "pack.hpp"

namespace orbit::resp {
namespace {

constexpr char kMemberPrefix = 'm';
// Redis's set-max-intset-entries.
constexpr size_t kIntegersMax = 512;

}  // namespace

bool Set::add(std::string_view member) {
  if (contains(member)) return false;
  members_.add(member, [](Member&) {});
  packed_bytes_ += packed_bytes(member.size());
  if (integers_only_) {
    int64_t ignored;
    integers_only_ = members_.size() <= kIntegersMax && parse_integer(member, ignored);
  }
  return true;
}

bool Set::remove(std::string_view member) {
  const uint32_t position = members_.find(member);
  if (position == members_.kNone) return false;
  remove_at(position);
  return true;
}

void Set::remove_at(size_t position) {
  packed_bytes_ -= packed_bytes(members_.at(position).name.size());
  members_.remove(static_cast<uint32_t>(position));
}

void Set::pack(std::string& out) const {
  for (const Member& member : members_.entries()) pack_string(out, member.name.view());
}

bool Set::unpack(std::string_view bytes) {
  Unpacker in(bytes);
  while (!in.done()) {
    std::string_view member;
    if (!in.string(member) || !add(member)) return false;
  }
  stored_whole();
  return true;
}

void Set::write_all(RecordWriter& writer) {
  std::string subkey;
  for (const Member& member : members_.entries()) {
    subkey.assign(1, kMemberPrefix).append(member.name.view());
    writer.put(subkey, {});
  }
  stored_split();
}

void Set::write_changes(RecordWriter& writer) {
  std::string subkey;
  for (const SmallString& name : members_.log().removed()) {
    subkey.assign(1, kMemberPrefix).append(name.view());
    writer.remove(subkey);
  }
  members_.visit_changed([&](const Member& member) {
    subkey.assign(1, kMemberPrefix).append(member.name.view());
    writer.put(subkey, {});
  });
  members_.log().restart(true);
}

bool Set::read(std::span<const Record> records) {
  members_.reserve(records.size());
  for (const Record& record : records) {
    if (record.subkey.empty() || record.subkey[0] != kMemberPrefix || !record.value.empty()) return false;
    if (!add(record.subkey.substr(1))) return false;
  }
  stored_split();
  return true;
}

void Set::forget_stored() noexcept {
  members_.mark_all(false);
  members_.log().restart(false);
  members_.log().touch();
}

void Set::stored_whole() noexcept {
  if (members_.log().tracking()) members_.mark_all(false);
  members_.log().restart(false);
}

void Set::stored_split() noexcept {
  members_.mark_all(true);
  members_.log().restart(true);
}

void Set::copy_from(const Set& other) {
  members_.reserve(other.size());
  for (const Member& member : other.members()) add(member.name.view());
  integers_only_ = other.integers_only_;
}

}  // namespace orbit::resp
