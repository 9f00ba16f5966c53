// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An HTTP connection on any bytes in any split: parser, session, WebSocket; the admin API's router and handlers. Input: one
// byte says how many bytes come at a time (0: all), one holds flags (1: the node's answers come late, 2: a server that echoes
// bodies, streams and takes WebSockets, instead of the admin API), the rest is what the client sends.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "fake_host.hpp"

using namespace orbit;
using namespace orbit::admin::test;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

struct EchoSocket final : http::WebSocketHandler {
  explicit EchoSocket(http::WebSocket s) : socket(std::move(s)) {}
  void message(bool text, std::string payload) override {
    require(!text || http::is_utf8(payload));
    socket.send(text ? http::Opcode::text : http::Opcode::binary, payload);
  }
  http::WebSocket socket;
};

struct Echo final : http::Handler {
  void handle(http::Request request, http::Responder responder) override {
    if (http::is_websocket_upgrade(request)) {
      responder.upgrade(request, [](http::WebSocket socket) { return std::make_unique<EchoSocket>(std::move(socket)); });
      return;
    }
    if (request.method == "STREAM") {
      auto stream = responder.stream({200, "text/plain", request.body, {}});
      stream.write(request.target);
      return stream.end();
    }
    if (request.target == "/late") {
      late.emplace(std::move(responder));
      late->on_gone([this] { late.reset(); });
      return;
    }
    responder.answer({200, "text/plain", request.body, {}});
  }
  std::optional<http::Responder> late;
};

struct EchoService final : http::Service {
  std::unique_ptr<http::Handler> connected(Connection&) override { return std::make_unique<Echo>(); }
};

constexpr uint32_t kBytesMax = 1024;

http::ServerOptions small(const char* address) {
  http::ServerOptions options;
  options.listen.address = address;
  options.limits = {.request_line_bytes_max = 512, .header_bytes_max = kBytesMax, .headers_max = 20, .body_bytes_max = kBytesMax};
  options.cors.origins = {"https://app.example"};
  options.message_bytes_max = kBytesMax;
  options.gzip_bytes_min = 64;
  return options;
}

// The document is made once per host, which is slow; nothing else of a host outlives its connections.
struct World {
  FakeHost host;
  EchoService service;
  http::Server echo;
  const orbit_connection_handler* admin_handler;
  void* admin_self;
  const orbit_connection_handler* echo_handler;
  void* echo_self;

  World()
      : host({.token = {}, .call_timeout_ms = 60'000, .http = small("127.0.0.1:1")}),
        echo(host.host(), small("127.0.0.1:2"), service),
        admin_handler(host.handler),
        admin_self(host.handler_self) {
    require(echo.start().has_value());
    echo_handler = host.handler;
    echo_self = host.handler_self;
  }
  void choose(bool echoes) {
    host.handler = echoes ? echo_handler : admin_handler;
    host.handler_self = echoes ? echo_self : admin_self;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  FakeHost& host = world.host;
  if (size < 2) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t step = data[0] == 0 ? bytes.size() : data[0];
  host.hold_answers = (data[1] & 1u) != 0;
  host.asked.clear();
  world.choose((data[1] & 2u) != 0);
  {
    Client client(host);
    std::string output;
    while (!bytes.empty() && !client.closing()) {
      client.send(bytes.substr(0, step));
      bytes.remove_prefix(std::min(step, bytes.size()));
      while (!host.questions.empty()) {
        host.answer(ORBIT_OK, "{}");
        client.pump();
      }
      if (output.empty()) output = client.take();
      require(output.empty() || output.starts_with("HTTP/1.1 "));
      client.take();
      // What a client sends ahead is not the parser's: only an incomplete head, chunk's line or frame's head may wait here.
      require(client.paused() || client.unconsumed() <= 2 * kBytesMax);
    }
    host.advance(40'000);
  }
  host.advance(40'000);
  require(host.timers.empty());
  require(host.questions.empty());
  return 0;
}
