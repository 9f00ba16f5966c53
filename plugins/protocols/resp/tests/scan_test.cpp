// SPDX-License-Identifier: MIT OR BSD-3-Clause
// HSCAN, SSCAN and ZSCAN: what is there throughout is returned.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "keyspace.hpp"
#include "seed.hpp"

namespace orbit::resp::testing {
namespace {

// The bulk strings of a flat reply.
std::vector<std::string> bulks(const std::string& reply) {
  std::vector<std::string> out;
  for (size_t at = 0; at < reply.size();) {
    const size_t end = reply.find("\r\n", at);
    if (reply[at] != '$') {
      at = end + 2;
      continue;
    }
    const size_t size = std::stoul(reply.substr(at + 1, end - at - 1));
    out.push_back(reply.substr(end + 2, size));
    at = end + 2 + size + 2;
  }
  return out;
}

TEST_CASE("a scan returns all that is there throughout while the rest grows and shrinks") {
  const uint64_t seed = seed_of_this_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  struct Kind {
    const char* scan;
    size_t step;
    Words add;
    const char* remove;
  };
  const Kind kinds[] = {{"HSCAN", 2, {"HSET", "k", "", "v"}, "HDEL"},
                        {"SSCAN", 1, {"SADD", "k", ""}, "SREM"},
                        {"ZSCAN", 2, {"ZADD", "k", "1", ""}, "ZREM"}};
  for (const Kind& kind : kinds) {
    CAPTURE(kind.scan);
    for (int round = 0; round < 10; ++round) {
      Keyspace keys;
      const auto add = [&](const std::string& name) {
        Words command = kind.add;
        *std::find(command.begin(), command.end(), "") = name;
        keys.run(command);
      };
      std::set<std::string> lasting;
      for (int i = 0; i < 500; ++i) {
        lasting.insert("lasting" + std::to_string(i));
        add("lasting" + std::to_string(i));
      }
      const bool growing = round % 2 == 0;
      for (int i = 0; i < 5000 && !growing; ++i) add("passing" + std::to_string(i));
      std::set<std::string> seen;
      std::string cursor = "0";
      int passing = 0;
      int calls = 0;
      do {
        const auto found = bulks(keys.run({kind.scan, "k", cursor, "COUNT", "7"}));
        cursor = found[0];
        for (size_t i = 1; i < found.size(); i += kind.step) seen.insert(found[i]);
        for (int i = 0; i < 60 && passing < 5000; ++i, ++passing) {
          const std::string name = "passing" + std::to_string(passing);
          growing ? add(name) : void(keys.run({kind.remove, "k", name}));
        }
        REQUIRE(++calls < 5000);
      } while (cursor != "0");
      for (const std::string& name : lasting) REQUIRE(seen.count(name) == 1);
    }
  }
}

TEST_CASE("a scan of an unchanging value returns nothing twice") {
  Keyspace keys;
  for (int i = 0; i < 3000; ++i) keys.run({"SADD", "k", std::to_string(i)});
  std::set<std::string> seen;
  std::string cursor = "0";
  int calls = 0;
  do {
    const auto found = bulks(keys.run({"SSCAN", "k", cursor}));
    cursor = found[0];
    for (size_t i = 1; i < found.size(); ++i) REQUIRE(seen.insert(found[i]).second);
    REQUIRE(++calls < 2000);
  } while (cursor != "0");
  CHECK(seen.size() == 3000);
  CHECK(calls > 100);
}

}  // namespace
}  // namespace orbit::resp::testing
