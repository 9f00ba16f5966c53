// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Answers that are more than a client may have waiting.
#include <doctest/doctest.h>

#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>
#include <string>
#include <vector>

#include "../../../../tests/effort.hpp"
#include "sim_clients.hpp"

namespace orbit::resp::testing {
namespace {

using testkit::Connection;
using testkit::Node;

const std::string kDoesNotFit = "-ERR the answer does not fit into output_bytes_max = 65536 bytes";

Node bounded_node(uint64_t seed, const std::string& more = "") {
  return Node({.seed = seed,
               .workers = static_cast<uint32_t>(1 + seed % 3),
               .plugins = {{.file = RESP_PLUGIN, .config = "listen = '127.0.0.1:6379'\noutput_bytes_max = 65536\n" + more}}});
}

void write_large(Node& node, Connection& client) {
  ask(node, client, {"SET", "big", std::string(30'000, 'x')});
  ask(node, client, {"SET", "w1", std::string(30'000, 'x')});
  ask(node, client, {"SADD", "s", "a"});
  ask(node, client, {"HSET", "h", "f", "v"});
  ask(node, client, {"ZADD", "z", "1", "m"});
  ask(node, client, {"RPUSH", "l", "1", "1", "1"});
  for (int i = 0; i < 3; ++i) ask(node, client, {"RPUSH", "long", std::string(30'000, 'x')});
}

}  // namespace

TEST_CASE("a command whose answer does not fit into output_bytes_max is refused with an error that names it") {
  testkit::for_seeds(orbit::testing::with_effort(10), [&](uint64_t seed) {
    Node node = bounded_node(seed);
    Connection client = node.connect("127.0.0.1:6379");
    write_large(node, client);
    const std::vector<Args> commands{{"SRANDMEMBER", "s", "-100000"},
                                     {"SRANDMEMBER", "s", "-9223372036854775807"},
                                     {"HRANDFIELD", "h", "-400000000"},
                                     {"HRANDFIELD", "h", "-100000", "WITHVALUES"},
                                     {"ZRANDMEMBER", "z", "-400000000", "WITHSCORES"},
                                     {"MGET", "big", "big", "big"},
                                     {"MGET", "big", "other", "w1", "big"},
                                     {"LRANGE", "long", "0", "-1"},
                                     {"SORT_RO", "l", "BY", "nosort", "GET", "w*"}};
    for (const Args& command : commands) {
      CAPTURE(command[0]);
      CHECK(ask(node, client, command) == kDoesNotFit + "\r\n");
      CHECK(ask(node, client, {"MGET", "big", "w1"}).starts_with("*2\r\n$30000\r\nxxx"));
      // Alone of its EXEC.
      REQUIRE(ask(node, client, {"MULTI"}) == "+OK\r\n");
      REQUIRE(ask(node, client, command) == "+QUEUED\r\n");
      REQUIRE(ask(node, client, {"INCR", "counter"}) == "+QUEUED\r\n");
      const std::string both = ask(node, client, {"EXEC"});
      CHECK((both.starts_with("*2\r\n" + kDoesNotFit + "\r\n:") ||
             both == "-ERR the EXEC was carried out, but its answers do not fit into output_bytes_max = 65536 bytes\r\n"));
    }
    CHECK(ask(node, client, {"GET", "counter"}) == "$1\r\n9\r\n");
  });
}

TEST_CASE("a command that only reads and does not fit changes nothing that others watch") {
  testkit::for_seeds(orbit::testing::with_effort(10), [&](uint64_t seed) {
    Node node = bounded_node(seed, "durability = 'sync'");
    Connection client = node.connect("127.0.0.1:6379");
    Connection watcher = node.connect("127.0.0.1:6379");
    write_large(node, client);
    REQUIRE(ask(node, watcher, {"WATCH", "long", "big", "w1"}) == "+OK\r\n");
    CHECK(ask(node, client, {"LRANGE", "long", "0", "-1"}) == kDoesNotFit + "\r\n");
    CHECK(ask(node, client, {"MGET", "big", "w1", "big", "other"}) == kDoesNotFit + "\r\n");
    REQUIRE(ask(node, watcher, {"MULTI"}) == "+OK\r\n");
    REQUIRE(ask(node, watcher, {"LLEN", "long"}) == "+QUEUED\r\n");
    CHECK(ask(node, watcher, {"EXEC"}) == "*1\r\n:3\r\n");
  });
}

TEST_CASE("answers that wait behind an earlier one are bounded together: whole, refused, or the end of the connection") {
  testkit::for_seeds(orbit::testing::with_effort(20), [&](uint64_t seed) {
    Node node = bounded_node(seed, "durability = 'sync'\noutput_pause_bytes = 4096");
    Connection client = node.connect("127.0.0.1:6379");
    write_large(node, client);
    for (const char* key : {"s1", "s2", "s3"}) ask(node, client, {"SADD", key, "a"});
    node.storage().set_delay(std::chrono::seconds(1));
    std::string commands = command_text({"SET", "first", "1"});
    constexpr int kMany = 40;
    for (int i = 0; i < kMany; ++i) commands += command_text({"SRANDMEMBER", "s" + std::to_string(1 + i % 3), "-4000"});
    commands += command_text({"GET", "first"});
    client.send(commands);
    std::string reply = take_reply(node, client);
    const bool one_worker = seed % 3 == 0;  // where no command runs before the answers of those before it leave
    CHECK((reply == "+OK\r\n" || (reply.empty() && !one_worker)));
    for (int i = 0; i < kMany && !reply.empty(); ++i) {
      reply = take_reply(node, client);
      const bool whole = reply.size() == 4000 * 7 + 7 && reply.starts_with("*4000\r\n$1\r\na\r\n");
      CHECK_MESSAGE((whole || ((reply == kDoesNotFit + "\r\n" || reply.empty()) && !one_worker)), reply.substr(0, 200));
    }
    if (!reply.empty()) CHECK(take_reply(node, client) == "$1\r\n1\r\n");
    Connection other = node.connect("127.0.0.1:6379");
    CHECK(ask(node, other, {"GET", "first"}) == "$1\r\n1\r\n");
  });
}

TEST_CASE("a command that writes and whose answer does not fit says that what it changed stays") {
  testkit::for_seeds(orbit::testing::with_effort(10), [&](uint64_t seed) {
    Node node = bounded_node(seed);
    Connection client = node.connect("127.0.0.1:6379");
    write_large(node, client);
    CHECK(ask(node, client, {"LPOP", "long", "3"}) == kDoesNotFit + "; what the command changed stays\r\n");
    CHECK(ask(node, client, {"PING"}) == "+PONG\r\n");
    CHECK(ask(node, client, {"LLEN", "long"}) != ":3\r\n");
  });
}

}  // namespace orbit::resp::testing
