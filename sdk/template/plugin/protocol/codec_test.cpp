// The protocol without a socket: a test plays the connection and the node.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "codec.hpp"

namespace {

constexpr size_t kLineBytesMax = 64;

// Keeps what is not consumed, as the kernel does, and gives it again with what comes next.
class Wire final : @name@::Peer {
 public:
  void send(std::string_view bytes) {
    input_ += bytes;
    input_.erase(0, codec_.received(input_));
  }
  void answer(std::string_view json) {
    codec_.answer(json);
    send("");
  }
  void fail(std::string_view code, std::string_view message) {
    codec_.answer_error(code, message);
    send("");
  }

  std::string output;
  std::vector<std::string> calls;  // "type key method json"
  std::string refusal;             // calls fail with it at once
  bool full = false;
  bool closed = false;

  bool waiting() const { return codec_.waiting(); }
  size_t kept() const { return input_.size(); }

 private:
  void write(std::string_view bytes) override { output += bytes; }
  bool output_is_full() override { return full; }
  void call(const @name@::CallRequest& request) override {
    calls.emplace_back();
    for (const std::string_view part : {request.type, request.key, request.method, request.json})
      calls.back().append(calls.back().empty() ? "" : "|").append(part);
    if (!refusal.empty()) codec_.answer_error("NOT_FOUND", refusal);
  }
  void close() override { closed = true; }

  @name@::Codec codec_{*this, kLineBytesMax};
  std::string input_;
};

}  // namespace

TEST_CASE("lines are the same however the bytes are cut") {
  const std::string sent = "PING\r\n\r\n\nPING\nnonsense here\nCALL a\nPING\n";
  const std::string expected =
      "PONG\nPONG\nERR UNIMPLEMENTED unknown command 'nonsense'; known: PING, CALL\n"
      "ERR INVALID_ARGUMENT expected: CALL type key method json\nPONG\n";
  for (size_t part = 1; part <= sent.size(); ++part) {
    CAPTURE(part);
    Wire wire;
    for (size_t at = 0; at < sent.size(); at += part) wire.send(std::string_view(sent).substr(at, part));
    CHECK(wire.output == expected);
    CHECK(wire.kept() == 0);
  }
}

TEST_CASE("what comes behind a call waits for its answer") {
  Wire wire;
  wire.send("CALL shop.Cart 7  Put {\"name\": \"a b\"}\r\nPING\nCALL shop.Cart 8 Show\n");
  CHECK(wire.calls == std::vector<std::string>{"shop.Cart|7|Put|{\"name\": \"a b\"}"});
  CHECK(wire.waiting());
  CHECK(wire.output.empty());
  wire.send("PING\n");
  CHECK(wire.output.empty());
  wire.answer("{\"items\":\n[]}");
  CHECK(wire.output == "OK {\"items\": []}\nPONG\n");
  REQUIRE(wire.calls.size() == 2);
  CHECK(wire.calls[1] == "shop.Cart|8|Show|");
  wire.fail("ABORTED", "no\r\nOK {}");
  CHECK(wire.output == "OK {\"items\": []}\nPONG\nERR ABORTED no  OK {}\nPONG\n");
  CHECK(!wire.waiting());
  CHECK(wire.kept() == 0);
}

TEST_CASE("a call that is refused at once does not hold up what follows") {
  Wire wire;
  wire.refusal = "no such type";
  wire.send("CALL a b c\nPING\n");
  CHECK(wire.output == "ERR NOT_FOUND no such type\nPONG\n");
}

TEST_CASE("a line at the bound passes, a longer one is told the bound and ends the connection") {
  const std::string expected = "ERR RESOURCE_EXHAUSTED a line has more than line_bytes_max = 64 bytes\n";
  for (const std::string_view end : {"\n", "\r\n"}) {
    Wire wire;
    for (const char c : "PING" + std::string(kLineBytesMax - 4, ' ') + std::string(end)) wire.send({&c, 1});
    CHECK(wire.output == "PONG\n");
    CHECK(!wire.closed);
  }
  SUBCASE("in one piece, with its end") {
    Wire wire;
    wire.send("PING\n" + std::string(kLineBytesMax + 1, 'x') + "\nPING\n");
    CHECK(wire.output == "PONG\n" + expected);
    CHECK(wire.closed);
  }
  SUBCASE("byte by byte, without an end") {
    Wire wire;
    for (size_t i = 0; i < kLineBytesMax + 1; ++i) wire.send("x");
    CHECK(!wire.closed);
    wire.send("x");
    CHECK(wire.closed);
    wire.send("\nPING\n");
    CHECK(wire.output == expected);
    CHECK(wire.kept() == 0);
  }
}

TEST_CASE("nothing is consumed while the output is full") {
  Wire wire;
  wire.full = true;
  wire.send("PING\nPING\n");
  CHECK(wire.output.empty());
  CHECK(wire.kept() == 10);
  wire.full = false;
  wire.send("");
  CHECK(wire.output == "PONG\nPONG\n");
}
