// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A snapshot file of any bytes is read or refused. With an odd first byte the rest gets the checksums that it should have,
// block by block as far as it has the shape of blocks, so that what is behind them is met too. What is read is written and
// read again.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <orbit/testkit/faulty_files.hpp>
#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "snapshot_file.hpp"

namespace {

using orbit::storage_memory::read_snapshot;
using orbit::storage_memory::write_snapshot;

void put_checksum(std::string& file, size_t at, uint64_t value) { std::memcpy(file.data() + at, &value, sizeof value); }

void mend(std::string& file) {
  if (file.size() < 24) return;
  put_checksum(file, 16, XXH3_64bits(file.data(), 16));
  for (size_t at = 24; file.size() - at >= 24;) {
    uint64_t head[3] = {at, 0, 0};
    std::memcpy(&head[1], file.data() + at, 16);
    if (head[1] > file.size() - at - 24) return;
    const size_t bytes = static_cast<size_t>(head[1]);
    put_checksum(file, at + 16, XXH3_64bits_withSeed(file.data() + at + 24, bytes, XXH3_64bits(head, sizeof head)));
    at += 24 + bytes;
  }
}

using Entries = std::map<std::string, std::string>;

bool read(orbit::testkit::FaultyFiles& files, Entries& out) {
  const auto found = read_snapshot(files, "d/s", [&](std::span<const orbit_write_op> ops) -> orbit::Result<> {
    for (const orbit_write_op& op : ops)
      if (!out.emplace(orbit::from_c(op.key), orbit::from_c(op.value)).second) std::abort();  // a key came twice
    return {};
  });
  if (!found && found.error().code != orbit::Code::data_loss && found.error().code != orbit::Code::failed_precondition)
    std::abort();
  return found.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* raw, size_t size) {
  if (size == 0) return 0;
  std::string file(reinterpret_cast<const char*>(raw) + 1, size - 1);
  if (raw[0] % 2 == 1) mend(file);
  orbit::testkit::FaultyFiles files;
  if (!files.make_directories("d") || !files.open("d/s", orbit::OpenMode::create)) std::abort();
  files.set_content("d/s", file);
  Entries entries;
  if (!read(files, entries)) return 0;
  const auto written = write_snapshot(files, "d/s", [&](orbit::VisitEntry visit) -> orbit::Result<> {
    for (const auto& [key, value] : entries)
      if (!visit(key, value)) break;
    return {};
  });
  Entries again;
  if (!written || !read(files, again) || again != entries) std::abort();
  return 0;
}
