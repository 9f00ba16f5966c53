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

[[noreturn]] void damaged_block(const std::string& where) {
  raise(Code::data_loss, where + " is damaged: a block's entries do not fit");
}

}  // namespace

InBlock find_in_block(Bytes block, Bytes key, uint64_t wanted, const std::string& where, uint64_t& tag, Bytes& value) {
  if (block.size() < 4) damaged_block(where);
  const size_t restarts = load<uint32_t>(block.data() + block.size() - 4);
  if (restarts == 0 || restarts > (block.size() - 4) / 4) damaged_block(where);
  const char* const end = block.data() + block.size() - 4 - 4 * restarts;
  const auto restart = [&](size_t index) {
    const auto offset = load<uint32_t>(end + 4 * index);
    if (offset >= static_cast<size_t>(end - block.data())) damaged_block(where);
    return block.data() + offset;
  };
  Entry entry;
  size_t low = 0;
  for (size_t high = restarts; high - low > 1;) {
    const size_t middle = low + (high - low) / 2;
    if (!parse_entry(restart(middle), end, entry) || entry.shared != 0) damaged_block(where);
    (compare({entry.data, entry.unshared}, entry.tag, key, wanted) < 0 ? low : high) = middle;
  }
  // `same`: how many bytes the entry before, which comes before what is wanted, has in common with it.
  size_t same = 0;
  for (const char* at = restart(low); at < end; at = entry.next()) {
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
