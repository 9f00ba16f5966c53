// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The first byte chooses which reader gets the rest: manifest, log, index and blocks of a table (all with right
// checksums, so that what is behind them is reached), listings and errors of the store, and credentials. Whatever the
// bytes: data, or an error of a kind that is expected.
#include <cstdint>
#include <cstdlib>

#include "answers.hpp"
#include "credentials.hpp"
#include "manifest.hpp"
#include "table.hpp"
#include "wal.hpp"

using namespace orbit::s3;

namespace {

std::string with_checksum(uint64_t magic, orbit::Bytes body, orbit::Bytes name) {
  std::string out;
  put_fixed(out, magic);
  out.append(body);
  close_object(out, name);
  return out;
}

// A manifest that was understood says the same when it is written again.
void read_manifest(orbit::Bytes data) {
  const std::string object = with_checksum(0x314e414d33534f00, data, kManifestName);
  const Manifest manifest = Manifest::decode(object, "fuzz");
  const Manifest again = Manifest::decode(manifest.encode(), "fuzz");
  if (again.encode() != manifest.encode()) std::abort();
}

void read_log(orbit::Bytes data) {
  const std::string object = with_checksum(0x314c415733534f00, data, wal_name(7));
  size_t bytes = 0;
  read_wal(object, 7, "fuzz", [&](const orbit::WriteOp& op) { bytes += op.key.size() + op.value.size(); });
  if (bytes > object.size()) std::abort();
}

void read_index(orbit::Bytes data) {
  TableInfo info;
  info.meta_offset = 8;
  if (data.size() > 2) info.meta_offset = static_cast<uint8_t>(data[0]) << 8 | static_cast<uint8_t>(data[1]);
  std::string stored(data.substr(std::min<size_t>(2, data.size())));
  put_fixed(stored, checksum(stored, seed_of(info.name(), info.meta_offset)));
  const TableMeta meta = TableMeta::decode(stored, info, "fuzz");
  const size_t block = meta.block_of("key");
  if (block > meta.blocks.size()) std::abort();
  for (const bool before : {false, true}) static_cast<void>(range_at(meta.ranges, "key", before));
}

void read_block(orbit::Bytes data) {
  const Block block(std::string(data), "fuzz");
  for (size_t i = 1; i < block.size(); ++i)
    if (block[i].key <= block[i - 1].key) std::abort();
  const size_t at = block.lower_bound("key");
  if (at < block.size() && block[at].key < "key") std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* raw, size_t size) {
  if (size == 0) return 0;
  const orbit::Bytes data(reinterpret_cast<const char*>(raw) + 1, size - 1);
  try {
    switch (raw[0] % 8) {
      case 0:
        read_manifest(data);
        break;
      case 1:
        read_log(data);
        break;
      case 2:
        read_index(data);
        break;
      case 3:
        read_block(data);
        break;
      case 4:
        if (const auto listing = parse_listing(data); listing && listing->truncated && listing->next_token.empty())
          std::abort();
        break;
      case 5:
        parse_error(data);
        parse_upload_id(data);
        is_completed_upload(data);
        parse_service_error(data);
        parse_assumed_role(data);
        break;
      case 6:
        parse_profile(data, "fuzz", "default");
        break;
      default:
        parse_role_credentials(data, "fuzz");
    }
  } catch (const Failure& failure) {
    if (failure.error.code != orbit::Code::data_loss && failure.error.code != orbit::Code::unauthenticated)
      std::abort();
    if (failure.error.message.empty()) std::abort();
  }
  return 0;
}
