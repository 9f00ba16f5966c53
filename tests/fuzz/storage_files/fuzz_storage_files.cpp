// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Any bytes as a backup's manifest, its lines, a chunk, or a stored key: no crash, and what is read is what was there. The
// first byte chooses.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "maintenance/backup.hpp"
#include "maintenance/keys.hpp"

namespace {

using namespace orbit::kernel;

void must(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      if (const auto manifest = parse_manifest(bytes)) must(bytes.starts_with("orbit-backup 1\n"));
      break;
    case 1:
      if (const auto manifest = parse_manifest_lines(bytes)) {
        // Written again and read, it is the same.
        const auto again = parse_manifest(manifest_text(*manifest));
        must(again.has_value() && again->chunks == manifest->chunks && again->source == manifest->source);
      }
      break;
    case 2: {
      size_t sum = 0;
      const auto read = read_chunk_file(bytes, [&](std::string_view key, std::string_view value) {
        must(key.data() >= bytes.data() && value.data() + value.size() <= bytes.data() + bytes.size());
        sum += key.size() + value.size();
      });
      must(sum <= bytes.size());
      if (read) must(bytes.starts_with("ORBITCH1"));
      break;
    }
    default:
      if (const auto key = decode_key(bytes)) {
        must(key->kind != KeyKind::unknown);
        must(key->type.size() + key->key.size() + key->rest.size() <= bytes.size());
      }
  }
  return 0;
}
