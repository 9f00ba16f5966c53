// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A call as an RPC of its own, made again when that is safe and the budget allows.
#include <utility>

#include "backoff.hpp"
#include "core.hpp"

namespace orbit::client::detail {

namespace {

using Clock = Loop::Clock;

// What the library says when it ends an RPC itself is in its own words, and the same for everybody.
constexpr std::string_view kLibrarysDeadline = "Deadline Exceeded";
constexpr std::string_view kLibrarysCancel = "CANCELLED";

// Names that gRPC's text metadata carries unharmed; other keys go as bytes.
bool is_plain(std::string_view key) {
  for (const char c : key)
    if (c <= 0x20 || c >= 0x7f) return false;
  return true;
}

class UnaryCall final : public Exchange, public std::enable_shared_from_this<UnaryCall> {
 public:
  UnaryCall(std::shared_ptr<Core> core, Request request)
      : core_(std::move(core)),
        request_(std::move(request)),
        time_(core_->deadline_of(request_.options)),
        deadline_(Clock::now() + time_),
        slice_(request_.bytes) {}

  void begin() {
    core_->calls.fetch_add(1, std::memory_order_relaxed);
    if (request_.bytes.size() > core_->options.request_bytes_max)
      return finish(own_failure(Code::resource_exhausted, "the request has " + std::to_string(request_.bytes.size()) +
                                                              " bytes, the client's bound is " +
                                                              std::to_string(core_->options.request_bytes_max) +
                                                              " (request_bytes_max)"));
    const auto cancel_this = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    };
    if (Answer<> entered = core_->enter(Core::Kind::call, cancel_this, &live_); !entered)
      return finish(std::move(entered.error()));
    core_->budget.called(Clock::now());
    attempt();
  }

  void cancel() override {
    std::shared_ptr<grpc::ClientContext> context;
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      cancelled_ = true;
      context = context_;
    }
    if (context != nullptr)
      context->TryCancel();
    else
      finish(cancellation());
  }

 private:
  Failure cancellation() const {
    Failure out = own_failure(Code::cancelled, "the caller has cancelled the call");
    out.may_have_run = may_have_run_;
    return out;
  }

  // Beginning of an attempt: finds a connection, or waits for one.
  void attempt() {
    if (Clock::now() >= deadline_) return finish(too_late());
    if (Connection* connection = core_->pool.pick()) return send(*connection);
    const Clock::time_point until = std::min(deadline_, Clock::now() + core_->options.connect_timeout);
    const auto self = shared_from_this();
    std::unique_lock lock(mutex_);
    if (ended_) return;
    const uint64_t step = ++step_;
    waiter_ = core_->pool.wait([self, step] {
      if (self->goes_on(step)) self->attempt();
    });
    timer_ = core_->loop.at(until, [self, step] {
      if (self->goes_on(step)) self->not_connected();
    });
  }

  // Whether what was waited for in that step still counts; of several things that end a step the first one does.
  bool goes_on(uint64_t step) {
    uint64_t waiter = 0;
    uint64_t timer = 0;
    {
      const std::lock_guard lock(mutex_);
      if (ended_ || step_ != step) return false;
      ++step_;
      waiter = std::exchange(waiter_, 0);
      timer = std::exchange(timer_, 0);
    }
    if (waiter != 0) core_->pool.stop_waiting(waiter);
    if (timer != 0) core_->loop.cancel(timer);
    return true;
  }

  void not_connected() {
    const auto self = shared_from_this();
    core_->pool.explain([self](const std::string& why) {
      const bool late = Clock::now() >= self->deadline_;
      const auto waited = late ? self->time_ : self->core_->options.connect_timeout;
      Failure failure = own_failure(late ? Code::deadline_exceeded : Code::unavailable,
                                    "no connection to " + self->core_->pool.endpoints() + " within " +
                                        std::to_string(waited.count()) + " ms" + (why.empty() ? "" : ": " + why));
      // An earlier attempt may have been heard.
      failure.may_have_run = self->may_have_run_;
      self->finish(std::move(failure));
    });
  }

