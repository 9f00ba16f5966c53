// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace orbit::mcp {

struct Settings {
  std::string version;
  std::string instructions;
  size_t page_size = 100;
  uint32_t sessions_max = 1000;
  uint64_t session_idle_ms = 1'800'000;
  uint32_t calls_max = 64;          // at work at once, of one session
  uint32_t listeners_max = 1000;    // subscriptions/listen streams
  uint32_t subscriptions_max = 64;  // resources watched by one session or stream
  uint32_t replay_events_max = 256; // kept of one session for clients that come back
  uint64_t replay_bytes_max = 1024 * 1024;
  uint64_t poll_ms = 1000;          // how often watched resources are looked at
  uint64_t keep_alive_ms = 15'000;  // between comments on a silent stream
  uint64_t ask_timeout_ms = 300'000;
  uint64_t state_ttl_ms = 600'000;
  uint64_t list_ttl_ms = 60'000;
  std::string state_secret;         // signs requestState
};

// What the engines of all workers count together.
struct Shared {
  std::atomic<uint32_t> sessions{0};
  std::atomic<uint32_t> listeners{0};
};

}  // namespace orbit::mcp
