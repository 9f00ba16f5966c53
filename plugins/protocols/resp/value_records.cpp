// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A value's way to storage and back; the format is docs/formats/redis-values.md.
#include "hash.hpp"
#include "list.hpp"
#include "pack.hpp"
#include "set.hpp"
#include "sorted_set.hpp"
#include "value.hpp"

namespace orbit::resp {
namespace {

constexpr uint8_t kFormatVersion = 1;
enum MainFlag : uint8_t { kSplitFlag = 1, kRawFlag = 2 };
// Collections up to this size lie in the main record; split ones return to it below half of it, so that a value at the
// edge does not change its form all the time.
constexpr size_t kWholeBytesMax = 1024;

// Calls visit with the collection behind a value that is none of none and string.
template <class Visit>
auto with_collection(ValueType type, Hash* hash, List* list, Set* set, SortedSet* zset, Visit&& visit) {
  switch (type) {
    case ValueType::hash:
      return visit(*hash);
    case ValueType::list:
      return visit(*list);
    case ValueType::set:
      return visit(*set);
    default:
      return visit(*zset);
  }
}

bool damaged(std::string* error, std::string_view what) {
  *error = "damaged Redis value: ";
  error->append(what);
  return false;
}

}  // namespace

bool Value::dirty() const noexcept {
  if ((state_ & (kMainDirty | kClearStored)) != 0) return true;
  if (type_ == ValueType::none || type_ == ValueType::string) return false;
  return with_collection(type_, hash_, list_, set_, zset_, [](const auto& collection) { return collection.touched(); });
}

void Value::collect(RecordWriter& writer) {
  if (!dirty()) return;
  if ((state_ & kClearStored) != 0) writer.remove_all_subrecords();
  state_ &= static_cast<uint8_t>(~kClearStored);
  if (type_ == ValueType::none) {
    if ((state_ & kMainStored) != 0) writer.remove_main();
    state_ = 0;
    return;
  }
  std::string record;
  const auto put_main = [&](auto&& pack_payload) {
    const bool split = (state_ & kSubrecordsStored) != 0;
    record.push_back(static_cast<char>(kFormatVersion));
    record.push_back(static_cast<char>(type_));
    record.push_back(static_cast<char>((split ? kSplitFlag : 0) | ((state_ & kRawString) != 0 ? kRawFlag : 0)));
    pack_varint(record, expires_at_ms_);
    pack_payload();
    writer.put_main(record, expires_at_ms_, split);
    state_ = static_cast<uint8_t>((state_ & ~kMainDirty) | kMainStored);
  };
  if (type_ == ValueType::string) {
    put_main([&] { record.append(string_.view()); });
    return;
  }
  with_collection(type_, hash_, list_, set_, zset_, [&](auto& collection) {
    if ((state_ & kSubrecordsStored) != 0) {
      if (collection.packed_size() >= kWholeBytesMax / 2) {
        collection.write_changes(writer);
        // Unchanged or not: with it the kernel writes the version that the change has.
        put_main([] {});
        return;
      }
      writer.remove_all_subrecords();
      state_ &= static_cast<uint8_t>(~kSubrecordsStored);
    } else if (collection.packed_size() > kWholeBytesMax) {
      collection.write_all(writer);
      state_ |= kSubrecordsStored;
      put_main([] {});
      return;
    }
    put_main([&] { collection.pack(record); });
    collection.stored_whole();
  });
}

bool Value::load(std::span<const Record> records, std::string* error) {
  if (records.empty()) return true;
  if (!records[0].subkey.empty()) return damaged(error, "the main record is missing");
  if (load_main(records[0].value, records.subspan(1), error)) return true;
  destroy();
  state_ = 0;
  expires_at_ms_ = 0;
  return false;
}

bool Value::load_main(std::string_view record, std::span<const Record> subrecords, std::string* error) {
  Unpacker in(record);
  uint8_t version;
  uint8_t type;
  uint8_t flags;
  uint64_t expires_at_ms;
  if (!in.byte(version) || !in.byte(type) || !in.byte(flags) || !in.varint(expires_at_ms)) {
    return damaged(error, "the main record is cut off");
  }
  if (version != kFormatVersion) {
    return damaged(error, "format version " + std::to_string(version) + ", expected " + std::to_string(kFormatVersion));
  }
  if (type < static_cast<uint8_t>(ValueType::string) || type > static_cast<uint8_t>(ValueType::zset)) {
    return damaged(error, "unknown type " + std::to_string(type));
  }
  if ((flags & ~(kSplitFlag | kRawFlag)) != 0) return damaged(error, "unknown flags");
  const bool split = (flags & kSplitFlag) != 0;
  const auto wanted = static_cast<ValueType>(type);
  if (!split && !subrecords.empty()) return damaged(error, "sub-records of a value that has none");
  if (split && (subrecords.empty() || wanted == ValueType::string || !in.done())) {
    return damaged(error, "a split value without sub-records, or with a payload in its main record");
  }
  expires_at_ms_ = expires_at_ms;
  if (wanted == ValueType::string) {
    if (in.rest().size() > UINT32_MAX) return damaged(error, "a string longer than 4 GiB");
    edit_string().assign(in.rest());
    state_ = static_cast<uint8_t>(kMainStored | ((flags & kRawFlag) != 0 ? kRawString : 0));
    return true;
  }
  switch (wanted) {
    case ValueType::hash:
      edit_hash();
      break;
    case ValueType::list:
      edit_list();
      break;
    case ValueType::set:
      edit_set();
      break;
    default:
      edit_zset();
      break;
  }
  const bool good = with_collection(wanted, hash_, list_, set_, zset_, [&](auto& collection) {
    const bool read = split ? collection.read(subrecords) : collection.unpack(in.rest());
    return read && collection.size() != 0;
  });
  if (!good) return damaged(error, "elements that no writer wrote, or none at all");
  state_ = static_cast<uint8_t>(kMainStored | (split ? kSubrecordsStored : 0));
  return true;
}

}  // namespace orbit::resp
