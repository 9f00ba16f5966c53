// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "manifest.hpp"

namespace orbit::s3 {

namespace {
constexpr uint64_t kManifestMagic = 0x314e414d33534f00;  // "\0OS3MAN1"
constexpr size_t kWriterIdBytes = 16;
}  // namespace

std::string Manifest::encode() const {
  std::string out;
  put_fixed(out, kManifestMagic);
  put_varint(out, epoch);
  out.append(writer_id);
  put_bytes(out, writer);
  for (const uint64_t number : {edit, wal_flushed, wal_removed}) put_varint(out, number);
  for (const auto& level : levels) {
    put_varint(out, level.size());
    for (const TableInfo& table : level) {
      for (const uint64_t number : {table.epoch, table.number, table.size, table.entries, table.meta_offset,
                                    table.meta_size, uint64_t{table.has_ranges}})
        put_varint(out, number);
      put_bytes(out, table.from);
      put_bytes(out, table.to);
    }
  }
  close_object(out, kManifestName);
  return out;
}

Manifest Manifest::decode(Bytes object, const std::string& what) {
  Parser at(opened(object, kManifestMagic, kManifestName, what), what);
  Manifest out;
  out.epoch = at.varint();
  out.writer_id = at.take(kWriterIdBytes);
  out.writer = at.bytes();
  for (uint64_t* number : {&out.edit, &out.wal_flushed, &out.wal_removed}) *number = at.varint();
  if (out.wal_removed > out.wal_flushed) at.damaged();
  for (size_t level = 0; level < kLevels; ++level) {
    for (size_t count = at.count(); count > 0; --count) {
      TableInfo table;
      for (uint64_t* number :
           {&table.epoch, &table.number, &table.size, &table.entries, &table.meta_offset, &table.meta_size})
        *number = at.varint();
      const uint64_t has_ranges = at.varint();
      table.has_ranges = has_ranges == 1;
      table.from = at.bytes();
      table.to = at.bytes();
      const auto& before = out.levels[level];
      if (has_ranges > 1 || table.meta_offset < 8 || table.meta_size < 8 || table.size > (uint64_t{1} << 48) ||
          table.meta_offset > table.size || table.size - table.meta_offset != table.meta_size + 24 ||
          (!table.to.empty() && table.to <= table.from) ||
          (level > 0 && !before.empty() && !ends_before(before.back().to, table.from)))
        at.damaged();
      out.levels[level].push_back(std::move(table));
    }
  }
  if (!at.done()) at.damaged();
  return out;
}

}  // namespace orbit::s3