  void send(Connection& connection) {
    const auto context = std::make_shared<grpc::ClientContext>();
    const auto left = deadline_ - Clock::now();
    context->set_deadline(std::chrono::system_clock::now() +
                          std::chrono::duration_cast<std::chrono::system_clock::duration>(left));
    core_->describe(context.get(), request_.options);
    if (request_.key) context->AddMetadata(is_plain(*request_.key) ? "orbit-key" : "orbit-key-bin", *request_.key);
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      context_ = context;
    }
    if (attempts_++ != 0) core_->retries.fetch_add(1, std::memory_order_relaxed);
    core_->attempts.fetch_add(1, std::memory_order_relaxed);
    connection.attempts.fetch_add(1, std::memory_order_relaxed);
    connection.load.fetch_add(1, std::memory_order_relaxed);
    buffer_ = grpc::ByteBuffer(&slice_, 1);
    reply_.Clear();
    connection.stub.UnaryCall(context.get(), request_.path, {}, &buffer_, &reply_,
                              [self = shared_from_this(), context, &connection](grpc::Status status) {
                                connection.load.fetch_sub(1, std::memory_order_relaxed);
                                self->came_back(status);
                              });
    // Between the mark and the call a cancel finds a context that is no call yet; gRPC remembers it.
  }

  void came_back(const grpc::Status& status) {
    bool cancelled = false;
    {
      const std::lock_guard lock(mutex_);
      context_.reset();
      cancelled = cancelled_;
    }
    if (status.ok()) return finish(string_of(reply_));
    Failure failure = failure_of(status);
    failure.may_have_run = failure.may_have_run || may_have_run_;
    may_have_run_ = failure.may_have_run;
    if (failure.code == Code::deadline_exceeded && failure.message == kLibrarysDeadline)
      failure.message = too_late().message;
    if (failure.code == Code::cancelled && failure.message == kLibrarysCancel) failure.message = cancellation().message;
    const bool safe = request_.repeatable || !failure.may_have_run;
    if (cancelled || failure.code != Code::unavailable || !request_.options.retry || !safe ||
        attempts_ >= core_->options.retry.attempts_max)
      return finish(std::move(failure));
    auto delay = backoff(core_->options.retry.delay, core_->options.retry.delay_max, attempts_, core_->random());
    if (failure.retry_after) delay = std::max(delay, *failure.retry_after);
    if (Clock::now() + delay >= deadline_) return finish(std::move(failure));
    if (!core_->budget.take(Clock::now())) {
      core_->retries_refused.fetch_add(1, std::memory_order_relaxed);
      return finish(std::move(failure));
    }
    const auto self = shared_from_this();
    std::unique_lock lock(mutex_);
    if (!cancelled_ && !ended_) {
      const uint64_t step = ++step_;
      timer_ = core_->loop.at(Clock::now() + delay, [self, step] {
        if (self->goes_on(step)) self->attempt();
      });
      if (timer_ != 0) return;
    }
    lock.unlock();
    finish(std::move(failure));
  }

  Failure too_late() const {
    Failure out = own_failure(Code::deadline_exceeded, "no answer within " + std::to_string(time_.count()) + " ms");
    out.may_have_run = may_have_run_;
    return out;
  }

  void finish(Failure failure) {
    failure.attempts = attempts_;
    core_->failures.fetch_add(1, std::memory_order_relaxed);
    finish_with(tl::unexpected<Failure>(std::move(failure)));
  }
  void finish(std::string bytes) { finish_with(std::move(bytes)); }
  void finish_with(Answer<std::string> answer) {
    uint64_t waiter = 0;
    uint64_t timer = 0;
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      ended_ = true;
      waiter = waiter_;
      timer = timer_;
    }
    const auto self = shared_from_this();  // what waits below may hold the last reference
    if (waiter != 0) core_->pool.stop_waiting(waiter);
    if (timer != 0) core_->loop.cancel(timer);
    end(std::move(answer));
    core_->leave(live_);
  }

  const std::shared_ptr<Core> core_;
  const Request request_;
  const std::chrono::milliseconds time_;
  const Clock::time_point deadline_;
  const grpc::Slice slice_;
  grpc::ByteBuffer buffer_;
  grpc::ByteBuffer reply_;
  uint64_t live_ = 0;
  // Attempts follow one another; a cancel looks from beside.
  std::atomic<uint32_t> attempts_{0};
  std::atomic<bool> may_have_run_{false};

  std::mutex mutex_;
  std::shared_ptr<grpc::ClientContext> context_;  // of an RPC that runs
  uint64_t step_ = 0;
  uint64_t waiter_ = 0;
  uint64_t timer_ = 0;
  bool cancelled_ = false;
  bool ended_ = false;
};

}  // namespace

std::shared_ptr<Exchange> Core::start(Request request) {
  auto call = std::make_shared<UnaryCall>(shared_from_this(), std::move(request));
  call->begin();
  return call;
}

std::shared_ptr<Exchange> UnaryTransport::start(const Method& method, std::string key, std::string request,
                                                CallOptions options) {
  return core_->start({.path = std::string("/") + method.type + "/" + method.name,
                       .key = std::move(key),
                       .bytes = std::move(request),
                       .repeatable = method.repeatable,
                       .options = std::move(options)});
}

}  // namespace orbit::client::detail
