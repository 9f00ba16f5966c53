// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Sends to activations that their senders remember.
#include <doctest/doctest.h>

#include <array>
#include <deque>
#include <random>

#include "actor/activation.hpp"
#include "actor/hinted_sends.hpp"
#include "actor/scheduler.hpp"
#include "sim_node.hpp"

using namespace test;

namespace {

constexpr size_t kActors = 50;

// A turn of the cell "sender" that stays open, and what it remembers of the others.
struct Sender {
  explicit Sender(SimNode& its_node) : node(its_node) {
    for (size_t i = 0; i < kActors; ++i) node.call("async", key(i), kGet);
    answer = node.send(0, "async", "sender", kSleep);
    cell = asleep(node, "async", "sender");
  }
  ~Sender() {
    node.wake("async", "sender");
    node.wait(answer);
  }
  static std::string key(size_t i) { return "k" + std::to_string(i); }

  void in_turn(const std::function<void()>& function) {
    node.on_worker(0, [&] { node.runtime.scheduler(0).continue_turn(cell->activation, cell->sleeping, function); });
  }
  // Within a turn. The key's memory is gone after it.
  orbit_envelope* message(size_t to, Method method, int64_t argument, std::string& its_key) {
    orbit_envelope* envelope = Runtime::api()->allocate();
    envelope->type = Runtime::api()->type("async");
    its_key = key(to);
    envelope->key = orbit::to_c(its_key);
    envelope->method = method;
    put_number(envelope, argument);
    return envelope;
  }
  void post(size_t to, bool remembers) {
    std::string its_key;
    Runtime::api()->send(message(to, kAdd, 1, its_key), remembers ? hints[to].data() : nullptr);
    std::fill(its_key.begin(), its_key.end(), '?');
  }
  // Asks for the value, which must be `expected`.
  void ask(size_t to, int64_t expected, uint64_t& asked, uint64_t& answered) {
    struct Question {
      int64_t expected;
      uint64_t& answered;
    };
    std::string its_key;
    orbit_envelope* const envelope = message(to, kGet, 0, its_key);
    envelope->flags = ORBIT_ENVELOPE_INLINE;
    envelope->reply_ctx = new Question{expected, answered};
    envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
      const std::unique_ptr<Question> question(static_cast<Question*>(ctx));
      CHECK(number_of(reply) == question->expected);
      ++question->answered;
      Runtime::api()->free_envelope(reply);
    };
    ++asked;
    Runtime::api()->send(envelope, hints[to].data());
    std::fill(its_key.begin(), its_key.end(), '?');
  }

  SimNode& node;
  std::shared_ptr<Answer> answer;
  Cell* cell = nullptr;
  std::array<std::array<uint64_t, 2>, kActors> hints{};
};

}  // namespace

TEST_CASE("a turn's messages and calls reach each actor in the order of sending, few or many, remembered or not") {
  for (const uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u}) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    Disk disk;
    SimNode node(disk, seed);
    Sender sender(node);
    std::array<int64_t, kActors> sent{};
    uint64_t asked = 0;
    uint64_t answered = 0;
    for (int turn = 0; turn < 40; ++turn) {
      // From fewer than stay near each other to many more, to all actors or again and again to few.
      const size_t messages = random() % 2 == 0 ? random() % 20 : random() % 500;
      const size_t actors = random() % 3 == 0 ? 1 + random() % 3 : kActors;
      sender.in_turn([&] {
        for (size_t i = 0; i < messages; ++i) {
          const size_t to = random() % actors;
          const uint64_t kind = random() % 50;
          if (kind < 5) {
            sender.ask(to, sent[to], asked, answered);
          } else {
            ++sent[to];
            sender.post(to, kind != 5);
          }
        }
      });
    }
    REQUIRE(node.run_until([&] { return answered == asked; }));
    CHECK(asked > 100);
    for (size_t i = 0; i < kActors; ++i) CHECK(node.call("async", Sender::key(i), kGet).value == sent[i]);
  }
}

