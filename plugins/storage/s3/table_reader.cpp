// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <zstd.h>

#include "filter.hpp"
#include "table.hpp"

namespace orbit::s3 {

namespace {

// Blocks end when they are full, so only a block of one entry can be large; and no key or value is above 1 GiB.
constexpr uint64_t kBlockBytesMax = (uint64_t{2} << 30) + (1 << 20);

uint64_t next_cache_id() noexcept {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

// Of bytes that were checked when the block was made.
const char* take_varint(const char* at, uint64_t& value) noexcept {
  value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return at;
  }
}

}  // namespace

Block::Block(std::string raw, const std::string& what) : raw_(std::move(raw)) {
  Parser at(raw_, what);
  if (at.done()) at.damaged();
  Bytes last;
  size_t offset = 0;
  while (!at.done()) {
    offsets_.push_back(static_cast<uint32_t>(offset));
    const uint64_t key_size = at.varint();
    const uint64_t value_size = at.varint();
    const Bytes key = at.take(key_size);
    const Bytes value = at.take(value_size == 0 ? 0 : value_size - 1);
    offset = static_cast<size_t>(value.data() + value.size() - raw_.data());
    if (offset > UINT32_MAX || (offsets_.size() > 1 && key <= last)) at.damaged();
    last = key;
  }
}

Block::Entry Block::operator[](size_t index) const noexcept {
  uint64_t key_size = 0;
  uint64_t value_size = 0;
  const char* at = take_varint(raw_.data() + offsets_[index], key_size);
  at = take_varint(at, value_size);
  return {{at, key_size}, {at + key_size, value_size == 0 ? 0 : value_size - 1}, value_size == 0};
}

size_t Block::lower_bound(Bytes key) const noexcept {
  size_t low = 0;
  size_t high = size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if ((*this)[middle].key < key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

TableMeta TableMeta::decode(Bytes stored, const TableInfo& info, const std::string& what) {
  if (stored.size() < 8 || load<uint64_t>(stored.data() + stored.size() - 8) !=
                               checksum(stored.substr(0, stored.size() - 8), seed_of(info.name(), info.meta_offset)))
    raise(Code::data_loss, what + " is damaged: the checksum of its index does not fit");
  Parser at(stored.substr(0, stored.size() - 8), what);
  TableMeta out;
  uint64_t offset = 8;
  for (size_t count = at.count(); count > 0; --count) {
    Place place;
    place.first_key = at.bytes();
    const uint64_t stored_bytes = at.varint();
    const uint64_t bytes = at.varint();
    if (stored_bytes < 9 || stored_bytes > kBlockBytesMax || bytes > kBlockBytesMax) at.damaged();
    if (!out.blocks.empty() && place.first_key <= out.blocks.back().first_key) at.damaged();
    place.offset = offset;
    place.stored_bytes = static_cast<uint32_t>(stored_bytes);
    place.bytes = static_cast<uint32_t>(bytes);
    offset += stored_bytes;
    out.blocks.push_back(std::move(place));
  }
  if (offset != info.meta_offset) at.damaged();
  out.last_key = at.bytes();
  if (!out.blocks.empty() && out.last_key < out.blocks.back().first_key) at.damaged();
  for (size_t count = at.count(); count > 0; --count) {
    Range range{std::string(at.bytes()), std::string(at.bytes())};
    if (!out.ranges.empty() && !ends_before(out.ranges.back().to, range.from)) at.damaged();
    out.ranges.push_back(std::move(range));
  }
  out.filter = at.bytes();
  if (!at.done()) at.damaged();
  return out;
}

size_t TableMeta::block_of(Bytes key) const noexcept {
  if (blocks.empty() || key > last_key) return blocks.size();
  const auto after =
      std::upper_bound(blocks.begin(), blocks.end(), key, [](Bytes k, const Place& p) { return k < p.first_key; });
  return after == blocks.begin() ? blocks.size() : static_cast<size_t>(after - blocks.begin()) - 1;
}

uint64_t TableMeta::bytes() const noexcept {
  uint64_t out =
      sizeof *this + filter.size() + last_key.size() + blocks.size() * sizeof(Place) + ranges.size() * sizeof(Range);
  for (const Place& block : blocks) out += block.first_key.size();
  for (const Range& range : ranges) out += range.from.size() + range.to.size();
  return out;
}

Table::Table(TableInfo info, ObjectStore& store, Cache& cache, std::function<void(const std::string& name)> gone)
    : info_(std::move(info)),
      name_(info_.name()),
      store_(store),
      cache_(cache),
      cache_id_(next_cache_id()),
      gone_(std::move(gone)) {}

Table::~Table() {
  if (obsolete_.load(std::memory_order_relaxed)) gone_(name_);
}

std::string Table::must_read(uint64_t offset, uint64_t size) {
  auto bytes = store_.get_range(name_, offset, size);
  if (bytes) return std::move(*bytes);
  if (missing) missing();
  raise(Code::data_loss, store_.describe(name_) + " is missing, and the manifest names it");
}

std::shared_ptr<const Block> Table::decode(const TableMeta::Place& place, Bytes stored) const {
  const auto what = [&] { return store_.describe(name_) + " (block at byte " + std::to_string(place.offset) + ")"; };
  const Bytes body = stored.substr(0, stored.size() - 8);
  if (load<uint64_t>(stored.data() + body.size()) != checksum(body, seed_of(name_, place.offset)))
    raise(Code::data_loss, what() + " is damaged: its checksum does not fit");
  std::string raw;
  if (body[0] == 0) {
    raw = body.substr(1);
  } else {
    if (ZSTD_getFrameContentSize(body.data() + 1, body.size() - 1) == place.bytes) raw.resize(place.bytes);
    const size_t size = ZSTD_decompress(raw.data(), raw.size(), body.data() + 1, body.size() - 1);
    if (ZSTD_isError(size) != 0 || size != raw.size())
      raise(Code::data_loss, what() + " is damaged: it cannot be unpacked");
  }
  if (raw.size() != place.bytes)
    raise(Code::data_loss, what() + " is damaged: it has another size than the index says");
  return std::make_shared<const Block>(std::move(raw), what());
}

std::shared_ptr<const TableMeta> Table::read_meta() {
  auto meta = std::make_shared<const TableMeta>(
      TableMeta::decode(must_read(info_.meta_offset, info_.meta_size), info_, store_.describe(name_)));
  cache_.insert({cache_id_, info_.meta_offset}, meta, meta->bytes());
  return meta;
}

std::shared_ptr<const TableMeta> Table::meta() {
  return cache_.find_or_fetch<TableMeta>({cache_id_, info_.meta_offset}, [this] { return read_meta(); });
}

std::vector<std::shared_ptr<const Block>> Table::fetch(const TableMeta& meta, size_t index, size_t count, bool keep) {
  const uint64_t begin = meta.blocks[index].offset;
  const TableMeta::Place& last = meta.blocks[index + count - 1];
  const std::string stored = must_read(begin, last.offset + last.stored_bytes - begin);
  std::vector<std::shared_ptr<const Block>> out;
  for (size_t i = index; i < index + count; ++i) {
    const TableMeta::Place& place = meta.blocks[i];
    out.push_back(decode(place, Bytes(stored).substr(place.offset - begin, place.stored_bytes)));
    if (keep) cache_.insert({cache_id_, place.offset}, out.back(), out.back()->bytes());
  }
  return out;
}

Lookup Table::find(Bytes key, bool cached, std::shared_ptr<const Block>& holder, Bytes& value) {
  const auto meta = cached ? cache_.find<TableMeta>({cache_id_, info_.meta_offset}) : this->meta();
  if (meta == nullptr) return Lookup::unknown;
  const Lookup otherwise = range_at(meta->ranges, key, false) != nullptr ? Lookup::erased : Lookup::none;
  const size_t index = meta->block_of(key);
  if (index == meta->blocks.size() || !may_contain(meta->filter, hash_of(key))) return otherwise;
  const Cache::Key place{cache_id_, meta->blocks[index].offset};
  const auto block = cached ? cache_.find<Block>(place)
                            : cache_.find_or_fetch<Block>(place, [&] { return fetch(*meta, index, 1, true).front(); });
  if (block == nullptr) return Lookup::unknown;
  const size_t at = block->lower_bound(key);
  if (at == block->size() || (*block)[at].key != key) return otherwise;
  const Block::Entry entry = (*block)[at];
  holder = block;
  value = entry.value;
  return entry.erased ? Lookup::erased : Lookup::put;
}

void Table::prime(Bytes object, bool blocks) {
  auto meta = std::make_shared<const TableMeta>(
      TableMeta::decode(object.substr(info_.meta_offset, info_.meta_size), info_, name_));
  cache_.insert({cache_id_, info_.meta_offset}, meta, meta->bytes());
  if (!blocks) return;
  for (const TableMeta::Place& place : meta->blocks) {
    auto block = decode(place, object.substr(place.offset, place.stored_bytes));
    cache_.insert({cache_id_, place.offset}, block, block->bytes());
  }
}

void Table::verify() {
  const TableMeta meta =
      TableMeta::decode(must_read(info_.meta_offset, info_.meta_size), info_, store_.describe(name_));
  uint64_t entries = 0;
  for (size_t i = 0; i < meta.blocks.size(); ++i) entries += fetch(meta, i, 1, false).front()->size();
  std::string begin;
  put_fixed(begin, kTableMagic);
  std::string end;
  put_fixed(end, info_.meta_offset);
  put_fixed(end, info_.meta_size);
  end += begin;
  if (entries != info_.entries || must_read(0, 8) != begin || must_read(info_.size - 24, 24) != end)
    raise(Code::data_loss, store_.describe(name_) + " is damaged: it is not what the manifest says");
}

namespace {

class TableCursor final : public Cursor {
 public:
  TableCursor(std::vector<std::shared_ptr<Table>> tables, Bytes from, Bytes to, bool reverse, ReadAhead ahead)
      : tables_(std::move(tables)),
        from_(from),
        to_(to),
        reverse_(reverse),
        ahead_(ahead),
        reach_(ahead.keep ? 0 : ahead.bytes_max) {}

  void seek(Bytes bound) override {
    valid_ = false;
    if (reverse_ ? !bound.empty() && bound <= from_ : ends_before(to_, bound)) return;
    if (reverse_) {
      const auto after = std::partition_point(tables_.begin(), tables_.end(),
                                              [&](const auto& t) { return bound.empty() || t->info().from < bound; });
      table_ = static_cast<size_t>(after - tables_.begin());
      while (!valid_ && table_ > 0) enter(--table_, bound);
    } else {
      table_ = static_cast<size_t>(first_ending_after(tables_, bound) - tables_.begin());
      for (; table_ < tables_.size(); ++table_)
        if (enter(table_, bound); valid_) break;
    }
  }

  void next() override {
    if (reverse_ ? entry_ > 0 : entry_ + 1 < block_->size()) {
      entry_ = reverse_ ? entry_ - 1 : entry_ + 1;
    } else if (reverse_ ? index_ > 0 : index_ + 1 < meta_->blocks.size()) {
      open_block(reverse_ ? index_ - 1 : index_ + 1);
      entry_ = reverse_ ? block_->size() - 1 : 0;
    } else {
      valid_ = false;
      if (reverse_) {
        while (!valid_ && table_ > 0) enter(--table_, to_);
      } else {
        while (!valid_ && table_ + 1 < tables_.size()) enter(++table_, from_);
      }
      return;
    }
    stand();
  }

  std::optional<std::string> hides_until(Bytes key, bool before) override {
    auto table = first_ending_after(tables_, key);
    if (before) {
      table = std::partition_point(tables_.begin(), tables_.end(),
                                   [&](const auto& t) { return key.empty() || t->info().from < key; });
      if (table == tables_.begin()) return std::nullopt;
      --table;
    }
    if (table == tables_.end() || !(*table)->info().has_ranges) return std::nullopt;
    const std::shared_ptr<const TableMeta> meta = (*table)->meta();
    const Range* const range = range_at(meta->ranges, key, before);
    if (range == nullptr) return std::nullopt;
    return reverse_ ? range->from : range->to;
  }

 private:
  // Stands at the table's first entry in the direction from the bound on, if it has one within the walk's bounds.
  void enter(size_t table, Bytes bound) {
    valid_ = false;
    // Beyond the bounds: no need to fetch its index.
    const TableInfo& info = tables_[table]->info();
    if (info.entries == 0 || (reverse_ ? ends_before(info.to, from_) : ends_before(to_, info.from))) return;
    if (entered_ != table || meta_ == nullptr) {
      entered_ = table;
      meta_ = tables_[table]->meta();
      window_.clear();
    }
    const auto& blocks = meta_->blocks;
    if (blocks.empty()) return;
    if (reverse_) {
      const auto after = std::partition_point(blocks.begin(), blocks.end(), [&](const TableMeta::Place& block) {
        return bound.empty() || block.first_key < bound;
      });
      if (after == blocks.begin()) return;
      index_ = static_cast<size_t>(after - blocks.begin()) - 1;
      open_block(index_);
      const size_t end = bound.empty() ? block_->size() : block_->lower_bound(bound);
      if (end == 0) return;
      entry_ = end - 1;
    } else {
      if (bound > meta_->last_key) return;
      index_ = meta_->block_of(bound);
      if (index_ == blocks.size()) index_ = 0;
      open_block(index_);
      entry_ = block_->lower_bound(bound);
      if (entry_ == block_->size()) {
        if (index_ + 1 == blocks.size()) return;
        open_block(index_ + 1);
        entry_ = 0;
      }
    }
    stand();
  }

  void stand() {
    const Block::Entry entry = (*block_)[entry_];
    valid_ = reverse_ ? entry.key >= from_ : to_.empty() || entry.key < to_;
    if (!valid_) {
      // Nothing of the following tables is within the bounds either.
      table_ = reverse_ ? 0 : tables_.size();
      return;
    }
    key_ = entry.key;
    value_ = entry.value;
    erased_ = entry.erased;
  }

  void open_block(size_t index) {
    index_ = index;
    if (index >= window_begin_ && index - window_begin_ < window_.size()) {
      block_ = window_[index - window_begin_];
      return;
    }
    Table& table = *tables_[table_];
    if (ahead_.keep)
      if (auto cached = table.cached_block(*meta_, index)) {
        block_ = std::move(cached);
        return;
      }
    // As many as fit into the present reach, in the direction, not beyond the bounds, not what is cached.
    const auto& blocks = meta_->blocks;
    size_t first = index;
    size_t last = index;
    uint64_t bytes = blocks[index].stored_bytes;
    while (true) {
      if (reverse_ ? first == 0 || blocks[first].first_key < from_ : last + 1 == blocks.size()) break;
      const size_t more = reverse_ ? first - 1 : last + 1;
      if (!reverse_ && !to_.empty() && blocks[more].first_key >= to_) break;
      if ((bytes += blocks[more].stored_bytes) > reach_) break;
      if (ahead_.keep && table.cached_block(*meta_, more)) break;
      (reverse_ ? first : last) = more;
    }
    window_ = table.fetch(*meta_, first, last - first + 1, ahead_.keep);
    window_begin_ = first;
    block_ = window_[index - first];
    reach_ = std::min(ahead_.bytes_max, reach_ == 0 ? uint64_t{2} * blocks[index].stored_bytes : reach_ * 2);
  }

  const std::vector<std::shared_ptr<Table>> tables_;
  const Bytes from_;
  const Bytes to_;
  const bool reverse_;
  const ReadAhead ahead_;
  size_t table_ = 0;
  size_t entered_ = 0;  // whose index and blocks are here
  std::shared_ptr<const TableMeta> meta_;
  size_t index_ = 0;
  std::vector<std::shared_ptr<const Block>> window_;
  size_t window_begin_ = 0;
  uint64_t reach_;
  std::shared_ptr<const Block> block_;
  size_t entry_ = 0;
};

}  // namespace

std::unique_ptr<Cursor> table_cursor(std::vector<std::shared_ptr<Table>> tables, Bytes from, Bytes to, bool reverse,
                                     ReadAhead ahead) {
  return std::make_unique<TableCursor>(std::move(tables), from, to, reverse, ahead);
}

}  // namespace orbit::s3
