// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The fields of a Redis hash.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dense_map.hpp"
#include "record.hpp"

namespace orbit::resp {

class Hash {
 public:
  struct Field {
    explicit Field(std::string_view field) : name(field) {}
    size_t heap_bytes() const noexcept { return name.heap_bytes() + value.heap_bytes(); }

    SmallString name;
    SmallString value;
  };

  size_t size() const noexcept { return fields_.size(); }
  const Field& at(size_t position) const noexcept { return fields_.at(position); }
  const std::vector<Field>& fields() const noexcept { return fields_.entries(); }
  // Null when there is no such field.
  const SmallString* find(std::string_view name) const noexcept {
    const uint32_t position = fields_.find(name);
    return position == fields_.kNone ? nullptr : &fields_.at(position).value;
  }
  // True when the field is new.
  bool set(std::string_view name, std::string_view value);
  bool remove(std::string_view name);
  template <class Visit>
  uint64_t scan(uint64_t cursor, size_t count, Visit&& visit) const {
    return fields_.scan(cursor, count, visit);
  }
  // Whether Redis would call the encoding listpack.
  bool compact() const noexcept { return compact_; }
  size_t heap_bytes() const noexcept { return sizeof(Hash) + fields_.heap_bytes(); }

  // ---- storage: see docs/formats/redis-values.md ----
  bool touched() const noexcept { return fields_.log().touched(); }
  size_t packed_size() const noexcept { return packed_bytes_; }
  void pack(std::string& out) const;
  bool unpack(std::string_view bytes);
  void write_all(RecordWriter& writer);
  void write_changes(RecordWriter& writer);
  bool read(std::span<const Record> records);
  // Storage has none of the elements.
  void forget_stored() noexcept;
  // Storage has all of them, in the main record.
  void stored_whole() noexcept;
  void copy_from(const Hash& other);

 private:
  void stored_split() noexcept;

  DenseMap<Field> fields_;
  size_t packed_bytes_ = 0;
  bool compact_ = true;
};

}  // namespace orbit::resp
