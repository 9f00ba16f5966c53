// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the conformance suite cannot ask of every engine: locks, damage, a killed process, the block cache.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "engine.hpp"
#include "support/temporary_folder.hpp"

namespace {

namespace fs = std::filesystem;
using orbit::storage_rocksdb::Engine;
using orbit::storage_rocksdb::EngineOptions;
using orbit::test::TemporaryFolder;

EngineOptions options_for(const fs::path& path) {
  EngineOptions out;
  out.path = path.string();
  out.compression = "lz4";
  out.block_cache_bytes = 8 << 20;
  out.write_buffer_bytes = 1 << 20;
  out.write_buffers_max = 3;
  out.background_jobs_max = 2;
  out.open_files_max = 64;
  out.bloom_bits_per_key = 10;
  out.wal_bytes_max = 16 << 20;
  return out;
}

orbit::Result<> put(Engine& engine, const std::string& key, const std::string& value, bool sync = false) {
  orbit::WriteBatch batch;
  batch.put(key, value);
  const auto ops = batch.ops();
  return engine.write(orbit::WriteOps(ops.data(), ops.size()), sync);
}

struct Text {
  std::string text;
  orbit::ValueSink sink() {
    return orbit::ValueSink({this, [](void* self, orbit_bytes part) { static_cast<Text*>(self)->text += orbit::from_c(part); }});
  }
};

std::string get(Engine& engine, const std::string& key) {
  Text value;
  const auto found = engine.get(nullptr, key, value.sink());
  REQUIRE(found);
  return *found ? value.text : "(none)";
}

}  // namespace

TEST_CASE("a missing directory is created with its parents, the log's too") {
  const TemporaryFolder directory;
  EngineOptions options = options_for(directory.path + "/a/b");
  options.wal_path = directory.path + "/c/log";
  {
    auto engine = Engine::open(options);
    REQUIRE_MESSAGE(engine, engine.error().message);
    CHECK(put(**engine, "key", "value"));
  }
  CHECK_FALSE(fs::is_empty(options.wal_path));
  auto engine = Engine::open(options);
  REQUIRE(engine);
  CHECK(get(**engine, "key") == "value");
}

TEST_CASE("a directory that cannot be made is an error that names it") {
  const TemporaryFolder directory;
  std::ofstream(directory.path + "/file") << "in the way";
  const auto engine = Engine::open(options_for(directory.path + "/file/db"));
  REQUIRE_FALSE(engine);
  CHECK(engine.error().message.find(directory.path + "/file/db") != std::string::npos);
}

TEST_CASE("a database that is open refuses a second process, and names the path") {
  const TemporaryFolder directory;
  int ready[2];
  int finish[2];
  REQUIRE(pipe(ready) == 0);
  REQUIRE(pipe(finish) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    char byte = 0;
    auto engine = Engine::open(options_for(directory.path));
    const bool told = write(ready[1], engine ? "y" : "n", 1) == 1;
    _exit(told && read(finish[0], &byte, 1) == 1 ? 0 : 1);
  }
  char byte = 0;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  CHECK(byte == 'y');
  const auto second = Engine::open(options_for(directory.path));
  CHECK(write(finish[1], "x", 1) == 1);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  for (const int fd : {ready[0], ready[1], finish[0], finish[1]}) close(fd);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == orbit::Code::failed_precondition);
  CHECK(second.error().message.starts_with("another process has the database open: " + directory.path));
}

TEST_CASE("a null pointer with no bytes behind it is the empty key, in reads as in writes") {
  const TemporaryFolder directory;
  auto engine = Engine::open(options_for(directory.path + "/db"));
  REQUIRE(engine);
  orbit::WriteBatch batch;
  batch.put("a", "1");
  auto ops = batch.ops();
  ops.push_back({ORBIT_WRITE_PUT, 0, {nullptr, 0}, {nullptr, 0}});
  REQUIRE((*engine)->write(orbit::WriteOps(ops.data(), ops.size()), false));
  for (const bool reverse : {false, true}) {
    size_t found = 0;
    REQUIRE((*engine)->scan(nullptr, {}, {}, reverse, [&](orbit::Bytes, orbit::Bytes) { return ++found > 0; }));
    CHECK(found == 2);
  }
  Text value;
  CHECK(*(*engine)->get(nullptr, {}, value.sink()));
}

TEST_CASE("a write without sync survives the death of the process") {
  const TemporaryFolder directory;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto engine = Engine::open(options_for(directory.path));
    if (!engine || !put(**engine, "key", "value")) _exit(1);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  auto engine = Engine::open(options_for(directory.path));
  REQUIRE_MESSAGE(engine, engine.error().message);
  CHECK(get(**engine, "key") == "value");
}

