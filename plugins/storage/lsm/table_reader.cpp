// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <algorithm>

#include "filter.hpp"
#include "table.hpp"
#include "table_format.hpp"

namespace orbit::lsm {
namespace {

constexpr size_t kReadAheadBytesMax = 256 << 10;
constexpr uint64_t kBlockBytesMax = uint64_t{1} << 32;

}  // namespace

// Its bytes lie behind it.
class Table::Block final : public CacheEntry {
 public:
  // `fill` writes the bytes.
  template <class Fill>
  static std::unique_ptr<Block> make(size_t size, Fill&& fill) {
    void* const memory = ::operator new(sizeof(Block) + size);
    char* const bytes = static_cast<char*>(memory) + sizeof(Block);
    try {
      fill(bytes);
    } catch (...) {
      ::operator delete(memory);
      throw;
    }
    return std::unique_ptr<Block>(new (memory) Block(Bytes(bytes, size)));
  }
  static void operator delete(void* memory) { ::operator delete(memory); }
  const Bytes data;
  const BlockIndex index;
  size_t memory_bytes() const noexcept { return sizeof *this + data.size(); }

 private:
  explicit Block(Bytes bytes) noexcept : data(bytes), index(bytes) {}
  static void* operator new(size_t, void* memory) noexcept { return memory; }
};

class Table::Partition final : public CacheEntry {
 public:
  ~Partition() override {
    if (slots != nullptr) slots->abandon();
  }
  Bytes filter;
  KeyIndex keys;
  std::vector<uint64_t> offsets;  // of the blocks, and the end of the last
  SlotArray* slots = nullptr;
  std::unique_ptr<char[]> bytes;  // what `filter` is in
  size_t memory_bytes() const noexcept {
    return sizeof *this + filter.size() + keys.memory_bytes() + offsets.capacity() * 8 + keys.size() * 8;
  }
};

// ---- opening -------------------------------------------------------------------------------------------------------

std::shared_ptr<Table> Table::open(FileSystem& files, const std::string& path, uint64_t number, uint64_t bytes,
                                   Cache& cache, Epochs& epochs, const Keyring* keyring) {
  auto file = files.open(path, OpenMode::existing);
  if (!file && file.error().code == Code::not_found) raise(Code::data_loss, "the table " + path + " is missing");
  std::shared_ptr<Table> table(new Table(must(std::move(file)), path, number, cache, epochs));
  table->load(bytes, keyring);
  return table;
}

Table::~Table() {
  if (slots_ != nullptr) slots_->abandon();
}

void Table::damaged(const std::string& what, uint64_t offset) const {
  raise(Code::data_loss, "the table " + path_ + " is damaged: " + what + " at byte " + std::to_string(offset));
}

std::unique_ptr<char[]> Table::read(uint64_t offset, uint64_t bytes) const {
  if (bytes > kBlockBytesMax) damaged("an impossible size", offset);
  auto out = std::make_unique_for_overwrite<char[]>(bytes);
  if (must(file_->read(offset, {out.get(), bytes})) != bytes) damaged("the file ends too early", offset);
  return out;
}

Bytes Table::check_section(char* data, uint64_t offset, uint64_t bytes) const {
  if (bytes < kSectionTrailerBytes) damaged("an impossible size", offset);
  if (checksum({data, bytes - 8}, section_seed(number_, offset)) != lsm::load<uint64_t>(data + bytes - 8))
    damaged("the checksum is wrong of " + std::to_string(bytes) + " bytes", offset);
  bytes -= kSectionTrailerBytes;
  if (sealer_ == nullptr) return {data, bytes};
  if (bytes < Sealer::kTagBytes) damaged("an impossible size", offset);
  const SectionPlace place{number_, offset, static_cast<uint8_t>(data[bytes])};
  bytes -= Sealer::kTagBytes;
  if (!sealer_->open_at(offset, {reinterpret_cast<const char*>(&place), sizeof place}, {data, bytes}, data, data + bytes))
    damaged("not to be opened with its key are " + std::to_string(bytes) + " bytes", offset);
  return {data, bytes};
}

void Table::load(uint64_t bytes, const Keyring* keyring) {
  const uint64_t size = must(file_->size());
  if (bytes != 0 && size != bytes)
    damaged("it has " + std::to_string(size) + " bytes instead of " + std::to_string(bytes) + ", missing",
            std::min(size, bytes));
  if (size < sizeof(Footer)) damaged("no footer", 0);
  Footer footer;
  const uint64_t at = size - sizeof footer;
  std::memcpy(&footer, read(at, sizeof footer).get(), sizeof footer);
  if (footer.checksum !=
      checksum({reinterpret_cast<const char*>(&footer), offsetof(Footer, checksum)}, section_seed(number_, 0)))
    damaged("the footer's checksum is wrong", at);
  const bool sealed = footer.magic == kSealedTableMagic;
  if (!sealed && footer.magic != kTableMagic) damaged("it is no table of this version, footer", at);
  if (sealed != (keyring != nullptr))
    damaged(sealed ? "it is encrypted, and its manifest is not, footer" : "it is not encrypted, and its manifest is, footer", at);
  if (sealed) {
    if (at < sizeof(SealedFooter)) damaged("no footer", 0);
    SealedFooter key;
    std::memcpy(&key, read(at - sizeof key, sizeof key).get(), sizeof key);
    sealer_ = keyring->sealer_of(key.key, "the table " + path_);
    data_key_ = key.key.data_key;
    char nothing[1];
    if (!sealer_->open_at(kFooterPosition, {reinterpret_cast<const char*>(&footer), sizeof footer}, {}, nothing, key.tag))
      damaged("its footer does not open with its key", at);
  }
  if (footer.number != number_) damaged("it is table " + std::to_string(footer.number) + ", footer", at);
  for (const auto& [offset, length] :
       {std::pair(footer.top_offset, footer.top_bytes), std::pair(footer.ranges_offset, footer.ranges_bytes)})
    if (offset > at || length > at - offset) damaged("a section outside of the file", at);

  const auto top = read(footer.top_offset, footer.top_bytes);
  Parser parser(check_section(top.get(), footer.top_offset, footer.top_bytes), path_);
  const size_t count = parser.count();
  for (size_t i = 0; i < count; ++i) {
    const Bytes last = parser.bytes();
    if (i > 0 && last < top_.key(i - 1)) parser.damaged();
    top_.add(last);
    PartitionPlace place{};
    place.offset = parser.varint();
    place.filter_bytes = parser.varint();
    place.index_bytes = parser.varint();
    if (place.offset > at || place.filter_bytes > at - place.offset ||
        place.index_bytes > at - place.offset - place.filter_bytes)
      parser.damaged();
    offsets_.push_back(place);
  }
  if (!parser.done()) parser.damaged();
  top_.finish();
  slots_ = SlotArray::make(count);

  if (footer.ranges_bytes > 0) {
    const auto section = read(footer.ranges_offset, footer.ranges_bytes);
    Parser ranges(check_section(section.get(), footer.ranges_offset, footer.ranges_bytes), path_);
    std::vector<ErasedRange> all(ranges.count());
    for (ErasedRange& range : all) {
      range.from = ranges.bytes();
      range.to.infinite = ranges.fixed<uint8_t>() != 0;
      range.to.key = ranges.bytes();
      range.sequence = ranges.varint();
    }
    if (!ranges.done()) ranges.damaged();
    ranges_ = RangeSet(all);
  }
}

std::unique_ptr<Table::Partition> Table::load_partition(size_t index) const {
  const PartitionPlace& place = offsets_[index];
  auto out = std::make_unique<Partition>();
  auto bytes = read(place.offset, place.filter_bytes + place.index_bytes);
  const Bytes filter = check_section(bytes.get(), place.offset, place.filter_bytes);
  Parser parser(check_section(bytes.get() + place.filter_bytes, place.offset + place.filter_bytes, place.index_bytes),
                path_);
  const size_t count = parser.count();
  uint64_t offset = parser.varint();
  out->offsets.reserve(count + 1);
  out->offsets.push_back(offset);
  for (size_t i = 0; i < count; ++i) {
    const Bytes key = parser.bytes();
    if (i > 0 && key < out->keys.key(i - 1)) parser.damaged();
    out->keys.add(key);
    const uint64_t size = parser.varint();
    if (size > place.offset || offset > place.offset - size) parser.damaged();
    out->offsets.push_back(offset += size);
  }
  if (count == 0 || !parser.done()) parser.damaged();
  out->keys.finish();
  out->slots = SlotArray::make(count);
  out->filter = filter;
  out->bytes = std::move(bytes);
  return out;
}

std::unique_ptr<Table::Block> Table::make_block(char* data, uint64_t offset, uint64_t bytes) const {
  Bytes body = check_section(data, offset, bytes);
  const auto kind = static_cast<Compression>(data[bytes - kSectionTrailerBytes]);
  uint64_t size = body.size();
  if (kind != Compression::none) {
    const char* const begin = get_varint(body.data(), body.data() + body.size(), size);
    if (begin == nullptr || size > kBlockBytesMax) damaged("an impossible size", offset);
    body.remove_prefix(static_cast<size_t>(begin - body.data()));
  }
  return Block::make(size, [&](char* into) {
    if (kind == Compression::none) {
      std::copy_n(body.data(), size, into);
    } else if (!decompress(kind, body, into, size)) {
      damaged("cannot decompress", offset);
    }
  });
}

// ---- one key -------------------------------------------------------------------------------------------------------

Found Table::get(Bytes key, uint64_t hash, uint64_t sequence, bool cached_only, uint64_t& tag, Bytes& value) const {
  for (size_t p = top_.lower_bound(key); p < top_.size(); ++p) {
    CacheEntry* cached = slots_->get(p);
    if (cached == nullptr) {
      if (cached_only) return Found::unknown;
      auto loaded = load_partition(p);
      const size_t bytes = loaded->memory_bytes();
      cached = cache_.insert(*slots_, p, std::move(loaded), bytes, true);
    }
    cached->touch();
    auto& partition = static_cast<Partition&>(*cached);
    if (!may_contain(partition.filter, hash)) return Found::no;
    // The versions of a key may go on in the next block.
    size_t b = partition.keys.lower_bound(key);
    for (; b < partition.keys.size(); ++b) {
      CacheEntry* entry = partition.slots->get(b);
      if (entry == nullptr) {
        if (cached_only) return Found::unknown;
        const uint64_t offset = partition.offsets[b];
        const uint64_t bytes = partition.offsets[b + 1] - offset;
        auto made = make_block(read(offset, bytes).get(), offset, bytes);
        const size_t memory = made->memory_bytes();
        entry = cache_.insert(*partition.slots, b, std::move(made), memory, true);
      }
      entry->touch();
      const auto& block = static_cast<Block&>(*entry);
      switch (find_in_block(block.data, block.index, key, seek_tag(sequence), path_, tag, value)) {
        case InBlock::found:
          return kind_of(tag) == Kind::put ? Found::yes : Found::erased;
        case InBlock::absent:
          return Found::no;
        case InBlock::after:
          break;
      }
      if (partition.keys.key(b) != key) return Found::no;
    }
    if (top_.key(p) != key) return Found::no;
  }
  return Found::no;
}

// ---- many keys -----------------------------------------------------------------------------------------------------

class Table::Position final : public Cursor {
 public:
  Position(const Table& table, bool fill_cache) : table_(table), fill_cache_(fill_cache), at_(table.path_) {}

