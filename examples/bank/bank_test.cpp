// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>
#include <set>

#include "bank.orbit.hpp"

using namespace bank;
using namespace std::chrono_literals;
using orbit::testkit::for_seeds;
using orbit::testkit::Node;
using orbit::testkit::NodeOptions;

namespace {

const NodeOptions kOptions{.modules = {ORBIT_TEST_MODULE}};

Amount cents(int64_t value) {
  Amount amount;
  amount.set_cents(value);
  return amount;
}

TransferRequest transfer(int64_t from, int64_t to, int64_t value) {
  TransferRequest request;
  request.set_from(from);
  request.set_to(to);
  request.set_cents(value);
  return request;
}

int64_t balance(Node& node, int64_t account) { return node.call(Account(account).get_balance({})).cents(); }

}  // namespace

TEST_CASE("an account never owes") {
  Node node(kOptions);
  CHECK(node.call(Account(1).deposit(cents(100))).cents() == 100);
  const auto refused = node.result(Account(1).withdraw(cents(101)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::failed_precondition);
  CHECK(balance(node, 1) == 100);
  CHECK_FALSE(node.result(Account(1).deposit(cents(0))));
}

TEST_CASE("a teller moves money, and gives it back when the second account refuses") {
  Node node(kOptions);
  node.call(Account(1).deposit(cents(1000)));
  node.call(Account(2).deposit(cents(INT64_MAX)));
  const TransferReply reply = node.call(Teller("tina").transfer(transfer(1, 3, 300)));
  CHECK(reply.from().cents() == 700);
  CHECK(reply.to().cents() == 300);
  const auto refused = node.result(Teller("tina").transfer(transfer(1, 2, 300)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("refunded") != std::string::npos);
  CHECK(balance(node, 1) == 700);
  CHECK(node.call(Teller("tina").get_report({})).transfers() == 1);
}

TEST_CASE("tellers that work at the same time lose and make no money") {
  for_seeds(20, [](uint64_t) {
    Node node(kOptions);
    for (int64_t account = 0; account < 4; ++account) node.call(Account(account).deposit(cents(100)));
    std::vector<orbit::testkit::Pending<TransferReply>> transfers;
    for (int64_t i = 0; i < 12; ++i)
      transfers.push_back(
          node.start(Teller("teller" + std::to_string(i)).transfer(transfer(i % 4, (i + 1 + i / 4) % 4, 40))));
    int64_t done = 0;
    for (auto& one : transfers) done += one.result().has_value();
    CHECK(done > 0);
    int64_t sum = 0;
    for (int64_t account = 0; account < 4; ++account) sum += balance(node, account);
    CHECK(sum == 400);
  });
}

// What README.md calls the limit of this example: a transfer is three turns.
TEST_CASE("a crash in the middle of a transfer leaves each account whole, but money may be on its way") {
  std::set<int64_t> sums;
  for_seeds(40, [&](uint64_t seed) {
    Node node(kOptions);
    node.call(Account(1).deposit(cents(500)));
    node.call(Account(2).deposit(cents(500)));
    auto moving = node.start(Teller("tina").transfer(transfer(1, 2, 200)));
    for (uint64_t steps = seed; steps != 0 && node.step(); --steps) {
    }
    const bool answered = moving.done();
    node.crash();
    node.restart();
    const int64_t from = balance(node, 1);
    const int64_t to = balance(node, 2);
    CHECK((from == 500 || from == 300));
    CHECK((to == 500 || to == 700));
    if (answered) CHECK(to == 700);
    if (to == 700) CHECK(from == 300);  // never money out of nothing
    sums.insert(from + to);
  });
  if (!orbit::testkit::seed_is_given()) CHECK(sums == std::set<int64_t>{800, 1000});
}

TEST_CASE("a full disk refuses a deposit, and takes back what it did") {
  Node node(kOptions);
  node.call(Account(1).deposit(cents(100)));
  node.storage().set_full(true);
  CHECK_FALSE(node.result(Account(1).deposit(cents(5))));
  node.storage().set_full(false);
  node.advance(5s);
  CHECK(balance(node, 1) == 100);
  CHECK(node.call(Account(1).deposit(cents(5))).cents() == 105);
}
