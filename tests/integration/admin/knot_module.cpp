// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <coroutine>
#include <filesystem>
#include <orbit/actor_module.hpp>
#include <stdexcept>
#include <vector>

#include "knot.orbit.hpp"

namespace knot {

class GateActor final : public GateBase<GateActor> {
 public:
  orbit::Task<Nothing> wait(const Nothing&) {
    co_await Here{*this};
    co_return Nothing();
  }
  Nothing open(const Nothing&) {
    std::vector<std::coroutine_handle<>> all;
    all.swap(waiting_);
    for (const auto each : all) each.resume();
    return {};
  }

 private:
  struct Here {
    GateActor& gate;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> frame) const { gate.waiting_.push_back(frame); }
    void await_resume() const noexcept {}
  };
  std::vector<std::coroutine_handle<>> waiting_;
};

class KnotActor final : public KnotBase<KnotActor> {
 public:
  void on_activate() {
    if (key() == "broken") throw std::runtime_error("this knot is broken");
  }
  Nothing touch(const Nothing&) const { return {}; }
  orbit::Task<Nothing> tie(TieRequest request) {
    const Gate gate(request.gate());
    co_await gate.wait(Nothing());
    const Knot other(request.other());
    co_await other.touch(Nothing());
    co_return Nothing();
  }
  Nothing burn(const BurnRequest& request) const {
    while (!std::filesystem::exists(request.until_file())) {
    }
    return {};
  }
  orbit::Task<Nothing> press(PressRequest request) {
    const Knot other(request.other());
    for (int64_t i = 0; i < request.times(); ++i) co_await other.touch(Nothing());
    co_return Nothing();
  }
  Nothing lose(const Nothing&) const {
    const Knot broken("broken");
    broken.note(Nothing());
    return {};
  }
  void note(const Nothing&) const {}
  Nothing paint(const KnotState& as) {
    mutable_state() = as;
    return {};
  }
};

}  // namespace knot

ORBIT_ACTOR_MODULE("knot", "1.0.0", knot::KnotActor, knot::GateActor)