  void seek(Bytes key, uint64_t tag) override {
    if (!to_partition(table_.top_.lower_bound(key))) return show();
    if (!to_block(part_->keys.lower_bound(key))) return show();
    at_.seek(key, tag);
    forward();
  }
  void seek_before(const Bytes* key) override {
    size_t p = key == nullptr ? table_.top_.size() : table_.top_.lower_bound(*key);
    if (p == table_.top_.size()) {
      if (p == 0) return to_partition(p), show();
      --p;
    }
    to_partition(p);
    size_t b = key == nullptr ? part_->keys.size() : part_->keys.lower_bound(*key);
    to_block(std::min(b, part_->keys.size() - 1));
    at_.seek_before(key);
    backward();
  }
  void next() override {
    at_.next();
    if (!at_.valid()) forward();
    show();
  }
  void prev() override {
    at_.prev();
    if (!at_.valid()) backward();
    show();
  }

 private:
  void show() noexcept {
    valid_ = part_ && at_.valid();
    if (!valid_) return;
    key_ = at_.key();
    tag_ = at_.tag();
    value_ = at_.value();
  }
  // To the first entry of a later block when this one has no more.
  void forward() {
    while (part_ && !at_.valid()) {
      if (!to_block(block_index_ + 1)) {
        if (!to_partition(partition_index_ + 1)) break;
        to_block(0);
      }
      at_.first();
    }
    show();
  }
  void backward() {
    while (part_ && !at_.valid()) {
      if (block_index_ > 0) {
        to_block(block_index_ - 1);
      } else {
        if (partition_index_ == 0) {
          part_ = {};
          break;
        }
        to_partition(partition_index_ - 1);
        to_block(part_->keys.size() - 1);
      }
      at_.last();
    }
    show();
  }
  bool to_partition(size_t index) {
    at_.invalidate();
    if (index >= table_.top_.size()) {
      part_ = {};
      return false;
    }
    if (part_ && partition_index_ == index) return true;
    partition_index_ = index;
    ahead_.clear();
    const Epochs::Guard guard(table_.epochs_);
    CacheEntry* cached = table_.slots_->get(index);
    if (cached == nullptr) {
      auto loaded = table_.load_partition(index);
      if (!fill_cache_) {
        part_ = Held<Partition>(loaded.release());
        return true;
      }
      const size_t bytes = loaded->memory_bytes();
      cached = table_.cache_.insert(*table_.slots_, index, std::move(loaded), bytes, true);
    }
    cached->hold();
    part_ = Held<Partition>(static_cast<Partition*>(cached));
    return true;
  }
  bool to_block(size_t index) {
    at_.invalidate();
    if (index >= part_->keys.size()) return false;
    block_index_ = index;
    if (index >= ahead_first_ && index - ahead_first_ < ahead_.size()) {
      at_.set(ahead_[index - ahead_first_]->data);
      return true;
    }
    {
      const Epochs::Guard guard(table_.epochs_);
      if (CacheEntry* cached = part_->slots->get(index); cached != nullptr) {
        if (fill_cache_) cached->touch();
        cached->hold();
        ahead_.clear();
        ahead_.emplace_back(static_cast<Block*>(cached));
        ahead_first_ = index;
        at_.set(ahead_[0]->data);
        return true;
      }
    }
    read_ahead(index);
    at_.set(ahead_[0]->data);
    return true;
  }
  // One block at first, more with each time that the one after what was read is wanted.
  void read_ahead(size_t index) {
    ahead_bytes_ = !ahead_.empty() && index == ahead_first_ + ahead_.size()
                       ? std::min(ahead_bytes_ * 2, kReadAheadBytesMax)
                   : fill_cache_ ? 4096
                                 : kReadAheadBytesMax;
    const uint64_t begin = part_->offsets[index];
    size_t end = index + 1;
    while (end < part_->keys.size() && part_->offsets[end + 1] - begin <= ahead_bytes_) ++end;
    const auto bytes = table_.read(begin, part_->offsets[end] - begin);
    ahead_.clear();
    ahead_first_ = index;
    for (size_t i = index; i < end; ++i) {
      const uint64_t offset = part_->offsets[i];
      auto block = table_.make_block(bytes.get() + (offset - begin), offset, part_->offsets[i + 1] - offset);
      block->hold();
      ahead_.emplace_back(block.get());
      if (!fill_cache_) {
        block.release()->release();
        continue;
      }
      const size_t memory = block->memory_bytes();
      const Epochs::Guard guard(table_.epochs_);
      table_.cache_.insert(*part_->slots, i, std::move(block), memory, false);
    }
  }

  const Table& table_;
  const bool fill_cache_;
  BlockCursor at_;
  Held<Partition> part_;
  size_t partition_index_ = 0;
  size_t block_index_ = 0;
  std::vector<Held<Block>> ahead_;
  size_t ahead_first_ = 0;
  size_t ahead_bytes_ = 4096;
};

std::unique_ptr<Cursor> Table::cursor(bool fill_cache) const { return std::make_unique<Position>(*this, fill_cache); }

void Table::verify() const {
  for (size_t p = 0; p < offsets_.size(); ++p) {
    const auto partition = load_partition(p);
    for (size_t b = 0; b < partition->keys.size(); ++b) {
      const uint64_t offset = partition->offsets[b];
      const uint64_t bytes = partition->offsets[b + 1] - offset;
      const auto block = make_block(read(offset, bytes).get(), offset, bytes);
      BlockCursor at(path_);
      at.set(block->data);
      for (at.first(); at.valid(); at.next()) {
      }
    }
  }
}

}  // namespace orbit::lsm
