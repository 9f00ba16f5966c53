// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The gRPC wire without sockets, threads and actors: calls to the one type, fake.Echo, wait until the test answers them
// with what was sent. One at a time per process.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "fake_net.hpp"
#include "orbit/ext/actors.h"
#include "server.hpp"

namespace orbit::grpc_wire::test {

using http::test::Client;

class FakeWire final : public http::test::FakeNet {
 public:
  explicit FakeWire(ServerOptions options = small());
  ~FakeWire() override;

  static ServerOptions small();
  static FakeWire& current() { return static_cast<FakeWire&>(FakeNet::current()); }
  const void* extension(std::string_view id) override;

  // Runs what was posted to the worker.
  void run_posted();
  // Answers the oldest call with its own request, or with an error.
  void answer(Code code = Code::ok);

  struct Call {
    orbit_envelope* envelope;
    std::string key;
  };
  std::deque<Call> calls;  // not answered
  size_t envelopes = 0;    // that exist
  size_t cancelled = 0;    // calls that the wire has cancelled; they wait for their answer all the same
  bool answers_at_once = true;
  std::vector<std::pair<orbit_function, void*>> posted;

  Server& server() { return *server_; }

 private:
  std::unique_ptr<Server> server_;
};

// What a client sends: HTTP/2's preface and frames.
extern const std::string kPreface;  // with empty settings
enum : uint8_t { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kWindowUpdate = 8 };
enum : uint8_t { kEndStream = 1, kEndHeaders = 4 };
std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);
// A header block without compression.
std::string header_block(const std::vector<std::pair<std::string, std::string>>& fields);
// HEADERS of a gRPC request to that path, with more fields.
std::string request_head(uint32_t stream, const std::string& path,
                         std::vector<std::pair<std::string, std::string>> more = {});
// DATA with one message.
std::string message_frame(uint32_t stream, std::string_view message, bool last = true);

}  // namespace orbit::grpc_wire::test
