// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How protobuf messages travel in envelopes: as objects inside one module, as protobuf bytes between modules. Small messages
// live in the envelope. Actor authors do not need this header.
#pragma once

#include <google/protobuf/message_lite.h>

#include <climits>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "module.hpp"

namespace orbit::detail {

template <class Message>
inline constexpr bool kFitsInRoom = sizeof(Message) <= ORBIT_ENVELOPE_ROOM && alignof(Message) <= 16;

// Identifies the C++ type in this build of this module by its address.
template <class Message>
inline constexpr char kPayloadToken = 0;

inline void append_to_string(void* ctx, orbit_bytes part) { static_cast<std::string*>(ctx)->append(part.data, part.size); }

inline orbit_code serialize_message(const google::protobuf::MessageLite& message, orbit_sink sink) noexcept {
  const size_t size = message.ByteSizeLong();
  if (size > INT_MAX) return ORBIT_RESOURCE_EXHAUSTED;
  constexpr size_t kOnStackMax = 1024;
  if (size <= kOnStackMax) {
    char buffer[kOnStackMax];
    message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(buffer));
    sink.append(sink.ctx, {buffer, size});
    return ORBIT_OK;
  }
  const std::unique_ptr<char[]> buffer(new (std::nothrow) char[size]);
  if (buffer == nullptr) return ORBIT_RESOURCE_EXHAUSTED;
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(buffer.get()));
  sink.append(sink.ctx, {buffer.get(), size});
  return ORBIT_OK;
}

template <class Message>
void destroy_message(void* object) noexcept {
  if constexpr (kFitsInRoom<Message>)
    std::destroy_at(static_cast<Message*>(object));
  else
    delete static_cast<Message*>(object);
}

template <class Message>
inline constexpr orbit_payload_ops kPayloadOps = {
    sizeof(orbit_payload_ops),
    kFitsInRoom<Message> ? sizeof(Message) : 1,
    &kPayloadToken<Message>,
    [](const void* object, orbit_sink sink) { return serialize_message(*static_cast<const Message*>(object), sink); },
    nullptr,
    &destroy_message<Message>,
};

// Makes a message the payload of an envelope that has none.
template <class Message, class... Args>
Message* emplace_payload(orbit_envelope* envelope, Args&&... args) {
  Message* message;
  if constexpr (kFitsInRoom<Message>)
    message = ::new (static_cast<void*>(envelope->room)) Message(std::forward<Args>(args)...);
  else
    message = new Message(std::forward<Args>(args)...);
  envelope->payload = message;
  envelope->ops = &kPayloadOps<Message>;
  return message;
}

inline void drop_payload(orbit_envelope* envelope) noexcept {
  if (envelope->ops != nullptr && envelope->ops->destroy != nullptr) envelope->ops->destroy(envelope->payload);
  envelope->ops = nullptr;
  envelope->payload = nullptr;
}

// drop_payload where the payload's type is known.
template <class Message>
[[gnu::always_inline]] inline void drop_message(orbit_envelope* envelope, Message* message) noexcept {
  if (envelope->ops != &kPayloadOps<Message>) [[unlikely]] return drop_payload(envelope);
  destroy_message<Message>(message);
  envelope->ops = nullptr;
  envelope->payload = nullptr;
}

// Turns a payload that another module, a wire or another node made into this module's Message, through bytes.
template <class Message>
[[gnu::noinline]] Result<Message*> convert_payload(orbit_envelope* envelope) {
  std::string bytes;
  if (envelope->ops != nullptr) {
    const orbit_code code = envelope->ops->serialize(envelope->payload, {&bytes, &append_to_string});
    if (code != ORBIT_OK) {
      return fail(static_cast<Code>(code), "the message cannot cross between modules: " + std::string(code_name(code)));
    }
  }
  drop_payload(envelope);
  Message* message = emplace_payload<Message>(envelope);
  if (bytes.size() > INT_MAX || !message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(Code::invalid_argument,
                std::to_string(bytes.size()) + " bytes are no message of type " + message->GetTypeName());
  }
  return message;
}

// The payload as a Message; no payload is an empty one. The envelope goes on owning it.
template <class Message>
[[gnu::always_inline]] inline Result<Message*> payload_as(orbit_envelope* envelope) {
  const orbit_payload_ops* ops = envelope->ops;
  if (ops == &kPayloadOps<Message>) [[likely]]
    return static_cast<Message*>(envelope->payload);
  if (ops != nullptr && ops->token == &kPayloadToken<Message>) return static_cast<Message*>(envelope->payload);
  return convert_payload<Message>(envelope);
}

}  // namespace orbit::detail
