// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Streams: durable publish and subscribe between actors.
//
//   const orbit::Stream<ChatMessage> room("lobby");   // a stream is named by its message's type and its name
//
//   publish(room, message);        // types with `publishes: true`: a part of the turn's changes
//   subscribe(room);               // types with `subscribes: "ChatMessage"`: as well
//   subscribe(room, orbit::from_position(17));
//   unsubscribe(room);
//   void on_event(const orbit::Event<ChatMessage>& event);   // or Result<>, Task<>, Task<Result<>>: a turn
//
// Published events lie in the publisher's own records, in the batch of the turn, until the stream has stored them: a turn that
// fails publishes nothing, one that was answered publishes whatever crashes. Each subscriber gets each event, in the order of
// its publisher, again and again until its turn succeeds; its position is stored in the batch of that turn, so what a turn
// changes happens once per event. orbit/ext/streams.h says what the stream does about slow and dead subscribers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ext/streams.h"

namespace orbit {

// At most so many events and subscriptions of one actor are on their way to streams; then publish, subscribe and unsubscribe
// throw RESOURCE_EXHAUSTED.
inline constexpr size_t kOutboxMax = 1000;
inline constexpr size_t kOutboxBytesMax = size_t{8} << 20;
inline constexpr size_t kSubscriptionsMax = 1000;  // of one actor

template <class Message>
class Stream {
 public:
  explicit Stream(std::string_view name) : key_(Message().GetTypeName() + "/"), type_size_(key_.size()) { key_.append(name); }
  std::string_view name() const noexcept { return std::string_view(key_).substr(type_size_); }
  // Of the actor of type ORBIT_STREAM_TYPE.
  const std::string& key() const noexcept { return key_; }

 private:
  std::string key_;
  size_t type_size_;
};

template <class Message>
struct Event {
  Message message;
  std::string_view stream;          // its name
  uint64_t position = 0;            // in the stream, from 1
  uint64_t time_ms = 0;             // when the stream took it, Unix time
  std::string_view publisher_type;
  std::string_view publisher_key;
  uint64_t sequence = 0;            // the publisher's own number
};

// Where a subscription begins.
struct StreamStart {
  uint64_t position;
};
inline constexpr StreamStart from_now() noexcept { return {ORBIT_STREAM_NEW}; }
inline constexpr StreamStart from_start() noexcept { return {1}; }  // of what the stream keeps
inline constexpr StreamStart from_position(uint64_t position) noexcept { return {position == 0 ? 1 : position}; }

namespace detail {

// The message types that an actor type subscribes to.
template <class... Messages>
struct EventTypes {
  static constexpr bool kAny = sizeof...(Messages) != 0;
  template <class Message>
  static constexpr bool kHas = (std::same_as<Message, Messages> || ...);
};

}  // namespace detail
}  // namespace orbit
