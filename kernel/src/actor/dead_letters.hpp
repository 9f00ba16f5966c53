// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One-way messages that no turn handled: nobody else hears of them. Counted by code, the last ones kept, logged once a second
// at most. Belongs to one worker.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "actor/tally.hpp"
#include "observe/log.hpp"
#include "orbit/ext/actors.h"
#include "orbit/ext/introspection.h"

namespace orbit::kernel {

struct DeadLetter {
  uint64_t unix_ms = 0;
  const orbit_type* type = nullptr;  // null: the message named none
  std::string key;                   // as short_key() shows it
  uint32_t method = 0;
  orbit_code code = ORBIT_OK;
  std::string reason;
};

class DeadLetters {
 public:
  static constexpr size_t kKeptMax = ORBIT_DEAD_LETTERS_MAX;
  static constexpr size_t kReasonBytesMax = 256;
  static constexpr size_t kCodes = ORBIT_UNAUTHENTICATED + 1;

  explicit DeadLetters(Logger* logger) : logger_(logger) {}
  void add(const orbit_envelope* envelope, orbit_code code, std::string_view reason, uint64_t unix_ms);
  const std::deque<DeadLetter>& kept() const noexcept { return kept_; }  // the newest last
  const Tally& count(size_t code) const noexcept { return counts_[code]; }

 private:
  static constexpr uint64_t kLogEveryMs = 1000;
  Logger* logger_;
  std::deque<DeadLetter> kept_;
  std::array<Tally, kCodes> counts_;
  uint64_t logged_ms_ = 0;
  uint64_t unlogged_ = 0;
};

}  // namespace orbit::kernel
