// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Calls to actors from outside their node, over gRPC (docs/client.md).
//
//   #include <orbit/client/client.hpp>
//   #include "bank.client.hpp"
//
//   orbit::client::Client client({.endpoints = {"127.0.0.1:7090"}});
//   auto account = client.actor<bank::Account>(7);
//   orbit::client::Answer<bank::Balance> balance = account.Deposit(amount, {.deadline = 500ms});
//   account.DepositAsync(amount).then([](orbit::client::Answer<bank::Balance> balance) { ... });
//   bank::Balance balance = *co_await account.GetBalanceAsync({});
//
// Everything is thread-safe. A client has connections and threads: make one and keep it. What it holds is bounded by
// its options; reaching a bound is RESOURCE_EXHAUSTED with the option's name.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "call.hpp"
#include "lease.hpp"
#include "proxy.hpp"
#include "stream.hpp"

namespace orbit::client {

// PEM texts, or the files with them. Read once, when the client is made.
struct TlsOptions {
  bool enabled = false;
  std::string ca_file = {};           // who may sign the node's certificate; empty: the system's authorities
  std::string certificate_file = {};  // the client's own, for mutual TLS; with the certificates between it and the root
  std::string key_file = {};
  std::string server_name = {};  // that the node's certificate must have, when it is not the endpoint's host
};

// Who calls: one of token and name with password, or none (the certificate of mutual TLS is a credential too).
struct Credentials {
  // A bearer token; asked before each RPC, so that it can be renewed. May be called on any thread and must not block.
  std::function<std::string()> token = {};
  std::string name = {};
  std::string password = {};
  // Credentials go in clear only to loopback addresses, unless this says so.
  bool in_clear = false;
};

// How calls that failed are made again. A call is repeated only when it failed with UNAVAILABLE, and either its method
// is read_only or idempotent, or it is certain that no actor has seen it.
struct RetryOptions {
  uint32_t attempts_max = 4;            // of one call, the first one included
  std::chrono::milliseconds delay{50};  // before the second attempt; doubled with each, spread by a fifth
  std::chrono::milliseconds delay_max{2000};
  // The budget that all calls of the client share: each call earns so much of a retry, and so many come for free.
  double per_call = 0.2;
  double per_second = 10;
  double saved_max = 100;  // what the budget can hold
};

struct ClientOptions {
  std::vector<std::string> endpoints = {"127.0.0.1:7090"};  // of one node, or of several of one cluster
  uint32_t connections_per_endpoint = 2;                    // at most 64
  TlsOptions tls = {};
  Credentials credentials = {};
  RetryOptions retry = {};

  std::chrono::milliseconds deadline{10'000};       // of calls that say none
  std::chrono::milliseconds connect_timeout{5000};  // so long a call waits for a connection, its deadline aside
  std::chrono::milliseconds reconnect_delay{100};   // after a lost connection; grows to reconnect_delay_max
  std::chrono::milliseconds reconnect_delay_max{5000};
  std::chrono::milliseconds keepalive{60'000};  // a connection without a byte for so long is pinged
  std::string tenant = {};                      // of calls that say none

  uint32_t calls_max = 10'000;  // under way at a time, those that wait for a connection or a retry included
  uint32_t leases_max = 10'000;
  uint32_t subscriptions_max = 1000;
  uint64_t request_bytes_max = 4u << 20;  // as the node's message_bytes_max is by default
  uint64_t reply_bytes_max = 64u << 20;
};

// What a client has counted since it was made.
struct ClientFigures {
  uint64_t calls = 0;                                 // begun
  uint64_t failures = 0;                              // ended with an error
  uint64_t attempts = 0;                              // RPCs
  uint64_t retries = 0;                               // RPCs after the first of a call
  uint64_t retries_refused = 0;                       // that would have been safe, but for the budget
  uint64_t under_way = 0;                             // now
  std::vector<uint64_t> attempts_of_connection = {};  // endpoint by endpoint
};

namespace detail {
class Core;
}

class Client {
 public:
  // Begins to connect, and does not wait for it. Throws std::invalid_argument with a sentence about an option that is
  // wrong, or a file that cannot be read.
  explicit Client(ClientOptions options = {});
  // close(0).
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // A proxy. Sends nothing: an actor comes into memory when it is called.
  template <class Actor>
  auto actor(typename ProxyOf<Actor>::Type::Key key) const {
    return typename ProxyOf<Actor>::Type(transport(), key);
  }

  // A call of a type that is known only when the program runs: messages as bytes, the key as on every wire. Blocks. It
  // is repeatable only if `repeatable` says so.
  Answer<std::string> invoke(std::string_view type, std::string_view key, std::string_view method, std::string request,
                             CallOptions options = {}, bool repeatable = false) const;

  // Keeps the actor in memory from now on, as long as the lease or a copy of it lives. Blocks until the node has
  // granted it, for the client's deadline at most. lease.hpp says what a lease is worth.
  template <class P>
  Answer<Lease> hold(const P& proxy, LeaseOptions options = {}) const {
    return hold(P::kType, proxy.key(), options);
  }
  Answer<Lease> hold(std::string_view type, std::string_view key, LeaseOptions options = {}) const;

  // The events of a stream that actors publish to (orbit::Stream<Message>(name)). Blocks for nothing; see stream.hpp.
  template <class Message>
  Subscription<Message> subscribe(std::string_view name, SubscribeOptions options = {}) const {
    return Subscription<Message>(open_subscription(Message().GetTypeName() + "/" + std::string(name), options));
  }

  // Calls over one stream: cheaper each, and lost together when the connection breaks. See stream.hpp.
  CallStream open_stream(CallStreamOptions options = {}) const;

  ClientFigures figures() const;

  // Ends the client: new calls fail with CANCELLED at once, and those under way have `grace` to end before they are
  // cancelled. When it returns no callback runs or will run. Not from a callback.
  void close(std::chrono::milliseconds grace);

 private:
  std::shared_ptr<detail::Transport> transport() const;
  std::shared_ptr<detail::EventSource> open_subscription(std::string stream, const SubscribeOptions& options) const;
  std::shared_ptr<detail::Core> core_;
};

}  // namespace orbit::client
