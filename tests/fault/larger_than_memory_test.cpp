// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A data set that is larger than what a node may hold in memory: all of it is there, and the process stays small.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "node.hpp"
#include "resp_client.hpp"

namespace {

using namespace orbit::fault;

constexpr uint64_t kMb = 1 << 20;
constexpr size_t kValueBytes = 16'384;
constexpr size_t kValues = 320 * kMb / kValueBytes;
constexpr size_t kPipeline = 16;

// What the process may have resident. The actors: [limits] memory_bytes_max, and an eighth. A flush of asynchronous changes,
// at most of all actors, is one batch: a string that grows (three times its bytes at the worst moment), the engine's copy, and
// what it adds to each of the engine's two write buffers and the one being made. The engine's block cache and its write
// buffers. kElseBytes: code, stacks, messages on their way, and what malloc keeps.
constexpr uint64_t kElseBytes = 64 * kMb;
constexpr uint64_t kMemoryBytesMax = 16 * kMb;
constexpr uint64_t kActorBytes = kMemoryBytesMax + kMemoryBytesMax / 8;
constexpr uint64_t kFlushBytes = (3 + 1 + 3) * kActorBytes;
constexpr uint64_t kBlockCacheBytes = 8 * kMb;
constexpr uint64_t kWriteBufferBytes = 4 * kMb;
constexpr uint64_t kResidentBytesMax = kActorBytes + kFlushBytes + kBlockCacheBytes + 3 * kWriteBufferBytes + kElseBytes;
static_assert(kResidentBytesMax * 5 < kValues * kValueBytes * 4, "the bound proves something");

std::string key_of(size_t number) { return "large:" + std::to_string(number); }

// The same for the same number, and not compressible.
std::string value_of(size_t number) {
  std::mt19937_64 random(number);
  std::string value(kValueBytes, '\0');
  for (size_t i = 0; i < value.size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(&value[i], &word, 8);
  }
  return value;
}

// Over the bound on memory a node makes clients wait for room; it refuses nothing that can be stored.
void write_all(RespClient& client) {
  for (size_t first = 0; first < kValues; first += kPipeline) {
    const size_t end = std::min(first + kPipeline, kValues);
    for (size_t number = first; number < end; ++number) client.add({"SET", key_of(number), value_of(number)});
    client.flush();
    for (size_t number = first; number < end; ++number) {
      const Reply reply = client.read();
      REQUIRE_MESSAGE(!reply.is_error(), reply.text);
    }
  }
}

void read_all(RespClient& client) {
  for (size_t number = 0; number < kValues; ++number) {
    const Reply reply = client.call({"GET", key_of(number)});
    REQUIRE_MESSAGE(!reply.is_error(), reply.text);
    REQUIRE_MESSAGE(reply.kind == Reply::Kind::text, key_of(number) << " is lost");
    REQUIRE_MESSAGE(reply.text == value_of(number), key_of(number) << " has another value");
  }
}

void larger_than_memory(const std::string& durability) {
  const Directory folder;
  NodeSettings settings;
  settings.durability = durability;
  settings.data = folder.path() / "data";
  settings.limits = "memory_bytes_max = " + std::to_string(kMemoryBytesMax) + "\n";
  settings.storage = "block_cache_bytes = " + std::to_string(kBlockCacheBytes) + "\nwrite_buffers_max = 2\nwrite_buffer_bytes = " +
                     std::to_string(kWriteBufferBytes) + "\n";
  settings.redis = "flush_delay_ms = 100\n";
  Node node(folder.path(), settings);
  RespClient client(node.await_ready());
  write_all(client);
  read_all(client);
  const uint64_t peak = node.memory_peak_bytes();
  MESSAGE(durability << ": " << kValues * kValueBytes / kMb << " MB of values, at most " << peak / kMb << " MB resident");
  CHECK_MESSAGE(peak <= kResidentBytesMax, "at most " << kResidentBytesMax / kMb << " MB may be resident, it was " << peak / kMb);
  CHECK(node.stop() == 0);

  Node restarted(folder.path(), settings);
  RespClient other(restarted.await_ready());
  CHECK(other.call({"DBSIZE"}).integer == static_cast<int64_t>(kValues));
  read_all(other);
  CHECK(restarted.memory_peak_bytes() <= kResidentBytesMax);
  CHECK(restarted.stop() == 0);
}

}  // namespace

TEST_CASE("values that are larger than memory together are all there, and memory stays bounded") {
  SUBCASE("written with asynchronous durability") { larger_than_memory("async"); }
  SUBCASE("written with synchronous durability") { larger_than_memory("sync"); }
}
