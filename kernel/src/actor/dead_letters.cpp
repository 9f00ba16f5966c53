// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/dead_letters.hpp"

#include "actor/names.hpp"
#include "actor/types.hpp"
#include "orbit/result.hpp"

namespace orbit::kernel {

void DeadLetters::add(const orbit_envelope* envelope, orbit_code code, std::string_view reason, uint64_t unix_ms) {
  counts_[static_cast<size_t>(code) < kCodes ? static_cast<size_t>(code) : ORBIT_UNKNOWN].add();
  if (kept_.size() == kKeptMax) kept_.pop_front();
  kept_.push_back({unix_ms, envelope->type, short_key(from_c(envelope->key)), envelope->method, code,
                   std::string(reason.substr(0, kReasonBytesMax))});
  if (logger_ == nullptr) return;
  if (logged_ms_ != 0 && unix_ms - logged_ms_ < kLogEveryMs) {
    ++unlogged_;
    return;
  }
  const std::string actor = (envelope->type != nullptr ? envelope->type->name : "") + "/" + kept_.back().key;
  logger_->warn("a one-way message was not handled", {{"actor", actor},
                                                      {"code", code_name(code)},
                                                      {"reason", kept_.back().reason},
                                                      {"not_logged_since", std::to_string(unlogged_)}});
  logged_ms_ = unix_ms;
  unlogged_ = 0;
}

}  // namespace orbit::kernel
