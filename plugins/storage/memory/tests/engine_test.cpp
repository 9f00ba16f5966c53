// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the conformance suite cannot see from outside: that memory is given back.
#include <doctest/doctest.h>

#include <random>

#include "engine.hpp"

namespace {

using orbit::storage_memory::Engine;

constexpr uint64_t kRoom = uint64_t{1} << 30;

orbit::Result<> write(Engine& engine, const orbit::WriteBatch& batch) {
  const auto ops = batch.ops();
  return engine.write(orbit::WriteOps(ops.data(), ops.size()), false);
}

void erase_all(Engine& engine) {
  orbit::WriteBatch batch;
  batch.erase_range("", "");
  REQUIRE(write(engine, batch));
}

}  // namespace

TEST_CASE("an empty store holds no bytes, whatever was written, replaced and erased") {
  Engine engine(kRoom);
  orbit::WriteBatch batch;
  for (int i = 0; i < 1000; ++i) batch.put("k" + std::to_string(i % 300), std::string(static_cast<size_t>(i), 'v'));
  batch.erase("k7");
  batch.put("passing", "put and erased by one batch");
  batch.erase("passing");
  REQUIRE(write(engine, batch));
  CHECK(engine.size_bytes() > 0);
  erase_all(engine);
  CHECK(engine.size_bytes() == 0);
}

TEST_CASE("replacing a value many times without snapshots keeps one version") {
  Engine engine(kRoom);
  orbit::WriteBatch batch;
  batch.put("key", "value");
  REQUIRE(write(engine, batch));
  const uint64_t one = engine.size_bytes();
  for (int i = 0; i < 1000; ++i) REQUIRE(write(engine, batch));
  CHECK(engine.size_bytes() == one);
}

TEST_CASE("a snapshot keeps one old version of a key that changes often, not all") {
  Engine engine(kRoom);
  orbit::WriteBatch batch;
  batch.put("key", "value");
  REQUIRE(write(engine, batch));
  const uint64_t one = engine.size_bytes();
  auto snapshot = engine.create_snapshot();
  REQUIRE(snapshot);
  REQUIRE(write(engine, batch));
  const uint64_t two = engine.size_bytes();
  CHECK(two > one);
  for (int i = 0; i < 1000; ++i) REQUIRE(write(engine, batch));
  CHECK(engine.size_bytes() == two);
  snapshot->reset();
  CHECK(engine.size_bytes() == one);
}

TEST_CASE("when the last snapshot goes, in whatever order, only the newest state is held") {
  std::random_device device;
  const uint64_t seed = device();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Engine engine(kRoom);
  std::vector<std::unique_ptr<orbit::StorageSnapshot>> snapshots;
  for (int round = 0; round < 2000; ++round) {
    orbit::WriteBatch batch;
    for (int i = 0; i < 5; ++i) {
      const std::string key = "k" + std::to_string(random() % 40);
      if (random() % 3 == 0)
        batch.erase(key);
      else
        batch.put(key, std::string(random() % 50, 'v'));
    }
    if (random() % 10 == 0) batch.erase_range("k1", "k3");
    REQUIRE(write(engine, batch));
    if (random() % 3 == 0) snapshots.push_back(std::move(*engine.create_snapshot()));
    if (snapshots.size() > 10) {
      std::swap(snapshots[random() % snapshots.size()], snapshots.back());
      snapshots.pop_back();
    }
  }
  erase_all(engine);
  CHECK(engine.size_bytes() > 0);
  snapshots.clear();
  CHECK(engine.size_bytes() == 0);
}

TEST_CASE("erasing frees memory for writes that were refused") {
  Engine engine(100'000);
  orbit::WriteBatch big;
  big.put("big", std::string(90'000, 'v'));
  REQUIRE(write(engine, big));
  const auto refused = write(engine, big);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::resource_exhausted);
  CHECK(refused.error().message.find("bytes_max = 100000") != std::string::npos);
  erase_all(engine);
  CHECK(write(engine, big));
}
