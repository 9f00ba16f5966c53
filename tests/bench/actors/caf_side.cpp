// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The same with CAF 0.17, as its manual shows it: event-based actors, atoms, request().then().
#include <algorithm>
#include <caf/all.hpp>
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "sides.hpp"
#include "ticks.hpp"

namespace orbit::bench {

namespace {

using Clock = std::chrono::steady_clock;
using Hit = caf::atom_constant<caf::atom("hit")>;
using Ask = caf::atom_constant<caf::atom("ask")>;
using Begin = caf::atom_constant<caf::atom("begin")>;
using Ball = caf::atom_constant<caf::atom("ball")>;

struct Config : caf::actor_system_config {
  explicit Config(size_t threads) {
    set("scheduler.max-threads", threads);
    set("logger.verbosity", caf::atom("quiet"));
  }
};

class Sink final : public caf::event_based_actor {
 public:
  explicit Sink(caf::actor_config& config) : caf::event_based_actor(config) {}
  caf::behavior make_behavior() override {
    return {[this](Hit, int64_t number) { sum_ += number; }, [this](Ask, int64_t number) -> int64_t { return number + sum_; }};
  }

 private:
  int64_t sum_ = 0;
};

// With some bytes of state.
class Holder final : public caf::event_based_actor {
 public:
  Holder(caf::actor_config& config, size_t bytes) : caf::event_based_actor(config), blob_(bytes, 'x') {}
  caf::behavior make_behavior() override {
    return {[this](Hit, int64_t number) { sum_ += number; },
            [this](Ask, int64_t) -> int64_t { return static_cast<int64_t>(blob_.size()) + sum_; }};
  }

 private:
  std::string blob_;
  int64_t sum_ = 0;
};

using Rate = std::promise<double>;

// Sends batches, to one sink or to random ones, and waits for each.
class Sender final : public caf::event_based_actor {
 public:
  Sender(caf::actor_config& config, Sending what, uint64_t seed, Rate* rate)
      : caf::event_based_actor(config), what_(what), x_(seed * 2 + 1), rate_(rate) {}
  caf::behavior make_behavior() override {
    for (int64_t i = 0; i < what_.actors; ++i) sinks_.push_back(spawn<Sink>());
    wait_for_all(0);
    return {[](Begin) {}};
  }

 private:
  // All have been asked once before the clock starts.
  void wait_for_all(size_t at) {
    if (at == sinks_.size()) {
      begin_ = Clock::now();
      send_batch();
      return;
    }
    request(sinks_[at], caf::infinite, Ask::value, int64_t{0}).then([this, at](int64_t) { wait_for_all(at + 1); });
  }
  void send_batch() {
    if (sent_ >= what_.messages) {
      const std::chrono::duration<double, std::micro> took = Clock::now() - begin_;
      rate_->set_value(static_cast<double>(sent_) / took.count());
      quit();
      return;
    }
    const caf::actor* last = &sinks_[0];
    for (int64_t i = 0; i < what_.batch; ++i) {
      if (sinks_.size() > 1) {
        x_ = x_ * 6364136223846793005u + 1442695040888963407u;
        last = &sinks_[static_cast<size_t>((x_ >> 33) % sinks_.size())];
      }
      send(*last, Hit::value, int64_t{1});
    }
    sent_ += what_.batch;
    request(*last, caf::infinite, Ask::value, int64_t{0}).then([this](int64_t) { send_batch(); });
  }

  const Sending what_;
  uint64_t x_;
  Rate* const rate_;
  std::vector<caf::actor> sinks_;
  int64_t sent_ = 0;
  Clock::time_point begin_;
};

class Asker final : public caf::event_based_actor {
 public:
  Asker(caf::actor_config& config, int64_t requests, Rate* rate)
      : caf::event_based_actor(config), requests_(requests), rate_(rate) {}
  caf::behavior make_behavior() override {
    sink_ = spawn<Sink>();
    request(sink_, caf::infinite, Ask::value, int64_t{0}).then([this](int64_t) {
      begin_ = Clock::now();
      ask();
    });
    return {[](Begin) {}};
  }

 private:
  void ask() {
    if (asked_ == requests_) {
      const std::chrono::duration<double, std::micro> took = Clock::now() - begin_;
      rate_->set_value(static_cast<double>(asked_) / took.count());
      quit();
      return;
    }
    request(sink_, caf::infinite, Ask::value, asked_++).then([this](int64_t) { ask(); });
  }

