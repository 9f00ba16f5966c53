// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Calls over one RPC of ActorService.InvokeStream.
#include <deque>

#include "core.hpp"
#include "orbit/v1/actor_service.pb.h"

namespace orbit::client::detail {

namespace {

class CallReactor;

class StreamCall final : public Exchange {
 public:
  StreamCall(std::weak_ptr<CallReactor> stream, uint64_t id) : stream_(std::move(stream)), id_(id) {}
  void cancel() override;
  // Once, by whoever took it out of the stream's calls.
  void answer(Answer<std::string> bytes) { end(std::move(bytes)); }
  uint64_t timer = 0;

 private:
  std::weak_ptr<CallReactor> stream_;
  const uint64_t id_;
};

// The RPC. Lives until its OnDone, whoever lets go of it.
class CallReactor final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          public std::enable_shared_from_this<CallReactor> {
 public:
  CallReactor(std::shared_ptr<Core> core, const CallStreamOptions& options)
      : core_(std::move(core)), options_(options) {}

  void begin() {
    const auto cancel_this = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->shut();
    };
    if (Answer<> entered = core_->enter(Core::Kind::stream, cancel_this, &live_); !entered) {
      ended_ = std::move(entered.error());
      return;
    }
    self_ = shared_from_this();
    connection_ = core_->pool.any();
    context_.set_wait_for_ready(true);
    core_->describe(&context_, {.traceparent = options_.traceparent, .tenant = options_.tenant});
    connection_->load.fetch_add(1, std::memory_order_relaxed);
    connection_->attempts.fetch_add(1, std::memory_order_relaxed);
    connection_->stub.PrepareBidiStreamingCall(&context_, "/orbit.v1.ActorService/InvokeStream", {}, this);
    AddHold();  // calls are written from elsewhere, until a read has failed
    open_ = true;
    StartRead(&incoming_);
    StartCall();
  }

  std::shared_ptr<Exchange> start(const Method& method, std::string key, std::string request,
                                  const CallOptions& options) {
    const auto deadline = core_->deadline_of(options);
    const std::lock_guard lock(mutex_);
    if (!open_) return failed_exchange(ended_ ? *ended_ : own_failure(Code::unavailable, "the stream of calls ends"));
    // Of calls that were given up messages may still wait: a node that does not read must not make this grow.
    if (calls_.size() >= options_.calls_max || outgoing_.size() >= 2 * size_t{options_.calls_max})
      return failed_exchange(
          own_failure(Code::resource_exhausted, "the stream's bound: " + std::to_string(options_.calls_max) +
                                                    " calls are not answered or not sent yet (calls_max)"));
    if (request.size() > core_->options.request_bytes_max)
      return failed_exchange(own_failure(
          Code::resource_exhausted, "the request has " + std::to_string(request.size()) +
                                        " bytes, the client's bound is " +
                                        std::to_string(core_->options.request_bytes_max) + " (request_bytes_max)"));
    core_->calls.fetch_add(1, std::memory_order_relaxed);
    const uint64_t id = ++last_id_;
    auto call = std::make_shared<StreamCall>(weak_from_this(), id);
    v1::StreamRequest message;
    message.set_id(id);
    message.set_timeout_ms(static_cast<uint64_t>(deadline.count()));
    message.mutable_call()->set_type(method.type);
    message.mutable_call()->set_key(std::move(key));
    message.mutable_call()->set_method(method.name);
    message.mutable_call()->set_payload(std::move(request));
    call->timer = core_->loop.at(Loop::Clock::now() + deadline, [weak = weak_from_this(), id, deadline] {
      Failure late =
          own_failure(Code::deadline_exceeded, "no answer within " + std::to_string(deadline.count()) + " ms");
      late.may_have_run = true;
      if (const auto self = weak.lock()) self->give_up(id, std::move(late));
    });
    calls_.emplace(id, call);
    push(message.SerializeAsString());
    return call;
  }

  // Nobody waits for that call any more.
  void give_up(uint64_t id, Failure failure) {
    std::shared_ptr<StreamCall> call;
    {
      const std::lock_guard lock(mutex_);
      call = take(id);
      if (call == nullptr) return;
      v1::StreamRequest message;
      message.set_id(id);
      message.set_cancel(true);
      if (open_) push(message.SerializeAsString());
    }
    settle(*call, tl::unexpected<Failure>(std::move(failure)));
  }

