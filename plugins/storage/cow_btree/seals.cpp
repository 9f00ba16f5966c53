// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "seals.hpp"

namespace orbit::cow_btree {

namespace {

enum SealedKind : uint64_t { kSealedPage = 1, kSealedRun = 2, kSealedRecord = 3, kSealedSlot = 4 };

template <class T>
Bytes octets_of(const T& value) noexcept {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string wrapping_place(const Slot& slot) { return "orbit.cow_btree" + std::string(octets_of(slot.file_id)); }

}  // namespace

// Nonce and tag take the place of the gap, at the beginning, so that nothing of the page is readable.
void Seals::seal_page(const char* page, char* out) {
  const auto header = read_at<PageHeader>(page);
  const size_t gap_end = header.heap_begin;
  if (gap_end < sizeof header + kSealBytes || gap_end > kPageBytes)
    raise(Code::internal, "page " + std::to_string(header.id) + " has no room for its seal");
  const Bytes parts[] = {{page, gap_end - kSealBytes}, {page + gap_end, kPageBytes - gap_end}};
  sealer_.seal(octets_of(Place{file_id_, kSealedPage, header.id, 0}), parts, out);
}

bool Seals::open_page(char* page, PageId id) const {
  char plain[kPageBytes];
  if (!sealer_.open(octets_of(Place{file_id_, kSealedPage, id, 0}), {page, kPageBytes}, plain)) return false;
  const size_t gap_end = read_at<PageHeader>(plain).heap_begin;
  if (gap_end < sizeof(PageHeader) + kSealBytes || gap_end > kPageBytes) return false;
  const size_t before = gap_end - kSealBytes;
  std::memcpy(page, plain, before);
  std::memset(page + before, 0, kSealBytes);
  std::memcpy(page + gap_end, plain + before, kPageBytes - gap_end);
  return true;
}

std::string Seals::seal_run(Bytes plain, PageId page, uint64_t version) {
  std::string out(plain.size() + kSealBytes, '\0');
  sealer_.seal(octets_of(Place{file_id_, kSealedRun, page, version}), plain, out.data());
  return out;
}

bool Seals::open_run(std::string& bytes, PageId page, uint64_t version) const {
  if (bytes.size() < kSealBytes) return false;
  if (!sealer_.open(octets_of(Place{file_id_, kSealedRun, page, version}), bytes, bytes.data() + kSealBytes))
    return false;
  bytes.erase(0, kSealBytes);
  return true;
}

void Seals::seal_record(const RecordHeader& header, Bytes operations, std::string& out) {
  struct {
    Place place;
    RecordHeader header;
  } const all{{file_id_, kSealedRecord, 0, 0}, header};
  out.resize(operations.size() + kSealBytes);
  sealer_.seal(octets_of(all), operations, out.data());
}

bool Seals::open_record(const RecordHeader& header, std::string& operations) const {
  struct {
    Place place;
    RecordHeader header;
  } all{{file_id_, kSealedRecord, 0, 0}, header};
  all.header.sum = 0;
  if (operations.size() < kSealBytes) return false;
  if (!sealer_.open(octets_of(all), operations, operations.data() + kSealBytes)) return false;
  operations.erase(0, kSealBytes);
  return true;
}

void Seals::sign_slot(Slot& slot) {
  struct {
    Place place;
    Slot slot;
  } all{{file_id_, kSealedSlot, 0, 0}, slot};
  all.slot.sum = 0;
  std::memset(all.slot.seal, 0, sizeof all.slot.seal);
  sealer_.seal(octets_of(all), Bytes(), slot.seal);
}

bool Seals::check_slot(const Slot& slot) const {
  struct {
    Place place;
    Slot slot;
  } all{{file_id_, kSealedSlot, 0, 0}, slot};
  all.slot.sum = 0;
  std::memset(all.slot.seal, 0, sizeof all.slot.seal);
  char nothing[1];
  return sealer_.open(octets_of(all), {slot.seal, sizeof slot.seal}, nothing);
}

EncryptionKey add_data_key(Slot& slot, const MasterKeys& keys) {
  const EncryptionKey key = EncryptionKey::random();
  slot.cipher = kCipherAes256Gcm;
  slot.seal_bytes = kSealBytes;
  rewrap_data_key(slot, key, keys);
  return key;
}

void rewrap_data_key(Slot& slot, const EncryptionKey& key, const MasterKeys& keys) {
  const WrappedKey wrapped = keys.wrap(key, wrapping_place(slot));
  slot.master_key_id = wrapped.master_id;
  std::memcpy(slot.wrapped_key, wrapped.bytes.data(), sizeof slot.wrapped_key);
}

EncryptionKey unwrap_data_key(const Slot& slot, const MasterKeys& keys, const std::string& path) {
  WrappedKey wrapped{slot.master_key_id, {}};
  std::memcpy(wrapped.bytes.data(), slot.wrapped_key, sizeof slot.wrapped_key);
  return must(keys.unwrap(wrapped, wrapping_place(slot), path));
}

}  // namespace orbit::cow_btree
