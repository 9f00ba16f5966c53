// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "keyspace.hpp"
#include "redis_oracle.hpp"

namespace orbit::resp::testing {
namespace {

TEST_CASE("every command is found by its name in any case, and nothing else is") {
  for (const CommandSpec& spec : command_table()) {
    CAPTURE(spec.name);
    std::string name = spec.name;
    CHECK(find_command(name) == &spec);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    CHECK(find_command(name) == &spec);
    CHECK(find_command(name + " ") == nullptr);
    CHECK(find_command(name + "q") == nullptr);
    CHECK(find_command(name.substr(1)) != &spec);
    for (char& c : name) {
      const char kept = c;
      c = static_cast<char>(c ^ 0x40);
      CHECK(find_command(name) != &spec);
      c = kept;
    }
  }
  CHECK(find_command("") == nullptr);
  CHECK(find_command(std::string("get\0", 4)) == nullptr);
  CHECK(find_command("sort\x7fro") == nullptr);
}

TEST_CASE("names, arities and key positions are those of redis-server") {
  RedisOracle oracle(2);
  for (const CommandSpec& spec : command_table()) {
    const std::string name = spec.name;
    if (name.starts_with("actor.")) continue;
    CAPTURE(name);
    const std::string info = oracle.run({"COMMAND", "INFO", name});
    const std::string head =
        "*1\r\n*10\r\n$" + std::to_string(name.size()) + "\r\n" + name + "\r\n:" + std::to_string(spec.arity) + "\r\n";
    CHECK(info.substr(0, head.size()) == head);
    const std::string keys = "\r\n:" + std::to_string(spec.first_key) + "\r\n:" + std::to_string(spec.last_key) +
                             "\r\n:" + std::to_string(spec.key_step) + "\r\n";
    CHECK(info.find(keys) != std::string::npos);
    const bool writes = info.find("+write\r\n") != std::string::npos;
    CHECK(((spec.flags & kWrite) != 0) == writes);
  }
}

}  // namespace
}  // namespace orbit::resp::testing
