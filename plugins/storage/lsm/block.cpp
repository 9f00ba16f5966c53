// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "block.hpp"

#include <algorithm>

namespace orbit::lsm {

void BlockBuilder::add(Bytes key, uint64_t tag, Bytes value) {
  size_t shared = 0;
  if (count_ % kRestartInterval == 0) {
    restarts_.push_back(static_cast<uint32_t>(out_.size()));
  } else {
    const size_t most = std::min(key.size(), last_key_.size());
    while (shared < most && key[shared] == last_key_[shared]) ++shared;
  }
  put_varint(out_, shared);
  put_varint(out_, key.size() - shared);
  put_varint(out_, value.size());
  put_varint(out_, tag);
  out_.append(key.substr(shared)).append(value);
  last_key_.assign(key);
  ++count_;
}

Bytes BlockBuilder::finish() {
  for (const uint32_t restart : restarts_) put_fixed(out_, restart);
  put_fixed(out_, static_cast<uint32_t>(restarts_.size()));
  return out_;
}

void BlockBuilder::clear() noexcept {
  out_.clear();
  restarts_.clear();
  count_ = 0;
}

namespace {

struct Entry {
  uint64_t shared;
  uint64_t unshared;
  uint64_t value_size;
  uint64_t tag;
  const char* data;
  const char* next() const noexcept { return data + unshared + value_size; }
};

inline bool parse_entry(const char* at, const char* end, Entry& out) noexcept {
  if ((at = get_varint(at, end, out.shared)) == nullptr || (at = get_varint(at, end, out.unshared)) == nullptr ||
      (at = get_varint(at, end, out.value_size)) == nullptr || (at = get_varint(at, end, out.tag)) == nullptr)
    return false;
  out.data = at;
  const auto left = static_cast<uint64_t>(end - at);
  return out.unshared <= left && out.value_size <= left - out.unshared;
}

constexpr size_t kPrefetchLines = 12;

[[noreturn]] void damaged_block(const std::string& where) {
  raise(Code::data_loss, where + " is damaged: a block's entries do not fit");
}

}  // namespace

BlockIndex::BlockIndex(Bytes block) noexcept {
  if (block.size() < 4) return;
  const size_t restarts = load<uint32_t>(block.data() + block.size() - 4);
  if (restarts == 0 || restarts > (block.size() - 4) / 4) return;
  const char* const end = block.data() + block.size() - 4 - 4 * restarts;
  const auto key_at = [&](size_t index, uint32_t& offset, Bytes& key) {
    offset = load<uint32_t>(end + 4 * index);
    Entry entry;
    if (offset >= static_cast<size_t>(end - block.data()) || !parse_entry(block.data() + offset, end, entry) ||
        entry.shared != 0)
      return false;
    key = {entry.data, entry.unshared};
    return true;
  };
  step_ = static_cast<uint32_t>((restarts + kSamples - 1) / kSamples);
  samples_ = static_cast<uint32_t>((restarts + step_ - 1) / step_);
  std::array<Bytes, kSamples> keys;
  for (size_t i = 0; i < samples_; ++i)
    if (!key_at(i * step_, offsets_[i], keys[i])) return;
  const Bytes first = keys[0];
  const Bytes last = keys[samples_ - 1];
  prefix_at_ = static_cast<uint32_t>(first.data() - block.data());
  while (prefix_bytes_ < std::min(first.size(), last.size()) && first[prefix_bytes_] == last[prefix_bytes_])
    ++prefix_bytes_;
  // Keys that are not in order are found where they are, or not at all: the search only reads what is checked there.
  for (size_t i = 0; i < samples_; ++i)
    heads_[i] = head_of(keys[i].substr(std::min<size_t>(prefix_bytes_, keys[i].size())));
  restarts_ = static_cast<uint32_t>(restarts);
}

BlockIndex::Range BlockIndex::range(Bytes block, Bytes key) const noexcept {
  size_t low = 0;
  size_t high = samples_;
  const int order = key.substr(0, prefix_bytes_).compare(block.substr(prefix_at_, prefix_bytes_));
  if (order > 0) {
    low = high - 1;
  } else if (order < 0) {
    high = 1;
  } else {
    const uint64_t head = head_of(key.substr(prefix_bytes_));
    size_t less = 0;
    size_t not_greater = 0;
    for (size_t i = 0; i < samples_; ++i) {
      less += heads_[i] < head ? 1 : 0;
      not_greater += heads_[i] <= head ? 1 : 0;
    }
    low = less > 0 ? less - 1 : 0;
    high = std::max(not_greater, low + 1);
  }
  return {low * step_, std::min<size_t>(high * step_, restarts_), offsets_[low]};
}

InBlock find_in_block(Bytes block, const BlockIndex& index, Bytes key, uint64_t wanted, const std::string& where,
                      uint64_t& tag, Bytes& value) {
  if (index.restarts() == 0) damaged_block(where);
  const char* const end = block.data() + block.size() - 4 - 4 * index.restarts();
  auto [low, high, offset] = index.range(block, key);
  Entry entry;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    const auto at = load<uint32_t>(end + 4 * middle);
    if (at >= static_cast<size_t>(end - block.data()) || !parse_entry(block.data() + at, end, entry) ||
        entry.shared != 0)
      damaged_block(where);
    if (compare({entry.data, entry.unshared}, entry.tag, key, wanted) < 0) {
      low = middle;
      offset = at;
    } else {
      high = middle;
    }
  }
  // What is walked over comes while the first of it is looked at.
  const char* const begin = block.data() + offset;
  for (size_t line = 1; line < kPrefetchLines; ++line) __builtin_prefetch(begin + 64 * line);
  // `same`: how many bytes the entry before, which comes before what is wanted, has in common with it.
  size_t same = 0;
  for (const char* at = begin; at < end; at = entry.next()) {
    if (!parse_entry(at, end, entry)) damaged_block(where);
    if (entry.shared == 0) same = 0;    // at a restart point keys are whole whatever they have in common
    if (entry.shared > same) continue;  // differs from the key where the entry before does
    if (entry.shared < same)
      return InBlock::absent;  // greater than the entry before at a byte that this has of the key
    const Bytes rest = key.substr(same);
    const size_t most = std::min<size_t>(rest.size(), entry.unshared);
    const size_t more = static_cast<size_t>(
        std::mismatch(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(most), entry.data).first - rest.begin());
    if (more == rest.size() && more == entry.unshared) {
      same += more;
      if (entry.tag > wanted) continue;
      tag = entry.tag;
      value = {entry.data + entry.unshared, entry.value_size};
      return InBlock::found;
    }
    const bool before = more == entry.unshared || (more < rest.size() && static_cast<uint8_t>(entry.data[more]) <
                                                                             static_cast<uint8_t>(rest[more]));
    if (!before) return InBlock::absent;
    same += more;
  }
  return InBlock::after;
}

