// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/http/websocket.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "orbit/http/response.hpp"

namespace orbit::http {

namespace {

constexpr size_t kControlBytesMax = 125;  // RFC 6455 section 5.5

// A key is 16 bytes in base64 (RFC 6455 section 4.1).
bool is_key(std::string_view key) noexcept {
  const auto base64 = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, base64);
}

std::string accept_value(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), hash, &size, EVP_sha1(), nullptr);
  unsigned char encoded[32];
  const int length = EVP_EncodeBlock(encoded, hash, static_cast<int>(size));
  return {reinterpret_cast<const char*>(encoded), static_cast<size_t>(length)};
}

// RFC 6455 section 7.4: what a close frame may carry.
bool is_sendable(unsigned code) noexcept {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

bool is_websocket_upgrade(const Request& request) noexcept {
  return list_has(request.header("connection"), "upgrade") && list_has(request.header("upgrade"), "websocket");
}

Response websocket_handshake(const Request& request) {
  const auto refuse = [&](int status, std::string_view why) {
    return problem(status, Code::invalid_argument, why, request.target);
  };
  if (!is_websocket_upgrade(request) || request.version < 11)
    return refuse(426, "this is a WebSocket: send GET with 'Connection: Upgrade' and 'Upgrade: websocket' in HTTP/1.1");
  if (request.method != "GET") return refuse(405, "a WebSocket handshake is a GET");
  if (request.header("sec-websocket-version") != "13") {
    Response response = refuse(426, "the WebSocket version must be 13, found '" +
                                        std::string(request.header("sec-websocket-version")) + "'");
    response.headers.emplace_back("Sec-WebSocket-Version", "13");
    return response;
  }
  if (request.header_count("sec-websocket-key") != 1 || !is_key(request.header("sec-websocket-key")))
    return refuse(400, "Sec-WebSocket-Key must be 16 bytes in base64");
  Response response{101, {}, {}, {}};
  response.headers.emplace_back("Upgrade", "websocket");
  response.headers.emplace_back("Connection", "Upgrade");
  response.headers.emplace_back("Sec-WebSocket-Accept", accept_value(request.header("sec-websocket-key")));
  return response;
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  out += static_cast<char>(0x80u | static_cast<unsigned>(opcode));
  const uint64_t size = payload.size();
  const auto append_size = [&](unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) out += static_cast<char>(size >> (8 * i) & 0xFFu);
  };
  if (size < 126) {
    out += static_cast<char>(size);
  } else if (size <= 0xFFFF) {
    out += static_cast<char>(126);
    append_size(2);
  } else {
    out += static_cast<char>(127);
    append_size(8);
  }
  out += payload;
}

void append_close(std::string& out, CloseCode code, std::string_view reason) {
  std::string payload;
  if (code != CloseCode::none) {
    payload += static_cast<char>(static_cast<unsigned>(code) >> 8);
    payload += static_cast<char>(static_cast<unsigned>(code) & 0xFFu);
    size_t size = std::min(reason.size(), kControlBytesMax - 2);
    while (size > 0 && size < reason.size() && (static_cast<unsigned char>(reason[size]) & 0xC0u) == 0x80u) --size;
    payload += reason.substr(0, size);
  }
  append_frame(out, Opcode::close, payload);
}

size_t FrameReader::fail(Event& event, CloseCode code, std::string reason) {
  failed_ = true;
  event.kind = Kind::failed;
  event.code = code;
  event.payload = std::move(reason);
  return 0;
}

