// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "builder.hpp"

namespace orbit::cow_btree {

Bytes Builder::keep(Level& level, Bytes data) {
  level.bytes.emplace_back(new char[data.size() + 1]);
  if (!data.empty()) std::memcpy(level.bytes.back().get(), data.data(), data.size());
  return {level.bytes.back().get(), data.size()};
}

ExternalRef Builder::write_run(Bytes tail, Bytes value) {
  std::string bytes(tail);
  bytes.append(value);
  ExternalRef ref{};
  ref.bytes = bytes.size() + (seals_ != nullptr ? kSealBytes : 0);
  ref.version = version_;
  ref.key_bytes = static_cast<uint32_t>(tail.size());
  ref.page = space_.allocate(ref.pages());
  made_.push_back({ref.page, ref.pages()});
  if (seals_ != nullptr) bytes = seals_->seal_run(bytes, ref.page, version_);
  ref.sum = run_sum(bytes, ref.page, version_);
  must(file_.write(uint64_t{ref.page} * kPageBytes, Bytes(bytes)));
  return ref;
}

void Builder::add(Bytes key, Bytes value) {
  if (key.size() > kKeyBytesMax)
    raise(Code::invalid_argument, "a key has " + std::to_string(key.size()) + " bytes, at most " + std::to_string(kKeyBytesMax) + " are possible");
  if (last_key_ && key <= Bytes(*last_key_)) raise(Code::invalid_argument, "the entries of a bulk load must ascend");
  if (levels_.empty()) levels_.emplace_back();
  Entry entry;
  entry.key = key.substr(0, kInlineKeyBytes);
  entry.value = value;
  if (key.size() > kInlineKeyBytes || entry_size(entry, true, 0) > kCellBytesMax) {
    entry.is_external = true;
    entry.external = write_run(key.substr(entry.key.size()), value);
    entry.value = {};
  }
  levels_[0].entries.push_back(entry);
  const bool fits = pack_size(levels_[0].entries, true) <= room();
  levels_[0].entries.pop_back();
  if (!fits) {
    flush(0);
    // Between the leaves.
    const std::string shortest(separator(*last_key_, key));
    leaf_separator_ = {};
    leaf_separator_key_ = shortest.substr(0, kInlineKeyBytes);
    if (shortest.size() > kInlineKeyBytes) {
      leaf_separator_.is_external = true;
      leaf_separator_.external = write_run(Bytes(shortest).substr(kInlineKeyBytes), {});
    }
  }
  Level& leaf = levels_[0];
  entry.key = keep(leaf, entry.key);
  entry.value = keep(leaf, entry.value);
  leaf.entries.push_back(entry);
  last_key_ = key;
}

void Builder::add_entry(size_t level, Entry entry) {
  if (levels_.size() == level) levels_.emplace_back();
  levels_[level].entries.push_back(entry);
  const bool fits = pack_size(levels_[level].entries, false) <= room();
  if (!fits) {
    levels_[level].entries.pop_back();
    const uint16_t flags = levels_[level].flags;
    flush(level);
    levels_[level].flags = flags;
    levels_[level].entries.push_back(entry);
  }
  Entry& added = levels_[level].entries.back();
  added.key = keep(levels_[level], added.key);
}

// Writes the page of the level and tells the level above of it.
void Builder::flush(size_t level) {
  const PageId id = space_.allocate();
  made_.push_back({id, 1});
  alignas(8) char page[kPageBytes];
  pack(page, levels_[level].entries, static_cast<int>(level), id, version_, seals_ != nullptr ? kLeavesRoom : uint16_t{0});
  header_of(page).flags |= levels_[level].flags;
  const uint16_t flags = header_of(page).flags;
  if (seals_ != nullptr) {
    char plain[kPageBytes];
    std::memcpy(plain, page, kPageBytes);
    seals_->seal_page(plain, page);
  }
  top_ = {id, static_cast<uint32_t>(level + 1), page_sum(page)};
  write_page(id, page);
  Entry above;
  if (level == 0) {
    above = leaf_separator_;
    above.key = leaf_separator_key_;
  } else {
    above = levels_[level].entries.front();
  }
  above.value = {};
  above.child = id;
  above.child_sum = top_.sum;
  const std::string key(above.key);
  above.key = key;
  const Built mine = top_;
  levels_[level] = {};
  if (levels_.size() == level + 1) levels_.emplace_back();
  levels_[level + 1].flags |= flags;
  add_entry(level + 1, above);
  top_ = mine;
}

void Builder::write_page(PageId id, const char* page) {
  constexpr size_t kTogether = 256;
  if (!waiting_.empty() && (id != waiting_first_ + waiting_.size() / kPageBytes || waiting_.size() >= kTogether * kPageBytes)) write_waiting();
  if (waiting_.empty()) waiting_first_ = id;
  waiting_.append(page, kPageBytes);
}
void Builder::write_waiting() {
  if (!waiting_.empty()) must(file_.write(uint64_t{waiting_first_} * kPageBytes, Bytes(waiting_)));
  waiting_.clear();
}

Builder::Built Builder::finish() {
  // Up to the level where one page holds all.
  for (size_t level = 0; level < levels_.size(); ++level) {
    if (levels_[level].entries.empty()) continue;
    if (level > 0 && level + 1 == levels_.size() && levels_[level].entries.size() == 1) {
      const Entry& only = levels_[level].entries.front();
      top_ = {only.child, static_cast<uint32_t>(level), only.child_sum};
      break;
    }
    flush(level);
  }
  write_waiting();
  return top_;
}

}  // namespace orbit::cow_btree
