// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "fake_net.hpp"

#include <cstdio>
#include <cstdlib>

namespace orbit::http::test {

namespace {

FakeNet* g_current = nullptr;

const orbit_net_v1 kNet = {
    .struct_size = sizeof(orbit_net_v1),
    .listen = [](const orbit_host*, const orbit_listen_options* options, const orbit_connection_handler* handler, void* self,
                 orbit_listener** listener, orbit_error*) -> orbit_code {
      FakeNet& net = FakeNet::current();
      net.listened = options->address;
      net.listening = true;
      net.handler = handler;
      net.handler_self = self;
      net.idle_timeout_ms = options->idle_timeout_ms;
      *listener = reinterpret_cast<orbit_listener*>(&net);
      return ORBIT_OK;
    },
    .address = [](orbit_listener*) -> const char* { return FakeNet::current().listened.c_str(); },
    .stop_listening = [](orbit_listener*) { FakeNet::current().listening = false; },
    .reserve = [](orbit_connection* connection, size_t size) -> char* {
      connection->reserved.resize(size);
      return connection->reserved.data();
    },
    .commit = [](orbit_connection* connection,
                 size_t size) { connection->output.append(connection->reserved, 0, size); },
    .write = [](orbit_connection* connection, const char* data, size_t size) { connection->output.append(data, size); },
    .output_bytes = [](orbit_connection* connection) -> size_t { return connection->output.size(); },
    .pause = [](orbit_connection* connection) { connection->paused = true; },
    .resume =
        [](orbit_connection* connection) {
          connection->paused = false;
          connection->resumed = true;
        },
    .close = [](orbit_connection* connection) { connection->closing = true; },
    .peer_address = [](orbit_connection*, char* buffer,
                       size_t size) { std::snprintf(buffer, size, "%s", "127.0.0.1:50000"); },
    .local_address = [](orbit_connection*, char* buffer,
                        size_t size) { std::snprintf(buffer, size, "%s", "127.0.0.1:7080"); },
    .id = [](orbit_connection*) -> uint64_t { return 1; },
    .set_idle_timeout = [](orbit_connection* connection, uint64_t ms) { connection->idle_timeout_ms = ms; },
};

const orbit_workers_v1 kWorkers = {
    .struct_size = sizeof(orbit_workers_v1),
    .count = [](const orbit_host*) -> uint32_t { return 1; },
    .current = [](const orbit_host*) -> uint32_t { return 0; },
    .post = nullptr,
    .after = [](const orbit_host*, uint64_t delay_ms, orbit_function function, void* ctx) -> orbit_timer {
      FakeNet& net = FakeNet::current();
      net.timers[++net.last_timer] = {net.now_ms + delay_ms, function, ctx};
      return net.last_timer;
    },
    .cancel = [](const orbit_host*, orbit_timer timer) -> int {
      return FakeNet::current().timers.erase(timer) != 0 ? 1 : 0;
    },
    .blocking = nullptr,
    .monotonic_ns = [](const orbit_host*) -> uint64_t { return FakeNet::current().now_ms * 1'000'000; },
    .unix_ms = [](const orbit_host*) -> uint64_t { return FakeNet::current().now_ms; },
    .random = nullptr,
};

const orbit_metrics_v1 kMetrics = {
    .struct_size = sizeof(orbit_metrics_v1),
    .counter = [](const orbit_host*, const char* name, const char* labels, const char*) -> orbit_counter* {
      return reinterpret_cast<orbit_counter*>(&FakeNet::current().counters[std::string(name) + "{" + labels + "}"]);
    },
    .gauge = nullptr,
    .add = [](orbit_counter* counter, uint64_t amount) { *reinterpret_cast<uint64_t*>(counter) += amount; },
    .set = nullptr,
};

}  // namespace

FakeNet& FakeNet::current() {
  if (g_current == nullptr) std::abort();
  return *g_current;
}

FakeNet::FakeNet() {
  if (g_current != nullptr) std::abort();
  g_current = this;
  host_ = {sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR,
           [](const orbit_host*, const char* id) { return FakeNet::current().extension(id); }};
}

FakeNet::~FakeNet() {
  // A ticket belongs to its timer: let every timer run out.
  advance(24ull * 3600 * 1000);
  g_current = nullptr;
}

const void* FakeNet::extension(std::string_view id) {
  if (id == ORBIT_NET_V1) return &kNet;
  if (id == ORBIT_WORKERS_V1) return &kWorkers;
  if (id == ORBIT_METRICS_V1) return &kMetrics;
  return nullptr;
}

void FakeNet::advance(uint64_t ms) {
  now_ms += ms;
  for (auto it = timers.begin(); it != timers.end();) {
    if (it->second.due_ms > now_ms) {
      ++it;
      continue;
    }
    const Timer timer = it->second;
    timers.erase(it);
    timer.function(timer.ctx);
    it = timers.begin();
  }
}

Client::Client(FakeNet& net) : net_(net) {
  if (net.handler == nullptr) std::abort();
  connection_.idle_timeout_ms = net.idle_timeout_ms;
  context_ = net.handler->opened(net.handler_self, &connection_);
}

Client::~Client() { hang_up(); }

void Client::hang_up() {
  if (context_ != nullptr) net_.handler->closed(std::exchange(context_, nullptr), ORBIT_OK);
}

void Client::send(std::string_view bytes) {
  pending_ += bytes;
  if (connection_.paused || connection_.closing || context_ == nullptr) return;
  connection_.resumed = false;
  const size_t consumed = net_.handler->received(context_, pending_.data(), pending_.size());
  if (consumed > pending_.size()) std::abort();
  pending_.erase(0, consumed);
  pump();
}

void Client::pump() {
  while (connection_.resumed && !connection_.paused && !connection_.closing && context_ != nullptr &&
         !pending_.empty()) {
    connection_.resumed = false;
    const size_t consumed = net_.handler->received(context_, pending_.data(), pending_.size());
    if (consumed > pending_.size()) std::abort();
    pending_.erase(0, consumed);
  }
}

}  // namespace orbit::http::test