// The head of the next frame, when all of it is there. False: it is not, or is wrong.
bool FrameReader::read_head(std::string_view data, Event& event) {
  if (data.size() < 2) return false;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(data[i]); };
  const unsigned opcode = byte(0) & 0x0Fu;
  const bool final = (byte(0) & 0x80u) != 0;
  const unsigned short_size = byte(1) & 0x7Fu;
  if ((byte(0) & 0x70u) != 0) return fail(event, CloseCode::protocol_error, "a reserved bit is set"), false;
  if ((byte(1) & 0x80u) == 0) return fail(event, CloseCode::protocol_error, "a client's frame must be masked"), false;
  if (opcode > 2 && (opcode < 8 || opcode > 10))
    return fail(event, CloseCode::protocol_error, "unknown opcode " + std::to_string(opcode)), false;
  const bool control = opcode >= 8;
  if (control && (!final || short_size > kControlBytesMax))
    return fail(event, CloseCode::protocol_error, "a control frame is whole and at most 125 bytes"), false;
  if (!control && (opcode == 0) != in_message_)
    return fail(event, CloseCode::protocol_error,
                in_message_ ? "a message began within another" : "a continuation without a beginning"),
           false;
  const size_t size_bytes = short_size == 126 ? 2 : short_size == 127 ? 8 : 0;
  const size_t head = 2 + size_bytes + 4;
  if (data.size() < head) return false;
  uint64_t size = short_size;
  if (size_bytes != 0) {
    size = 0;
    for (size_t i = 0; i < size_bytes; ++i) size = size << 8 | byte(2 + i);
    if (size < (size_bytes == 2 ? 126u : 0x10000u) || size >> 63 != 0)
      return fail(event, CloseCode::protocol_error, "a frame's length is not written in the shortest way"), false;
  }
  if (!control && (size > message_bytes_max_ || message_.size() > message_bytes_max_ - size))
    return fail(event, CloseCode::too_big, "the message is longer than " + std::to_string(message_bytes_max_) + " bytes"),
           false;
  for (size_t i = 0; i < 4; ++i) mask_[i] = byte(2 + size_bytes + i);
  in_frame_ = true;
  final_ = final;
  opcode_ = static_cast<Opcode>(opcode);
  left_ = size;
  mask_at_ = 0;
  head_bytes_ = head;
  if (control) {
    control_.clear();
  } else if (!in_message_) {
    in_message_ = true;
    text_ = opcode_ == Opcode::text;
    message_.clear();
  }
  return true;
}

size_t FrameReader::next(std::string_view data, Event& event) {
  event = {};
  if (failed_) return data.size();
  size_t consumed = 0;
  while (event.kind == Kind::none) {
    if (!in_frame_) {
      if (!read_head(data.substr(consumed), event)) return consumed;
      consumed += head_bytes_;
    }
    const auto taken = static_cast<size_t>(std::min<uint64_t>(left_, data.size() - consumed));
    std::string& into = opcode_ >= Opcode::close ? control_ : message_;
    const size_t at = into.size();
    into.append(data.data() + consumed, taken);
    for (size_t i = at; i < into.size(); ++i)
      into[i] = static_cast<char>(static_cast<unsigned char>(into[i]) ^ mask_[mask_at_++ % 4]);
    consumed += taken;
    left_ -= taken;
    if (left_ != 0) return consumed;
    in_frame_ = false;
    finish_frame(event);
  }
  return consumed;
}

void FrameReader::finish_frame(Event& event) {
  if (opcode_ >= Opcode::close) return finish_control(event);
  if (!final_) return;
  in_message_ = false;
  if (text_ && !is_utf8(message_)) {
    fail(event, CloseCode::invalid_utf8, "a text message must be UTF-8");
    return;
  }
  event.kind = Kind::message;
  event.text = text_;
  event.payload = std::exchange(message_, {});
}

void FrameReader::finish_control(Event& event) {
  if (opcode_ != Opcode::close) {
    event.kind = opcode_ == Opcode::ping ? Kind::ping : Kind::pong;
    event.payload = std::exchange(control_, {});
    return;
  }
  if (control_.size() == 1) {
    fail(event, CloseCode::protocol_error, "a close frame has no code or two bytes of it");
    return;
  }
  event.kind = Kind::close;
  if (control_.empty()) return;
  const unsigned code = static_cast<unsigned>(static_cast<unsigned char>(control_[0])) << 8 |
                        static_cast<unsigned char>(control_[1]);
  const std::string_view reason = std::string_view(control_).substr(2);
  if (!is_sendable(code)) {
    fail(event, CloseCode::protocol_error, "a close frame cannot carry code " + std::to_string(code));
    return;
  }
  if (!is_utf8(reason)) {
    fail(event, CloseCode::invalid_utf8, "a close frame's reason must be UTF-8");
    return;
  }
  event.code = static_cast<CloseCode>(code);
  event.payload = reason;
}

}  // namespace orbit::http