  void shut() {
    {
      const std::lock_guard lock(mutex_);
      shut_ = true;
    }
    context_.TryCancel();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      {
        const std::lock_guard lock(mutex_);
        open_ = false;
      }
      RemoveHold();
      return;
    }
    v1::StreamReply reply;
    const bool good = reply.ParseFromString(string_of(incoming_));
    std::shared_ptr<StreamCall> call;
    if (good) {
      const std::lock_guard lock(mutex_);
      call = take(reply.id());
    }
    StartRead(&incoming_);
    if (call == nullptr) return;  // given up meanwhile
    if (reply.status().code() == 0) return settle(*call, std::move(*reply.mutable_payload()));
    Failure failure = own_failure(static_cast<Code>(reply.status().code()), reply.status().message());
    failure.may_have_run = true;
    settle(*call, tl::unexpected<Failure>(std::move(failure)));
  }

  void OnWriteDone(bool) override {
    const std::lock_guard lock(mutex_);
    outgoing_.pop_front();
    if (open_ && !outgoing_.empty()) StartWrite(&outgoing_.front());
  }

  void OnDone(const grpc::Status& status) override {
    connection_->load.fetch_sub(1, std::memory_order_relaxed);
    Failure failure = failure_of(status);
    std::unordered_map<uint64_t, std::shared_ptr<StreamCall>> left;
    {
      const std::lock_guard lock(mutex_);
      if (shut_)
        failure.code = Code::cancelled;
      else if (status.ok() || failure.code == Code::cancelled)
        failure.code = Code::unavailable;
      failure.message = shut_ ? "the stream of calls was closed" : "the stream of calls has ended: " + failure.message;
      failure.may_have_run = false;
      ended_ = failure;
      left.swap(calls_);
    }
    // Of these nobody knows.
    failure.may_have_run = true;
    for (const auto& [id, call] : left) {
      core_->loop.cancel(call->timer);
      settle(*call, tl::unexpected<Failure>(failure));
    }
    const auto self = std::move(self_);
    core_->leave(live_);
  }

 private:
  // Under mutex_.
  std::shared_ptr<StreamCall> take(uint64_t id) {
    const auto found = calls_.find(id);
    if (found == calls_.end()) return nullptr;
    std::shared_ptr<StreamCall> call = std::move(found->second);
    calls_.erase(found);
    core_->loop.cancel(call->timer);
    return call;
  }
  void push(const std::string& message) {
    outgoing_.push_back(buffer_of(message));
    if (outgoing_.size() == 1) StartWrite(&outgoing_.front());
  }

  void settle(StreamCall& call, Answer<std::string> answer) {
    if (!answer) {
      answer.error().attempts = 1;
      core_->failures.fetch_add(1, std::memory_order_relaxed);
    }
    call.answer(std::move(answer));
  }

  const std::shared_ptr<Core> core_;
  const CallStreamOptions options_;
  uint64_t live_ = 0;
  Connection* connection_ = nullptr;
  std::shared_ptr<CallReactor> self_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;

  std::mutex mutex_;
  std::deque<grpc::ByteBuffer> outgoing_;  // the first one is being written
  std::unordered_map<uint64_t, std::shared_ptr<StreamCall>> calls_;
  std::optional<Failure> ended_;
  uint64_t last_id_ = 0;
  bool open_ = false;
  bool shut_ = false;
};

void StreamCall::cancel() {
  if (const auto stream = stream_.lock()) {
    Failure failure = own_failure(Code::cancelled, "the caller has cancelled the call");
    failure.may_have_run = true;
    stream->give_up(id_, std::move(failure));
  }
}

// What proxies hold: with the last of them the stream ends.
class StreamTransport final : public Transport {
 public:
  explicit StreamTransport(std::shared_ptr<CallReactor> reactor) : reactor_(std::move(reactor)) {}
  ~StreamTransport() override { reactor_->shut(); }
  std::shared_ptr<Exchange> start(const Method& method, std::string key, std::string request,
                                  CallOptions options) override {
    return reactor_->start(method, std::move(key), std::move(request), options);
  }

 private:
  std::shared_ptr<CallReactor> reactor_;
};

}  // namespace

std::shared_ptr<Transport> open_call_stream(std::shared_ptr<Core> core, const CallStreamOptions& options) {
  const auto reactor = std::make_shared<CallReactor>(std::move(core), options);
  reactor->begin();
  return std::make_shared<StreamTransport>(reactor);
}

}  // namespace orbit::client::detail