  const int64_t requests_;
  Rate* const rate_;
  caf::actor sink_;
  int64_t asked_ = 0;
  Clock::time_point begin_;
};

using Rounds = std::promise<std::vector<uint64_t>>;

class Player final : public caf::event_based_actor {
 public:
  Player(caf::actor_config& config, int64_t balls, Rounds* rounds)
      : caf::event_based_actor(config), measures_(rounds != nullptr), promise_(rounds) {
    if (measures_) rounds_.reserve(static_cast<size_t>(balls / 2 + 1));
  }
  caf::behavior make_behavior() override {
    return {[this](Begin, const caf::actor& partner, int64_t balls) {
              partner_ = partner;
              if (balls == 0) return;
              last_ = ::bench::ticks();
              send(partner_, Ball::value, balls);
            },
            [this](Ball, int64_t left) {
              if (measures_) {
                const uint64_t now = ::bench::ticks();
                rounds_.push_back(now - last_);
                last_ = now;
              }
              if (left > 1) send(partner_, Ball::value, left - 1);
              if (left > 2) return;
              // The last ball, or the last but one: neither keeps the other alive.
              if (measures_) promise_->set_value(rounds_);
              partner_ = nullptr;
              quit();
            }};
  }

 private:
  const bool measures_;
  Rounds* const promise_;
  caf::actor partner_;
  std::vector<uint64_t> rounds_;
  uint64_t last_ = 0;
};

double one_way(const Sending& what) {
  Config config(1);
  caf::actor_system system(config);
  Rate rate;
  system.spawn<Sender>(Sending{what.messages, what.batch, 1}, 1u, &rate);
  return rate.get_future().get();
}

double request_reply(int64_t requests) {
  Config config(1);
  caf::actor_system system(config);
  Rate rate;
  system.spawn<Asker>(requests, &rate);
  return rate.get_future().get();
}

double random(const Sending& what, uint32_t workers) {
  Config config(workers);
  caf::actor_system system(config);
  std::vector<Rate> rates(workers);
  for (uint32_t i = 0; i < workers; ++i) system.spawn<Sender>(what, i + 1u, &rates[i]);
  double sum = 0;
  for (Rate& rate : rates) sum += rate.get_future().get();
  return sum;
}

// CAF does not place actors on workers, so that two of them cannot be told to be on different ones: there each has a thread of
// its own, which waits on a condition variable and does not spin.
std::vector<double> ping_pong(int64_t balls, bool two_workers) {
  Config config(1);
  caf::actor_system system(config);
  Rounds rounds;
  const auto spawn = [&](Rounds* measured) {
    return two_workers ? system.spawn<Player, caf::detached>(balls, measured) : system.spawn<Player>(balls, measured);
  };
  caf::actor first = spawn(&rounds);
  caf::actor second = spawn(nullptr);
  caf::anon_send(second, Begin::value, first, int64_t{0});
  caf::anon_send(first, Begin::value, second, balls);
  std::vector<uint64_t> sorted = rounds.get_future().get();
  std::sort(sorted.begin(), sorted.end());
  const double ticks_per_ns = ::bench::ticks_per_ns();
  std::vector<double> out;
  for (const double at : kQuantiles) {
    const auto index = static_cast<size_t>(at * static_cast<double>(sorted.size() - 1));
    out.push_back(static_cast<double>(sorted[index]) / 2 / ticks_per_ns);
  }
  return out;
}

// Spawned, and asked in batches of 1,000, so that each has run.
template <class Spawn>
std::vector<caf::actor> wake(caf::actor_system& system, int64_t count, Spawn spawn) {
  std::vector<caf::actor> actors;
  actors.reserve(static_cast<size_t>(count));
  caf::scoped_actor self(system);
  while (static_cast<int64_t>(actors.size()) < count) {
    const size_t from = actors.size();
    for (int64_t i = 0; i < 1000; ++i) {
      actors.push_back(spawn());
      self->send(actors.back(), Ask::value, int64_t{1});
    }
    for (size_t i = from; i < actors.size(); ++i) self->receive([](int64_t) {});
  }
  return actors;
}

void end(std::vector<caf::actor>& actors) {
  for (caf::actor& actor : actors) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  actors.clear();
}

double idle_bytes(int64_t count) {
  Config config(1);
  caf::actor_system system(config);
  const auto spawn = [&] { return system.spawn<Sink>(); };
  auto first = wake(system, 1000, spawn);
  const double before = resident_bytes();
  auto actors = wake(system, count, spawn);
  const double handles = static_cast<double>(sizeof(caf::actor));
  const double each = (resident_bytes() - before) / static_cast<double>(count) - handles;
  end(first);
  end(actors);
  return each;
}

double resident_bytes_with(int64_t count, int64_t state_bytes) {
  Config config(1);
  caf::actor_system system(config);
  auto actors = wake(system, count, [&] { return system.spawn<Holder>(static_cast<size_t>(state_bytes)); });
  const double bytes = resident_bytes();
  end(actors);
  return bytes;
}

}  // namespace

const Side kCaf = {&one_way, &request_reply, &random, &ping_pong, &idle_bytes, &resident_bytes_with};

double caf_spawns(int64_t count) {
  Config config(1);
  caf::actor_system system(config);
  const auto begin = Clock::now();
  auto actors = wake(system, count, [&] { return system.spawn<Sink>(); });
  const std::chrono::duration<double, std::micro> took = Clock::now() - begin;
  end(actors);
  return static_cast<double>(count) / took.count();
}

}  // namespace orbit::bench
