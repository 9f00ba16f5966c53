// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What all RPCs of one server share, and who handles which.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "details.hpp"
#include "orbit/access.hpp"
#include "orbit/bytes_call.hpp"
#include "orbit/ext/node.h"
#include "orbit/ext/observe.h"
#include "orbit/ext/streams.h"
#include "orbit/plugin.hpp"
#include "route_table.hpp"
#include "rpc.hpp"

namespace orbit::grpc_wire {

struct Limits {
  uint32_t calls_max = 100'000;               // RPCs open at a time
  uint32_t batch_calls_max = 1'000;           // of one Batch, and actors of one Lease
  uint64_t lease_ms_max = 600'000;            // of one Lease
  uint32_t stream_calls_max = 1'000;          // of one InvokeStream, received and not yet answered
  uint32_t subscription_events_max = 10'000;  // of one Subscribe, not yet taken by its client
  bool reflection = true;
};

class RpcHandler;

class Wire {
 public:
  Wire(Host host, const Limits& limits);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Who handles an RPC that has come in. Never null. [worker]
  Handler* accept(Rpc& rpc);
  // From now on new RPCs are refused. [any thread]
  void drain() noexcept { draining_.store(true, std::memory_order_release); }
  bool draining() const noexcept { return draining_.load(std::memory_order_acquire); }

  // Why the caller may not, or nothing. `who` may be empty without access control.
  Result<> check(const Principal& who, const Route& route, Bytes key, const std::string& peer) const;

  const Host host;
  const orbit_actors_v1& actors;
  const orbit_workers_v1& workers;
  const orbit_streams_v1& streams;
  const orbit_node_v1& node;
  const Access access;
  const bool access_enabled;
  const Limits limits;
  RouteTable routes;

 private:
  friend class RpcHandler;
  const orbit_metrics_v1* metrics_;
  orbit_counter* accepted_;
  orbit_counter* refused_;
  orbit_gauge* open_gauge_;
  std::atomic<bool> draining_{false};
  std::atomic<uint32_t> open_{0};
};

// Base of all handlers: counts who still uses it, and finds out who calls before begin(). Everything on the RPC's
// worker.
class RpcHandler : public Handler {
 public:
  void start() final;
  void done() override;
  void cancelled() override {}
  void no_more_messages() override { rpc_.finish({Code::invalid_argument, "the client sent no request message", {}}); }

 protected:
  RpcHandler(Wire& wire, Rpc& rpc) : wire_(wire), rpc_(rpc) {}
  ~RpcHandler() override;

  // The caller is known. The RPC may be over meanwhile.
  virtual void begin() = 0;

  void retain() noexcept { ++refs_; }
  void release() noexcept {
    if (--refs_ == 0) delete this;
  }
  void fail(const Error& error, const Target& target = {}) { rpc_.finish(outcome_of(error, target)); }
  // What the client's metadata and identity put into the context of its calls; borrowed from the RPC and the caller.
  std::vector<orbit_context_entry> context() const;

  Wire& wire_;
  Rpc& rpc_;
  Principal caller_;  // empty without access control

 private:
  uint32_t refs_ = 1;
};

// Text for a field of type string: what is no UTF-8 would make the message unreadable.
void set_text(std::string* field, std::string_view text);

// The kinds of handlers; each in a file of its own.
Handler* handle_native(Wire& wire, Rpc& rpc, std::shared_ptr<const Routes> routes, Route route);
Handler* handle_invoke(Wire& wire, Rpc& rpc, bool one_way);
Handler* handle_batch(Wire& wire, Rpc& rpc);
Handler* handle_invoke_stream(Wire& wire, Rpc& rpc);
Handler* handle_subscribe(Wire& wire, Rpc& rpc);
Handler* handle_lease(Wire& wire, Rpc& rpc);
Handler* handle_health_check(Wire& wire, Rpc& rpc);
Handler* handle_health_watch(Wire& wire, Rpc& rpc);
Handler* handle_reflection(Wire& wire, Rpc& rpc);
// Ends the RPC with that.
Handler* handle_refused(Wire& wire, Rpc& rpc, Error error);

}  // namespace orbit::grpc_wire
