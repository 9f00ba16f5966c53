// SPDX-License-Identifier: MIT OR BSD-3-Clause
// WebSocket (RFC 6455), the server's side: the handshake and the frames. Knows no sockets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "message.hpp"

namespace orbit::http {

enum class Opcode : uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// RFC 6455 section 7.4.1.
enum class CloseCode : uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported = 1003,
  none = 1005,      // never on the wire: the close frame had no code
  abnormal = 1006,  // never on the wire: the connection ended without a close frame
  invalid_utf8 = 1007,
  policy = 1008,
  too_big = 1009,
  internal = 1011,
  try_again = 1013,
};

bool is_websocket_upgrade(const Request& request) noexcept;

// The answer to a handshake: 101, or why not (400, 405, 426). Names no subprotocol and no extension.
Response websocket_handshake(const Request& request);

// Appends an unmasked frame, a whole message of its own.
void append_frame(std::string& out, Opcode opcode, std::string_view payload);
void append_close(std::string& out, CloseCode code, std::string_view reason);

// Takes apart what a client sends.
class FrameReader {
 public:
  enum class Kind {
    none,     // more bytes are needed
    message,  // a whole message, put together from its fragments
    ping,
    pong,
    close,    // code and reason (in payload)
    failed,   // the client broke the protocol: send close with code and reason (in payload), then end
  };
  struct Event {
    Kind kind = Kind::none;
    bool text = false;  // of a message: its payload is UTF-8, that is checked
    std::string payload;
    CloseCode code = CloseCode::none;
  };

  explicit FrameReader(uint64_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // Consumes at most one event's bytes from the front of `data`; returns how many. `none` with nothing consumed: offer more.
  size_t next(std::string_view data, Event& event);

 private:
  size_t fail(Event& event, CloseCode code, std::string reason);
  bool read_head(std::string_view data, Event& event);
  void finish_frame(Event& event);
  void finish_control(Event& event);

  uint64_t message_bytes_max_;
  // the frame that is being read
  bool in_frame_ = false;
  bool final_ = false;
  Opcode opcode_ = Opcode::continuation;
  uint64_t left_ = 0;
  size_t head_bytes_ = 0;
  unsigned mask_at_ = 0;
  unsigned char mask_[4] = {};
  // the message that its frames belong to
  bool in_message_ = false;
  bool text_ = false;
  bool failed_ = false;
  std::string message_;
  std::string control_;
};

}  // namespace orbit::http
