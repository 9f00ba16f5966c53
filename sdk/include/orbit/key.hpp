// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Actor keys: bytes at the edge, a C++ type for authors. A type's key kind is said in its .proto (orbit.v1.KeyKind).
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "ext/actors.h"
#include "result.hpp"

namespace orbit {

enum class KeyKind { string, int64, bytes };

namespace detail {

// Whether text is UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
inline bool is_utf8(std::string_view text) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    const unsigned lead = *at;
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || end - at <= more) return false;
    const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) return false;
    for (int i = 2; i <= more; ++i)
      if (at[i] < 0x80 || at[i] > 0xbf) return false;
    at += more + 1;
  }
  return true;
}

}  // namespace detail

// A key as an actor or a proxy holds it.
template <KeyKind Kind>
class Key {
 public:
  explicit Key(std::string_view bytes) : value_(bytes) {}
  const std::string& value() const noexcept { return value_; }
  Bytes bytes() const noexcept { return value_; }
  size_t heap_bytes() const noexcept { return value_.capacity() > 15 ? value_.capacity() + 1 : 0; }
  // A key that came over a wire.
  static Result<Key> parse(Bytes bytes) {
    if constexpr (Kind == KeyKind::string)
      if (!detail::is_utf8(bytes)) return fail(Code::invalid_argument, "the key is not valid UTF-8");
    return Key(bytes);
  }

 private:
  std::string value_;
};

template <>
class Key<KeyKind::int64> {
 public:
  explicit Key(int64_t value) noexcept : value_(value) {
    size_ = static_cast<uint8_t>(std::to_chars(text_, text_ + sizeof text_, value).ptr - text_);
  }
  int64_t value() const noexcept { return value_; }
  Bytes bytes() const noexcept { return {text_, size_}; }
  size_t heap_bytes() const noexcept { return 0; }
  static Result<Key> parse(Bytes bytes) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), value);
    // Another spelling of the number would be another actor, so there is exactly one.
    if (error == std::errc() && end == bytes.data() + bytes.size())
      if (Key key(value); key.bytes() == bytes) return key;
    return fail(Code::invalid_argument, "the key is not an int64 in its shortest decimal form");
  }

 private:
  int64_t value_;
  char text_[20];
  uint8_t size_;
};

namespace detail {

// A key as actors and proxies keep it: of a number only the number, whose text the node has, or is seldom asked for.
template <KeyKind Kind>
class KeptKey {
 public:
  KeptKey() = default;
  explicit KeptKey(std::string_view key) : key_(key) {}
  explicit KeptKey(const Key<Kind>& key) : key_(key) {}
  void keep(Key<Kind>&& key) { key_ = std::move(key); }
  const std::string& value() const noexcept { return key_.value(); }
  const Key<Kind>& key() const noexcept { return key_; }
  size_t heap_bytes() const noexcept { return key_.heap_bytes(); }

 private:
  Key<Kind> key_{std::string_view()};
};
template <>
class KeptKey<KeyKind::int64> {
 public:
  KeptKey() = default;
  explicit KeptKey(int64_t key) noexcept : value_(key) {}
  explicit KeptKey(const Key<KeyKind::int64>& key) noexcept : value_(key.value()) {}
  void keep(Key<KeyKind::int64>&& key) noexcept { value_ = key.value(); }
  int64_t value() const noexcept { return value_; }
  Key<KeyKind::int64> key() const noexcept { return Key<KeyKind::int64>(value_); }
  size_t heap_bytes() const noexcept { return 0; }

 private:
  int64_t value_ = 0;
};

template <KeyKind Kind>
struct KeyArgument {
  template <class K>
  static constexpr bool kFits = std::convertible_to<const K&, std::string_view>;
};
template <>
struct KeyArgument<KeyKind::int64> {
  template <class K>
  static constexpr bool kFits = std::integral<K> && !std::same_as<K, bool> && !std::same_as<K, char>;
};

}  // namespace detail

// What a proxy of such an actor type can be made from: text or bytes, or a whole number.
template <class K, KeyKind Kind>
concept KeyOfTheDeclaredKind = detail::KeyArgument<Kind>::template kFits<std::remove_cvref_t<K>>;

}  // namespace orbit