TEST_CASE("a call goes before few messages of its turn to others, and behind many") {
  for (const size_t messages : {3u, 400u}) {
    Disk disk;
    SimNode node(disk, 1);
    Sender sender(node);
    bool at_once = false;
    uint64_t asked = 0;
    uint64_t answered = 0;
    sender.in_turn([&] {
      for (size_t i = 0; i < kActors; ++i) sender.post(i, true);
    });
    node.pass_ms(1);
    sender.in_turn([&] {
      for (size_t i = 0; i < messages; ++i) sender.post(1 + i % (kActors - 1), true);
      sender.ask(0, 1, asked, answered);
      at_once = answered == 1;
    });
    CHECK(at_once == (messages < 10));
    REQUIRE(node.run_until([&] { return answered == 1; }));
  }
}

TEST_CASE("a payload that borrows is made to own before a send within a turn returns") {
  Disk disk;
  SimNode node(disk, 2);
  Sender sender(node);
  static int retained = 0;
  retained = 0;
  static const orbit_payload_ops ops = {sizeof(orbit_payload_ops), 0, &ops, nullptr,
                                        [](void* object) -> void* { return ++retained, object; }, nullptr};
  sender.in_turn([&] {
    for (size_t i = 0; i < kActors; ++i) sender.post(i, true);
  });
  node.pass_ms(1);
  sender.in_turn([&] {
    for (size_t i = 0; i < kActors; ++i) {
      std::string key;
      orbit_envelope* const envelope = sender.message(i, kGet, 0, key);
      envelope->ops = &ops;
      Runtime::api()->send(envelope, sender.hints[i].data());
      CHECK(retained == static_cast<int>(i) + 1);
    }
  });
  node.pass_ms(1);
  CHECK(retained == static_cast<int>(kActors));
}

TEST_CASE("what was sent by memory waits in order, however many") {
  std::mt19937_64 random(3);
  orbit::kernel::HintedSends sends;
  std::deque<size_t> model;
  size_t next = 1;
  for (int phase = 0; phase < 400; ++phase) {
    const size_t pushes = random() % 4 == 0 ? random() % 100'000 : random() % 200;
    for (size_t i = 0; i < pushes; ++i, ++next) {
      REQUIRE(sends.push(reinterpret_cast<orbit_envelope*>(next * 16), nullptr));
      model.push_back(next);
    }
    REQUIRE(sends.size() == model.size());
    for (size_t i = 0; i < std::min<size_t>(model.size(), 30); ++i)
      REQUIRE(sends[i].envelope == reinterpret_cast<orbit_envelope*>(model[i] * 16));
    for (size_t pops = random() % 3 == 0 ? model.size() : random() % (model.size() + 1); pops != 0; --pops) {
      REQUIRE(sends.pop().envelope == reinterpret_cast<orbit_envelope*>(model.front() * 16));
      model.pop_front();
    }
    REQUIRE(sends.empty() == model.empty());
  }
}

TEST_CASE("a remembered activation is found until it is erased, whatever else is") {
  orbit_type type;
  type.name = "t";
  orbit::kernel::ActivationTable table(2);
  const auto insert = [&](uint64_t hash) {
    return table.insert(&type, hash, orbit::kernel::ActivationTable::mix(&type, hash), "k" + std::to_string(hash));
  };
  orbit_activation* const a = insert(1);
  orbit_activation* const b = insert(2);
  uint64_t hint[2];
  uint64_t other[2];
  table.remember(a, hint);
  table.remember(b, other);
  CHECK(table.recall_soon(hint) == a);
  CHECK(table.recall(hint) == a);
  table.erase(b);
  CHECK(table.recall(other) == nullptr);
  CHECK(table.recall_soon(hint) == nullptr);
  CHECK(table.recall(hint) == a);
  CHECK(table.recall_soon(hint) == a);
  orbit_activation* const again = insert(3);
  CHECK(again == b);  // the same place, another activation
  CHECK(table.recall(other) == nullptr);
  CHECK(table.recall(hint) == a);
  table.erase(a);
  CHECK(table.recall(hint) == nullptr);
  // What another worker remembers is none of this one's.
  orbit::kernel::ActivationTable elsewhere(3);
  orbit_activation* const far = elsewhere.insert(&type, 1, orbit::kernel::ActivationTable::mix(&type, 1), "k1");
  elsewhere.remember(far, hint);
  CHECK(table.recall(hint) == nullptr);
  CHECK(table.recall_soon(hint) == nullptr);
  table.erase(again);
  elsewhere.erase(far);
}
