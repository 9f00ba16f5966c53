// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The engine, as the shared tests of storage engines want it: small, so that every bound is met often.
#pragma once

#include <orbit/testkit/storage_model.hpp>

#include "engine.hpp"

namespace orbit::lsm::testing {

inline EngineOptions small_options() {
  EngineOptions out;
  out.path = "db";
  out.write_buffer_bytes = 16 << 10;
  out.cache_bytes = 256 << 10;
  out.table.block_bytes = 512;
  out.table_bytes = 8 << 10;
  out.level1_bytes = 24 << 10;
  out.level_factor = 3;
  out.level0_compact = 2;
  out.compression = {Compression::none, Compression::lz4, Compression::zstd};
  out.background = false;
  return out;
}

// The same key each time, so that what one engine wrote another one opens.
inline std::shared_ptr<const MasterKeys> test_keys(char first = 'k') {
  EncryptionKey key;
  key.data()[0] = first;
  return std::make_shared<const MasterKeys>(key);
}

inline EngineOptions encrypted_options() {
  EngineOptions out = small_options();
  out.keys = test_keys();
  return out;
}

inline testkit::StorageSubject subject(EngineOptions options = small_options()) {
  testkit::StorageSubject out;
  out.open = [options](FileSystem& files) -> Result<std::unique_ptr<Storage>> {
    auto engine = Engine::open(files, options);
    if (!engine) return tl::unexpected<Error>(std::move(engine.error()));
    return std::unique_ptr<Storage>(std::move(*engine));
  };
  out.snapshot = [](Storage& storage) { return static_cast<Engine&>(storage).create_snapshot(); };
  out.upkeep = {
      {"flush", [](Storage& storage) { return static_cast<Engine&>(storage).flush(); }},
      {"compact", [](Storage& storage) { return static_cast<Engine&>(storage).compact(); }},
      {"verify", [](Storage& storage) { return static_cast<Engine&>(storage).verify(); }},
  };
  return out;
}

}  // namespace orbit::lsm::testing
