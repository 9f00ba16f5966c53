// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Sends to activations that their senders remember.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <random>

#include "actor/activation.hpp"
#include "actor/erasing.hpp"
#include "actor/hinted_sends.hpp"
#include "actor/scheduler.hpp"
#include "sim_node.hpp"

using namespace test;

namespace {

constexpr size_t kActors = 50;

orbit_envelope* message(const char* type, Method method, int64_t argument) {
  orbit_envelope* const envelope = Runtime::api()->allocate();
  envelope->type = Runtime::api()->type(type);
  envelope->method = method;
  put_number(envelope, argument);
  return envelope;
}

// As a proxy does. The key's memory is gone after it.
void send_to(orbit_envelope* envelope, std::string key, uint64_t* hint) {
  if (hint == nullptr || Runtime::api()->send_known(envelope, hint) == 0) {
    envelope->key = orbit::to_c(key);
    Runtime::api()->send(envelope, hint);
  }
  std::fill(key.begin(), key.end(), '?');
}

// On a worker.
std::shared_ptr<Answer> send_call(std::string key, const char* type, Method method, int64_t argument, uint16_t flags,
                                  uint64_t* hint) {
  auto asked = std::make_shared<Answer>();
  orbit_envelope* const envelope = message(type, method, argument);
  envelope->flags = flags;
  envelope->reply_ctx = new std::shared_ptr<Answer>(asked);
  envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
    const std::unique_ptr<std::shared_ptr<Answer>> owned(static_cast<std::shared_ptr<Answer>*>(ctx));
    CHECK_FALSE((*owned)->arrived);
    (*owned)->arrived = true;
    (*owned)->code = reply->code;
    (*owned)->value = number_of(reply).value_or(-1);
    Runtime::api()->free_envelope(reply);
  };
  asked->call = envelope;
  send_to(envelope, std::move(key), hint);
  return asked;
}

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
  void post(size_t to, bool remembers) {
    send_to(message("async", kAdd, 1), key(to), remembers ? hints[to].data() : nullptr);
  }
  std::shared_ptr<Answer> ask(size_t to) { return send_call(key(to), "async", kGet, 0, ORBIT_ENVELOPE_INLINE, hints[to].data()); }
  // One to each, so that all are remembered.
  void meet_all() {
    in_turn([&] {
      for (size_t i = 0; i < kActors; ++i) post(i, true);
    });
    node.pass_ms(1);
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
    std::vector<std::pair<std::shared_ptr<Answer>, int64_t>> asked;  // and what is to be answered
    for (int turn = 0; turn < 40; ++turn) {
      // From fewer than stay near each other to many more, to all actors or again and again to few.
      const size_t messages = random() % 2 == 0 ? random() % 20 : random() % 500;
      const size_t actors = random() % 3 == 0 ? 1 + random() % 3 : kActors;
      sender.in_turn([&] {
        for (size_t i = 0; i < messages; ++i) {
          const size_t to = random() % actors;
          const uint64_t kind = random() % 50;
          if (kind < 5) {
            asked.emplace_back(sender.ask(to), sent[to]);
          } else {
            ++sent[to];
            sender.post(to, kind != 5);
          }
        }
      });
    }
    CHECK(asked.size() > 100);
    for (const auto& [its_answer, value] : asked) CHECK(node.wait(its_answer).value == value);
    for (size_t i = 0; i < kActors; ++i) CHECK(node.call("async", Sender::key(i), kGet).value == sent[i]);
  }
}

TEST_CASE("a call goes before few messages of its turn to others, and behind many") {
  for (const size_t messages : {3u, 400u}) {
    Disk disk;
    SimNode node(disk, 1);
    Sender sender(node);
    sender.meet_all();
    std::shared_ptr<Answer> answer;
    bool at_once = false;
    sender.in_turn([&] {
      for (size_t i = 0; i < messages; ++i) sender.post(1 + i % (kActors - 1), true);
      answer = sender.ask(0);
      at_once = answer->arrived;
    });
    CHECK(at_once == (messages < 10));
    CHECK(node.wait(answer).value == 1);
  }
}

