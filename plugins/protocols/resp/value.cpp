// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "value.hpp"

#include <new>
#include <utility>

#include "hash.hpp"
#include "list.hpp"
#include "numbers.hpp"
#include "set.hpp"
#include "sorted_set.hpp"

namespace orbit::resp {

std::string_view type_name(ValueType type) noexcept {
  constexpr std::string_view kNames[] = {"none", "string", "hash", "list", "set", "zset"};
  return kNames[static_cast<size_t>(type)];
}

void Value::destroy() noexcept {
  switch (type_) {
    case ValueType::none:
      break;
    case ValueType::string:
      string_.~SmallString();
      break;
    case ValueType::hash:
      delete hash_;
      break;
    case ValueType::list:
      delete list_;
      break;
    case ValueType::set:
      delete set_;
      break;
    case ValueType::zset:
      delete zset_;
      break;
  }
  type_ = ValueType::none;
}

size_t Value::memory_bytes() const noexcept {
  switch (type_) {
    case ValueType::none:
      return 0;
    case ValueType::string:
      return string_.heap_bytes();
    case ValueType::hash:
      return hash_->heap_bytes();
    case ValueType::list:
      return list_->heap_bytes();
    case ValueType::set:
      return set_->heap_bytes();
    case ValueType::zset:
      return zset_->heap_bytes();
  }
  return 0;
}

std::string_view Value::encoding() const noexcept {
  constexpr size_t kEmbeddedBytesMax = 44;
  switch (type_) {
    case ValueType::none:
      return "";
    case ValueType::string: {
      int64_t ignored;
      if ((state_ & kRawString) != 0) return "raw";
      if (parse_integer(string_.view(), ignored)) return "int";
      return string_.size() <= kEmbeddedBytesMax ? "embstr" : "raw";
    }
    case ValueType::hash:
      return hash_->compact() ? "listpack" : "hashtable";
    case ValueType::list:
      return "quicklist";
    case ValueType::set:
      return set_->integers_only() ? "intset" : "hashtable";
    case ValueType::zset:
      return zset_->compact() ? "listpack" : "skiplist";
  }
  return "";
}

// The content is about to go or to be replaced.
void Value::forget_stored_content() noexcept {
  if ((state_ & kSubrecordsStored) != 0) state_ = static_cast<uint8_t>((state_ & ~kSubrecordsStored) | kClearStored);
  state_ &= static_cast<uint8_t>(~kRawString);
}

void Value::clear() noexcept {
  destroy();
  forget_stored_content();
  expires_at_ms_ = 0;
  // Storage never saw it: nothing to remove.
  if ((state_ & kMainStored) != 0) {
    state_ |= kMainDirty;
  } else {
    state_ &= static_cast<uint8_t>(~kMainDirty);
  }
}

SmallString& Value::edit_string() noexcept {
  if (type_ == ValueType::none) {
    new (&string_) SmallString();
    type_ = ValueType::string;
  }
  state_ |= kMainDirty;
  return string_;
}

void Value::assign_string(std::string_view bytes) {
  if (type_ != ValueType::string) {
    destroy();
    forget_stored_content();
  }
  edit_string().assign(bytes);
  state_ &= static_cast<uint8_t>(~kRawString);
}

Hash& Value::edit_hash() {
  if (type_ == ValueType::none) {
    hash_ = new Hash;
    type_ = ValueType::hash;
    state_ |= kMainDirty;
  }
  return *hash_;
}

List& Value::edit_list() {
  if (type_ == ValueType::none) {
    list_ = new List;
    type_ = ValueType::list;
    state_ |= kMainDirty;
  }
  return *list_;
}

Set& Value::edit_set() {
  if (type_ == ValueType::none) {
    set_ = new Set;
    type_ = ValueType::set;
    state_ |= kMainDirty;
  }
  return *set_;
}

SortedSet& Value::edit_zset() {
  if (type_ == ValueType::none) {
    zset_ = new SortedSet;
    type_ = ValueType::zset;
    state_ |= kMainDirty;
  }
  return *zset_;
}

bool Value::drop_if_empty() noexcept {
  const auto count = [&]() -> size_t {
    switch (type_) {
      case ValueType::hash:
        return hash_->size();
      case ValueType::list:
        return list_->size();
      case ValueType::set:
        return set_->size();
      case ValueType::zset:
        return zset_->size();
      default:
        return 1;
    }
  };
  if (count() != 0) return false;
  clear();
  return true;
}

void Value::take(Value& from) noexcept {
  if (this == &from) return;
  clear();
  const bool raw = (from.state_ & kRawString) != 0;
  expires_at_ms_ = from.expires_at_ms_;
  switch (from.type_) {
    case ValueType::none:
      break;
    case ValueType::string:
      new (&string_) SmallString(std::move(from.string_));
      if (raw) state_ |= kRawString;
      break;
    case ValueType::hash:
      hash_ = std::exchange(from.hash_, nullptr);
      hash_->forget_stored();
      break;
    case ValueType::list:
      list_ = std::exchange(from.list_, nullptr);
      list_->forget_stored();
      break;
    case ValueType::set:
      set_ = std::exchange(from.set_, nullptr);
      set_->forget_stored();
      break;
    case ValueType::zset:
      zset_ = std::exchange(from.zset_, nullptr);
      zset_->forget_stored();
      break;
  }
  type_ = from.type_;
  if (type_ != ValueType::none) state_ |= kMainDirty;
  from.clear();
}

void Value::copy(const Value& from) {
  if (this == &from) return;
  clear();
  switch (from.type_) {
    case ValueType::none:
      return;
    case ValueType::string:
      edit_string().assign(from.string_.view());
      state_ |= from.state_ & kRawString;
      break;
    case ValueType::hash:
      edit_hash().copy_from(*from.hash_);
      break;
    case ValueType::list:
      edit_list().copy_from(*from.list_);
      break;
    case ValueType::set:
      edit_set().copy_from(*from.set_);
      break;
    case ValueType::zset:
      edit_zset().copy_from(*from.zset_);
      break;
  }
  set_expires_at_ms(from.expires_at_ms_);
}

}  // namespace orbit::resp
