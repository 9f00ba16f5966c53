// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <algorithm>
#include <chrono>
#include <optional>
#include <orbit/actor_module.hpp>
#include <vector>

#include "bench.orbit.hpp"
#include "ticks.hpp"

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

 private:
  int64_t sum_ = 0;
};

class HolderActor final : public HolderBase<HolderActor> {
 public:
  void fill(const Number& size) { mutable_state().set_blob(std::string(static_cast<size_t>(size.value()), 'x')); }
  void touch(const Number& number) { touched_ += number.value(); }
  Number size(const Empty&) const {
    Number reply;
    reply.set_value(static_cast<int64_t>(state().blob().size()));
    return reply;
  }

 private:
  int64_t touched_ = 0;
};

class DurableActor final : public DurableBase<DurableActor> {
 public:
  Number add(const Number& number) {
    mutable_state().set_sum(state().sum() + number.value());
    Number reply;
    reply.set_value(state().sum());
    return reply;
  }
};

namespace {

Score score_of(std::vector<uint64_t> took, double parts, const Quantiles& quantiles) {
  Score score;
  score.set_over(true);
  std::sort(took.begin(), took.end());
  for (const double at : quantiles.at()) {
    const auto index = static_cast<size_t>(at * static_cast<double>(took.size() - 1));
    score.add_nanoseconds(static_cast<double>(took[index]) / parts / quantiles.ticks_per_ns());
  }
  return score;
}

}  // namespace

class PlayerActor final : public PlayerBase<PlayerActor> {
 public:
  Empty begin(const Match& match) {
    partner_.emplace(match.partner());
    over_ = false;
    measures_ = match.balls() != 0;
    if (!measures_) return {};
    rounds_.clear();
    rounds_.reserve(static_cast<size_t>(match.balls() / 2 + 1));
    last_ = ticks();
    partner_->ball([&](Stroke& stroke) { stroke.set_left(match.balls()); });
    return {};
  }
  void ball(const Stroke& stroke) {
    if (measures_) {
      const uint64_t now = ticks();
      rounds_.push_back(now - last_);
      last_ = now;
    }
    over_ = stroke.left() <= 1;  // the last ball, or the last but one
    if (stroke.left() == 0) return;
    partner_->ball([left = stroke.left() - 1](Stroke& next) { next.set_left(left); });
  }
  Score read(const Quantiles& quantiles) const {
    if (over_ && !rounds_.empty()) return score_of(rounds_, 2, quantiles);
    Score score;
    score.set_over(over_);
    return score;
  }

 private:
  std::optional<Player> partner_;
  std::vector<uint64_t> rounds_;
  uint64_t last_ = 0;
  bool measures_ = false;
  bool over_ = false;
};

class BurnerActor final : public BurnerBase<BurnerActor> {
 public:
  void burn(const Fire& fire) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(fire.nanoseconds());
    while (std::chrono::steady_clock::now() < until) {
    }
    if (fire.turns() <= 1) return;
    Burner(key()).burn([&](Fire& next) {
      next.set_nanoseconds(fire.nanoseconds());
      next.set_turns(fire.turns() - 1);
    });
  }
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

  orbit::Task<Score> latencies(Plan plan) {
    const Sink sink(key() * 1000);
    const Durable durable(key() * 1000);
    std::vector<uint64_t> took;
    took.reserve(static_cast<size_t>(plan.messages()));
    for (int64_t i = 0; i < plan.messages(); ++i) {
      const uint64_t begin = ticks();
      if (plan.durable())
        co_await durable.add([i](Number& number) { number.set_value(i); });
      else
        co_await sink.ask([i](Number& number) { number.set_value(i); });
      took.push_back(ticks() - begin);
    }
    co_return score_of(std::move(took), 1, plan.quantiles());
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

  orbit::Task<Took> wake_sinks(Plan plan) {
    const Stopwatch watch;
    for (int64_t i = 0; i < plan.actors(); ++i) co_await Sink(key() * 10'000'000 + i).ask(Number());
    co_return watch.read(plan.actors());
  }

  orbit::Task<Took> fill_holders(Plan plan) {
    return each_holder(plan, [bytes = plan.bytes()](const Holder& holder) {
      holder.fill([bytes](Number& number) { number.set_value(bytes); });
    });
  }
  orbit::Task<Took> touch_holders(Plan plan) {
    return each_holder(plan, [](const Holder& holder) { holder.touch([](Number& number) { number.set_value(1); }); });
  }

 private:
  template <class Visit>
  orbit::Task<Took> each_holder(Plan plan, Visit visit) {
    const Stopwatch watch;
    for (int64_t i = 0; i < plan.actors();) {
      std::optional<Holder> last;
      for (const int64_t end = std::min(i + plan.batch(), plan.actors()); i < end; ++i) {
        last.emplace(i);
        visit(*last);
      }
      co_await last->size(Empty());
    }
    co_return watch.read(plan.actors());
  }
};

}  // namespace bench

ORBIT_ACTOR_MODULE("bench", "1.0.0", bench::SinkActor, bench::HolderActor, bench::DurableActor, bench::PlayerActor,
                   bench::BurnerActor, bench::DriverActor)
