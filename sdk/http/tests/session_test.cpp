// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A server's connection: order, keep-alive, streams, WebSockets, CORS, compression, who is too slow.
#include <doctest/doctest.h>

#include <optional>

#include "answers.hpp"
#include "client_frame.hpp"
#include "fake_net.hpp"
#include "orbit/http/server.hpp"

using namespace orbit;
using namespace orbit::http;
using namespace orbit::http::test;

namespace {

struct World;

struct TestSocket final : WebSocketHandler {
  TestSocket(WebSocket s, World& w) : socket(std::move(s)), world(w) {}
  void message(bool text, std::string payload) override {
    if (payload == "close") return socket.close(CloseCode::going_away, "as asked");
    socket.send(text ? Opcode::text : Opcode::binary, payload);
  }
  void closed(CloseCode code) override;
  WebSocket socket;
  World& world;
};

struct TestHandler final : Handler {
  explicit TestHandler(World& w) : world(w) {}
  std::optional<Response> admit(const Request& head) override {
    if (head.target == "/refused") return problem(403, Code::permission_denied, "no", head.target);
    return std::nullopt;
  }
  void handle(Request request, Responder responder) override;
  World& world;
};

struct World final : FakeNet, Service {
  explicit World(ServerOptions options = {}) : server(host(), prepared(std::move(options)), *this) {
    REQUIRE(server.start());
  }
  static ServerOptions prepared(ServerOptions options) {
    options.listen.address = "127.0.0.1:1";
    options.metric = "test";
    return options;
  }
  std::unique_ptr<Handler> connected(Connection&) override { return std::make_unique<TestHandler>(*this); }

  std::optional<Responder> late;
  std::optional<Stream> stream;
  int gone = 0;
  std::optional<CloseCode> socket_closed;
  Server server;
};

void TestSocket::closed(CloseCode code) { world.socket_closed = code; }

void TestHandler::handle(Request request, Responder responder) {
  if (request.target == "/late") {
    responder.on_gone([this] { ++world.gone; });
    world.late.emplace(std::move(responder));
  } else if (request.target == "/stream") {
    world.stream.emplace(responder.stream({200, std::string(kEventStream), "first", {}}));
    world.stream->on_gone([this] { ++world.gone; });
  } else if (request.target == "/socket") {
    responder.upgrade(request, [this](WebSocket socket) { return std::make_unique<TestSocket>(std::move(socket), world); });
  } else if (request.target == "/throws") {
    throw std::runtime_error("as asked");
  } else {
    responder.answer({200, "text/plain", std::string(request.method) + " " + request.body, {}});
  }
}

std::string get(std::string_view target, std::string_view more = {}) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(more) + "\r\n";
}

const std::string kUpgrade =
    "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

std::string body_of(const std::string& bytes) { return bytes.substr(bytes.find("\r\n\r\n") + 4); }

}  // namespace

TEST_CASE("answers keep the order of pipelined requests, and a client that leaves is noticed meanwhile") {
  World world;
  Client client(world);
  client.send(get("/late") + get("/1"));
  CHECK(client.take().empty());
  CHECK(client.paused());
  world.late->answer({200, "text/plain", "late", {}});
  client.pump();
  const auto answers = read_answers(client.take());
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].body == "late");
  CHECK(answers[1].body == "GET ");
  client.send(get("/late"));
  CHECK_FALSE(client.paused());  // or its end would not be read
  client.hang_up();
  CHECK(world.gone == 1);
  world.late->answer({});
  CHECK(world.counters["test_answers_total{status=\"2xx\"}"] == 2);
}

TEST_CASE("a handler that throws or forgets is answered for with 500, and the connection goes on") {
  World world;
  Client client(world);
  client.send(get("/throws"));
  CHECK(read_answer(client.take()).status == 500);
  client.send(get("/late"));
  world.late.reset();
  CHECK(read_answer(client.take()).status == 500);
  client.send(get("/1"));
  CHECK(read_answer(client.take()).status == 200);
}

