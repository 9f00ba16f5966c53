// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <chrono>
#include <orbit/actor_module.hpp>
#include <vector>

#include "bench.orbit.hpp"

namespace bench {

namespace {

class Stopwatch {
 public:
  Took read(int64_t messages) const {
    Took took;
    took.set_nanoseconds((std::chrono::steady_clock::now() - start_).count());
    took.set_messages(messages);
    return took;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

class SinkActor final : public SinkBase<SinkActor> {
 public:
  void hit(const Number& number) { sum_ += number.value(); }
  Number ask(const Number& number) const {
    Number reply;
    reply.set_value(number.value() + sum_);
    return reply;
  }
  Number add(const Number& number) {
    mutable_state().set_sum(state().sum() + number.value());
    Number reply;
    reply.set_value(state().sum());
    return reply;
  }

 private:
  int64_t sum_ = 0;
};

class DriverActor final : public DriverBase<DriverActor> {
 public:
  // The question at the end of a batch queues behind it: when it is answered the batch has run.
  orbit::Task<Took> one_way(Plan plan) {
    const Sink sink(key() * 1000);
    co_await sink.ask(Number());
    const Stopwatch watch;
    for (int64_t sent = 0; sent < plan.messages(); sent += plan.batch()) {
      for (int64_t i = 0; i < plan.batch(); ++i) sink.hit([](Number& number) { number.set_value(1); });
      co_await sink.ask(Number());
    }
    co_return watch.read(plan.messages());
  }

  orbit::Task<Took> request_reply(Plan plan) {
    const Sink sink(key() * 1000);
    co_await sink.ask(Number());
    const Stopwatch watch;
    for (int64_t i = 0; i < plan.messages(); ++i) co_await sink.ask([i](Number& number) { number.set_value(i); });
    co_return watch.read(plan.messages());
  }

  orbit::Task<Took> random(Plan plan) {
    std::vector<Sink> sinks;
    sinks.reserve(static_cast<size_t>(plan.actors()));
    for (int64_t i = 0; i < plan.actors(); ++i) {
      sinks.emplace_back(key() * 10'000'000 + i);
      co_await sinks.back().ask(Number());
    }
    uint64_t x = static_cast<uint64_t>(plan.seed()) * 2 + 1;
    const Stopwatch watch;
    for (int64_t sent = 0; sent < plan.messages(); sent += plan.batch()) {
      const Sink* last = nullptr;
      for (int64_t i = 0; i < plan.batch(); ++i) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        last = &sinks[static_cast<size_t>((x >> 33) % sinks.size())];
        last->hit([](Number& number) { number.set_value(1); });
      }
      co_await last->ask(Number());
    }
    co_return watch.read(plan.messages());
  }
};

}  // namespace bench

ORBIT_ACTOR_MODULE("bench", "1.0.0", bench::SinkActor, bench::DriverActor)
