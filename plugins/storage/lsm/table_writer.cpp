// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <algorithm>

#include "filter.hpp"
#include "table.hpp"
#include "table_format.hpp"

namespace orbit::lsm {
namespace {

constexpr size_t kWriteBytes = 256 << 10;

// A short key that is not before `last` and before `next`.
std::string separator(Bytes last, Bytes next) {
  const size_t most = std::min(last.size(), next.size());
  size_t same = 0;
  while (same < most && last[same] == next[same]) ++same;
  if (same < most) {
    const auto byte = static_cast<uint8_t>(last[same]);
    if (byte < 0xff && byte + 1 < static_cast<uint8_t>(next[same])) {
      std::string out(last.substr(0, same + 1));
      out.back() = static_cast<char>(byte + 1);
      return out;
    }
    if (last.size() > same + 1 && byte < static_cast<uint8_t>(next[same]) && next.size() > same + 1) {
      // One byte more of `next` than both share is after all that begin like `last`.
      return std::string(next.substr(0, same + 1));
    }
  }
  return std::string(last);
}

}  // namespace

TableWriter::TableWriter(std::unique_ptr<File> file, std::string path, uint64_t number, const TableOptions& options,
                         Compression compression, std::function<void(size_t)> limit, std::optional<FileSeal> seal)
    : file_(std::move(file)),
      path_(std::move(path)),
      options_(options),
      limit_(std::move(limit)),
      seal_(std::move(seal)),
      compressor_(compression) {
  info_.number = number;
  info_.sequence_min = kSequenceMax;
}

void TableWriter::note_sequence(uint64_t sequence) noexcept {
  info_.sequence_min = std::min(info_.sequence_min, sequence);
  info_.sequence_max = std::max(info_.sequence_max, sequence);
}

void TableWriter::add(Bytes key, uint64_t tag, Bytes value) {
  if (block_.bytes() >= options_.block_bytes && !block_.empty()) finish_block(key);
  if (info_.entries == 0) info_.smallest = key;
  if (options_.filter_bits_per_key > 0) {
    const uint64_t hash = hash_of_key(key);
    if (hashes_.empty() || hashes_.back() != hash) hashes_.push_back(hash);
  }
  block_.add(key, tag, value);
  last_key_.assign(key);
  ++info_.entries;
  note_sequence(sequence_of(tag));
}

void TableWriter::add_ranges(const std::vector<ErasedRange>& ranges) {
  ranges_.insert(ranges_.end(), ranges.begin(), ranges.end());
  for (const ErasedRange& range : ranges) note_sequence(range.sequence);
}

void TableWriter::flush() {
  if (pending_.empty()) return;
  if (limit_) limit_(pending_.size());
  must(file_->write(offset_ - pending_.size(), pending_));
  pending_.clear();
}

TableWriter::Section TableWriter::write_section(Bytes data, bool compressible) {
  auto kind = Compression::none;
  Bytes body = data;
  if (compressible && compressor_.compress(data, compressed_)) {
    kind = compressor_.kind();
    body = compressed_;
  }
  const size_t begin = pending_.size();
  plain_.clear();
  if (kind != Compression::none) put_varint(plain_, data.size());
  if (seal_) {
    plain_.append(body);
    pending_.resize(begin + plain_.size() + Sealer::kTagBytes);
    const SectionPlace place{info_.number, offset_, static_cast<uint64_t>(kind)};
    seal_->sealer->seal_at(offset_, {reinterpret_cast<const char*>(&place), sizeof place}, plain_, pending_.data() + begin,
                           pending_.data() + begin + plain_.size());
  } else {
    pending_.append(plain_).append(body);
  }
  pending_.push_back(static_cast<char>(kind));
  put_fixed(pending_, checksum(Bytes(pending_).substr(begin), section_seed(info_.number, offset_)));
  const Section out{offset_, pending_.size() - begin};
  offset_ += out.bytes;
  if (pending_.size() >= kWriteBytes) flush();
  return out;
}

void TableWriter::finish_block(Bytes next_key) {
  const Section section = write_section(block_.finish(), true);
  block_.clear();
  if (index_blocks_ == 0) index_first_ = section.offset;
  std::string last = next_key.data() == nullptr ? last_key_ : separator(last_key_, next_key);
  put_bytes(index_, last);
  put_varint(index_, section.bytes);
  index_last_ = std::move(last);
  if (++index_blocks_ == kPartitionBlocks) finish_partition();
}

// The filter and the index of some blocks lie together, and are read together.
void TableWriter::finish_partition() {
  if (index_blocks_ == 0) return;
  const Section filter = write_section(make_filter(hashes_, options_.filter_bits_per_key), false);
  std::string index;
  put_varint(index, index_blocks_);
  put_varint(index, index_first_);
  index.append(index_);
  const Section section = write_section(index, false);
  put_bytes(top_, index_last_);
  put_varint(top_, filter.offset);
  put_varint(top_, filter.bytes);
  put_varint(top_, section.bytes);
  ++partitions_;
  index_.clear();
  index_blocks_ = 0;
  hashes_.clear();
}

TableInfo TableWriter::finish() {
  if (!block_.empty()) finish_block({});
  finish_partition();
  Footer footer{seal_ ? kSealedTableMagic : kTableMagic, info_.number, info_.entries, 0, 0, 0, 0, 0};
  if (info_.entries > 0) info_.end.key = last_key_ + '\0';
  if (!ranges_.empty()) {
    std::string out;
    put_varint(out, ranges_.size());
    bool first = info_.entries == 0;
    for (const ErasedRange& range : ranges_) {
      put_bytes(out, range.from);
      out.push_back(range.to.infinite ? 1 : 0);
      put_bytes(out, range.to.key);
      put_varint(out, range.sequence);
      if (first || range.from < info_.smallest) info_.smallest = range.from;
      if (first || before(info_.end, range.to)) info_.end = range.to;
      first = false;
    }
    const Section section = write_section(out, false);
    footer.ranges_offset = section.offset;
    footer.ranges_bytes = section.bytes;
  }
  std::string top;
  put_varint(top, partitions_);
  top.append(top_);
  const Section section = write_section(top, false);
  footer.top_offset = section.offset;
  footer.top_bytes = section.bytes;
  footer.checksum =
      checksum({reinterpret_cast<const char*>(&footer), offsetof(Footer, checksum)}, section_seed(info_.number, 0));
  if (seal_) {
    SealedFooter sealed{seal_->key, {}};
    seal_->sealer->seal_at(kFooterPosition, {reinterpret_cast<const char*>(&footer), sizeof footer}, {}, nullptr, sealed.tag);
    pending_.append(reinterpret_cast<const char*>(&sealed), sizeof sealed);
    offset_ += sizeof sealed;
  }
  pending_.append(reinterpret_cast<const char*>(&footer), sizeof footer);
  offset_ += sizeof footer;
  flush();
  must(file_->sync());
  info_.bytes = offset_;
  return info_;
}

}  // namespace orbit::lsm
