// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Random batches, and what they do to a map.
#pragma once

#include <map>
#include <orbit/storage.hpp>
#include <random>
#include <string>
#include <vector>

namespace orbit::testkit {

using StorageMap = std::map<std::string, std::string>;

struct RandomWrite {
  WriteKind kind;
  std::string key;
  std::string value;
};

// Keys with long and short common beginnings, some of them long; values from nothing to several pages.
inline std::string random_key(std::mt19937_64& random) {
  const uint64_t number = random() % 400;
  switch (random() % 16) {
    case 0: return std::string(random() % 3, static_cast<char>(random() % 256));
    case 1: return std::string(600 + number % 7 * 100, 'l') + std::to_string(number % 20);
    case 2: return "other/" + std::to_string(number % 30);
    default: return "a/common/beginning/" + std::to_string(1000 + number);
  }
}
inline std::string random_value(std::mt19937_64& random) {
  size_t size = random() % 200;
  if (random() % 24 == 0) size = random() % 12'000;
  return std::string(size, static_cast<char>('a' + random() % 26)) + std::to_string(random());
}
inline std::vector<RandomWrite> random_batch(std::mt19937_64& random) {
  std::vector<RandomWrite> out;
  const size_t count = random() % 8 == 0 ? 1 + random() % 60 : 1 + random() % 4;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t kind = random() % 20;
    if (kind < 14) {
      out.push_back({WriteKind::put, random_key(random), random_value(random)});
    } else if (kind < 19 || random() % 4 != 0) {
      out.push_back({WriteKind::erase, random_key(random), {}});
    } else {
      std::string from = random_key(random);
      std::string to = random() % 16 == 0 ? std::string() : random_key(random);
      if (!to.empty() && to < from) std::swap(from, to);
      out.push_back({WriteKind::erase_range, from, to});
    }
  }
  return out;
}

inline void apply_to(StorageMap& map, const std::vector<RandomWrite>& batch) {
  for (const RandomWrite& write : batch) {
    switch (write.kind) {
      case WriteKind::put: map[write.key] = write.value; break;
      case WriteKind::erase: map.erase(write.key); break;
      case WriteKind::erase_range:
        if (write.value.empty() || write.key < write.value)
          map.erase(map.lower_bound(write.key), write.value.empty() ? map.end() : map.lower_bound(write.value));
        break;
    }
  }
}

inline Result<> write_to(Storage& storage, const std::vector<RandomWrite>& batch, bool sync) {
  std::vector<orbit_write_op> ops;
  for (const RandomWrite& write : batch)
    ops.push_back({static_cast<uint32_t>(write.kind), 0, to_c(Bytes(write.key)), to_c(Bytes(write.value))});
  return storage.write(WriteOps(ops.data(), ops.size()), sync);
}

inline Result<StorageMap> content_of(Storage& storage, const StorageSnapshot* snapshot = nullptr) {
  StorageMap out;
  Result<> scanned = storage.scan(snapshot, {}, {}, false, [&](Bytes key, Bytes value) {
    out.emplace(key, value);
    return true;
  });
  if (!scanned) return tl::unexpected<Error>(std::move(scanned.error()));
  return out;
}

// A number for a state.
inline uint64_t digest(const StorageMap& map) {
  uint64_t out = 0xcbf29ce484222325;
  const auto add = [&](std::string_view text) {
    out = (out ^ text.size()) * 0x100000001b3;
    for (const char c : text) out = (out ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  };
  for (const auto& [key, value] : map) {
    add(key);
    add(value);
  }
  return out;
}

inline std::string first_difference(const StorageMap& found, const StorageMap& expected) {
  const auto shown = [](const std::string& text) {
    return text.size() <= 40 ? text : text.substr(0, 40) + "... (" + std::to_string(text.size()) + " bytes)";
  };
  for (const auto& [key, value] : expected) {
    const auto at = found.find(key);
    if (at == found.end()) return "the key " + shown(key) + " is missing";
    if (at->second != value) return "the key " + shown(key) + " has the value " + shown(at->second) + ", expected " + shown(value);
  }
  for (const auto& [key, value] : found)
    if (expected.count(key) == 0) return "the key " + shown(key) + " should not be there";
  return "nothing differs";
}

}  // namespace orbit::testkit
