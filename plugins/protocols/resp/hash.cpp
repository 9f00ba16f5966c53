// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "hash.hpp"

#include "pack.hpp"

namespace orbit::resp {
namespace {

constexpr char kFieldPrefix = 'f';
// Redis's hash-max-listpack-entries and -value.
constexpr size_t kCompactFieldsMax = 128;
constexpr size_t kCompactFieldBytesMax = 64;

}  // namespace

bool Hash::set(std::string_view name, std::string_view value) {
  if (value.size() > kCompactFieldBytesMax || name.size() > kCompactFieldBytesMax) compact_ = false;
  const uint32_t position = fields_.find(name);
  if (position != fields_.kNone) {
    fields_.change(position, [&](Field& field) {
      packed_bytes_ -= packed_bytes(field.value.size());
      field.value.assign(value);
      packed_bytes_ += packed_bytes(value.size());
    });
    return false;
  }
  fields_.add(name, [&](Field& field) { field.value.assign(value); });
  packed_bytes_ += packed_bytes(name.size()) + packed_bytes(value.size());
  if (fields_.size() > kCompactFieldsMax) compact_ = false;
  return true;
}

bool Hash::remove(std::string_view name) {
  const uint32_t position = fields_.find(name);
  if (position == fields_.kNone) return false;
  packed_bytes_ -= packed_bytes(name.size()) + packed_bytes(fields_.at(position).value.size());
  fields_.remove(position);
  return true;
}

void Hash::pack(std::string& out) const {
  for (const Field& field : fields_.entries()) {
    pack_string(out, field.name.view());
    pack_string(out, field.value.view());
  }
}

bool Hash::unpack(std::string_view bytes) {
  Unpacker in(bytes);
  while (!in.done()) {
    std::string_view name;
    std::string_view value;
    if (!in.string(name) || !in.string(value) || !set(name, value)) return false;
  }
  stored_whole();
  return true;
}

void Hash::write_all(RecordWriter& writer) {
  std::string subkey;
  for (const Field& field : fields_.entries()) {
    subkey.assign(1, kFieldPrefix).append(field.name.view());
    writer.put(subkey, field.value.view());
  }
  stored_split();
}

void Hash::write_changes(RecordWriter& writer) {
  std::string subkey;
  for (const SmallString& name : fields_.log().removed()) {
    subkey.assign(1, kFieldPrefix).append(name.view());
    writer.remove(subkey);
  }
  fields_.visit_changed([&](const Field& field) {
    subkey.assign(1, kFieldPrefix).append(field.name.view());
    writer.put(subkey, field.value.view());
  });
  fields_.log().restart(true);
}

bool Hash::read(std::span<const Record> records) {
  fields_.reserve(records.size());
  for (const Record& record : records) {
    if (record.subkey.empty() || record.subkey[0] != kFieldPrefix) return false;
    if (!set(record.subkey.substr(1), record.value)) return false;
  }
  stored_split();
  return true;
}

void Hash::forget_stored() noexcept {
  fields_.mark_all(false);
  fields_.log().restart(false);
  fields_.log().touch();
}

void Hash::stored_whole() noexcept {
  if (fields_.log().tracking()) fields_.mark_all(false);
  fields_.log().restart(false);
}

void Hash::stored_split() noexcept {
  fields_.mark_all(true);
  fields_.log().restart(true);
}

void Hash::copy_from(const Hash& other) {
  fields_.reserve(other.size());
  for (const Field& field : other.fields()) set(field.name.view(), field.value.view());
  compact_ = other.compact_;
}

}  // namespace orbit::resp
