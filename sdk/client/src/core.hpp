// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What everything of one client shares.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>

#include "failure.hpp"
#include "keeper.hpp"
#include "loop.hpp"
#include "orbit/client/client.hpp"
#include "pool.hpp"
#include "retry_budget.hpp"

namespace orbit::client::detail {

// One RPC as it is to be made, again if need be.
struct Request {
  std::string path;                // "/bank.Account/Deposit"
  std::optional<std::string> key;  // of the actor, beside the message
  std::string bytes;
  bool repeatable = false;
  CallOptions options = {};
};

class Core : public std::enable_shared_from_this<Core> {
 public:
  // Throws std::invalid_argument.
  explicit Core(ClientOptions its_options);

  std::shared_ptr<Exchange> start(Request request);
  void close(std::chrono::milliseconds grace);

  // Something that has an end, and that a close cancels and waits for. Refused when there are too many, or the client
  // is closed. *id is set before anything can call `cancel`.
  enum class Kind { call, subscription, stream };
  Answer<> enter(Kind kind, std::function<void()> cancel, uint64_t* id);
  // It has ended and calls nobody back any more.
  void leave(uint64_t id);

  // What a call says beside its message.
  void describe(grpc::ClientContext* context, const CallOptions& call) const;
  double random();
  std::chrono::milliseconds deadline_of(const CallOptions& call) const {
    return call.deadline.count() > 0 ? call.deadline : options.deadline;
  }

  const ClientOptions options;
  Loop loop;
  Pool pool;
  RetryBudget budget;
  Keeper keeper;
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> failures{0};
  std::atomic<uint64_t> attempts{0};
  std::atomic<uint64_t> retries{0};
  std::atomic<uint64_t> retries_refused{0};
  uint64_t under_way() const;

 private:
  struct Live {
    Kind kind;
    std::function<void()> cancel;
  };
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<uint64_t, Live> live_;
  uint32_t live_of_[3] = {0, 0, 0};
  uint64_t last_id_ = 0;
  bool closed_ = false;
  std::mt19937_64 random_;
};

// The client's ordinary transport: an RPC for each call.
class UnaryTransport final : public Transport {
 public:
  explicit UnaryTransport(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  std::shared_ptr<Exchange> start(const Method& method, std::string key, std::string request,
                                  CallOptions options) override;

 private:
  std::shared_ptr<Core> core_;
};

// A call that has failed before it began.
std::shared_ptr<Exchange> failed_exchange(Failure failure);

std::string string_of(const grpc::ByteBuffer& buffer);
grpc::ByteBuffer buffer_of(const std::string& bytes);

std::shared_ptr<EventSource> subscribe(std::shared_ptr<Core> core, std::string stream, const SubscribeOptions& options);
std::shared_ptr<Transport> open_call_stream(std::shared_ptr<Core> core, const CallStreamOptions& options);

}  // namespace orbit::client::detail
