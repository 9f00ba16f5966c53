// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Streams between a client and a node: events that actors publish, and calls that share one RPC.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "call.hpp"
#include "proxy.hpp"

namespace orbit::client {

struct SubscribeOptions {
  uint64_t from =
      0;  // events at that position and later, or the earliest that is kept; 0: what is published from now on
  uint32_t events_max =
      1000;  // received and not yet taken; with more the client stops reading, and the node's own bound counts
};

// As it comes over the wire.
struct StreamedBytes {
  uint64_t position = 0;
  uint64_t sequence = 0;  // the publisher's own number
  uint64_t time_ms = 0;   // when the stream took it, Unix time
  std::string publisher_type = {};
  std::string publisher_key = {};
  std::string payload = {};
  uint64_t missed = 0;  // events before it that the stream no longer had when the subscription resumed
};

template <class Message>
struct StreamedEvent : StreamedBytes {
  Message message = {};
};

namespace detail {

class EventSource {
 public:
  virtual ~EventSource() = default;
  virtual Answer<StreamedBytes> next(std::chrono::milliseconds timeout) = 0;
  virtual void cancel() = 0;
  virtual uint64_t position() const = 0;
};

}  // namespace detail

// The events of one stream, in order, each once. When the connection breaks or the node restarts, the client subscribes
// again behind the last event that came; nothing is lost as long as the stream keeps it (docs/streams.md). Until the
// first event came there is no such position: with from = 0 what is published during a break then is not seen.
template <class Message>
class Subscription {
 public:
  explicit Subscription(std::shared_ptr<detail::EventSource> source) : source_(std::move(source)) {}
  Subscription(Subscription&&) noexcept = default;
  Subscription& operator=(Subscription&&) noexcept = default;
  // Cancels it.
  ~Subscription() {
    if (source_ != nullptr) source_->cancel();
  }

  // Blocks for the next event. DEADLINE_EXCEEDED: none came within timeout, go on. Anything else: the subscription has
  // ended, because of an error that trying again does not mend. One thread at a time.
  Answer<StreamedEvent<Message>> next(std::chrono::milliseconds timeout) const {
    Answer<StreamedBytes> bytes = source_->next(timeout);
    if (!bytes) return tl::unexpected<Failure>(std::move(bytes.error()));
    StreamedEvent<Message> event;
    static_cast<StreamedBytes&>(event) = std::move(*bytes);
    if (event.message.ParseFromString(event.payload)) return event;
    Failure failure;
    failure.code = Code::data_loss;
    failure.message = "the event at " + std::to_string(event.position) + " is no " + event.message.GetTypeName();
    return tl::unexpected<Failure>(std::move(failure));
  }
  // Of the last event that next() returned: store it with what you made of the event, and begin there + 1 the next
  // time.
  uint64_t position() const { return source_->position(); }
  // Any thread; a next() that waits returns CANCELLED.
  void cancel() const { source_->cancel(); }

 private:
  std::shared_ptr<detail::EventSource> source_;
};

struct CallStreamOptions {
  uint32_t calls_max = 1000;  // begun and not answered
  std::string traceparent = {};
  std::string tenant = {};  // empty: the client's
};

// Proxies of it send their calls over one RPC of ActorService.InvokeStream. Deadlines and cancellation are each call's
// own; traceparent, tenant and credentials are the stream's, and those of CallOptions do not count. There are no
// retries: when the stream breaks, all its calls fail with UNAVAILABLE, and so do later ones; open another.
class CallStream {
 public:
  explicit CallStream(std::shared_ptr<detail::Transport> transport) : transport_(std::move(transport)) {}
  template <class Actor>
  auto actor(typename ProxyOf<Actor>::Type::Key key) const {
    return typename ProxyOf<Actor>::Type(transport_, key);
  }

 private:
  std::shared_ptr<detail::Transport> transport_;
};

}  // namespace orbit::client
