// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Power cuts at every point, and random operations against a map.
#include <doctest/doctest.h>

#include "effort.hpp"
#include "subject.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::cow_btree::testing::encrypted_options;
using orbit::cow_btree::testing::small_options;
using orbit::cow_btree::testing::subject;
using orbit::testing::with_effort;

// Every batch is at least one write, and every write is lost in each of four ways.
constexpr size_t kCrashesPerBatch = 5;

}  // namespace

TEST_CASE("after a power cut at any point everything acknowledged is there, and no batch is torn") {
  const size_t rounds = with_effort(3);
  const size_t batches = with_effort(120);
  size_t crashes = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    const auto report = orbit::testkit::crash_everywhere(subject(), orbit::testing::seed_of_this_run() + round, batches);
    CHECK_MESSAGE(report.failure.empty(), report.failure);
    crashes += report.crashes;
  }
  MESSAGE(crashes << " power cuts");
  CHECK(crashes > kCrashesPerBatch * rounds * batches);
}

TEST_CASE("after a power cut all is there too when most changed pages had gone to the file without a sync") {
  const size_t batches = with_effort(100);
  const auto report = orbit::testkit::crash_everywhere(subject(orbit::cow_btree::testing::tiny_cache_options()), orbit::testing::seed_of_this_run() + 100, batches);
  CHECK_MESSAGE(report.failure.empty(), report.failure);
  CHECK(report.crashes > kCrashesPerBatch * batches);
}

TEST_CASE("an encrypted file survives power cuts at any point in the same way") {
  const size_t batches = with_effort(100);
  const auto report =
      orbit::testkit::crash_everywhere(subject(encrypted_options()), orbit::testing::seed_of_this_run() + 50, batches);
  CHECK_MESSAGE(report.failure.empty(), report.failure);
  CHECK(report.crashes > kCrashesPerBatch * batches);
}

TEST_CASE("an engine that never syncs is caught by the same test") {
  // The negative control: without it, a crash test that finds nothing would say nothing.
  class NoSync final : public orbit::FileSystem {
   public:
    explicit NoSync(orbit::FileSystem& below) : below_(below) {}
    orbit::Result<std::unique_ptr<orbit::File>> open(const std::string& path, orbit::OpenMode mode) override {
      class Unsynced final : public orbit::File {
       public:
        explicit Unsynced(std::unique_ptr<orbit::File> below) : below_(std::move(below)) {}
        orbit::Result<size_t> read(uint64_t offset, std::span<char> into) override { return below_->read(offset, into); }
        orbit::Result<> write(uint64_t offset, std::span<const orbit::Bytes> parts) override { return below_->write(offset, parts); }
        orbit::Result<> sync() override { return {}; }
        orbit::Result<> allocate(uint64_t offset, uint64_t length) override { return below_->allocate(offset, length); }
        orbit::Result<> truncate(uint64_t size) override { return below_->truncate(size); }
        orbit::Result<uint64_t> size() override { return below_->size(); }

       private:
        std::unique_ptr<orbit::File> below_;
      };
      auto file = below_.open(path, mode);
      if (!file) return tl::unexpected<orbit::Error>(file.error());
      return std::make_unique<Unsynced>(std::move(*file));
    }
    orbit::Result<std::unique_ptr<orbit::FileLock>> lock(const std::string& path) override { return below_.lock(path); }
    orbit::Result<bool> exists(const std::string& path) override { return below_.exists(path); }
    orbit::Result<> remove(const std::string& path) override { return below_.remove(path); }
    orbit::Result<> rename(const std::string& from, const std::string& to) override { return below_.rename(from, to); }
    orbit::Result<> link(const std::string& from, const std::string& to) override { return below_.link(from, to); }
    orbit::Result<std::vector<std::string>> list(const std::string& directory) override { return below_.list(directory); }
    orbit::Result<> make_directories(const std::string& directory) override { return below_.make_directories(directory); }
    orbit::Result<> sync_directory(const std::string& directory) override { return below_.sync_directory(directory); }

   private:
    orbit::FileSystem& below_;
  };
  auto careless = subject();
  std::vector<std::unique_ptr<NoSync>> layers;
  careless.open = [&, inner = careless.open](orbit::FileSystem& files) {
    layers.push_back(std::make_unique<NoSync>(files));
    return inner(*layers.back());
  };
  CHECK(!orbit::testkit::crash_everywhere(careless, orbit::testing::seed_of_this_run(), 30).failure.empty());
}

TEST_CASE("random operations, reopens, snapshots and power cuts agree with a map") {
  for (uint64_t round = 0; round < with_effort(12); ++round) {
    const std::string wrong = orbit::testkit::check_against_model(subject(), orbit::testing::seed_of_this_run() + round, 600);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

TEST_CASE("random operations on an encrypted file agree with a map, with a large and with a small cache") {
  auto options = encrypted_options();
  const size_t rounds = std::max<size_t>(with_effort(6), 2);
  for (uint64_t round = 0; round < rounds; ++round) {
    if (round == rounds / 2) options.cache_bytes = 96 * orbit::cow_btree::kPageBytes;
    const std::string wrong = orbit::testkit::check_against_model(subject(options), orbit::testing::seed_of_this_run() + 200 + round, 500);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

TEST_CASE("random operations agree with a map when the cache holds only few of the pages") {
  auto options = small_options();
  options.cache_bytes = 96 * orbit::cow_btree::kPageBytes;
  for (uint64_t round = 0; round < with_effort(4); ++round) {
    const std::string wrong = orbit::testkit::check_against_model(subject(options), orbit::testing::seed_of_this_run() + 100 + round, 400);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}
