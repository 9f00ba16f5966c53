// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Calls to actors with protobuf bytes, for wires: the request as it came in, the reply as it goes out. The wire's own ways to read
// and write messages (JSON, gRPC frames) stay with the wire; orbit/wire_types.hpp has the methods and their descriptors.
#pragma once

#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "ext/actors.h"
#include "ext/workers.h"
#include "result.hpp"

namespace orbit {

// What to call, and with what. Borrowed for the call of start_bytes_call, except `request`.
struct BytesCall {
  const orbit_type* type = nullptr;
  Bytes key;
  uint32_t method = 0;  // orbit_method.id
  std::string request;  // a serialized message of the method's input type
  uint64_t deadline_ns = 0;  // monotonic; 0: none
  std::span<const orbit_context_entry> context = {};  // see orbit_actors_v1.set_context
};

namespace detail {

// Identifies no C++ type: whoever receives it parses the bytes.
inline constexpr char kBytesPayloadToken = 0;

inline constexpr orbit_payload_ops kBytesPayloadOps = {
    sizeof(orbit_payload_ops),
    sizeof(std::string),
    &kBytesPayloadToken,
    [](const void* object, orbit_sink sink) -> orbit_code {
      sink.append(sink.ctx, to_c(Bytes(*static_cast<const std::string*>(object))));
      return ORBIT_OK;
    },
    nullptr,
    [](void* object) { std::destroy_at(static_cast<std::string*>(object)); },
};

}  // namespace detail

// Makes protobuf bytes the payload of an envelope that has none.
inline void put_bytes(orbit_envelope* envelope, std::string bytes) noexcept {
  envelope->payload = ::new (static_cast<void*>(envelope->room)) std::string(std::move(bytes));
  envelope->ops = &detail::kBytesPayloadOps;
}

// What a reply says: the reply message's bytes, or the error that the callee failed with. The envelope stays the caller's.
inline Result<std::string> bytes_of(const orbit_envelope* reply) {
  if (reply->code != ORBIT_OK) return fail(static_cast<Code>(reply->code), reply->message != nullptr ? reply->message : "");
  std::string bytes;
  if (reply->ops == nullptr) return bytes;  // an empty message
  const orbit_code code = reply->ops->serialize(
      reply->payload,
      {&bytes, [](void* out, orbit_bytes part) { static_cast<std::string*>(out)->append(part.data, part.size); }});
  if (code != ORBIT_OK)
    return fail(static_cast<Code>(code), "the reply has no protobuf form: " + std::string(code_name(code)));
  return bytes;
}

// An envelope with the call in it, not sent; on_reply and reply_ctx are the caller's to set. Without on_reply it is a one-way
// message. Fails when the context is over its bound. [worker]
inline Result<orbit_envelope*> bytes_envelope(const orbit_actors_v1& actors, BytesCall&& call) {
  orbit_envelope* envelope = actors.allocate();
  if (envelope == nullptr) return fail(Code::failed_precondition, "an actor can be called only from a worker of the node");
  envelope->type = call.type;
  envelope->key = to_c(call.key);
  envelope->method = call.method;
  envelope->deadline_ns = call.deadline_ns;
  for (const orbit_context_entry& entry : call.context) {
    ErrorOut error;
    const orbit_code code = actors.set_context(envelope, entry.name, entry.value, &error);
    if (code == ORBIT_OK) continue;
    actors.free_envelope(envelope);
    return tl::unexpected<Error>(error.take(code));
  }
  put_bytes(envelope, std::move(call.request));
  return envelope;
}

// Makes the call. `done(Result<std::string>)` is called exactly once on this worker: with the reply's bytes, with the error, or
// at the deadline at the latest, when the call is cancelled. Returns what orbit_actors_v1.cancel takes, until done is called;
// null when done was called already. [worker]
template <class Done>
orbit_envelope* start_bytes_call(const orbit_actors_v1& actors, const orbit_workers_v1& workers, const orbit_host* host,
                                 BytesCall&& call, Done done) {
  struct Running {
    const orbit_actors_v1& actors;
    const orbit_workers_v1& workers;
    const orbit_host* host;
    Done done;
    orbit_envelope* envelope;
    bool* answered;     // null once start_bytes_call has returned
    orbit_timer timer;  // 0: none, or it has rung
    bool waiting;       // done was not called yet
  };
  const uint64_t deadline_ns = call.deadline_ns;
  Result<orbit_envelope*> made = bytes_envelope(actors, std::move(call));
  if (!made) {
    done(Result<std::string>(tl::unexpected<Error>(made.error())));
    return nullptr;
  }
  orbit_envelope* envelope = *made;
  bool answered = false;
  auto* running = new Running{actors, workers, host, std::move(done), envelope, &answered, 0, true};
  envelope->reply_ctx = running;
  envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
    const std::unique_ptr<Running> self(static_cast<Running*>(ctx));
    if (self->answered != nullptr) *self->answered = true;
    if (self->timer != 0) self->workers.cancel(self->host, self->timer);
    Result<std::string> result = self->waiting ? bytes_of(reply) : Result<std::string>();
    self->actors.free_envelope(reply);
    if (self->waiting) self->done(std::move(result));
  };
  actors.send(envelope, nullptr);
  if (answered) return nullptr;
  running->answered = nullptr;
  if (deadline_ns != 0) {
    const uint64_t now_ns = workers.monotonic_ns(host);
    const uint64_t left_ms = deadline_ns > now_ns ? (deadline_ns - now_ns + 999'999) / 1'000'000 : 0;
    running->timer = workers.after(
        host, left_ms,
        [](void* ctx) {
          auto* self = static_cast<Running*>(ctx);
          self->timer = 0;
          self->waiting = false;
          orbit_envelope* late = self->envelope;  // cancel may answer it, and that ends *self
          const orbit_actors_v1& api = self->actors;
          Done tell = std::move(self->done);
          api.cancel(late);
          tell(Result<std::string>(
              fail(Code::deadline_exceeded, "the call was not answered by its deadline; its turn, if it runs, is told so")));
        },
        running);
  }
  return envelope;
}

}  // namespace orbit
