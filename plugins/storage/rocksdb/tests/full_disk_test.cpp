// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A real full disk: a small tmpfs in a mount namespace of this process, which needs root.
#include <doctest/doctest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "engine.hpp"

namespace {

namespace fs = std::filesystem;
using orbit::storage_rocksdb::Engine;
using orbit::storage_rocksdb::EngineOptions;

constexpr int kSkipped = 77;
constexpr int kWritesMax = 100'000;

class SmallDisk {
 public:
  SmallDisk() {
    std::string name = (fs::temp_directory_path() / "orbit-disk-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr || mount("none", name.c_str(), "tmpfs", 0, "size=32m") != 0)
      throw std::runtime_error("cannot mount a tmpfs at " + name + ": " + strerror(errno));
    path = name;
  }
  ~SmallDisk() {
    umount2(path.c_str(), MNT_DETACH);
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  fs::path path;
};

std::string value_of(int number) {
  std::mt19937_64 random(static_cast<uint64_t>(number));
  std::string value(4096, '\0');
  for (char& c : value) c = static_cast<char>(random());
  return value;
}

orbit::Result<> put(Engine& engine, int number, bool sync) {
  orbit::WriteBatch batch;
  batch.put("k" + std::to_string(number), value_of(number));
  const auto ops = batch.ops();
  return engine.write(orbit::WriteOps(ops.data(), ops.size()), sync);
}

std::string get(Engine& engine, int number) {
  std::string value;
  const orbit_sink sink{&value, [](void* out, orbit_bytes part) { static_cast<std::string*>(out)->append(orbit::from_c(part)); }};
  const auto found = engine.get(nullptr, "k" + std::to_string(number), orbit::ValueSink(sink));
  REQUIRE_MESSAGE(found, found.error().message);
  return *found ? value : "(none)";
}

void fill_and_recover(bool sync) {
  const SmallDisk disk;
  std::ofstream(disk.path / "ballast") << std::string(16 << 20, 'x');
  EngineOptions options;
  options.path = (disk.path / "db").string();
  options.compression = "none";
  options.block_cache_bytes = 1 << 20;
  options.write_buffer_bytes = 1 << 20;
  options.write_buffers_max = 3;
  options.background_jobs_max = 2;
  options.open_files_max = 64;
  options.bloom_bits_per_key = 10;
  options.wal_bytes_max = 2 << 20;

  std::vector<int> stored;
  {
    auto engine = Engine::open(options);
    REQUIRE_MESSAGE(engine, engine.error().message);
    int next = 0;
    orbit::Result<> written;
    for (; next < kWritesMax && (written = put(**engine, next, sync)); ++next) stored.push_back(next);
    REQUIRE_FALSE(written);
    CHECK(written.error().code == orbit::Code::resource_exhausted);
    CHECK_MESSAGE(written.error().message.find("no space left on device") != std::string::npos, written.error().message);
    CHECK(stored.size() > 100);
    for (int i = 0; i < 20; ++i) {  // a caller that goes on trying
      const auto recovered = (*engine)->recover();
      if (!recovered) CHECK(recovered.error().code == orbit::Code::resource_exhausted);
      if (const int number = ++next; put(**engine, number, sync)) stored.push_back(number);
    }
    for (const int number : stored) CHECK(get(**engine, number) == value_of(number));

    fs::remove(disk.path / "ballast");
    auto recovered = (*engine)->recover();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!recovered && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // a poll with a deadline
      recovered = (*engine)->recover();
    }
    REQUIRE_MESSAGE(recovered, recovered.error().message);
    for (int i = 0; i < 200; ++i) {
      const int number = ++next;
      const auto again = put(**engine, number, sync);
      REQUIRE_MESSAGE(again, again.error().message);
      stored.push_back(number);
    }
    for (const int number : stored) CHECK(get(**engine, number) == value_of(number));
  }
  auto engine = Engine::open(options);
  REQUIRE_MESSAGE(engine, engine.error().message);
  for (const int number : stored) CHECK(get(**engine, number) == value_of(number));
}

}  // namespace

TEST_CASE("a full disk refuses synced writes until recover finds room, and loses none that was stored") { fill_and_recover(true); }
TEST_CASE("the same holds for writes without sync") { fill_and_recover(false); }

int main(int argc, char** argv) {
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    std::printf("skipped: a mount namespace needs root (%s)\n", strerror(errno));
    return kSkipped;
  }
  return doctest::Context(argc, argv).run();
}
