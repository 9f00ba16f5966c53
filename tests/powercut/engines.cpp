// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "engines.hpp"

#include <orbit/files_posix.hpp>

#include "plugins/storage/cow_btree/engine.hpp"
#include "plugins/storage/lsm/engine.hpp"
#include "plugins/storage/rocksdb/engine.hpp"

namespace orbit::powercut {

namespace {

PosixFileSystem posix_files;

std::shared_ptr<const MasterKeys> some_keys() {
  EncryptionKey key;
  key.data()[0] = 'k';
  return std::make_shared<const MasterKeys>(key);
}

template <class E>
Result<Opened> with_verify(Result<std::unique_ptr<E>> engine) {
  if (!engine) return tl::unexpected<Error>(std::move(engine.error()));
  E* const raw = engine->get();
  return Opened{std::move(*engine), [raw] { return raw->verify(); }};
}

template <bool kEncrypted>
Result<Opened> open_cow_btree(const std::string& directory) {
  cow_btree::EngineOptions options;
  options.path = directory + "/data.cow";
  options.cache_bytes = 8 << 20;
  options.log_bytes = 512 << 10;
  if (kEncrypted) options.keys = some_keys();
  return with_verify(cow_btree::Engine::open(posix_files, options));
}

template <bool kEncrypted>
Result<Opened> open_lsm(const std::string& directory) {
  lsm::EngineOptions options;
  options.path = directory + "/lsm";
  options.write_buffer_bytes = 256 << 10;
  options.table_bytes = 256 << 10;
  options.level1_bytes = 1 << 20;
  options.level0_compact = 2;
  if (kEncrypted) options.keys = some_keys();
  return with_verify(lsm::Engine::open(posix_files, options));
}

Result<Opened> open_rocksdb(const std::string& directory) {
  storage_rocksdb::EngineOptions options;
  options.path = directory + "/rocksdb";
  options.compression = "lz4";
  options.block_cache_bytes = 8 << 20;
  options.write_buffer_bytes = 256 << 10;
  options.write_buffers_max = 3;
  options.background_jobs_max = 2;
  options.open_files_max = 500;
  options.bloom_bits_per_key = 10;
  options.wal_bytes_max = 4 << 20;
  auto engine = storage_rocksdb::Engine::open(options);
  if (!engine) return tl::unexpected<Error>(std::move(engine.error()));
  return Opened{std::move(*engine), [] { return Result<>(); }};
}

}  // namespace

const std::vector<Kind> kKinds{
    {"cow_btree", open_cow_btree<false>},          {"lsm", open_lsm<false>},          {"rocksdb", open_rocksdb},
    {"cow_btree_encrypted", open_cow_btree<true>}, {"lsm_encrypted", open_lsm<true>},
};

}  // namespace orbit::powercut
