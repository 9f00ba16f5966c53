// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "pool.hpp"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <array>

#include "pick.hpp"

namespace orbit::client::detail {

namespace {

constexpr std::chrono::seconds kExplainTime{1};

int milliseconds_of(std::chrono::milliseconds time) {
  return static_cast<int>(std::clamp<int64_t>(time.count(), 1, 86'400'000));
}

grpc::ChannelArguments arguments_of(const ClientOptions& options) {
  grpc::ChannelArguments out;
  // Without it channels to one endpoint would share one connection.
  out.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  out.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, milliseconds_of(options.reconnect_delay));
  out.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
             milliseconds_of(std::max(options.reconnect_delay, options.reconnect_delay_max)));
  out.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds_of(options.keepalive));
  out.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  out.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  out.SetMaxReceiveMessageSize(static_cast<int>(std::min<uint64_t>(options.reply_bytes_max, INT32_MAX)));
  if (!options.tls.server_name.empty()) out.SetSslTargetNameOverride(options.tls.server_name);
  return out;
}

struct Probe {
  grpc::ClientContext context;
  grpc::Slice nothing;
  grpc::ByteBuffer request{&nothing, 1};
  grpc::ByteBuffer reply;
};

// The threads on which gRPC calls back live as long as a channel that such a call was made on, and whoever drops the
// last of those channels joins them. One of them that does it itself goes on with a queue that is gone (1.51:
// "assertion failed: prior > 0"). The last of a client is often dropped there, with its last call. So one channel,
// which leads nowhere, stays.
void keep_callback_threads() {
  static grpc::GenericStub* const kept = [] {
    auto* const stub = new grpc::GenericStub(grpc::CreateCustomChannel("", nullptr, {}));
    const auto probe = std::make_shared<Probe>();
    stub->UnaryCall(&probe->context, "/nothing/Nothing", {}, &probe->request, &probe->reply,
                    [probe](const grpc::Status&) {});
    return stub;
  }();
  static_cast<void>(kept);
}

}  // namespace

Pool::Pool(const ClientOptions& options, const std::shared_ptr<grpc::ChannelCredentials>& credentials, Loop& loop)
    : loop_(loop) {
  keep_callback_threads();
  const grpc::ChannelArguments arguments = arguments_of(options);
  for (uint32_t i = 0; i < options.connections_per_endpoint; ++i)
    for (const std::string& endpoint : options.endpoints)
      connections_.push_back(
          std::make_unique<Connection>(endpoint, grpc::CreateCustomChannel(endpoint, credentials, arguments)));
  watched_.resize(connections_.size());
  for (const auto& connection : connections_) connection->channel->GetState(true);
}

Connection* Pool::pick() {
  std::array<Candidate, kConnectionsMax> candidates;
  for (size_t i = 0; i < connections_.size(); ++i)
    candidates[i] = {connections_[i]->channel->GetState(true) == GRPC_CHANNEL_READY,
                     connections_[i]->load.load(std::memory_order_relaxed)};
  const auto best = pick_least_loaded(std::span(candidates.data(), connections_.size()),
                                      turn_.fetch_add(1, std::memory_order_relaxed));
  return best ? connections_[*best].get() : nullptr;
}

Connection* Pool::any() {
  Connection* const ready = pick();
  return ready != nullptr ? ready : connections_[turn_.load(std::memory_order_relaxed) % connections_.size()].get();
}

uint64_t Pool::wait(std::function<void()> ready) {
  const std::lock_guard lock(mutex_);
  const uint64_t id = ++last_waiter_;
  waiters_.emplace(id, std::move(ready));
  for (size_t i = 0; i < connections_.size(); ++i)
    if (!watched_[i]) watch(i);
  return id;
}

void Pool::stop_waiting(uint64_t waiter) {
  std::function<void()> dropped;
  const std::lock_guard lock(mutex_);
  const auto found = waiters_.find(waiter);
  if (found == waiters_.end()) return;
  dropped = std::move(found->second);
  waiters_.erase(found);
}

// Under mutex_. A state that has changed meanwhile is told at once.
void Pool::watch(size_t index) {
  grpc::Channel& channel = *connections_[index]->channel;
  const grpc_connectivity_state state = channel.GetState(true);
  const auto changed = [this, index] {
    bool ready = false;
    {
      const std::lock_guard lock(mutex_);
      watched_[index] = false;
      if (waiters_.empty()) return;
      ready = connections_[index]->channel->GetState(true) == GRPC_CHANNEL_READY;
      if (!ready) watch(index);
    }
    if (ready) release_all();
  };
  if (state == GRPC_CHANNEL_READY)
    watched_[index] = loop_.at(Loop::Clock::now(), changed) != 0;
  else
    watched_[index] = loop_.watch(channel, state, changed);
}

void Pool::release_all() {
  std::map<uint64_t, std::function<void()>> released;
  {
    const std::lock_guard lock(mutex_);
    released.swap(waiters_);
  }
  for (const auto& [id, ready] : released) ready();
}

void Pool::explain(std::function<void(std::string)> told) {
  for (const auto& connection : connections_) {
    if (connection->channel->GetState(false) != GRPC_CHANNEL_TRANSIENT_FAILURE) continue;
    const auto probe = std::make_shared<Probe>();
    probe->context.set_deadline(std::chrono::system_clock::now() + kExplainTime);
    connection->stub.UnaryCall(
        &probe->context, "/grpc.health.v1.Health/Check", {}, &probe->request, &probe->reply,
        [probe, told = std::move(told)](const grpc::Status& status) {
          told(status.error_code() == grpc::StatusCode::UNAVAILABLE ? status.error_message() : std::string());
        });
    return;
  }
  told({});
}

std::string Pool::endpoints() const {
  std::vector<std::string_view> seen;
  std::string out;
  for (const auto& connection : connections_) {
    if (std::find(seen.begin(), seen.end(), connection->endpoint) != seen.end()) continue;
    seen.push_back(connection->endpoint);
    out += (out.empty() ? "" : ", ") + connection->endpoint;
  }
  return out;
}

}  // namespace orbit::client::detail