TEST_CASE("a stream is chunks, after which the connection goes on") {
  World world;
  Client client(world);
  client.send(get("/stream") + get("/after"));
  std::string bytes = client.take();
  CHECK(bytes.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(bytes.find("Content-Length") == std::string::npos);
  CHECK(body_of(bytes) == "5\r\nfirst\r\n");
  CHECK(client.idle_timeout_ms() == 0);
  world.stream->write("0123456789abcdef");
  CHECK(client.take() == "10\r\n0123456789abcdef\r\n");
  world.stream->end();
  client.pump();
  bytes = client.take();
  REQUIRE(bytes.starts_with("0\r\n\r\n"));
  CHECK(read_answer(bytes.substr(5)).body == "GET ");
  CHECK(client.idle_timeout_ms() == 60'000);
}

TEST_CASE("a stream to HTTP/1.0 ends with the connection, one that breaks off has no end, one whose client left is told") {
  World world;
  {
    Client client(world);
    client.send("GET /stream HTTP/1.0\r\n\r\n");
    world.stream->write("second");
    CHECK(body_of(client.take()) == "firstsecond");
    world.stream->end();
    CHECK(client.closing());
  }
  {
    Client client(world);
    client.send(get("/stream"));
    world.stream.reset();
    CHECK(client.closing());
    CHECK_FALSE(client.take().ends_with("0\r\n\r\n"));
  }
  Client client(world);
  client.send(get("/stream"));
  CHECK(world.stream->is_open());
  client.hang_up();
  CHECK(world.gone == 1);
  CHECK_FALSE(world.stream->is_open());
  world.stream->write("into the void");
  world.stream->end();
}

TEST_CASE("the answer to HEAD has no body, streamed or not") {
  World world;
  Client client(world);
  client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  world.stream->write("x");
  world.stream->end();
  CHECK(body_of(client.take()).empty());
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(read_answer(client.take(), true).headers.at("Content-Length") == "5");
}

TEST_CASE("a WebSocket answers the handshake of RFC 6455, echoes, answers pings and closes") {
  World world;
  Client client(world);
  client.send(get("/socket", kUpgrade) + client_frame(1, "hello"));
  std::string bytes = client.take();
  CHECK(bytes.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(bytes.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != std::string::npos);
  CHECK(body_of(bytes) == std::string("\x81\x05hello"));
  client.send(client_frame(9, "p"));
  CHECK(client.take() == std::string("\x8a\x01p"));
  client.send(client_frame(8, "\x03\xe8"));
  CHECK(client.take() == std::string("\x88\x02\x03\xe8"));
  CHECK(client.closing());
  CHECK(world.socket_closed == CloseCode::normal);
}

TEST_CASE("a WebSocket that the server closes waits a second for the client's answer") {
  World world;
  Client client(world);
  client.send(get("/socket", kUpgrade) + client_frame(1, "close"));
  CHECK(body_of(client.take()) == std::string("\x88\x0a\x03\xe9") + "as asked");
  CHECK_FALSE(client.closing());
  client.send(client_frame(1, "more"));
  CHECK(client.take().empty());
  world.advance(1000);
  CHECK(client.closing());
  CHECK(world.socket_closed == CloseCode::abnormal);
}

TEST_CASE("a broken frame ends a WebSocket with its code") {
  World world;
  Client client(world);
  client.send(get("/socket", kUpgrade) + client_frame(1, "\xff"));
  CHECK(body_of(client.take()).substr(2, 2) == std::string("\x03\xef"));
  CHECK(client.closing());
}

TEST_CASE("a wrong handshake is refused with what would be right") {
  World world;
  const auto status = [&](std::string_view head) {
    Client client(world);
    client.send(head);
    return read_answer(client.take()).status;
  };
  CHECK(status(get("/socket")) == 426);
  CHECK(status(get("/socket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n")) == 426);
  CHECK(status(get("/socket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")) == 400);
  CHECK(status("POST /socket HTTP/1.1\r\nHost: a\r\n" + kUpgrade + "\r\n") == 405);
}

TEST_CASE("CORS: a preflight is answered for allowed origins only, and answers carry the origin") {
  ServerOptions options;
  options.cors.origins = {"https://app.example"};
  World world(options);
  const auto ask = [&](const std::string& head) {
    Client client(world);
    client.send(head);
    return read_answer(client.take());
  };
  const std::string preflight = "Access-Control-Request-Method: POST\r\n\r\n";
  const auto allowed = ask("OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n" + preflight);
  CHECK(allowed.status == 204);
  CHECK(allowed.headers.at("Access-Control-Allow-Origin") == "https://app.example");
  CHECK(allowed.headers.at("Access-Control-Allow-Methods").find("POST") != std::string::npos);
  CHECK(allowed.headers.at("Vary") == "Origin");
  const auto other = ask("OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n" + preflight);
  CHECK(other.status == 200);  // the handler's own answer to OPTIONS
  CHECK_FALSE(other.headers.contains("Access-Control-Allow-Origin"));
  CHECK(ask(get("/", "Origin: https://app.example\r\n")).headers.at("Access-Control-Allow-Origin") == "https://app.example");
  CHECK(ask(get("/refused", "Origin: https://app.example\r\n")).headers.contains("Access-Control-Allow-Origin"));
  CHECK_FALSE(ask(get("/")).headers.contains("Access-Control-Allow-Origin"));
}

TEST_CASE("large text is compressed for who takes gzip, small is not") {
  ServerOptions options;
  options.gzip_bytes_min = 100;
  World world(options);
  const auto post = [&](size_t size, const char* encodings) {
    Client client(world);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: " + std::string(encodings) +
                "\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + std::string(size, 'x'));
    return read_answer(client.take());
  };
  const auto packed = post(1000, "gzip");
  CHECK(packed.headers.at("Content-Encoding") == "gzip");
  CHECK(packed.headers.at("Vary") == "Accept-Encoding");
  CHECK(packed.body.size() < 100);
  CHECK_FALSE(post(50, "gzip").headers.contains("Content-Encoding"));
  CHECK(post(1000, "br").body.size() == 1005);
}

TEST_CASE("a head has header_timeout_ms from its first byte, a body request_timeout_ms") {
  ServerOptions options;
  options.header_timeout_ms = 1000;
  options.request_timeout_ms = 5000;
  World world(options);
  {
    Client client(world);
    for (int i = 0; i < 9; ++i) {
      client.send("G");
      world.advance(110);
    }
    CHECK(client.take().empty());
    world.advance(10);
    const auto answer = read_answer(client.take());
    CHECK(answer.status == 408);
    CHECK(answer.body.find("header_timeout_ms, 1000") != std::string::npos);
    world.advance(1000);
    CHECK(client.closing());
  }
  Client client(world);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  world.advance(2000);
  CHECK(client.take().empty());
  client.send("x");
  world.advance(2999);
  CHECK(client.take().empty());
  world.advance(1);
  const auto answer = read_answer(client.take());
  CHECK(answer.status == 408);
  CHECK(answer.body.find("request_timeout_ms, 5000") != std::string::npos);
}

TEST_CASE("events are written as text/event-stream wants them") {
  std::string out;
  append_event(out, "7", "deposit", "{\n}");
  append_event(out, {}, {}, "");
  CHECK(out == "id: 7\nevent: deposit\ndata: {\ndata: }\n\ndata: \n\n");
}
