// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <chrono>
#include <coroutine>
#include <orbit/actor_module.hpp>
#include <stdexcept>
#include <vector>

#include "calls.orbit.hpp"

namespace calls {

Number number(int64_t value) {
  Number out;
  out.set_value(value);
  return out;
}

class GateActor final : public GateBase<GateActor> {
 public:
  orbit::Task<Nothing> wait(const Nothing&) {
    co_await Here{*this};
    co_return Nothing();
  }
  Number open(const Nothing&) {
    std::vector<std::coroutine_handle<>> all;
    all.swap(waiting_);
    for (const auto each : all) each.resume();
    return number(static_cast<int64_t>(all.size()));
  }
  Number waiting(const Nothing&) { return number(static_cast<int64_t>(waiting_.size())); }

 private:
  struct Here {
    GateActor& gate;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> frame) const { gate.waiting_.push_back(frame); }
    void await_resume() const noexcept {}
  };
  std::vector<std::coroutine_handle<>> waiting_;
};

class MeterActor final : public MeterBase<MeterActor> {
 public:
  Number add(const Number& by) {
    mutable_state().set_value(state().value() + by.value());
    if (by.value() < 0) throw std::runtime_error("negative");
    return number(state().value());
  }
  Number look(const Nothing&) const { return number(state().value()); }
  orbit::Task<Number> look_twice(Visit visit) const {
    const int64_t first = state().value();
    const Gate gate(visit.gate());
    co_await gate.wait(Nothing());
    co_return number(state().value() - first);
  }
  orbit::Task<Number> add_twice(Visit visit) { return add_around(std::move(visit)); }
  orbit::Task<Number> add_twice_open(Visit visit) { return add_around(std::move(visit)); }
  orbit::Task<Number> travel(Trip trip) {
    const Meter next(trip.via().empty() ? trip.home() : trip.via());
    if (trip.via().empty()) {
      Number out = co_await next.add(number(trip.add()));
      co_return out;
    }
    Trip rest = trip;
    rest.clear_via();
    if (trip.reentrant()) {
      Number out = co_await next.travel(rest).reentrant();
      co_return out;
    }
    Number out = co_await next.travel(rest);
    co_return out;
  }
  orbit::Result<> before_turn(orbit::Bytes method) {
    if (method == "Add" && orbit::context("user") == "guest")
      return orbit::fail(orbit::Code::permission_denied, "guests may not " + std::string(method));
    return {};
  }
  orbit::Task<Text> context(Trip trip) {
    if (trip.via().empty()) {
      Text out;
      for (const char* name : {"tenant", "user", "traceparent"})
        out.set_text(out.text() + (out.text().empty() ? "" : " ") + std::string(orbit::context(name).value_or("-")));
      co_return out;
    }
    Trip rest = trip;
    rest.clear_via();
    const Meter home(trip.home());
    const Meter via(trip.via());
    if (trip.via() == "blunt") {
      const orbit::Result<> set = orbit::set_context("tenant", std::string(3000, 'x'));
      Text out;
      out.set_text(set.error().message);
      co_return out;
    }
    if (trip.add() == 0) {
      trip.set_add(1);
      if (const orbit::Result<> set = orbit::set_context("user", "alice"); !set) throw orbit::CallError(set.error());
      Text out = co_await via.context(trip).with("traceparent", "00-1");
      co_return out;
    }
    Text out = co_await home.context(rest);
    co_return out;
  }
  orbit::Task<Text> patience(Visit visit) {
    const Gate gate(visit.gate());
    co_await gate.wait(Nothing()).shielded();
    Text out;
    out.set_text(orbit::cancelled() ? "cancelled" : "wanted");
    const Meter other("other");
    orbit::Result<Number> plain = co_await other.add(number(1)).as_result();
    out.set_text(out.text() + ", plain call " + std::string(orbit::code_name(plain ? orbit::Code::ok : plain.error().code)));
    orbit::Result<Number> shielded = co_await other.add(number(1)).shielded().as_result();
    out.set_text(out.text() + ", shielded call " + (shielded ? "OK" : shielded.error().message));
    co_return out;
  }

 private:
  orbit::Task<Number> add_around(Visit visit) {
    mutable_state().set_value(state().value() + visit.before());
    const Gate gate(visit.gate());
    co_await gate.wait(Nothing());
    mutable_state().set_value(state().value() + visit.after());
    if (visit.fails()) throw std::runtime_error("asked to fail");
    co_return number(state().value());
  }
};

class BurnerActor final : public BurnerBase<BurnerActor> {
 public:
  Nothing once(const Number& milliseconds) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds.value());
    while (std::chrono::steady_clock::now() < until) {
    }
    return {};
  }
  void again(const Number& milliseconds) {
    once(milliseconds);
    Burner(key()).again(milliseconds);
  }
  void lead(const Number& milliseconds) { Burner(key()).go_on(milliseconds); }
  orbit::Task<void> go_on(Number milliseconds) {
    const Burner other(key() + "'s");
    for (;;) co_await other.once(milliseconds);
  }
};

class HelperActor final : public HelperBase<HelperActor> {
 public:
  HelperActor() : number_(++made) {}
  orbit::Task<Number> work(Visit visit) {
    if (!visit.gate().empty()) {
      const Gate gate(visit.gate());
      co_await gate.wait(Nothing());
    }
    co_return number(number_);
  }

 private:
  inline static int64_t made = 0;
  const int64_t number_;
};

}  // namespace calls

ORBIT_ACTOR_MODULE("calls", "1.0.0", calls::MeterActor, calls::GateActor, calls::BurnerActor, calls::HelperActor)
