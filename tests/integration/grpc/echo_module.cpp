// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <coroutine>
#include <orbit/actor_module.hpp>
#include <vector>

#include "echo.orbit.hpp"

namespace wire {

class EchoActor final : public EchoBase<EchoActor> {
 public:
  Said say(const Saying& saying) {
    mutable_state().set_calls(state().calls() + 1);
    Said out;
    out.set_key(key());
    out.set_text(saying.text());
    out.set_blob(saying.reply_bytes() != 0 ? std::string(saying.reply_bytes(), 'r') : saying.blob());
    out.set_calls(state().calls());
    out.set_tenant(std::string(orbit::context("tenant").value_or("")));
    out.set_trace(std::string(orbit::context("traceparent").value_or("")));
    out.set_has_deadline(orbit::deadline_ns() != 0);
    return out;
  }
  orbit::Result<Nothing> fail(const Failure& failure) {
    return orbit::fail(static_cast<orbit::Code>(failure.code()), failure.message());
  }
  orbit::Task<Nothing> wait(const Nothing&) {
    const Gate gate(key());
    ++waiting_;
    while (!orbit::cancelled()) co_await gate.pass(Nothing()).shielded();
    --waiting_;
    ++cancelled_;
    co_return Nothing();
  }
  void note(const Number& number) { noted_ += number.value(); }
  Sight seen(const Nothing&) const {
    Sight out;
    out.set_noted(noted_);
    out.set_waiting(waiting_);
    out.set_cancelled(cancelled_);
    return out;
  }
  Nothing tell(const Number& number) {
    publish(orbit::Stream<Number>(key()), number);
    return {};
  }

 private:
  int64_t noted_ = 0;
  uint32_t waiting_ = 0;
  uint32_t cancelled_ = 0;
};

class GateActor final : public GateBase<GateActor> {
 public:
  orbit::Task<Nothing> pass(const Nothing&) {
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
    void await_suspend(std::coroutine_handle<> turn) const { gate.waiting_.push_back(turn); }
    void await_resume() const noexcept {}
  };
  std::vector<std::coroutine_handle<>> waiting_;
};

class BlobActor final : public BlobBase<BlobActor> {
 public:
  Number key_size(const Nothing&) const {
    Number out;
    out.set_value(static_cast<int64_t>(key().size()));
    return out;
  }
};

}  // namespace wire

ORBIT_ACTOR_MODULE("actors.wire", "1.0.0", wire::EchoActor, wire::GateActor, wire::BlobActor)
