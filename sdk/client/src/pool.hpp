// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The client's connections: some to each endpoint, each call on the one with the least to do. A call goes out only on a
// connection that stands, so that what found none is known to have reached nobody.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "loop.hpp"
#include "orbit/client/client.hpp"

namespace orbit::client::detail {

constexpr size_t kConnectionsMax = 256;  // of one client

class Connection {
 public:
  Connection(std::string its_endpoint, std::shared_ptr<grpc::Channel> its_channel)
      : endpoint(std::move(its_endpoint)), channel(its_channel), stub(std::move(its_channel)) {}
  const std::string endpoint;
  const std::shared_ptr<grpc::Channel> channel;
  grpc::GenericStub stub;
  std::atomic<uint32_t> load{0};
  std::atomic<uint64_t> attempts{0};
};

class Pool {
 public:
  Pool(const ClientOptions& options, const std::shared_ptr<grpc::ChannelCredentials>& credentials, Loop& loop);

  // The connection that is ready and has the least to do, or null. Every one that is idle begins to connect. [any
  // thread]
  Connection* pick();
  // Any at all, for what may wait for it in the library.
  Connection* any();
  // Runs `ready` once, on the loop, when pick() is worth another try. 0: it never runs. [any thread]
  uint64_t wait(std::function<void()> ready);
  void stop_waiting(uint64_t waiter);
  // Tells why there is no connection, for people; asks the library for it with an RPC that changes nothing. [any
  // thread]
  void explain(std::function<void(std::string)> told);

  const std::vector<std::unique_ptr<Connection>>& connections() const noexcept { return connections_; }
  std::string endpoints() const;

 private:
  void watch(size_t index);
  void release_all();

  Loop& loop_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::atomic<size_t> turn_{0};
  std::mutex mutex_;
  std::map<uint64_t, std::function<void()>> waiters_;
  std::vector<bool> watched_;
  uint64_t last_waiter_ = 0;
};

}  // namespace orbit::client::detail