void BlockCursor::damaged() const { damaged_block(where_); }

void BlockCursor::set(Bytes block) {
  valid_ = false;
  if (block.size() < 4) damaged();
  restarts_ = load<uint32_t>(block.data() + block.size() - 4);
  if (restarts_ == 0 || restarts_ > (block.size() - 4) / 4) damaged();
  begin_ = block.data();
  end_ = block.data() + block.size() - 4 - 4 * restarts_;
}

const char* BlockCursor::restart(size_t index) const {
  const auto offset = load<uint32_t>(end_ + 4 * index);
  if (offset >= static_cast<size_t>(end_ - begin_)) damaged();
  return begin_ + offset;
}

void BlockCursor::at_restart(size_t index) {
  next_ = restart(index);
  buffer_.clear();
  next();
}

void BlockCursor::first() { at_restart(0); }

void BlockCursor::last() {
  at_restart(restarts_ - 1);
  while (next_ < end_) next();
}

void BlockCursor::next() {
  entry_ = next_;
  valid_ = next_ < end_;
  if (!valid_) return;
  Entry entry;
  if (!parse_entry(next_, end_, entry) || entry.shared > buffer_.size()) damaged();
  buffer_.resize(entry.shared);
  buffer_.append(entry.data, entry.unshared);
  key_ = buffer_;
  tag_ = entry.tag;
  value_ = {entry.data + entry.unshared, entry.value_size};
  next_ = entry.next();
}

void BlockCursor::prev() {
  const char* const here = entry_;
  size_t low = 0;
  for (size_t high = restarts_; high - low > 1;) {
    const size_t middle = low + (high - low) / 2;
    (restart(middle) < here ? low : high) = middle;
  }
  if (restart(low) >= here) {
    valid_ = false;
    return;
  }
  at_restart(low);
  while (next_ < here) next();
}

void BlockCursor::seek(Bytes key, uint64_t tag) {
  size_t low = 0;
  for (size_t high = restarts_; high - low > 1;) {
    const size_t middle = low + (high - low) / 2;
    at_restart(middle);
    (compare(key_, tag_, key, tag) < 0 ? low : high) = middle;
  }
  at_restart(low);
  while (valid_ && compare(key_, tag_, key, tag) < 0) next();
}

void BlockCursor::seek_before(const Bytes* key) {
  if (key == nullptr) return last();
  seek(*key, ~uint64_t{0});
  if (valid_) {
    prev();
  } else {
    last();
  }
}

}  // namespace orbit::lsm
