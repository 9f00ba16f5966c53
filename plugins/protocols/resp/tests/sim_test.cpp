// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The Redis wire of a simulated node: clients that pipeline over a network which cuts, delays and holds back, slow
// readers, power cuts and restarts. What was acknowledged is there, what was not is there or not, nothing is torn,
// answers come in their order.
#include <doctest/doctest.h>

#include <memory>
#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>
#include <set>
#include <string>
#include <vector>

#include "../../../../tests/effort.hpp"
#include "sim_clients.hpp"

namespace orbit::resp::testing {
namespace {

using namespace std::chrono_literals;
using testkit::Connection;
using testkit::Direction;
using testkit::Node;
using testkit::NodeOptions;
using testkit::Unsynced;

// A node and its clients for one seed.
class Simulation {
 public:
  explicit Simulation(uint64_t seed) : dice_(seed), node_(options(seed, dice_)) {
    const uint64_t clients = 2 + dice_.below(4);
    calm();
    for (size_t i = 0; i < clients; ++i)
      clients_.push_back(std::make_unique<SimulatedClient>(node_, shared_, i, dice_.below(UINT64_MAX)));
    weather();
  }

  void run(size_t actions) {
    for (size_t i = 0; i < actions && testkit::detail::failures() == failures_; ++i) act();
    settle();
  }

  uint64_t answered() const {
    uint64_t sum = 0;
    for (const auto& client : clients_) sum += client->answered();
    return sum;
  }
  uint64_t crashes() const { return crashes_; }
  uint64_t trace_hash() const { return node_.trace_hash(); }

 private:
  static NodeOptions options(uint64_t seed, Dice& dice) {
    std::string config = "durability = 'sync'\nlisten = '127.0.0.1:6379'\n";
    if (dice.one_in(2)) config += "output_pause_bytes = 4096\n";
    if (dice.one_in(2)) config += "pipeline_max = " + std::to_string(1 + dice.below(20)) + "\n";
    if (dice.one_in(2)) config += "key_idle_timeout_ms = 100\n";  // keys leave memory, and come back
    return {.seed = seed,
            .workers = static_cast<uint32_t>(1 + dice.below(3)),
            .plugins = {{.file = RESP_PLUGIN, .config = config}}};
  }

