// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The keys of the state format, read back (docs/formats/state.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::kernel {

enum class KeyKind : uint8_t { main, sub, due, index, count, index_note, instance_note, unknown };
inline constexpr size_t kKeyKinds = 8;
std::string_view kind_name(KeyKind kind) noexcept;

struct DecodedKey {
  KeyKind kind = KeyKind::unknown;
  std::string_view type;  // actor type; empty where there is none
  std::string_view key;   // of the actor
  uint64_t hash = 0;      // main, sub, due
  std::string_view rest;  // sub: sub-key; due: name; index: value and actor key; instance_note: name
  uint64_t due_ms = 0;
  uint32_t number = 0;    // of the index
};

// DATA_LOSS when it is none of the format's keys. Points into `key`.
Result<DecodedKey> decode_key(std::string_view key);

}  // namespace orbit::kernel
