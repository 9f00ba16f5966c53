// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "state/transfer.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

class Summer {
 public:
  Summer() { XXH3_128bits_reset(&state_); }
  void add(std::string_view key, std::string_view value) {
    const uint64_t sizes[2] = {key.size(), value.size()};
    XXH3_128bits_update(&state_, sizes, sizeof sizes);
    XXH3_128bits_update(&state_, key.data(), key.size());
    XXH3_128bits_update(&state_, value.data(), value.size());
  }
  Sum sum() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(&state_);
    return {hash.low64, hash.high64};
  }

 private:
  XXH3_state_t state_;
};

struct Reading {
  const Part& part;
  ChunkLimits limits;
  bool keep;
  Chunk chunk;
  Summer summer;
  bool full = false;

  int entry(std::string_view key, std::string_view value) {
    if (part.has && !part.has(key)) return 1;
    const uint64_t size = key.size() + value.size();
    if (chunk.entries != 0 && (chunk.entries >= limits.entries || chunk.bytes + size > limits.bytes)) {
      full = true;
      chunk.to = key;
      return 0;
    }
    ++chunk.entries;
    chunk.bytes += size;
    summer.add(key, value);
    if (keep) {
      chunk.data.append(key).append(value);
      chunk.sizes.emplace_back(static_cast<uint32_t>(key.size()), value.size());
    }
    return 1;
  }
};

Result<Chunk> read(const Engine& engine, const Part& part, std::string_view from, std::string_view to, bool keep,
                   ChunkLimits limits) {
  Reading reading{part, limits, keep, {}, {}};
  if (from < part.from || from.empty()) from = part.from;
  ErrorOut error;
  const orbit_code code = engine.table->scan(
      engine.self, nullptr, to_c(from), to_c(to), 0,
      [](void* ctx, orbit_bytes key, orbit_bytes value) -> int {
        return static_cast<Reading*>(ctx)->entry(from_c(key), from_c(value));
      },
      &reading, &error);
  if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
  reading.chunk.sum = reading.summer.sum();
  reading.chunk.last = !reading.full;
  if (!reading.full) reading.chunk.to = to;
  return std::move(reading.chunk);
}

}  // namespace

Error at_storage(const Engine& engine, Error error) {
  return {error.code, "the storage '" + engine.name + "': " + error.message};
}

std::vector<Part> all_parts() {
  return {{std::string(), std::string(kNoteSpace), nullptr}, {prefix_end(kNoteSpace), std::string(), nullptr}};
}

std::vector<Part> parts_of_type(std::string_view type) {
  std::vector<Part> parts;
  std::string named;
  append_type(named, type);
  const auto add = [&parts](const std::string& prefix) { parts.push_back({prefix, prefix_end(prefix), nullptr}); };
  const std::string count = count_key(type);
  parts.push_back({count, count + '\0', nullptr});
  add(index_note_prefix(type));
  parts.push_back({std::string(1, kDueSpace), std::string(1, static_cast<char>(kDueSpace + 1)),
                   [named](std::string_view key) { return key.size() > 9 && key.substr(9).starts_with(named); }});
  add(index_prefix(type));
  add(kSubSpace + named);
  add(kMainSpace + named);
  return parts;
}

Result<Chunk> read_chunk(const Engine& engine, const Part& part, std::string_view from, bool keep, ChunkLimits limits) {
  return read(engine, part, from, part.to, keep, limits);
}

Result<Chunk> read_range(const Engine& engine, const Part& part, std::string_view from, std::string_view to) {
  return read(engine, part, from, to, false, {UINT64_MAX, UINT64_MAX});
}

Result<bool> put_chunk(const Engine& target, const Part& part, std::string_view from, const Chunk& chunk) {
  if (from < part.from || from.empty()) from = part.from;
  auto there = read_range(target, part, from, chunk.to);
  if (!there) return tl::unexpected(there.error());
  if (there->entries == chunk.entries && there->sum == chunk.sum) return false;
  std::vector<orbit_write_op> ops;
  std::vector<std::string> stale;
  if (there->entries != 0 && !part.has) {
    ops.push_back({ORBIT_WRITE_DELETE_RANGE, 0, to_c(from), to_c(chunk.to)});
  } else if (there->entries != 0) {
    // Others' keys lie between: each by itself.
    auto kept = read(target, part, from, chunk.to, true, {UINT64_MAX, UINT64_MAX});
    if (!kept) return tl::unexpected(kept.error());
    const char* at = kept->data.data();
    for (const auto& [key_size, value_size] : kept->sizes) {
      stale.emplace_back(at, key_size);
      at += key_size + value_size;
    }
    for (const std::string& key : stale) ops.push_back({ORBIT_WRITE_DELETE, 0, to_c(key), {}});
  }
  const char* at = chunk.data.data();
  for (const auto& [key_size, value_size] : chunk.sizes) {
    ops.push_back({ORBIT_WRITE_PUT, 0, {at, key_size}, {at + key_size, value_size}});
    at += key_size + value_size;
  }
  ErrorOut error;
  const orbit_code code = target.table->write(target.self, ops.data(), ops.size(), 0, &error);
  if (code != ORBIT_OK) return tl::unexpected(at_storage(target, error.take(code)));
  return true;
}

Result<bool> holds_any(const Engine& engine, const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    auto chunk = read_chunk(engine, part, {}, false, {1, 1});
    if (!chunk) return tl::unexpected(chunk.error());
    if (chunk->entries != 0) return true;
  }
  return false;
}

}  // namespace orbit::kernel
