// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "keyspace.hpp"
#include "redis_oracle.hpp"
#include "subcommands.hpp"

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

// The bulk strings of a flat array.
std::vector<std::string> bulks(std::string_view reply) {
  std::vector<std::string> out;
  for (size_t at = reply.find('$'); at != std::string_view::npos && at < reply.size();) {
    const size_t body = reply.find("\r\n", at) + 2;
    const auto size = static_cast<size_t>(std::stoul(std::string(reply.substr(at + 1, body - at - 3))));
    out.emplace_back(reply.substr(body, size));
    at = body + size + 2;
  }
  return out;
}

bool is_here(const std::string& name) {
  const size_t bar = name.find('|');
  if (bar == std::string::npos) return find_command(name) != nullptr;
  return std::ranges::any_of(subcommands(), [&](const Subcommand& each) {
    return each.container == name.substr(0, bar) && each.name == name.substr(bar + 1);
  });
}

TEST_CASE("the commands of data, keys, messages and connections that are missing are those that the README lists") {
  RedisOracle oracle(2);
  std::set<std::string> missing;
  for (const char* category : {"string", "bitmap", "keyspace", "hash", "list", "set", "sortedset", "pubsub", "transaction",
                               "connection"}) {
    const auto names = bulks(oracle.run({"COMMAND", "LIST", "FILTERBY", "ACLCAT", category}));
    CAPTURE(category);
    CHECK(names.size() > 3);
    for (const std::string& name : names) {
      // Categories overlap; these belong to groups that are missing as a whole.
      const bool of_other_group = name.starts_with("geo") || name.starts_with("pf") || name.starts_with("x");
      if (!of_other_group && !is_here(name)) missing.insert(name);
    }
  }
  std::ifstream readme(RESP_README);
  std::stringstream text;
  text << readme.rdbuf();
  const std::string all = text.str();
  const size_t section = all.find("## Commands that are missing");
  REQUIRE(section != std::string::npos);
  const size_t line = all.find("\n    ", section) + 1;
  std::istringstream listed(all.substr(line, all.find('\n', line) - line));
  const std::set<std::string> told{std::istream_iterator<std::string>(listed), {}};
  CHECK(missing == told);
}

TEST_CASE("subcommands have the arities of redis-server") {
  RedisOracle oracle(2);
  for (const Subcommand& each : subcommands()) {
    const std::string name = std::string(each.container) + "|" + each.name;
    CAPTURE(name);
    const std::string info = oracle.run({"COMMAND", "INFO", name});
    if (info.find(name) == std::string::npos) {
      const bool later = name == "client|no-touch" || name == "client|setinfo";  // Redis 7.2
      CHECK(later);
      continue;
    }
    CHECK(info.find(name + "\r\n:" + std::to_string(each.arity) + "\r\n") != std::string::npos);
  }
}

}  // namespace
}  // namespace orbit::resp::testing
