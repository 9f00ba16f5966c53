// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <cstring>
#include <orbit/detail/object_pool.hpp>
#include <set>
#include <thread>
#include <vector>

using orbit::detail::ObjectPool;

TEST_CASE("objects of the pool do not overlap, and its memory is used again") {
  ObjectPool& pool = ObjectPool::here();
  constexpr size_t kSizes[] = {1, 16, 88, 100, 1000, 1024};
  size_t regions = 0;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::pair<unsigned char*, size_t>> objects;
    for (size_t i = 0; i < 60'000; ++i) {
      const size_t size = kSizes[i % std::size(kSizes)];
      auto* object = static_cast<unsigned char*>(pool.allocate(size));
      REQUIRE(reinterpret_cast<uintptr_t>(object) % ObjectPool::kStepBytes == 0);
      std::memset(object, static_cast<int>(i % 251), size);
      objects.emplace_back(object, size);
    }
    for (size_t i = 0; i < objects.size(); ++i) {
      const auto [object, size] = objects[i];
      REQUIRE(object[0] == i % 251);
      REQUIRE(object[size - 1] == i % 251);
    }
    for (const auto& [object, size] : objects) ObjectPool::release(object);
    if (round == 0) regions = pool.regions();
    CHECK(pool.regions() == regions);
  }
}

TEST_CASE("an object may outlive its thread, whose pool goes to a later one") {
  void* object = nullptr;
  ObjectPool* pool = nullptr;
  std::thread([&] {
    pool = &ObjectPool::here();
    object = pool->allocate(64);
  }).join();
  std::memset(object, 1, 64);
  ObjectPool::release(object);
  ObjectPool* later = nullptr;
  std::thread([&] { later = &ObjectPool::here(); }).join();
  CHECK(later == pool);
}
