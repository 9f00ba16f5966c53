// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The seam between HTTP/2 and what this wire does: one RPC, and who handles it. Everything happens on the worker that
// owns the RPC's connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::grpc_wire {

// How an RPC ends. details: a serialized google.rpc.Status, or empty.
struct Outcome {
  Code code = Code::ok;
  std::string message;
  std::string details;
};

// All may be called until dispose, also after the RPC is over; then what reads, writes and ends has no effect, and peer
// and certificate are empty.
class Rpc {
 public:
  virtual ~Rpc() = default;

  virtual std::string_view path() const = 0;  // "/bank.Account/Deposit"
  // The first value of that name, which is in lower case; of names that end in -bin the decoded bytes.
  virtual std::optional<std::string_view> metadata(std::string_view name) const = 0;
  virtual uint64_t deadline_ns() const = 0;     // monotonic; 0: none
  virtual std::string peer() const = 0;         // "127.0.0.1:49152"
  virtual std::string certificate() const = 0;  // of the client, verified, in DER; empty: none

  // Asks for one message. Handler::message or Handler::no_more_messages follows, perhaps before this returns. One at a
  // time.
  virtual void read() = 0;
  // Sends a message after those before it. Queued without a bound: look at `unsent`.
  virtual void write(std::string message) = 0;
  // Messages that were not handed to the connection yet.
  virtual size_t unsent() const = 0;
  // Ends the RPC after what was written. Once; a later one has no effect.
  virtual void finish(Outcome outcome) = 0;
  // write and finish, in one.
  void answer(std::string message) {
    write(std::move(message));
    finish({});
  }
  // The handler is gone; it is not used any more.
  virtual void dispose() noexcept = 0;
};

// Handles one RPC. None of these may block.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void start() = 0;
  virtual void message(std::string bytes) = 0;
  // The client has ended its side.
  virtual void no_more_messages() = 0;
  // The connection has taken a message that was written. Not for those that are lost with the RPC.
  virtual void sent() {}
  // The client no longer wants it, the connection broke, or the deadline has passed. Before `done`, and not after the
  // RPC was ended.
  virtual void cancelled() = 0;
  // The node stops: what would not end by itself ends.
  virtual void drain() {}
  // The RPC is over, nothing else is called. Never from inside a function of Rpc. The handler ends, now or when it is
  // ready to, and disposes of its RPC then.
  virtual void done() = 0;
};

}  // namespace orbit::grpc_wire
