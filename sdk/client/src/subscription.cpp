// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The events of a stream, over as many RPCs as it takes.
#include <condition_variable>
#include <deque>

#include "backoff.hpp"
#include "core.hpp"
#include "orbit/v1/actor_service.pb.h"

namespace orbit::client::detail {

namespace {

class EventSubscription;

// One RPC of ActorService.Subscribe.
class EventReader final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  EventReader(std::shared_ptr<EventSubscription> owner, Connection& connection, const std::string& request)
      : owner_(std::move(owner)), connection_(connection), request_(buffer_of(request)) {}

  void begin(const Core& core);
  void cancel() { context_.TryCancel(); }
  // Goes on after OnReadDone had no room. [any thread]
  void read_on() { StartRead(&incoming_); }

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  std::shared_ptr<EventSubscription> owner_;
  Connection& connection_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer incoming_;
};

class EventSubscription final : public EventSource, public std::enable_shared_from_this<EventSubscription> {
 public:
  EventSubscription(std::shared_ptr<Core> core, std::string stream, const SubscribeOptions& options)
      : core_(std::move(core)), stream_(std::move(stream)), options_(options), next_(options.from) {}

  void begin() {
    const auto cancel_this = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    };
    if (Answer<> entered = core_->enter(Core::Kind::subscription, cancel_this, &live_); !entered) {
      end_ = std::move(entered.error());
      return;
    }
    connect();
  }

