// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Frames as a WebSocket's client sends them.
#pragma once

#include <string>
#include <string_view>

namespace orbit::http::test {

inline std::string client_frame(unsigned opcode, std::string_view payload, bool final = true) {
  constexpr std::string_view kMask = "mAsk";
  std::string out;
  out += static_cast<char>((final ? 0x80u : 0u) | opcode);
  if (payload.size() < 126) {
    out += static_cast<char>(0x80u | payload.size());
  } else {
    out += static_cast<char>(0x80u | 126u);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xFFu);
  }
  out += kMask;
  for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ kMask[i % 4]);
  return out;
}

}  // namespace orbit::http::test