TEST_CASE("a message whose sender does not know where its actor is stays the sender's") {
  Disk disk;
  SimNode node(disk, 9, 2);
  std::array<std::string, 2> keys;  // of an actor of each worker
  for (size_t i = 0; keys[0].empty() || keys[1].empty(); ++i) {
    const std::string key = Sender::key(i);
    node.call("async", key, kGet);
    keys[node.cell("async", key)->activation->worker] = key;
  }
  std::array<uint64_t, 2> hints[2] = {};
  // On worker 0. Whether the hint was enough.
  const auto post = [&](size_t to) {
    orbit_envelope* const envelope = message("async", kAdd, 1);
    if (Runtime::api()->send_known(envelope, hints[to].data()) != 0) return true;
    CHECK(number_of(envelope) == 1);
    CHECK(envelope->key.data == nullptr);
    envelope->key = orbit::to_c(keys[to]);
    Runtime::api()->send(envelope, hints[to].data());
    return false;
  };
  node.on_worker(0, [&] {
    CHECK_FALSE(post(0));
    CHECK(post(0));
    CHECK_FALSE(post(1));
    CHECK_FALSE(post(1));
  });
  for (const std::string& key : keys) CHECK(node.call("async", key, kGet).value == 2);
  node.on_worker(0, [&] { Runtime::api()->deactivate_when_idle(node.cell("async", keys[0])->activation); });
  node.pass_ms(1000);
  REQUIRE(node.cell("async", keys[0]) == nullptr);
  node.on_worker(0, [&] {
    CHECK_FALSE(post(0));
    CHECK(post(0));
    CHECK_FALSE(post(1));
  });
  CHECK(node.call("async", keys[0], kGet).value == 4);
  CHECK(node.call("async", keys[1], kGet).value == 3);
}

TEST_CASE("a payload that borrows is made to own before a send within a turn returns") {
  Disk disk;
  SimNode node(disk, 2);
  Sender sender(node);
  static int retained = 0;
  retained = 0;
  static const orbit_payload_ops ops = {sizeof(orbit_payload_ops), 0, &ops, nullptr,
                                        [](void* object) -> void* { return ++retained, object; }, nullptr};
  sender.meet_all();
  sender.in_turn([&] {
    for (size_t i = 0; i < kActors; ++i) {
      orbit_envelope* const envelope = message("async", kGet, 0);
      envelope->ops = &ops;
      send_to(envelope, Sender::key(i), sender.hints[i].data());
      CHECK(retained == static_cast<int>(i) + 1);
    }
  });
  node.pass_ms(1);
  CHECK(retained == static_cast<int>(kActors));
}

namespace {

// Closes k0 and fills its mailbox.
struct FullMailbox {
  explicit FullMailbox(SimNode& its_node) : node(its_node), sleeper(node.send(0, "async", "k0", kSleep)) {
    asleep(node, "async", "k0");
    for (int i = 0; i < kMost; ++i) waiting.push_back(node.send(0, "async", "k0", kGet));
    node.pass_ms(1);
  }
  ~FullMailbox() {
    node.wake("async", "k0");
    node.wait(sleeper);
    for (const auto& each : waiting) CHECK(node.wait(each).code == ORBIT_OK);
  }
  static RuntimeOptions options() {
    RuntimeOptions options;
    options.types.mailbox_max = kMost;
    return options;
  }
  static constexpr int kMost = 20;
  SimNode& node;
  std::shared_ptr<Answer> sleeper;
  std::vector<std::shared_ptr<Answer>> waiting;
};

}  // namespace

TEST_CASE("a call behind many messages that meets a full mailbox is refused once, when its turn is over") {
  for (const bool cancelled : {false, true}) {
    Disk disk;
    SimNode node(disk, 4, 1, FullMailbox::options());
    Sender sender(node);
    sender.meet_all();
    const FullMailbox full(node);
    std::shared_ptr<Answer> answer;
    sender.in_turn([&] {
      for (size_t i = 1; i < kActors; ++i) sender.post(i, true);
      answer = sender.ask(0);
      sender.post(1, false);  // goes to its mailbox, and what was sent before to theirs
      CHECK_FALSE(answer->arrived);
      if (cancelled) Runtime::api()->cancel(answer->call);
      CHECK_FALSE(answer->arrived);
    });
    CHECK(node.wait(answer).code == ORBIT_RESOURCE_EXHAUSTED);
  }
}

TEST_CASE("a call behind many messages of its turn can be cancelled") {
  Disk disk;
  SimNode node(disk, 5);
  Sender sender(node);
  sender.meet_all();
  std::shared_ptr<Answer> answer;
  sender.in_turn([&] {
    for (size_t i = 1; i < kActors; ++i) sender.post(i, true);
    answer = sender.ask(0);
    Runtime::api()->cancel(answer->call);
  });
  CHECK(node.wait(answer).code == ORBIT_CANCELLED);
}

TEST_CASE("the dead letter of a message whose sender is gone names its actor") {
  Disk disk;
  SimNode node(disk, 6, 1, FullMailbox::options());
  Sender sender(node);
  sender.meet_all();
  const FullMailbox full(node);
  sender.in_turn([&] { sender.post(0, true); });
  node.pass_ms(1);
  REQUIRE(node.runtime.scheduler(0).dead_letters().kept().size() == 1);
  CHECK(node.runtime.scheduler(0).dead_letters().kept().back().key == "k0");
}

