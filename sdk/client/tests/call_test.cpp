// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The three ways to wait for an answer, and calls that never leave the client.
#include <doctest/doctest.h>

#include <coroutine>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "core.hpp"
#include "orbit/v1/actor_service.pb.h"

using namespace orbit::client;
using namespace std::chrono_literals;
using orbit::Code;
using Reply = orbit::v1::CallStatus;

namespace {

class Promised final : public detail::Exchange {
 public:
  void cancel() override { fulfil(tl::unexpected(detail::own_failure(Code::cancelled, "cancelled"))); }
  void fulfil(Answer<std::string> answer) { end(std::move(answer)); }
};

std::string message(int code) {
  Reply reply;
  reply.set_code(code);
  return reply.SerializeAsString();
}

struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Detached await_into(Pending<Reply> pending, std::optional<Answer<Reply>>* out) {
  Answer<Reply> answer = co_await pending;
  *out = std::move(answer);
}

}  // namespace

TEST_CASE("an answer can be waited for, called back with, and awaited, before and after it is there") {
  for (const bool early : {true, false}) {
    CAPTURE(early);
    const auto blocked = std::make_shared<Promised>();
    const auto called = std::make_shared<Promised>();
    const auto awaited = std::make_shared<Promised>();
    const auto fulfil = [&] {
      for (const auto& each : {blocked, called, awaited}) each->fulfil(message(7));
    };
    std::optional<Answer<Reply>> called_with;
    std::optional<Answer<Reply>> awaited_with;
    if (early) fulfil();
    Pending<Reply>(called).then([&](Answer<Reply> answer) { called_with = std::move(answer); });
    await_into(Pending<Reply>(awaited), &awaited_with);
    CHECK(called_with.has_value() == early);
    CHECK(awaited_with.has_value() == early);
    std::thread later;
    if (!early) later = std::thread(fulfil);
    CHECK(Pending<Reply>(blocked).get()->code() == 7);
    if (later.joinable()) later.join();
    REQUIRE(called_with.has_value());
    CHECK((*called_with)->code() == 7);
    REQUIRE(awaited_with.has_value());
    CHECK((*awaited_with)->code() == 7);
  }
}

TEST_CASE("an answer that is no message of its type is an error that says so") {
  const auto promised = std::make_shared<Promised>();
  promised->fulfil(std::string("\xff\xff\xff"));
  const Answer<Reply> answer = Pending<Reply>(promised).get();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Code::internal);
  CHECK(answer.error().message ==
        "the answer's 3 bytes are no orbit.v1.CallStatus: the node's module has another .proto");
}

TEST_CASE("without a node a call ends with UNAVAILABLE, names where it tried, and has not run") {
  // Nothing listens on port 1.
  const auto core =
      std::make_shared<detail::Core>(ClientOptions{.endpoints = {"127.0.0.1:1"}, .connect_timeout = 100ms});
  detail::UnaryTransport transport(core);
  const auto exchange = transport.start({"bank.Account", "Deposit", false, false}, "7", "", {});
  exchange->wait();
  REQUIRE_FALSE(exchange->answer());
  const Failure& failure = exchange->answer().error();
  CHECK(failure.code == Code::unavailable);
  CHECK(failure.message.starts_with("no connection to 127.0.0.1:1 within 100 ms"));
  CHECK(failure.message.find("Connection refused") != std::string::npos);
  CHECK_FALSE(failure.may_have_run);
  CHECK(failure.attempts == 0);
  core->close({});
}

TEST_CASE("a call's deadline ends it also while it waits for a connection") {
  const auto core = std::make_shared<detail::Core>(ClientOptions{.endpoints = {"127.0.0.1:1"}});
  detail::UnaryTransport transport(core);
  const auto exchange = transport.start({"bank.Account", "Deposit", false, false}, "7", "", {.deadline = 50ms});
  exchange->wait();
  REQUIRE_FALSE(exchange->answer());
  CHECK(exchange->answer().error().code == Code::deadline_exceeded);
  CHECK(exchange->answer().error().message.starts_with("no connection to 127.0.0.1:1 within 50 ms"));
  core->close({});
}

TEST_CASE("bounds of the client refuse calls by name") {
  const auto core = std::make_shared<detail::Core>(
      ClientOptions{.endpoints = {"127.0.0.1:1"}, .connect_timeout = 60s, .calls_max = 2, .request_bytes_max = 10});
  detail::UnaryTransport transport(core);
  const auto start = [&](std::string request) {
    return transport.start({"bank.Account", "Deposit", false, false}, "7", std::move(request), {.deadline = 60s});
  };
  const auto first = start("");
  const auto second = start("");
  const auto third = start("");
  REQUIRE(third->done());
  CHECK(third->answer().error().code == Code::resource_exhausted);
  CHECK(third->answer().error().message == "the client's bound: 2 calls are under way (calls_max)");
  first->cancel();
  REQUIRE(first->done());
  CHECK(first->answer().error().code == Code::cancelled);
  CHECK_FALSE(first->answer().error().may_have_run);
  const auto large = start("0123456789a");
  REQUIRE(large->done());
  CHECK(large->answer().error().message == "the request has 11 bytes, the client's bound is 10 (request_bytes_max)");
  CHECK_FALSE(start("")->done());
  CHECK(core->under_way() == 2);

  core->close({});
  REQUIRE(second->done());
  CHECK(second->answer().error().code == Code::cancelled);
  CHECK(core->under_way() == 0);
  const auto late = start("");
  REQUIRE(late->done());
  CHECK(late->answer().error().message == "the client is closed");
}

TEST_CASE("timers of the loop run in the order of their times, and not when they were cancelled") {
  detail::Loop loop;
  const auto begin = detail::Loop::Clock::now();
  std::promise<void> done;
  std::string order;
  // From the loop itself, so that none runs before all are there.
  loop.at(begin, [&] {
    loop.at(begin + 3ms, [&] { order += "c"; });
    loop.at(begin + 1ms, [&] { order += "a"; });
    const uint64_t cancelled = loop.at(begin + 2ms, [&] { order += "x"; });
    loop.at(begin + 2ms, [&] { order += "b"; });
    loop.at(begin + 4ms, [&] { done.set_value(); });
    loop.cancel(cancelled);
  });
  done.get_future().wait();
  CHECK(order == "abc");
  loop.stop();
  CHECK(loop.at(begin, [] {}) == 0);
}
