// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Counts what the whole process allocates while typed actors on a real executor send each other messages.
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <orbit/actor.hpp>
#include <string>
#include <vector>

#include "actor/runtime.hpp"
#include "executor/asio_executor.hpp"
#include "message_allocation.orbit.hpp"
#include "state/record_format.hpp"

namespace {

constinit std::atomic<bool> counting{false};
constinit std::atomic<int64_t> allocations{0};

}  // namespace

#ifndef SANITIZED
static void note() noexcept {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
}

// In place of the C library's, for every part of the process.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  note();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  note();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  note();
  return __libc_realloc(memory, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  note();
  *memory = __libc_memalign(alignment, size);
  return *memory != nullptr ? 0 : ENOMEM;
}
}

TEST_CASE("the count sees an allocation") {
  counting = true;
  allocations = 0;
  const auto text = std::make_unique<std::string>(100, 'x');
  counting = false;
  CHECK(text->size() == 100);
  CHECK(allocations == 2);
}
#endif

namespace {

using namespace message_allocation;
using namespace orbit::kernel;

class CounterActor final : public CounterBase<CounterActor> {
 public:
  void hit(const Number& number) { hits_ += number.value(); }
  Number add(const Number& number) {
    mutable_state().set_value(state().value() + number.value());
    Number reply;
    reply.set_value(state().value() + hits_);
    return reply;
  }
  orbit::Task<Number> add_there(Number there) {
    Number reply = co_await Counter(there.value()).add([](Number& one) { one.set_value(1); });
    co_return reply;
  }

 private:
  int64_t hits_ = 0;
};

class SenderActor final : public SenderBase<SenderActor> {
 public:
  orbit::Task<Number> run(Plan plan) {
    std::deque<Counter> counters;
    for (const int64_t key : plan.counters()) counters.emplace_back(key);
    // More is on its way at once while it warms up than later.
    for (int64_t round = 0; round < plan.rounds(); ++round) co_await one_round(counters, plan.messages() * 8);
    allocations = 0;
    counting = true;
    for (int64_t round = 0; round < plan.rounds(); ++round) co_await one_round(counters, plan.messages());
    counting = false;
    Number reply;
    reply.set_value(allocations);
    co_return reply;
  }

 private:
  static orbit::Task<> one_round(const std::deque<Counter>& counters, int64_t messages) {
    for (int64_t i = 0; i < messages; ++i)
      for (const Counter& counter : counters) counter.hit([](Number& one) { one.set_value(1); });
    for (const Counter& counter : counters) {
      co_await counter.add([](Number& one) { one.set_value(1); });
      if (&counter == &counters.front()) continue;
      co_await counter.add_there([&](Number& there) { there.set_value(counters.front().key()); });
    }
  }
};

// Storage that holds nothing.
const orbit_storage_v1 kNothing = {
    sizeof(orbit_storage_v1), 0,
    [](void*, orbit_snapshot*, orbit_bytes, orbit_sink, orbit_error*) -> orbit_code { return ORBIT_NOT_FOUND; },
    nullptr,
    [](void*, orbit_snapshot*, orbit_bytes, orbit_bytes, int, orbit_visit_entry, void*, orbit_error*) -> orbit_code { return ORBIT_OK; },
    [](void*, const orbit_write_op*, size_t, int, orbit_error*) -> orbit_code { return ORBIT_OK; },
    [](void*, orbit_error*) -> orbit_code { return ORBIT_OK; },
    [](void*, orbit_error*) -> orbit_code { return ORBIT_OK; },
    [](void*) -> uint64_t { return 0; },
};

const orbit_host kHost = {sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR,
                          [](const orbit_host*, const char* id) -> const void* {
                            return std::strcmp(id, ORBIT_ACTORS_V1) == 0 ? Runtime::api() : nullptr;
                          }};

struct Outcome {
  std::mutex mutex;
  std::condition_variable changed;
  bool arrived = false;
  orbit_code code = ORBIT_OK;
  std::string message;
  int64_t allocations = -1;
};

// Runs the plan from an actor of worker 0, with one counter on each of these workers.
Outcome run(uint32_t workers, const std::vector<uint32_t>& counters_on) {
  AsioExecutor executor({.workers = workers, .spin_us = 50});
  Runtime runtime(executor, {}, {Engine{"nothing", &kNothing, nullptr, nullptr}});
  REQUIRE(orbit::connect_module(&kHost));
  const orbit_actor_type* const types[] = {orbit::detail::actor_type<CounterActor>(), orbit::detail::actor_type<SenderActor>()};
  REQUIRE(runtime.publish_module("message_allocation", "1", "", types));
  const auto key_on = [&](const char* type, uint32_t worker, int64_t from) {
    const orbit_type* handle = runtime.types().type(type);
    int64_t key = from;
    while (runtime.worker_of(ActivationTable::mix(handle, key_hash(std::to_string(key)))) != worker) ++key;
    return key;
  };
  Plan plan;
  plan.set_rounds(300);
  plan.set_messages(50);
  int64_t from = 1;
  for (const uint32_t worker : counters_on) {
    from = key_on("message_allocation.Counter", worker, from);
    plan.add_counters(from++);
  }
  const std::string sender = std::to_string(key_on("message_allocation.Sender", 0, 1));
  Outcome outcome;
  executor.start();
  runtime.post(0, [&] {
    orbit_envelope* envelope = Runtime::api()->allocate();
    envelope->type = runtime.types().type("message_allocation.Sender");
    envelope->key = orbit::to_c(orbit::Bytes(sender));
    envelope->method = orbit_method_id("Run", 3);
    orbit::detail::emplace_payload<Plan>(envelope, plan);
    envelope->reply_ctx = &outcome;
    envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
      auto& its = *static_cast<Outcome*>(ctx);
      const std::lock_guard lock(its.mutex);
      its.code = reply->code;
      if (reply->code != ORBIT_OK)
        its.message = reply->message;
      else
        its.allocations = (*orbit::detail::payload_as<Number>(reply))->value();
      Runtime::api()->free_envelope(reply);
      its.arrived = true;
      its.changed.notify_all();
    };
    Runtime::api()->send(envelope, nullptr);
  });
  {
    std::unique_lock lock(outcome.mutex);
    outcome.changed.wait(lock, [&] { return outcome.arrived; });
  }
  executor.stop();
  return {{}, {}, true, outcome.code, outcome.message, outcome.allocations};
}

void check_none(const Outcome& outcome) {
  CHECK_MESSAGE(outcome.code == ORBIT_OK, outcome.message);
  CHECK(outcome.allocations == 0);
}

}  // namespace

TEST_CASE("messages between actors of one worker allocate nothing once warm") { check_none(run(1, {0, 0})); }

TEST_CASE("messages to actors of another worker, and the replies, allocate nothing once warm") { check_none(run(2, {0, 1, 1})); }

TEST_CASE("messages that flow to other workers and never back allocate nothing once warm") { check_none(run(3, {1, 2})); }