  Answer<StreamedBytes> next(std::chrono::milliseconds timeout) override {
    std::shared_ptr<EventReader> resumed;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, timeout, [this] { return !events_.empty() || end_.has_value(); });
    if (events_.empty()) {
      if (end_) return tl::unexpected<Failure>(*end_);
      return tl::unexpected(own_failure(
          Code::deadline_exceeded, "no event of " + stream_ + " within " + std::to_string(timeout.count()) + " ms" +
                                       (trouble_.empty() ? "" : "; subscribing failed: " + trouble_)));
    }
    StreamedBytes event = std::move(events_.front());
    events_.pop_front();
    taken_ = event.position;
    if (paused_ && events_.size() <= options_.events_max / 2) {
      paused_ = false;
      resumed = reader_;
    }
    lock.unlock();
    if (resumed != nullptr) resumed->read_on();
    return event;
  }

  uint64_t position() const override {
    const std::lock_guard lock(mutex_);
    return taken_;
  }

  void cancel() override {
    std::shared_ptr<EventReader> reader;
    bool paused = false;
    {
      const std::lock_guard lock(mutex_);
      if (cancelled_ || end_) return;
      cancelled_ = true;
      reader = reader_;
      paused = std::exchange(paused_, false);
    }
    if (reader == nullptr) return finish(cancellation());
    reader->cancel();
    if (paused) reader->read_on();  // it learns of the end by reading
  }

  // True: there is room for more. [the reader's]
  bool received(const grpc::ByteBuffer& bytes) {
    v1::StreamEvent message;
    if (!message.ParseFromString(string_of(bytes))) return true;
    StreamedBytes event;
    event.position = message.position();
    event.sequence = message.sequence();
    event.time_ms = message.time_ms();
    event.publisher_type = message.publisher_type();
    event.publisher_key = message.publisher_key();
    event.payload = std::move(*message.mutable_payload());
    const std::lock_guard lock(mutex_);
    if (next_ != 0 && event.position > next_) event.missed = event.position - next_;
    next_ = event.position + 1;
    failures_ = 0;
    trouble_.clear();
    events_.push_back(std::move(event));
    changed_.notify_one();
    if (cancelled_ || events_.size() < options_.events_max) return true;
    paused_ = true;
    return false;
  }

  // The RPC is over. [the reader's]
  void broke(const grpc::Status& status) {
    Failure failure = failure_of(status);
    const auto self = shared_from_this();
    std::unique_lock lock(mutex_);
    reader_.reset();
    if (!cancelled_ && heals(status)) {
      trouble_ = failure.message;
      ++failures_;
      const auto delay =
          backoff(core_->options.retry.delay, core_->options.reconnect_delay_max, failures_, core_->random());
      timer_ = core_->loop.at(Loop::Clock::now() + delay, [self] {
        {
          const std::lock_guard again(self->mutex_);
          self->timer_ = 0;
        }
        self->connect();
      });
      if (timer_ != 0) return;
    }
    const bool cancelled = cancelled_;
    lock.unlock();
    finish(cancelled ? cancellation() : std::move(failure));
  }

 private:
  // A broken connection, a node that stops, a client that fell behind: the same request may do better.
  static bool heals(const grpc::Status& status) {
    return status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE ||
           status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ||
           status.error_code() == grpc::StatusCode::CANCELLED;
  }
  Failure cancellation() const {
    return own_failure(Code::cancelled, "the subscription to " + stream_ + " was cancelled");
  }

  void connect() {
    const auto self = shared_from_this();
    Connection* const connection = core_->pool.pick();
    std::shared_ptr<EventReader> reader;
    {
      const std::lock_guard lock(mutex_);
      if (end_ || cancelled_) return;
      if (connection == nullptr) {
        waiter_ = core_->pool.wait([self] { self->connect(); });
        return;
      }
      waiter_ = 0;
      v1::SubscribeRequest request;
      request.set_stream(stream_);
      request.set_from(next_);
      reader = reader_ = std::make_shared<EventReader>(self, *connection, request.SerializeAsString());
    }
    reader->begin(*core_);
  }

  void finish(Failure failure) {
    uint64_t waiter = 0;
    uint64_t timer = 0;
    {
      const std::lock_guard lock(mutex_);
      if (end_) return;
      end_ = std::move(failure);
      waiter = waiter_;
      timer = timer_;
      changed_.notify_all();
    }
    const auto self = shared_from_this();
    if (waiter != 0) core_->pool.stop_waiting(waiter);
    if (timer != 0) core_->loop.cancel(timer);
    core_->leave(live_);
  }

  const std::shared_ptr<Core> core_;
  const std::string stream_;
  const SubscribeOptions options_;
  uint64_t live_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<StreamedBytes> events_;  // received and not taken
  std::shared_ptr<EventReader> reader_;
  std::optional<Failure> end_;
  std::string trouble_;  // why the last RPC ended, while none has brought an event since
  uint64_t next_;        // position to ask for; 0: what is new
  uint64_t taken_ = 0;
  uint64_t waiter_ = 0;
  uint64_t timer_ = 0;
  uint32_t failures_ = 0;
  bool paused_ = false;
  bool cancelled_ = false;
};

void EventReader::begin(const Core& core) {
  core.describe(&context_, {});
  connection_.load.fetch_add(1, std::memory_order_relaxed);
  connection_.attempts.fetch_add(1, std::memory_order_relaxed);
  connection_.stub.PrepareBidiStreamingCall(&context_, "/orbit.v1.ActorService/Subscribe", {}, this);
  AddHold();  // reading may be taken up from elsewhere, until a read has failed
  StartWriteLast(&request_, {});
  StartRead(&incoming_);
  StartCall();
}

void EventReader::OnReadDone(bool ok) {
  if (!ok) {
    RemoveHold();
    return;
  }
  const grpc::ByteBuffer event = std::move(incoming_);
  incoming_.Clear();
  if (owner_->received(event)) StartRead(&incoming_);
}

void EventReader::OnDone(const grpc::Status& status) {
  connection_.load.fetch_sub(1, std::memory_order_relaxed);
  const auto owner = std::move(owner_);
  owner->broke(status);  // lets go of this
}

}  // namespace

std::shared_ptr<EventSource> subscribe(std::shared_ptr<Core> core, std::string stream,
                                       const SubscribeOptions& options) {
  auto made = std::make_shared<EventSubscription>(std::move(core), std::move(stream), options);
  made->begin();
  return made;
}

}  // namespace orbit::client::detail
