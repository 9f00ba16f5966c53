// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the plugin around RocksDB costs: the same database, with the same options, called through the plugin's C tables and
// called directly. Both are alive at once and take short turns, so that what else the machine does hits both alike; the
// median of the turns' ratios counts.
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <orbit/storage.hpp>
#include <orbit/testkit/plugin_file.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "plugins/storage/rocksdb/tuning.hpp"

namespace {

namespace fs = std::filesystem;
using orbit::Bytes;

constexpr size_t kKeys = 200'000;
// A turn is a few milliseconds: what a shared machine does otherwise lasts longer, and hits both sides.
constexpr size_t kGetsPerTurn = 2'000;
constexpr size_t kScanFrom = 100'000;
constexpr size_t kScanPerTurn = 10'000;
constexpr size_t kTurnsPerRound = 150;

void check(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what);
}
template <class T>
T must(orbit::Result<T> result) {
  check(result.has_value(), result ? "" : result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double seconds_of(const std::function<void()>& run) {
  const auto began = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

rocksdb::Slice slice(Bytes bytes) { return {bytes.data(), bytes.size()}; }

struct Workload {
  const char* name;
  std::function<void()> plugin;
  std::function<void()> direct;
  std::vector<double> ratios;  // direct time to plugin time, as a throughput would be
};

}  // namespace

int main(int argc, char** argv) {
  try {
    size_t rounds = 3;
    fs::path directory = fs::temp_directory_path();
    for (int i = 1; i + 1 < argc; i += 2) {
      const std::string name = argv[i];
      if (name == "--rounds")
        rounds = std::stoul(argv[i + 1]);
      else if (name == "--dir")
        directory = argv[i + 1];
      else
        throw std::runtime_error("usage: bench_storage_plugin [--rounds N] [--dir PATH]");
    }
    directory /= "orbit-bench-plugin-" + std::to_string(getpid());
    fs::create_directories(directory);

    const auto loaded = must(orbit::testkit::PluginFile::load(STORAGE_ROCKSDB));
    const orbit::testkit::Setting settings[] = {{"path", (directory / "plugin").string()}};
    std::unique_ptr<orbit::testkit::PluginInstance> instance;
    orbit::StorageClient plugin;
    orbit::storage_rocksdb::EngineOptions options;  // the plugin's defaults
    options.path = (directory / "direct").string();
    options.compression = "lz4";
    options.block_cache_bytes = 268435456;
    options.write_buffer_bytes = 67108864;
    options.write_buffers_max = 4;
    options.background_jobs_max = 2;
    options.open_files_max = 512;
    options.bloom_bits_per_key = 10;
    options.wal_bytes_max = 536870912;
    options.wal_bytes_per_sync = 1048576;
    std::unique_ptr<rocksdb::DB> direct;
    const auto open = [&] {
      instance.reset();
      direct.reset();
      instance = must(loaded.create(settings));
      plugin = must(orbit::StorageClient::of(instance->raw()));
      rocksdb::DB* raw = nullptr;
      check(rocksdb::DB::Open(must(orbit::storage_rocksdb::tuned(options)), options.path, &raw).ok(), "cannot open");
      direct.reset(raw);
    };
    open();

    std::vector<std::string> keys;
    std::mt19937_64 random(1);
    std::string values(kKeys * 100, '\0');
    for (size_t i = 0; i + 8 <= values.size(); i += 8) {
      const uint64_t word = random();
      std::memcpy(values.data() + i, &word, 8);
    }
    char text[32];
    for (size_t i = 0; i < kKeys; ++i) {
      std::snprintf(text, sizeof text, "%016zu", i);
      keys.emplace_back(text);
    }
    const auto value = [&](size_t i) { return Bytes(values).substr(i * 100, 100); };
    size_t at = 0;  // where a workload goes on
    const auto next = [&] { return at = (at + 7919) % kKeys; };
    const auto put_through = [&](size_t batch, size_t count, bool sync) {
      for (size_t done = 0; done < count; done += batch) {
        std::vector<orbit_write_op> ops;
        for (size_t i = 0; i < batch; ++i) {
          const size_t key = next();
          ops.push_back({ORBIT_WRITE_PUT, 0, orbit::to_c(keys[key]), orbit::to_c(value(key))});
        }
        must(plugin.write(ops, sync));
      }
    };
    const auto put_directly = [&](size_t batch, size_t count, bool sync) {
      for (size_t done = 0; done < count; done += batch) {
        rocksdb::WriteBatch one;
        for (size_t i = 0; i < batch; ++i) {
          const size_t key = next();
          check(one.Put(keys[key], slice(value(key))).ok(), "Put");
        }
        rocksdb::WriteOptions with;
        with.sync = sync;
        check(direct->Write(with, &one).ok(), "Write");
      }
    };
    put_through(1000, kKeys, false);
    put_directly(1000, kKeys, false);
    open();  // what is in the logs becomes tables: reads are of tables in the block cache
    std::string found;

    std::vector<Workload> all;
    all.push_back({"get", [&] { for (size_t i = 0; i < kGetsPerTurn; ++i) check(must(plugin.get(keys[next()], found)), "get"); },
                   [&] {
                     for (size_t i = 0; i < kGetsPerTurn; ++i) check(direct->Get({}, keys[next()], &found).ok(), "get");
                   },
                   {}});
    all.push_back({"get_absent",
                   [&] {
                     for (size_t i = 0; i < kGetsPerTurn; ++i) check(!must(plugin.get(keys[next()].substr(1), found)), "get");
                   },
                   [&] {
                     for (size_t i = 0; i < kGetsPerTurn; ++i)
                       check(direct->Get({}, keys[next()].substr(1), &found).IsNotFound(), "get");
                   },
                   {}});
    all.push_back({"multi_get_100",
                   [&] {
                     for (size_t turn = 0; turn < kGetsPerTurn / 100; ++turn) {
                       std::vector<Bytes> asked;
                       for (size_t i = 0; i < 100; ++i) asked.push_back(keys[next()]);
                       size_t bytes = 0;
                       must(plugin.multi_get(asked, [&](size_t, bool, Bytes one) { bytes += one.size(); }));
                       check(bytes == 100 * 100, "multi-get");
                     }
                   },
                   [&] {
                     for (size_t turn = 0; turn < kGetsPerTurn / 100; ++turn) {
                       std::vector<rocksdb::Slice> asked;
                       for (size_t i = 0; i < 100; ++i) asked.emplace_back(keys[next()]);
                       std::vector<rocksdb::PinnableSlice> got(100);
                       std::vector<rocksdb::Status> statuses(100);
                       direct->MultiGet({}, direct->DefaultColumnFamily(), 100, asked.data(), got.data(), statuses.data());
                       size_t bytes = 0;
                       for (const auto& one : got) bytes += one.size();
                       check(bytes == 100 * 100, "multi-get");
                     }
                   },
                   {}});
    all.push_back({"scan",
                   [&] {
                     size_t count = 0;
                     size_t bytes = 0;
                     must(plugin.scan(keys[kScanFrom], "", false, [&](Bytes key, Bytes one) {
                       bytes += key.size() + one.size();
                       return ++count < kScanPerTurn;
                     }));
                     check(bytes == kScanPerTurn * 116, "scan");
                   },
                   [&] {
                     const std::unique_ptr<rocksdb::Iterator> cursor(direct->NewIterator({}));
                     size_t bytes = 0;
                     cursor->Seek(keys[kScanFrom]);
                     for (size_t count = 0; cursor->Valid(); cursor->Next()) {
                       bytes += cursor->key().size() + cursor->value().size();
                       if (++count == kScanPerTurn) break;
                     }
                     check(bytes == kScanPerTurn * 116, "scan");
                   },
                   {}});
    all.push_back({"put_1", [&] { put_through(1, 500, false); }, [&] { put_directly(1, 500, false); }, {}});
    all.push_back({"put_100", [&] { put_through(100, 2000, false); }, [&] { put_directly(100, 2000, false); }, {}});
    all.push_back({"durable_put_1", [&] { put_through(1, 5, true); }, [&] { put_directly(1, 5, true); }, {}});

    for (size_t round = 0; round < rounds; ++round)
      for (Workload& one : all)
        for (size_t turn = 0; turn < kTurnsPerRound; ++turn) {
          // Who goes first changes: the second finds the processor's caches as the first left them.
          const bool plugin_first = turn % 2 == 0;
          const double first = seconds_of(plugin_first ? one.plugin : one.direct);
          const double second = seconds_of(plugin_first ? one.direct : one.plugin);
          one.ratios.push_back(plugin_first ? second / first : first / second);
        }
    std::printf("throughput through the plugin, as a share of direct calls (median of %zu turns; 25th to 75th percentile)\n",
                rounds * kTurnsPerRound);
    for (Workload& one : all) {
      std::sort(one.ratios.begin(), one.ratios.end());
      const auto at_share = [&](double share) { return one.ratios[static_cast<size_t>(share * static_cast<double>(one.ratios.size() - 1))]; };
      std::printf("  %-16s %6.3f   (%.3f to %.3f)\n", one.name, at_share(0.5), at_share(0.25), at_share(0.75));
    }
    instance.reset();
    direct.reset();
    fs::remove_all(directory);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_storage_plugin: %s\n", e.what());
    return 1;
  }
}