TEST_CASE("a damaged table file is DATA_LOSS, not a wrong value") {
  const TemporaryFolder directory;
  EngineOptions options = options_for(directory.path);
  options.write_buffer_bytes = 1 << 16;
  options.compression = "none";
  {
    auto engine = Engine::open(options);
    REQUIRE(engine);
    for (int i = 0; i < 2000; ++i) REQUIRE(put(**engine, "k" + std::to_string(i), std::string(200, 'v')));
  }
  size_t damaged = 0;
  for (const auto& file : fs::directory_iterator(directory.path)) {
    if (file.path().extension() != ".sst") continue;
    std::fstream table(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    table.seekp(100);
    table << "DAMAGED DAMAGED";
    ++damaged;
  }
  REQUIRE(damaged > 0);
  auto engine = Engine::open(options);
  REQUIRE(engine);
  size_t lost = 0;
  for (int i = 0; i < 2000; ++i) {
    Text value;
    const auto found = (*engine)->get(nullptr, "k" + std::to_string(i), value.sink());
    if (found) {
      CHECK(*found);
      CHECK(value.text == std::string(200, 'v'));
    } else {
      CHECK(found.error().code == orbit::Code::data_loss);
      ++lost;
    }
  }
  CHECK(lost > 0);
}

TEST_CASE("a cached get does not know what only the disk has, and knows it after a get") {
  const TemporaryFolder directory;
  {
    auto engine = Engine::open(options_for(directory.path));
    REQUIRE(engine);
    for (int i = 0; i < 20'000; ++i) REQUIRE(put(**engine, "k" + std::to_string(i), std::string(200, 'v')));
  }
  auto engine = Engine::open(options_for(directory.path));
  REQUIRE(engine);
  Text value;
  auto cold = (*engine)->get_cached("k5", value.sink());
  REQUIRE(cold);
  CHECK(*cold == orbit::CachedGet::unknown);
  CHECK(get(**engine, "k5") == std::string(200, 'v'));
  auto warm = (*engine)->get_cached("k5", value.sink());
  REQUIRE(warm);
  CHECK(*warm == orbit::CachedGet::found);
  CHECK(value.text == std::string(200, 'v'));
}

TEST_CASE("column families part the keys, and what was made once stays") {
  const TemporaryFolder directory;
  EngineOptions options = options_for(directory.path + "/db");
  options.column_families = {"b", "s\xff"};
  const auto all = [](Engine& engine, bool reverse) {
    std::string out;
    const auto done = engine.scan(nullptr, "", "", reverse, [&](orbit::Bytes key, orbit::Bytes) {
      out.append(key.substr(0, 2)).append(" ");
      return true;
    });
    REQUIRE(done);
    return out;
  };
  {
    auto engine = Engine::open(options);
    REQUIRE(engine);
    for (const char* key : {"a", "b", "ba", "c", "s", "s\xff", "s\xff\x01", "t", ""}) REQUIRE(put(**engine, key, key));
    CHECK(all(**engine, false) == " a b ba c s s\xff s\xff t ");
    CHECK(all(**engine, true) == "t s\xff s\xff s c ba b a  ");
    CHECK(get(**engine, "ba") == "ba");
    orbit::WriteBatch batch;
    batch.erase_range("ba", "s\xff\x01");
    const auto ops = batch.ops();
    REQUIRE((*engine)->write(orbit::WriteOps(ops.data(), ops.size()), true));
    CHECK(all(**engine, false) == " a b s\xff t ");
  }
  options.column_families.clear();
  {
    auto engine = Engine::open(options);
    REQUIRE(engine);
    CHECK(all(**engine, false) == " a b s\xff t ");
  }
  options.column_families = {"a"};
  const auto late = Engine::open(options);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == orbit::Code::failed_precondition);
  CHECK(late.error().message.find("already has keys that start with \"a\"") != std::string::npos);
  options.column_families = {"x", "xy"};
  const auto nested = Engine::open(options);
  REQUIRE_FALSE(nested);
  CHECK(nested.error().message.find("\"x\" is the beginning of \"xy\"") != std::string::npos);
  options.column_families = {"bb"};
  CHECK_FALSE(Engine::open(options));
  options.column_families = {"d"};
  auto engine = Engine::open(options);
  REQUIRE(engine);
  CHECK(all(**engine, false) == " a b s\xff t ");
}

TEST_CASE("what goes on in the background is told, with counts when they are asked for") {
  const TemporaryFolder directory;
  EngineOptions options = options_for(directory.path + "/db");
  options.write_buffer_bytes = 65536;
  options.statistics = true;
  std::atomic<uint64_t> flushes = 0;
  options.after_background = [&](const orbit::storage_rocksdb::EngineStats& stats) {
    flushes = stats.flushes;
    flushes.notify_all();
  };
  auto engine = Engine::open(options);
  REQUIRE(engine);
  for (int i = 0; i < 300; ++i) REQUIRE(put(**engine, "k" + std::to_string(i), std::string(1000, static_cast<char>(i)), i == 0));
  flushes.wait(0);
  CHECK(get(**engine, "k299") == std::string(1000, static_cast<char>(299)));
  const auto stats = (*engine)->stats();
  CHECK(stats.table_bytes > 0);
  CHECK(stats.log_bytes > 300'000);
  CHECK(stats.log_syncs >= 1);
  CHECK(stats.flush_bytes > 0);
}
