// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/http/websocket.hpp"

#include <doctest/doctest.h>

#include "client_frame.hpp"

using namespace orbit::http;
using namespace orbit::http::test;

namespace {

using Kind = FrameReader::Kind;

std::vector<FrameReader::Event> read(std::string_view bytes, size_t step, uint64_t message_bytes_max = 1000) {
  FrameReader reader(message_bytes_max);
  std::vector<FrameReader::Event> out;
  std::string pending;
  while (!bytes.empty()) {
    pending += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
    for (;;) {
      FrameReader::Event event;
      const size_t taken = reader.next(pending, event);
      REQUIRE(taken <= pending.size());
      pending.erase(0, taken);
      if (event.kind != Kind::none) {
        out.push_back(event);
        if (event.kind == Kind::failed) return out;
      } else if (taken == 0 || pending.empty()) {
        break;
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("messages come whole, however they are cut into frames and bytes, with pings between") {
  const std::string bytes = client_frame(1, "hel", false) + client_frame(9, "p") + client_frame(0, "lo", true) +
                            client_frame(2, std::string(300, 'b')) + client_frame(1, "") + client_frame(8, "\x03\xe8 bye");
  for (size_t step = 1; step < 40; ++step) {
    CAPTURE(step);
    const auto events = read(bytes, step);
    REQUIRE(events.size() == 5);
    CHECK(events[0].kind == Kind::ping);
    CHECK(events[0].payload == "p");
    CHECK(events[1].kind == Kind::message);
    CHECK(events[1].text);
    CHECK(events[1].payload == "hello");
    CHECK_FALSE(events[2].text);
    CHECK(events[2].payload.size() == 300);
    CHECK(events[3].payload.empty());
    CHECK(events[4].kind == Kind::close);
    CHECK(events[4].code == CloseCode::normal);
    CHECK(events[4].payload == " bye");
  }
}

TEST_CASE("what breaks the protocol ends it with the right code") {
  struct Case {
    std::string bytes;
    CloseCode code;
  };
  std::string unmasked;
  append_frame(unmasked, Opcode::text, "hi");
  std::string reserved = client_frame(1, "x");
  reserved[0] = static_cast<char>(static_cast<unsigned char>(reserved[0]) | 0x40u);
  const Case cases[] = {
      {unmasked, CloseCode::protocol_error},
      {reserved, CloseCode::protocol_error},
      {client_frame(3, "x"), CloseCode::protocol_error},
      {client_frame(11, "x"), CloseCode::protocol_error},
      {client_frame(0, "x"), CloseCode::protocol_error},
      {client_frame(1, "x", false) + client_frame(1, "y"), CloseCode::protocol_error},
      {client_frame(9, "x", false), CloseCode::protocol_error},
      {client_frame(9, std::string(126, 'x')), CloseCode::protocol_error},
      {client_frame(8, "x"), CloseCode::protocol_error},
      {client_frame(8, std::string("\x03\xed", 2)), CloseCode::protocol_error},  // 1005
      {client_frame(8, std::string("\x03\xe8\xff", 3)), CloseCode::invalid_utf8},
      {client_frame(1, "\xff"), CloseCode::invalid_utf8},
      {client_frame(1, "\xc3", false) + client_frame(0, "x"), CloseCode::invalid_utf8},
      {client_frame(2, std::string(1001, 'x')), CloseCode::too_big},
      {client_frame(2, std::string(600, 'x'), false) + client_frame(0, std::string(600, 'x')), CloseCode::too_big},
      {std::string("\x82\xfe\x00\x05", 4) + "mask", CloseCode::protocol_error},  // 5 in two bytes
      {std::string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10) + "mask", CloseCode::protocol_error},
  };
  for (const auto& [bytes, code] : cases)
    for (const size_t step : {size_t{1}, SIZE_MAX}) {
      const auto events = read(bytes, step);
      REQUIRE_FALSE(events.empty());
      CHECK(events.back().kind == Kind::failed);
      CHECK(events.back().code == code);
      CHECK_FALSE(events.back().payload.empty());
    }
  // A character may be cut between frames.
  CHECK(read(client_frame(1, "\xc3", false) + client_frame(0, "\xa4"), 1)[0].payload == "\xc3\xa4");
}

TEST_CASE("a close frame's reason is cut to what fits, not within a character") {
  std::string reason;
  for (int i = 0; i < 100; ++i) reason += "\xc3\xa4";
  std::string frame;
  append_close(frame, CloseCode::policy, reason);
  CHECK(frame.size() == 2 + 2 + 122);
}
