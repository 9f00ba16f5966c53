// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Calls from outside a node: what they may say, how they end, and how to wait for them.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "orbit/result.hpp"

namespace orbit::client {

// Why something failed: the code and message of the actor or the node, and what came with them as google.rpc.ErrorInfo
// and google.rpc.RetryInfo.
struct Failure : Error {
  std::string reason = {};                           // "NOT_FOUND"; empty: it is not from a node
  std::string domain = {};                           // "orbit"
  std::map<std::string, std::string> metadata = {};  // "type", "key", "method" of the actor
  std::optional<std::chrono::milliseconds> retry_after = {};
  uint32_t attempts = 0;  // RPCs that were begun
  // Whether the actor may have run. False: it has not, for sure, and the call may be made again whatever it does.
  bool may_have_run = false;
};

template <class T = void>
using Answer = tl::expected<T, Failure>;

// Of one call. An empty deadline or tenant is that of the ClientOptions.
struct CallOptions {
  std::chrono::milliseconds deadline = {};  // from now; there always is one
  std::string traceparent = {};             // W3C Trace Context
  std::string tracestate = {};
  std::string tenant = {};
  std::optional<std::string> authorization = {};  // instead of the client's credentials: "Bearer TOKEN"
  bool retry = true;                              // false: one RPC and no more
};

// A method as the generated code knows it.
struct Method {
  const char* type;  // "bank.Account"
  const char* name;  // "Deposit"
  bool repeatable;   // read_only or idempotent: running it twice does what running it once does
  bool one_way;
};

namespace detail {

// A call under way. Thread-safe.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // Nobody waits any more: the node is told, the call ends with CANCELLED unless it has ended.
  virtual void cancel() = 0;

  bool done() const;
  void wait() const;
  // Runs it when the call has ended, on one of the client's threads; now, if it has. One function for each call.
  void on_done(std::function<void()> function);
  // Of a call that has ended.
  Answer<std::string>& answer() { return answer_; }

 protected:
  Exchange();
  // Once. Runs what waits.
  void end(Answer<std::string> answer);

 private:
  struct Waiting;
  std::shared_ptr<Waiting> waiting_;
  Answer<std::string> answer_;
};

// Where calls go: RPCs of their own, or a stream.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual std::shared_ptr<Exchange> start(const Method& method, std::string key, std::string request,
                                          CallOptions options) = 0;
};

template <class Reply>
Answer<Reply> parsed(Answer<std::string>& bytes) {
  if (!bytes) return tl::unexpected<Failure>(bytes.error());
  if constexpr (std::is_void_v<Reply>) {
    return {};
  } else {
    Reply reply;
    if (reply.ParseFromString(*bytes)) return reply;
    Failure failure;
    failure.code = Code::internal;
    failure.message = "the answer's " + std::to_string(bytes->size()) + " bytes are no " + reply.GetTypeName() +
                      ": the node's module has another .proto";
    failure.may_have_run = true;
    return tl::unexpected<Failure>(std::move(failure));
  }
}

}  // namespace detail

// A call that was begun. Take its answer in one of three ways, once: get() blocks; then() calls back; co_await resumes
// the coroutine. The last two run on one of the client's threads, where nothing may block, get() least of all. Letting
// go of a Pending neither waits nor cancels.
template <class Reply>
class [[nodiscard]] Pending {
 public:
  explicit Pending(std::shared_ptr<detail::Exchange> exchange) : exchange_(std::move(exchange)) {}

  bool done() const { return exchange_->done(); }
  void cancel() const { exchange_->cancel(); }
  // Blocks; until the deadline at most.
  Answer<Reply> get() const {
    exchange_->wait();
    return detail::parsed<Reply>(exchange_->answer());
  }
  void then(std::function<void(Answer<Reply>)> function) const {
    exchange_->on_done([exchange = exchange_.get(), function = std::move(function)] {
      function(detail::parsed<Reply>(exchange->answer()));
    });
  }

  bool await_ready() const { return exchange_->done(); }
  void await_suspend(std::coroutine_handle<> coroutine) const {
    // The coroutine's frame, and this with it, may be gone when on_done returns.
    const std::shared_ptr<detail::Exchange> exchange = exchange_;
    exchange->on_done([coroutine] { coroutine.resume(); });
  }
  Answer<Reply> await_resume() const { return detail::parsed<Reply>(exchange_->answer()); }

 private:
  std::shared_ptr<detail::Exchange> exchange_;
};

}  // namespace orbit::client
