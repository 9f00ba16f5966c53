// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What one Redis key holds, with its expiry and with the knowledge of what storage does not have yet. 32 bytes for a
// key that holds nothing or a short string. Used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "record.hpp"
#include "small_string.hpp"

namespace orbit::resp {

class Hash;
class List;
class Set;
class SortedSet;

enum class ValueType : uint8_t { none, string, hash, list, set, zset };

// "none", "string", "hash", "list", "set", "zset", as TYPE says.
std::string_view type_name(ValueType type) noexcept;

class Value {
 public:
  Value() noexcept {}
  ~Value() { destroy(); }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  // ---- for the actor that owns the key ----

  ValueType type() const noexcept { return type_; }
  bool is_none() const noexcept { return type_ == ValueType::none; }
  // Unix time; 0: never.
  uint64_t expires_at_ms() const noexcept { return expires_at_ms_; }
  // Empties the value when its time has come; true if it did. To be called before each command, and when the kernel
  // says that the time has come.
  bool expire_if_due(uint64_t now_ms) noexcept {
    if (expires_at_ms_ == 0 || expires_at_ms_ > now_ms) [[likely]]
      return false;
    clear();
    return true;
  }
  // Bytes held on the heap, allocator overhead estimated; kept up to date, O(1). Without sizeof(Value).
  size_t memory_bytes() const noexcept;
  // The encoding's name as OBJECT ENCODING says it; "" for none.
  std::string_view encoding() const noexcept;

  // Whether collect() would write something.
  bool dirty() const noexcept;
  // Writes what changed since the last collect or load; O(change) for big collections.
  void collect(RecordWriter& writer);
  // Rebuilds the value from its records, main record first; no records: none. Called on a new value. False: the records
  // are damaged, *error says how, and the value is none. Reads bytes that anyone may have written.
  bool load(std::span<const Record> records, std::string* error);

  // ---- for commands ----

  // Becomes none, and loses its expiry.
  void clear() noexcept;
  void set_expires_at_ms(uint64_t at_ms) noexcept {
    if (at_ms == expires_at_ms_) return;
    expires_at_ms_ = at_ms;
    state_ |= kMainDirty;
  }

  // The string; only for type string.
  const SmallString& string() const noexcept { return string_; }
  // For changes in place. Any type but string is none beforehand (else: clear first); makes none an empty string.
  SmallString& edit_string() noexcept;
  // Replaces whatever there is by this string and keeps the expiry. `bytes` may lie in this value's own string.
  void assign_string(std::string_view bytes);
  // Whether the string was made by APPEND or SETRANGE, which OBJECT ENCODING calls raw.
  void mark_raw_string() noexcept { state_ |= kRawString; }

  // Null when the value is none; the type must be this one or none.
  const Hash* hash() const noexcept { return is_none() ? nullptr : hash_; }
  const List* list() const noexcept { return is_none() ? nullptr : list_; }
  const Set* set() const noexcept { return is_none() ? nullptr : set_; }
  const SortedSet* zset() const noexcept { return is_none() ? nullptr : zset_; }
  // For changes: makes an empty one when the value is none. The collection notes itself what storage must learn. After
  // elements were removed call drop_if_empty().
  Hash& edit_hash();
  List& edit_list();
  Set& edit_set();
  SortedSet& edit_zset();
  // A collection without elements becomes none, and loses its expiry. True if so.
  bool drop_if_empty() noexcept;

  // Takes over content and expiry (RENAME); `from` becomes none. What storage must learn is noted in both.
  void take(Value& from) noexcept;
  // Becomes a copy of content and expiry (COPY).
  void copy(const Value& from);

 private:
  enum State : uint8_t {
    kMainDirty = 1,         // the main record must be written (or removed)
    kMainStored = 2,        // storage has a main record
    kSubrecordsStored = 4,  // storage has sub-records of the present content
    kClearStored = 8,       // storage has sub-records of content that is gone
    kRawString = 16,
  };

  void destroy() noexcept;
  void forget_stored_content() noexcept;
  bool load_main(std::string_view record, std::span<const Record> subrecords, std::string* error);

  uint64_t expires_at_ms_ = 0;
  ValueType type_ = ValueType::none;
  uint8_t state_ = 0;
  union {
    SmallString string_;
    Hash* hash_;
    List* list_;
    Set* set_;
    SortedSet* zset_;
  };
};

static_assert(sizeof(Value) == 32);

}  // namespace orbit::resp