  // Nothing is held back or cut.
  void calm() {
    node_.network().heal();
    node_.network().set_reset_chance(0);
  }
  void weather() {
    static constexpr size_t kLargest[] = {8, 100, 2'000, 65'536};
    node_.network().set_delay(0ms, std::chrono::milliseconds(dice_.one_in(2) ? 0 : dice_.below(30)));
    node_.network().set_piece_bytes(1, kLargest[dice_.below(std::size(kLargest))]);
    node_.network().set_window_bytes(dice_.one_in(3) ? 500 + dice_.below(2'000) : 65'536);
    node_.network().set_reset_chance(dice_.one_in(3) ? 0.001 : 0);
    node_.storage().set_delay(std::chrono::milliseconds(dice_.one_in(2) ? 0 : dice_.below(40)));
  }

  void act() {
    SimulatedClient& client = *clients_[dice_.below(clients_.size())];
    Connection* const connection = client.connection();
    switch (dice_.below(24)) {
      case 0:
        if (connection != nullptr) node_.network().partition(*connection, direction());
        break;
      case 1:
        node_.network().partition(client.host(), direction());
        break;
      case 2:
      case 3:
        node_.network().heal();
        break;
      case 4:
        if (connection != nullptr) connection->stop_reading();
        break;
      case 5:
        if (connection != nullptr) connection->read_again();
        break;
      case 6:
        if (dice_.one_in(3)) lose(client);
        break;
      case 7:
        if (dice_.one_in(2)) crash();
        break;
      case 8:
        if (dice_.one_in(3)) restart();
        break;
      case 9:
        weather();
        break;
      case 10:
      case 11:
        node_.advance(std::chrono::milliseconds(dice_.below(200)));
        break;
      case 12:
      case 13:
      case 14:
        node_.advance(std::chrono::milliseconds(dice_.below(20)));
        break;
      case 15:
      case 16:
      case 17:
        some_steps();
        break;
      default:
        client.send_some();
    }
    bool any_lost = false;
    for (auto& each : clients_) {
      each->take_answers();
      any_lost |= each->lost();
    }
    if (any_lost && dice_.one_in(4)) recover();
  }

  // So few that much is in its middle.
  void some_steps() {
    for (uint64_t steps = dice_.below(300); steps != 0 && node_.step(); --steps) {
    }
  }

  Direction direction() {
    static constexpr Direction kAll[] = {Direction::to_node, Direction::from_node, Direction::both};
    return kAll[dice_.below(std::size(kAll))];
  }

  void lose(SimulatedClient& client) {
    if (client.connection() == nullptr) return;
    if (dice_.one_in(3)) node_.network().vanish(*client.connection());
    if (dice_.one_in(2)) client.connection()->reset();
    client.give_up();  // closes it
  }

  void crash() {
    ++crashes_;
    if (dice_.one_in(2)) {
      for (auto& client : clients_) client->send_some();
      node_.advance(std::chrono::milliseconds(dice_.below(20)));
      some_steps();
    }
    node_.crash(dice_.one_in(2) ? Unsynced::seeded : Unsynced::lost);
    // Answers may be on their way; some clients ask on.
    if (dice_.one_in(2)) clients_[dice_.below(clients_.size())]->send_some();
    node_.advance(std::chrono::milliseconds(dice_.below(100)));
    node_.restart();
    node_.advance(std::chrono::milliseconds(dice_.below(100)));
    for (auto& client : clients_) {
      client->take_answers();
      client->give_up();
    }
    recover();
  }

  void restart() {
    node_.restart();
    node_.advance(std::chrono::milliseconds(dice_.below(100)));
    for (auto& client : clients_) client->take_answers();
  }

  // Nobody may be in the middle of what a lost connection has asked for; of one that vanished the node serves what it
  // has.
  void recover() {
    calm();
    node_.advance(6s);
    for (auto& client : clients_) {
      client->take_answers();
      if (client->lost()) client->recover();
    }
    check();
  }

  void check() {
    Connection checker = node_.connect("127.0.0.1:6379");
    for (const char* counter : {"counter", "watched"})
      shared_.check_counter(counter, ask(node_, checker, {"GET", counter}));
    const std::string queue = ask(node_, checker, {"LRANGE", "queue", "0", "-1"});
    uint64_t under_way = 0;
    for (const auto& client : clients_) under_way += client->takes_under_way();
    shared_.check_queue(queue, under_way);
    shared_.check_list(ask(node_, checker, {"LRANGE", "list", "0", "-1"}));
    shared_.check_pair(ask(node_, checker, {"MGET", Shared::kPair[0], Shared::kPair[1]}));
    Args accounts{"MGET"};
    for (uint64_t i = 0; i < Shared::kAccounts; ++i) accounts.push_back(shared_.account(i));
    shared_.check_accounts(ask(node_, checker, accounts));
  }

  // What was asked for is answered, once nothing is in its way.
  void settle() {
    calm();
    for (auto& client : clients_) client->await_all();
    recover();
  }

  const uint64_t failures_ = testkit::detail::failures();
  Dice dice_;
  Node node_;
  Shared shared_;
  std::vector<std::unique_ptr<SimulatedClient>> clients_;
  uint64_t crashes_ = 0;
};

constexpr size_t kActions = 150;

}  // namespace

TEST_CASE(
    "clients of a node that loses its power behind a bad network find what was acknowledged, whole and in order") {
  uint64_t answered = 0;
  uint64_t crashes = 0;
  testkit::for_seeds(orbit::testing::with_effort(150), [&](uint64_t seed) {
    Simulation simulation(seed);
    simulation.run(kActions);
    answered += simulation.answered();
    crashes += simulation.crashes();
  });
  MESSAGE(answered << " answers, " << crashes << " power cuts");
  if (!testkit::seed_is_given()) CHECK(crashes > 0);
}

TEST_CASE("an EXEC whose connection ends before it does is whole, in the database of its connection all the same") {
  size_t flushed = 0;
  constexpr size_t kSeeds = orbit::testing::with_effort(100);
  testkit::for_seeds(kSeeds, [&](uint64_t seed) {
    Node node({.seed = seed, .plugins = {{.file = RESP_PLUGIN, .config = "listen = '127.0.0.1:6379'"}}});
    Connection other = node.connect("127.0.0.1:6379");
    REQUIRE(ask(node, other, {"SET", "key", "zero"}) == "+OK\r\n");
    REQUIRE(ask(node, other, {"SELECT", "1"}) == "+OK\r\n");
    REQUIRE(ask(node, other, {"SET", "key", "one"}) == "+OK\r\n");
    Connection leaves = node.connect("127.0.0.1:6379");
    for (const Args& args :
         {Args{"SELECT", "1"}, Args{"MULTI"}, Args{"FLUSHDB"}, Args{"DBSIZE"}, Args{"CLIENT", "INFO"}, Args{"KEYS", "*"},
          Args{"SET", "new", "one"}, Args{"EXEC"}})
      leaves.send(command_text(args));
    for (uint64_t steps = seed * 2; steps != 0 && node.step(); --steps) {
    }
    leaves.reset();
    node.advance(1s);
    const std::string one = ask(node, other, {"MGET", "key", "new"});
    flushed += one == "*2\r\n$-1\r\n$3\r\none\r\n";
    CHECK((one == "*2\r\n$-1\r\n$3\r\none\r\n" || one == "*2\r\n$3\r\none\r\n$-1\r\n"));
    REQUIRE(ask(node, other, {"SELECT", "0"}) == "+OK\r\n");
    CHECK(ask(node, other, {"MGET", "key", "new"}) == "*2\r\n$4\r\nzero\r\n$-1\r\n");
  });
  if (!testkit::seed_is_given()) CHECK((flushed > 0 && flushed < kSeeds));
}

TEST_CASE("the same seed gives the same history, and another seed another one") {
  const auto history = [](uint64_t seed) {
    Simulation simulation(seed);
    simulation.run(kActions / 3);
    return simulation.trace_hash();
  };
  std::set<uint64_t> all;
  constexpr uint64_t kSeeds = orbit::testing::with_effort(16);
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const uint64_t once = history(seed);
    CHECK_MESSAGE(once == history(seed), "seed " << seed);
    all.insert(once);
  }
  CHECK(all.size() == kSeeds);
}

}  // namespace orbit::resp::testing
