// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Counts what the SDK allocates, with a host that allocates nothing itself.
#include <doctest/doctest.h>
#include <orbit/actor.hpp>

#include <cstdlib>
#include <cstring>
#include <new>

#include "probe.hpp"

#ifndef ORBIT_FRAME_POOL_OFF  // a sanitizer that owns operator new also switches the frame pool off

namespace {
thread_local size_t allocations = 0;
}

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace {

using namespace probe;

// Two actors and eight envelopes; every call runs inside send, as the kernel does for an idle actor on the same worker.
struct TinyHost {
  static inline orbit_envelope pool[8];
  static inline orbit_envelope* free[8];
  static inline size_t free_count;
  static inline void* actors[2];

  static orbit_envelope* allocate() {
    REQUIRE(free_count != 0);
    orbit_envelope* envelope = free[--free_count];
    std::memset(static_cast<void*>(envelope), 0, offsetof(orbit_envelope, room));
    envelope->payload = envelope->room;
    return envelope;
  }
  static void free_envelope(orbit_envelope* envelope) {
    orbit::detail::drop_payload(envelope);
    free[free_count++] = envelope;
  }
  static void send(orbit_envelope* envelope, uint64_t*) {
    void* actor = actors[envelope->key.data[0] == 'a' ? 0 : 1];
    REQUIRE(orbit::detail::ActorGlue<ProbeActor>::invoke(actor, envelope) == ORBIT_TURN_DONE);
    if (envelope->on_reply != nullptr)
      envelope->on_reply(envelope->reply_ctx, envelope);
    else
      free_envelope(envelope);
  }

  TinyHost() {
    free_count = 0;
    for (orbit_envelope& envelope : pool) free[free_count++] = &envelope;
    orbit::host_actors = {};
    orbit::host_actors.type = [](const char* name) { return reinterpret_cast<const orbit_type*>(name); };
    orbit::host_actors.allocate = &allocate;
    orbit::host_actors.send = &send;
    orbit::host_actors.send_known = [](orbit_envelope*, uint64_t*) -> int { return 0; };
    orbit::host_actors.writable = [](orbit_error*) -> orbit_code { return ORBIT_OK; };
    orbit::host_actors.free_envelope = &free_envelope;
    const orbit_actor_type* type = orbit::detail::actor_type<ProbeActor>();
    orbit::ErrorOut error;
    for (int i = 0; i < 2; ++i) actors[i] = type->create(nullptr, nullptr, orbit::to_c(i == 0 ? "a" : "b"), &error);
  }
  ~TinyHost() {
    for (void* actor : actors) orbit::detail::actor_type<ProbeActor>()->destroy(actor);
  }
};

// The messages have only numbers: protobuf allocates for strings.
orbit::Task<> call_often(const Probe& a, int64_t times, int64_t* sum) {
  for (int64_t i = 0; i < times; ++i) {
    Hop hop;
    hop.set_value(1);
    Number number = co_await a.add_via(std::move(hop));
    *sum = number.value();
    a.tell([](Number& n) { n.set_value(1); });
  }
}

}  // namespace

TEST_CASE("calls between actors, with coroutines and state changes, allocate nothing once warm") {
  TinyHost host;
  const Probe a("a");
  int64_t sum = 0;
  auto run = [&](int64_t times) {
    orbit::Task<> task = call_often(a, times, &sum);
    const auto frame = task.release();
    frame.resume();
    REQUIRE(frame.done());
    frame.destroy();
  };
  run(10);
  CHECK(sum == 10);
  const size_t before = allocations;
  run(1000);
  CHECK(allocations == before);
  CHECK(sum == 1010);
}

#endif
