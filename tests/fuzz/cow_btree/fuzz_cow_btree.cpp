// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Arbitrary bytes as a file of the engine: opened, read and written to. Pages whose checksums are wrong go no further than that,
// so the first byte says whether slots and pages get right ones first, and then everything behind the checksums is reached.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <orbit/testkit/faulty_files.hpp>

#include "engine.hpp"

namespace {

using namespace orbit::cow_btree;

// Gives every page that the root leads to the checksum that its parent should hold, children first.
uint64_t mend(std::string& file, PageId id, int depth) {
  if (id < 2 || (uint64_t{id} + 1) * kPageBytes > file.size() || depth > 6) return 1;
  alignas(8) char page[kPageBytes];
  std::memcpy(page, file.data() + size_t{id} * kPageBytes, kPageBytes);
  if (check_page(page, id, 1 << 16) == nullptr && header_of(page).level != 0)
    for (uint32_t i = 0; i < PageView(page).count() && i < 4; ++i) {
      const PageId child = PageView(page).child(i);
      set_child(page, i, child, mend(file, child, depth + 1));
    }
  std::memcpy(file.data() + size_t{id} * kPageBytes, page, kPageBytes);
  return page_sum(page);
}

void mend_slots(std::string& file) {
  for (uint64_t i = 0; i < 2 && (i + 1) * kPageBytes <= file.size(); ++i) {
    auto slot = read_at<Slot>(file.data() + i * kPageBytes);
    slot.magic = kSlotMagic;
    slot.format_version = kFormatVersion;
    slot.page_bytes = kPageBytes;
    slot.cipher = slot.seal_bytes = 0;
    slot.sequence = (slot.sequence & ~uint64_t{1}) + i;
    slot.pages = std::min<uint64_t>(slot.pages, file.size() / kPageBytes);
    slot.root_sum = mend(file, slot.root, 0);
    slot.sum = 0;
    slot.sum = bytes_sum({reinterpret_cast<const char*>(&slot), sizeof slot}, kSlotMagic);
    write_at(file.data() + i * kPageBytes, slot);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string file(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & 1) != 0) {
    file.resize((file.size() + kPageBytes - 1) / kPageBytes * kPageBytes);
    mend_slots(file);
  }
  orbit::testkit::FaultyFiles files;
  EngineOptions options;
  options.path = "f";
  options.cache_bytes = 128 * kPageBytes;
  options.file_bytes_max = 1 << 26;
  options.log_segment_bytes = 2 * kPageBytes;
  options.background = false;
  { const auto made = files.open("f", orbit::OpenMode::create); }
  files.set_content("f", file);
  files.stop_recording();
  const auto engine = Engine::open(files, options);
  if (!engine) return 0;
  size_t entries = 0;
  for (const bool reverse : {false, true}) {
    const auto scanned = (*engine)->scan(nullptr, {}, {}, reverse, [&](orbit::Bytes, orbit::Bytes) { return ++entries < 10'000; });
    if (!scanned) continue;
  }
  for (const char* key : {"", "a", "key1", "\xff"}) {
    const orbit_write_op ops[] = {{ORBIT_WRITE_PUT, 0, {key, std::strlen(key)}, {"v", 1}}, {ORBIT_WRITE_DELETE_RANGE, 0, {"b", 1}, {"c", 1}}};
    if (!(*engine)->write(orbit::WriteOps(ops, 2), true)) break;
  }
  return 0;
}
