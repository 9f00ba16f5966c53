// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <zstd.h>

#include "filter.hpp"
#include "table.hpp"

namespace orbit::s3 {

namespace {
constexpr int kZstdLevel = 3;
}

TableBuilder::TableBuilder(uint64_t epoch, uint64_t number, const TableOptions& options) : options_(options) {
  info_.epoch = epoch;
  info_.number = number;
  name_ = info_.name();
  put_fixed(object_, kTableMagic);
}

void TableBuilder::add(Bytes key, Bytes value, bool erased) {
  if (info_.entries == 0) info_.from = key;
  if (block_.empty()) block_first_key_ = key;
  put_varint(block_, key.size());
  put_varint(block_, erased ? 0 : value.size() + 1);
  block_.append(key);
  if (!erased) block_.append(value);
  last_key_ = key;
  ++info_.entries;
  if (options_.filter_bits_per_key != 0) hashes_.push_back(hash_of(key));
  if (block_.size() >= options_.block_bytes) end_block();
}

void TableBuilder::end_block() {
  const uint64_t offset = object_.size();
  std::string packed;
  if (options_.compress) {
    packed.resize(ZSTD_compressBound(block_.size()));
    const size_t size = ZSTD_compress(packed.data(), packed.size(), block_.data(), block_.size(), kZstdLevel);
    packed.resize(ZSTD_isError(size) != 0 || size >= block_.size() ? 0 : size);
  }
  object_.push_back(packed.empty() ? '\0' : '\1');
  object_.append(packed.empty() ? block_ : packed);
  put_fixed(object_, checksum(Bytes(object_).substr(offset), seed_of(name_, offset)));
  put_bytes(index_, block_first_key_);
  put_varint(index_, object_.size() - offset);
  put_varint(index_, block_.size());
  ++blocks_;
  block_.clear();
}

std::string TableBuilder::finish(const std::vector<Range>& ranges, TableInfo& info) {
  if (!block_.empty()) end_block();
  info_.meta_offset = object_.size();
  put_varint(object_, blocks_);
  object_.append(index_);
  put_bytes(object_, last_key_);
  put_varint(object_, ranges.size());
  for (const Range& range : ranges) {
    put_bytes(object_, range.from);
    put_bytes(object_, range.to);
  }
  put_bytes(object_, make_filter(hashes_, options_.filter_bits_per_key));
  put_fixed(object_, checksum(Bytes(object_).substr(info_.meta_offset), seed_of(name_, info_.meta_offset)));
  info_.meta_size = object_.size() - info_.meta_offset;
  put_fixed(object_, info_.meta_offset);
  put_fixed(object_, info_.meta_size);
  put_fixed(object_, kTableMagic);
  info_.size = object_.size();

  if (info_.entries != 0) info_.to = last_key_ + '\0';
  if (!ranges.empty()) {
    info_.has_ranges = true;
    if (info_.entries == 0 || ranges.front().from < info_.from) info_.from = ranges.front().from;
    const std::string& to = ranges.back().to;
    if (to.empty() || info_.entries == 0 || to > info_.to) info_.to = to;
  }
  info = info_;
  return std::move(object_);
}

}  // namespace orbit::s3
