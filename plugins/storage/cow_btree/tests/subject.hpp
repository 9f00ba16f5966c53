// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The engine, as the shared tests of storage engines want it: small, so that every bound is met often.
#pragma once

#include <orbit/testkit/storage_model.hpp>

#include "engine.hpp"

namespace orbit::cow_btree::testing {

inline EngineOptions small_options() {
  EngineOptions out;
  out.path = "db/data.cow";
  out.cache_bytes = 2 << 20;
  out.log_bytes = 64 << 10;
  out.log_segment_bytes = 2 * kPageBytes;
  out.file_bytes_max = 256 << 20;
  out.background = false;
  return out;
}

// Of which most changed pages have to go to the file before the tree is written out.
inline EngineOptions tiny_cache_options() {
  EngineOptions out = small_options();
  out.cache_bytes = 64 * kPageBytes;
  out.log_bytes = 64 << 20;
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
      {"checkpoint", [](Storage& storage) { return static_cast<Engine&>(storage).checkpoint(); }},
      {"compact", [](Storage& storage) { return static_cast<Engine&>(storage).compact(); }},
      {"verify", [](Storage& storage) { return static_cast<Engine&>(storage).verify(); }},
  };
  return out;
}

}  // namespace orbit::cow_btree::testing
