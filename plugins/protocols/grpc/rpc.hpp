// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The seam between gRPC's library and what this wire does: one RPC, and who handles it. Only server.cpp knows gRPC; the tests have
// an RPC of their own.
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

// What reads, writes and ends may be called on any thread until dispose, also after the RPC is over; then it has no effect. What tells
// about the RPC may be called until it was ended.
class Rpc {
 public:
  virtual ~Rpc() = default;

  virtual const std::string& path() const = 0;  // "/bank.Account/Deposit"
  // The first value of that name, which is in lower case; of names that end in -bin the decoded bytes.
  virtual std::optional<std::string_view> metadata(std::string_view name) const = 0;
  virtual uint64_t deadline_ns() const = 0;  // monotonic; 0: none
  virtual std::string peer() const = 0;      // "127.0.0.1:49152"
  virtual std::string certificate_pem() const = 0;  // of the client, verified; empty: none

  // Asks for one message. Handler::message or Handler::no_more_messages follows. One at a time.
  virtual void read() = 0;
  // Sends a message after those before it. Queued without a bound: look at `unsent`.
  virtual void write(std::string message) = 0;
  // Messages that were not handed to the transport yet.
  virtual size_t unsent() const = 0;
  // Ends the RPC after what was written. Once; a later one has no effect.
  virtual void finish(Outcome outcome) = 0;
  // write and finish, in one.
  virtual void answer(std::string message) = 0;
  // The handler is gone; it is not used any more.
  virtual void dispose() noexcept = 0;
};

// Handles one RPC. Called on gRPC's threads: message and no_more_messages one at a time, `sent` and `cancelled` beside them. None
// may block.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void start() = 0;
  virtual void message(std::string bytes) = 0;
  // The client has ended its side, or the RPC is over.
  virtual void no_more_messages() = 0;
  // The transport has taken a message that was written, or it is lost with the RPC. Once for each.
  virtual void sent() {}
  // The client no longer wants it, the connection broke, or the deadline has passed. Not always told before `done`.
  virtual void cancelled() = 0;
  // The RPC is over, nothing else is called. The handler ends, now or when it is ready to, and disposes of its RPC then.
  virtual void done() = 0;
};

}  // namespace orbit::grpc_wire
