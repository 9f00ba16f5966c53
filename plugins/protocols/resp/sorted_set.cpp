// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "sorted_set.hpp"

#include <cmath>
#include <limits>

#include "pack.hpp"

namespace orbit::resp {
namespace {

constexpr char kScoredPrefix = 'm';
// Redis's zset-max-listpack-entries and -value.
constexpr size_t kCompactScoredMax = 128;
constexpr size_t kCompactMemberBytesMax = 64;
constexpr size_t kUnindexedMax = 16;
constexpr size_t kScoreBytes = 8;

}  // namespace

size_t SortedSet::heap_bytes() const noexcept {
  return sizeof(SortedSet) + members_.capacity() * sizeof(Member) + free_.capacity() * sizeof(uint32_t) +
         index_.heap_bytes() + order_.heap_bytes() + log_.heap_bytes() + names_heap_bytes_;
}

uint32_t SortedSet::find(std::string_view member) const noexcept {
  if (index_.empty()) {
    for (size_t i = 0; i < members_.size(); ++i) {
      if (members_[i].name.equals(member) && !std::isnan(members_[i].score)) return static_cast<uint32_t>(i);
    }
    return kNone;
  }
  return index_.find(hash_name(member), [&](uint32_t i) { return members_[i].name.equals(member); });
}

void SortedSet::note_changed(uint32_t id) {
  log_.note_changed(members_[id].name, id, size(), [&](uint32_t i) { return is_changed(i); });
}

void SortedSet::reserve(size_t count) {
  members_.reserve(count);
  if (count > kUnindexedMax) index_.reserve(count);
}

void SortedSet::add(std::string_view member, double score) {
  if (index_.empty() && size() >= kUnindexedMax) {
    index_.reserve(size() + 1);
    for (size_t i = 0; i < members_.size(); ++i) {
      if (!std::isnan(members_[i].score)) index_.insert(hash_name(members_[i].name.view()), static_cast<uint32_t>(i));
    }
  }
  uint32_t id;
  if (free_.empty()) {
    id = static_cast<uint32_t>(members_.size());
    members_.push_back({SmallString(member), score});
  } else {
    id = free_.back();
    free_.pop_back();
    members_[id].name.assign(member);
    members_[id].score = score;
  }
  names_heap_bytes_ += members_[id].name.heap_bytes();
  packed_bytes_ += packed_bytes(member.size()) + kScoreBytes;
  if (!index_.empty()) index_.insert(hash_name(member), id);
  order_.insert(this, {score, id});
  if (member.size() > kCompactMemberBytesMax || size() > kCompactScoredMax) compact_ = false;
  note_changed(id);
}

void SortedSet::set_score(uint32_t id, double score) {
  Member& member = members_[id];
  order_.erase(this, {member.score, id});
  member.score = score;
  order_.insert(this, {score, id});
  note_changed(id);
}

void SortedSet::remove(uint32_t id) {
  Member& member = members_[id];
  order_.erase(this, {member.score, id});
  if (!index_.empty()) index_.erase(hash_name(member.name.view()), id);
  packed_bytes_ -= packed_bytes(member.name.size()) + kScoreBytes;
  names_heap_bytes_ -= member.name.heap_bytes();
  log_.note_removed(std::move(member.name));
  member.name = SmallString();
  member.score = std::numeric_limits<double>::quiet_NaN();
  free_.push_back(id);
}

size_t SortedSet::count_below(double score) const {
  return order_.count_while([&](const OrderItem& item) { return item.score < score; });
}
size_t SortedSet::count_not_above(double score) const {
  return order_.count_while([&](const OrderItem& item) { return item.score <= score; });
}
size_t SortedSet::count_below(std::string_view member) const {
  return order_.count_while([&](const OrderItem& item) { return name(item.id) < member; });
}
size_t SortedSet::count_not_above(std::string_view member) const {
  return order_.count_while([&](const OrderItem& item) { return name(item.id) <= member; });
}

void SortedSet::pack(std::string& out) const {
  for (const Member& member : members_) {
    if (std::isnan(member.score)) continue;
    pack_string(out, member.name.view());
    pack_double(out, member.score);
  }
}

bool SortedSet::unpack(std::string_view bytes) {
  Unpacker in(bytes);
  while (!in.done()) {
    std::string_view member;
    double score;
    if (!in.string(member) || !in.real(score) || std::isnan(score) || find(member) != kNone) return false;
    add(member, score);
  }
  stored_whole();
  return true;
}

void SortedSet::write_all(RecordWriter& writer) {
  std::string subkey;
  std::string value;
  for (const Member& member : members_) {
    if (std::isnan(member.score)) continue;
    subkey.assign(1, kScoredPrefix).append(member.name.view());
    value.clear();
    pack_double(value, member.score);
    writer.put(subkey, value);
  }
  stored_split();
}

void SortedSet::write_changes(RecordWriter& writer) {
  std::string subkey;
  std::string value;
  for (const SmallString& gone : log_.removed()) {
    subkey.assign(1, kScoredPrefix).append(gone.view());
    writer.remove(subkey);
  }
  for (const uint32_t id : log_.changed()) {
    if (!is_changed(id)) continue;
    Member& member = members_[id];
    member.name.reset(kChanged);
    member.name.set(kStored);
    subkey.assign(1, kScoredPrefix).append(member.name.view());
    value.clear();
    pack_double(value, member.score);
    writer.put(subkey, value);
  }
  log_.restart(true);
}

bool SortedSet::read(std::span<const Record> records) {
  reserve(records.size());
  for (const Record& record : records) {
    if (record.subkey.empty() || record.subkey[0] != kScoredPrefix) return false;
    const std::string_view member = record.subkey.substr(1);
    Unpacker in(record.value);
    double score;
    if (!in.real(score) || !in.done() || std::isnan(score) || find(member) != kNone) return false;
    add(member, score);
  }
  stored_split();
  return true;
}

void SortedSet::mark_all(bool stored) noexcept {
  for (Member& member : members_) {
    member.name.reset(kChanged);
    stored && !std::isnan(member.score) ? member.name.set(kStored) : member.name.reset(kStored);
  }
}

void SortedSet::forget_stored() noexcept {
  mark_all(false);
  log_.restart(false);
  log_.touch();
}

void SortedSet::stored_whole() noexcept {
  if (log_.tracking()) mark_all(false);
  log_.restart(false);
}

void SortedSet::stored_split() noexcept {
  mark_all(true);
  log_.restart(true);
}

void SortedSet::copy_from(const SortedSet& other) {
  reserve(other.size());
  for (const Member& member : other.members_) {
    if (!std::isnan(member.score)) add(member.name.view(), member.score);
  }
  compact_ = other.compact_;
}

}  // namespace orbit::resp
