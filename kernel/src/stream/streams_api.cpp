// SPDX-License-Identifier: MIT OR BSD-3-Clause
// orbit.streams/1: requests to streams, and the transient observers of each worker.
#include <boost/unordered/unordered_flat_map.hpp>

#include "actor/runtime.hpp"
#include "stream/stream_actor.hpp"

namespace orbit::kernel {

namespace {

constexpr char kRequestToken = 0;
constexpr orbit_payload_ops kRequestOps = {
    sizeof(orbit_payload_ops), 0, &kRequestToken, nullptr, nullptr,
    [](void* request) { delete static_cast<StreamRequest*>(request); }};

struct LocalObserver {
  std::string stream;
  void (*on_events)(void* ctx, const orbit_stream_event* events, size_t count) = nullptr;
  void (*on_end)(void* ctx, orbit_code code, const char* message) = nullptr;
  void* ctx = nullptr;
};
// Those that a worker has asked for. The worker's number is in the low bits of an observer's.
constexpr uint64_t kWorkers = 256;
struct Observers {
  boost::unordered_flat_map<uint64_t, LocalObserver> all;
  uint64_t made = 0;
};
Observers& observers_of(uint32_t worker) {
  static auto* all = new std::array<Observers, kWorkers>;
  return (*all)[worker % kWorkers];
}

void end_observer(uint32_t worker, uint64_t id, orbit_code code, const char* why) {
  auto& all = observers_of(worker).all;
  const auto found = all.find(id);
  if (found == all.end()) return;
  const LocalObserver observer = std::move(found->second);
  all.erase(found);
  observer.on_end(observer.ctx, code, why);
}

// What the stream is to know of an observer.
void report(std::string stream, uint64_t id, size_t seen, uint64_t lease_until_ms, bool ends) {
  auto request = std::make_unique<StreamRequest>();
  request->stream = std::move(stream);
  request->observer = id;
  request->events_seen = seen;
  request->lease_until_ms = lease_until_ms;
  request->ends = ends;
  send_to_stream(kStreamObserved, std::move(request));
}

void call_answered(void* ctx, orbit_envelope* reply) {
  struct Told {
    orbit_stream_done done;
    void* ctx;
  };
  const std::unique_ptr<Told> told(static_cast<Told*>(ctx));
  told->done(told->ctx, reply->code, reply->message != nullptr ? reply->message : "");
  Runtime::api()->free_envelope(reply);
}

std::unique_ptr<StreamRequest> make_request(orbit_bytes stream, orbit_bytes type, orbit_bytes key, orbit_stream_done done,
                                            void* ctx) {
  auto request = std::make_unique<StreamRequest>();
  request->stream = from_c(stream);
  request->actor = actor_id(from_c(type), from_c(key));
  request->done = done;
  request->ctx = ctx;
  return request;
}

const orbit_streams_v1 kTable = {
    .struct_size = sizeof(orbit_streams_v1),
    .reserved = 0,
    .append = [](orbit_bytes stream, orbit_bytes type, orbit_bytes key, const orbit_stream_publish* events, size_t count,
                 orbit_stream_done done, void* ctx) {
      auto request = make_request(stream, type, key, done, ctx);
      request->payloads.reserve(count);
      for (size_t i = 0; i < count; ++i) {
        request->payloads.emplace_back(from_c(events[i].payload));
        request->events.push_back({events[i].sequence, to_c(request->payloads.back())});
      }
      send_to_stream(kStreamAppend, std::move(request));
    },
    .subscribe = [](orbit_bytes stream, orbit_bytes type, orbit_bytes key, uint64_t from, uint64_t subscription,
                    orbit_stream_done done, void* ctx) {
      auto request = make_request(stream, type, key, done, ctx);
      request->from = from;
      request->subscription = subscription;
      send_to_stream(kStreamSubscribe, std::move(request));
    },
    .unsubscribe = [](orbit_bytes stream, orbit_bytes type, orbit_bytes key, uint64_t subscription, orbit_stream_done done,
                      void* ctx) {
      auto request = make_request(stream, type, key, done, ctx);
      request->subscription = subscription;
      send_to_stream(kStreamUnsubscribe, std::move(request));
    },
    .observe = [](orbit_bytes stream, uint64_t from, uint64_t lease_ms,
                  void (*on_events)(void*, const orbit_stream_event*, size_t),
                  void (*on_end)(void*, orbit_code, const char*), void* ctx) -> uint64_t {
      const uint32_t worker = this_scheduler()->worker();
      Observers& mine = observers_of(worker);
      const uint64_t id = ++mine.made * kWorkers + worker;
      mine.all[id] = {std::string(from_c(stream)), on_events, on_end, ctx};
      auto request = std::make_unique<StreamRequest>();
      request->stream = from_c(stream);
      request->from = from;
      request->observer = id;
      request->worker = worker;
      request->lease_until_ms = this_runtime()->executor().unix_ms() + lease_ms;
      request->done = [](void* raw, orbit_code code, const char* why) {
        const auto observer = reinterpret_cast<uint64_t>(raw);
        if (code != ORBIT_OK) end_observer(static_cast<uint32_t>(observer % kWorkers), observer, code, why);
      };
      request->ctx = reinterpret_cast<void*>(id);
      send_to_stream(kStreamObserve, std::move(request));
      return id;
    },
    .renew = [](uint64_t id, uint64_t lease_ms) -> int {
      auto& all = observers_of(static_cast<uint32_t>(id % kWorkers)).all;
      const auto found = all.find(id);
      if (found == all.end()) return 0;
      report(found->second.stream, id, 0, this_runtime()->executor().unix_ms() + lease_ms, false);
      return 1;
    },
    .cancel = [](uint64_t id) {
      const auto worker = static_cast<uint32_t>(id % kWorkers);
      auto& all = observers_of(worker).all;
      const auto found = all.find(id);
      if (found == all.end()) return;
      report(found->second.stream, id, 0, 0, true);
      end_observer(worker, id, ORBIT_OK, "");
    },
};

}  // namespace

const orbit_streams_v1* streams_table() noexcept { return &kTable; }

void send_to_stream(StreamMethod method, std::unique_ptr<StreamRequest> request) {
  const orbit_actors_v1* api = Runtime::api();
  static const orbit_type* const type = api->type(ORBIT_STREAM_TYPE);
  orbit_envelope* envelope = api->allocate();
  struct Told {
    orbit_stream_done done;
    void* ctx;
  };
  if (request->done != nullptr) {
    envelope->reply_ctx = new Told{request->done, request->ctx};
    envelope->on_reply = &call_answered;
  }
  envelope->type = type;
  envelope->key = to_c(request->stream);
  envelope->method = method;
  envelope->ops = &kRequestOps;
  envelope->payload = request.release();
  api->send(envelope, nullptr);
}

void tell_observer(uint32_t worker, uint64_t observer, std::string stream,
                   std::vector<std::shared_ptr<const StreamEvent>> events, orbit_code end, const char* why) {
  Runtime* runtime = this_runtime();
  if (runtime == nullptr) return;
  runtime->post(worker, [worker, observer, stream = std::move(stream), events = std::move(events), end, why] {
    if (end != ORBIT_OK) {
      end_observer(worker, observer, end, why);
      return;
    }
    auto& all = observers_of(worker).all;
    const auto found = all.find(observer);
    if (found == all.end()) return;
    std::vector<orbit_stream_event> view;
    for (const auto& event : events) {
      const ActorParts publisher = parts_of(event->publisher);
      view.push_back({event->position, event->sequence, event->time_ms, to_c(publisher.type), to_c(publisher.key),
                      to_c(event->payload)});
    }
    const LocalObserver local = found->second;
    local.on_events(local.ctx, view.data(), view.size());
    report(local.stream, observer, view.size(), 0, false);
  });
}

}  // namespace orbit::kernel
