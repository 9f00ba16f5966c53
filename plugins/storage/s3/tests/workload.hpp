// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Random batches for the engine, and a map that says what they should have done.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine.hpp"
#include "fake_store.hpp"

namespace orbit::s3::testing {

using Map = std::map<std::string, std::string>;

// Small, so that every bound is met often; nothing in the background, so that a seed says everything.
inline EngineOptions small_options(const std::string& writer = "a test") {
  EngineOptions out;
  out.writer = writer;
  out.cache_bytes = 32 << 10;
  out.write_buffer_bytes = 6 << 10;
  out.wal_objects_max = 9;
  out.table_bytes = 4 << 10;
  out.level1_bytes = 8 << 10;
  out.level_factor = 3;
  out.level0_compact = 2;
  out.table.block_bytes = 300;
  out.read_ahead_bytes = 1 << 10;
  out.parallel_reads = 1;
  out.background = false;
  return out;
}

struct Op {
  WriteKind kind;
  std::string key;
  std::string value;
};
using Batch = std::vector<Op>;

inline std::string some_key(std::mt19937_64& random) { return "key" + std::to_string(random() % 120); }

inline Batch some_batch(std::mt19937_64& random) {
  Batch out;
  for (size_t count = 1 + random() % (random() % 6 == 0 ? 30 : 4); count > 0; --count) {
    const uint64_t kind = random() % 20;
    if (kind < 14) {
      out.push_back({WriteKind::put, some_key(random),
                     std::string(random() % (random() % 20 == 0 ? 3000 : 90), 'v') + std::to_string(random())});
    } else if (kind < 18) {
      out.push_back({WriteKind::erase, some_key(random), {}});
    } else {
      std::string from = some_key(random);
      std::string to = random() % 12 == 0 ? std::string() : some_key(random);
      if (!to.empty() && to < from) std::swap(from, to);
      out.push_back({WriteKind::erase_range, from, to});
    }
  }
  return out;
}

inline void apply_to(Map& map, const Batch& batch) {
  for (const Op& op : batch) {
    if (op.kind == WriteKind::put) map[op.key] = op.value;
    if (op.kind == WriteKind::erase) map.erase(op.key);
    if (op.kind == WriteKind::erase_range && (op.value.empty() || op.key < op.value))
      map.erase(map.lower_bound(op.key), op.value.empty() ? map.end() : map.lower_bound(op.value));
  }
}

inline Result<> write(Engine& engine, const Batch& batch, bool sync = true) {
  std::vector<orbit_write_op> ops;
  for (const Op& op : batch)
    ops.push_back({static_cast<uint32_t>(op.kind), 0, to_c(Bytes(op.key)), to_c(Bytes(op.value))});
  return engine.write(WriteOps(ops.data(), ops.size()), sync);
}
inline Result<> put(Engine& engine, const std::string& key, const std::string& value, bool sync = true) {
  return write(engine, {{WriteKind::put, key, value}}, sync);
}

inline Result<Map> content(Engine& engine, const StorageSnapshot* snapshot = nullptr, bool reverse = false) {
  Map out;
  Result<> scanned = engine.scan(snapshot, {}, {}, reverse, [&](Bytes key, Bytes value) {
    out.emplace(key, value);
    return true;
  });
  if (!scanned) return tl::unexpected<Error>(std::move(scanned.error()));
  return out;
}
inline Map must_content(Engine& engine, const StorageSnapshot* snapshot = nullptr) {
  const Result<Map> found = content(engine, snapshot);
  REQUIRE_MESSAGE(found.has_value(), (found ? std::string() : found.error().message));
  return *found;
}

inline ValueSink sink(std::string& out) {
  return ValueSink({&out, [](void* into, orbit_bytes part) { static_cast<std::string*>(into)->append(from_c(part)); }});
}

inline std::unique_ptr<Engine> must_open(const std::shared_ptr<ObjectStore>& store,
                                         EngineOptions options = small_options()) {
  auto engine = Engine::open(store, std::move(options));
  REQUIRE_MESSAGE(engine.has_value(), (engine ? std::string() : engine.error().message));
  return std::move(*engine);
}

}  // namespace orbit::s3::testing
