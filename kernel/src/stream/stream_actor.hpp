// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Streams as actors: the kernel's own type ORBIT_STREAM_TYPE, and the orbit.streams/1 functions that speak to it.
#pragma once

#include <span>

#include "orbit/ext/streams.h"
#include "stream/stream_log.hpp"

namespace orbit::kernel {

// The type of streams with these limits, which must outlive it. The table lives as long as the process.
const orbit_actor_type* stream_type(const StreamLimits& limits);
// The host's orbit.streams/1.
const orbit_streams_v1* streams_table() noexcept;

// ---- between the two: what travels in envelopes to a stream ----------------------------------------------------------

enum StreamMethod : uint32_t {
  kStreamAppend = 1,
  kStreamSubscribe = 2,
  kStreamUnsubscribe = 3,
  kStreamTaken = 4,    // a subscriber has answered
  kStreamObserve = 5,
  kStreamObserved = 6  // an observer has had what was sent, ends or renews
};

// Owned by the envelope.
struct StreamRequest {
  std::string stream;
  std::string actor;                          // publisher or subscriber, as actor_id
  std::vector<std::string> payloads;
  std::vector<orbit_stream_publish> events;   // into payloads
  uint64_t from = 0;
  uint64_t subscription = 0;
  // kStreamTaken
  uint64_t position = 0;
  bool good = false;
  bool unsubscribed = false;
  // kStreamObserve, kStreamObserved
  uint64_t observer = 0;
  uint32_t worker = 0;
  uint64_t lease_until_ms = 0;
  size_t events_seen = 0;
  bool ends = false;

  orbit_stream_done done = nullptr;
  void* ctx = nullptr;
};

// Sends it to its stream; the reply is told to request->done, if there is one. [worker]
void send_to_stream(StreamMethod method, std::unique_ptr<StreamRequest> request);
// Gives events to an observer of that worker, or ends it. [any worker]
void tell_observer(uint32_t worker, uint64_t observer, std::string stream,
                   std::vector<std::shared_ptr<const StreamEvent>> events, orbit_code end, const char* why);

}  // namespace orbit::kernel
