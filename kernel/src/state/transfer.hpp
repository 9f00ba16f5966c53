// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Reading what a storage engine holds range by range, comparing ranges by checksum, and making one engine's range that of
// another: what migrations, checks and backups are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "orbit/result.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

// Keys that are about the storage instance itself begin so; they stay where they are.
inline constexpr std::string_view kNoteSpace{"m\0", 2};

// A part of the keys of an engine.
struct Part {
  std::string from;
  std::string to;                                 // empty: to the end
  std::function<bool(std::string_view key)> has;  // null: all between
};
// Everything but what is about the instance itself.
std::vector<Part> all_parts();
// What belongs to the actors of one type, and to the type: records, index entries and notes, the count, entries of what is
// due. The main records come last.
std::vector<Part> parts_of_type(std::string_view type);

struct Sum {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Sum&) const = default;
};

// Entries of one part that lie side by side.
struct Chunk {
  std::string to;  // the first key behind; that of the part when nothing follows
  bool last = false;
  uint64_t entries = 0;
  uint64_t bytes = 0;  // of keys and values
  Sum sum;             // of keys and values in order (XXH3, 128 bit)
  std::string data;    // key, value, key, value; only when asked for
  std::vector<std::pair<uint32_t, uint64_t>> sizes;
};

struct ChunkLimits {
  uint64_t entries = 4096;
  uint64_t bytes = 1u << 20;  // an entry that is larger is a chunk of its own
};

// The entries from `from` (not before the part's) on, up to the limits. `keep`: with their bytes.
Result<Chunk> read_chunk(const Engine& engine, const Part& part, std::string_view from, bool keep, ChunkLimits limits = {});
// The entries of the part from `from` up to `to`, whatever their number.
Result<Chunk> read_range(const Engine& engine, const Part& part, std::string_view from, std::string_view to);

// Makes the target hold, between `from` and chunk.to of the part, what the chunk has. Writes nothing when it does already,
// and says whether it wrote. Not synced.
Result<bool> put_chunk(const Engine& target, const Part& part, std::string_view from, const Chunk& chunk);

// Whether it has a key of one of the parts.
Result<bool> holds_any(const Engine& engine, const std::vector<Part>& parts);

Error at_storage(const Engine& engine, Error error);

}  // namespace orbit::kernel
