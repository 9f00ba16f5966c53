// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Where an actor's state lies in the ordered key-value store, and what a main record looks like. The format is described in
// docs/formats/state.md; change both together.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::kernel {

// First byte of every key.
inline constexpr char kMainSpace = 'a';   // 'a' type hash key            -> main record
inline constexpr char kSubSpace = 's';    // 's' type hash key subkey     -> sub-record, opaque
inline constexpr char kDueSpace = 'x';    // 'x' due_ms type hash key name -> empty; no name: the actor's state expires
inline constexpr char kIndexSpace = 'i';  // 'i' type number value key     -> empty
inline constexpr char kMetaSpace = 'm';   // the kernel's own notes

// The stable 64-bit hash of an actor's key (XXH3); part of the stored format.
uint64_t key_hash(std::string_view key) noexcept;

// Appenders; a type name is at most 255 bytes.
void append_type(std::string& out, std::string_view type);
void append_u64_be(std::string& out, uint64_t value);
void append_varint(std::string& out, uint64_t value);
// type, hash, length of key, key: what follows the space byte for one actor.
void append_actor(std::string& out, std::string_view type, uint64_t hash, std::string_view key);

// The key of the number of stored actors of a type: u64 big-endian, kept by every commit that changes it.
std::string count_key(std::string_view type);

// What keys of a type's indexes, of one of them, and of the notes about them start with.
std::string index_prefix(std::string_view type);
std::string index_prefix(std::string_view type, uint32_t number);
std::string index_note_prefix(std::string_view type);
void append_u32_be(std::string& out, uint32_t value);
Result<uint32_t> take_u32_be(std::string_view& in);
Result<uint64_t> take_varint(std::string_view& in);

// The smallest key that is greater than every key starting with prefix; empty when there is none.
std::string prefix_end(std::string_view prefix);

struct ActorAddress {
  std::string_view type;
  uint64_t hash = 0;
  std::string_view key;
};
// Reads append_actor's bytes from the front of `in` and removes them.
Result<ActorAddress> take_actor(std::string_view& in);
Result<uint64_t> take_u64_be(std::string_view& in);

struct MainHeader {
  uint64_t version = 0;        // +1 by every committed turn that changed the state
  uint64_t epoch = 0;          // the directory's fencing token (architecture.md section 7); 0 on a node without cluster
  uint64_t expires_at_ms = 0;  // Unix time; 0: never
  bool has_subrecords = false;
  uint64_t schema_version = 0;   // of the payload, the actor type's own count
  std::string_view load_from;    // sub-records with lesser sub-keys are not read on activation
};
void append_main_header(std::string& out, const MainHeader& header);
// Reads the header from the front of a main record and leaves the payload in `in`. DATA_LOSS when it is none.
Result<MainHeader> take_main_header(std::string_view& in);

}  // namespace orbit::kernel