TEST_CASE("a hold that a turn asks for comes after the messages that it sent") {
  for (const bool erasing : {false, true}) {
    Disk disk;
    SimNode node(disk, 7);
    Sender sender(node);
    sender.meet_all();
    static int64_t seen;
    seen = 0;
    sender.in_turn([&] {
      sender.post(3, true);
      const orbit_actor_ref ref = {Runtime::api()->type("async"), {"k3", 2}};
      const auto granted = [](void* ctx, orbit_hold* hold, void* const* actors, size_t, orbit_code code, const char*) {
        REQUIRE(code == ORBIT_OK);
        seen = static_cast<Cell*>(actors[0])->value;
        const auto ended = [](void*, orbit_code, const char*) {};
        if (ctx != nullptr)
          erasing_table()->release(hold, nullptr, nullptr, ended, nullptr);
        else
          Runtime::api()->release(hold, nullptr, ended, nullptr);
      };
      if (erasing)
        erasing_table()->hold(&ref, 1, nullptr, 0, 0, granted, &seen);
      else
        Runtime::api()->hold(&ref, 1, 0, granted, nullptr);
    });
    REQUIRE(node.run_until([&] { return seen != 0; }));
    CHECK(seen == 2);
  }
}

namespace {

// The hint that a leaving "guest" uses to tell "k1" of the same type.
uint64_t told_hint[2];

orbit_actor_type guest_type() {
  orbit_actor_type type = *cell_type("guest", ORBIT_DURABILITY_ASYNC, 1);
  type.idle_timeout_ms = 100;
  type.deactivating = [](void* actor, orbit_deactivation) -> int {
    if (static_cast<Cell*>(actor)->key != "k0") return 0;
    send_to(message("guest", kAdd, 5), "k1", told_hint);
    return 0;
  };
  return type;
}

}  // namespace

TEST_CASE("a message to an actor that leaves together with its sender is not lost") {
  static const orbit_actor_type type = guest_type();
  static const orbit_actor_type* const types[] = {&type};
  Disk disk;
  SimNode node(disk, 8);
  REQUIRE(node.runtime.publish_module("guests", "1", "guests.so", types));
  node.on_worker(0, [] {
    for (const std::string key : {"k0", "k1"}) {
      told_hint[0] = told_hint[1] = 0;  // in the end it is about k1
      send_to(message("guest", kGet, 0), key, told_hint);
    }
  });
  node.pass_ms(5000);
  CHECK(node.call("guest", "k1", kGet).value == 5);
}

TEST_CASE("an actor that sends to another cold one while it is activated is there for its first caller") {
  static const orbit_actor_type type = [] {
    orbit_actor_type made = *cell_type("greeter", ORBIT_DURABILITY_ASYNC);
    made.load = [](void*, const orbit_record*, size_t, uint64_t, orbit_error*) -> orbit_code {
      send_to(message("async", kAdd, 1), "greeted", nullptr);
      return ORBIT_OK;
    };
    return made;
  }();
  static const orbit_actor_type* const types[] = {&type};
  Disk disk;
  SimNode node(disk, 9, 1, {}, true);
  REQUIRE(node.runtime.publish_module("greeters", "1", "greeters.so", types));
  CHECK(node.call("greeter", "a", kGet).code == ORBIT_OK);
  CHECK(node.call("async", "greeted", kGet).value == 1);
}

TEST_CASE("actors with many messages that fail with a commit begin again, and nobody in the run queue with them is forgotten") {
  for (const uint64_t seed : {1u, 2u, 3u, 4u}) {
    INFO("seed " << seed);
    Disk disk;
    RuntimeOptions options;
    options.loads_max = 2;
    SimNode node(disk, seed, 1, options);
    constexpr size_t kCells = 150;
    const auto key = [](size_t i) { return "c" + std::to_string(i); };
    for (size_t i = 0; i < kCells; ++i) {
      node.call("sync", key(i), kAdd, 1);
      node.call("async", key(i), kGet);
    }
    disk.fail_after_writes = 0;
    std::vector<std::shared_ptr<Answer>> answers;
    std::vector<std::shared_ptr<Answer>> others;
    // More than a round runs, so that many still wait for their turn when the first commit has failed.
    node.on_worker(0, [&] {
      for (int round = 0; round < 60; ++round)
        for (size_t i = 0; i < kCells; ++i) {
          answers.push_back(send_call(key(i), "sync", kAdd, 1, 0, nullptr));
          others.push_back(send_call(key(i), "async", kGet, 0, 0, nullptr));
        }
    });
    REQUIRE(node.run_until([&] { return std::any_of(answers.begin(), answers.end(), [](const auto& a) { return a->arrived; }); }));
    disk.fail_after_writes = -1;
    REQUIRE(node.run_until([&] { return std::all_of(answers.begin(), answers.end(), [](const auto& a) { return a->arrived; }); }));
    for (const auto& each : others) CHECK(node.wait(each).code == ORBIT_OK);
    std::vector<int64_t> added(kCells);
    for (size_t i = 0; i < answers.size(); ++i) added[i % kCells] += answers[i]->code == ORBIT_OK;
    for (size_t i = 0; i < kCells; ++i) CHECK(node.call("sync", key(i), kGet).value == 1 + added[i]);
  }
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
