// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Actors that could not be activated lately, and when each is tried again: the delay doubles with every failure and is spread,
// so that a broken record or a sick engine is not asked again by every message. Bounded: forgetting one only means an early try.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "orbit/result.hpp"

namespace orbit::kernel {

class FailedLoads {
 public:
  static constexpr size_t kMax = 4096;
  static constexpr uint64_t kFirstDelayNs = 20'000'000;
  static constexpr uint64_t kDelayMaxNs = 10'000'000'000;

  bool empty() const noexcept { return failed_.empty(); }
  size_t size() const noexcept { return failed_.size(); }

  // `random`: 64 uniform bits.
  void failed(uint64_t mixed, std::string_view key, Error error, uint64_t now_ns, uint64_t random) {
    if (failed_.size() >= kMax && !failed_.contains(mixed)) make_room(now_ns);
    Entry& entry = failed_[mixed];
    entry.key = key.substr(0, kKeyBytes);
    entry.error = std::move(error);
    entry.failures = std::min(entry.failures + 1, 30u);
    const uint64_t delay_ns = std::min(kFirstDelayNs << (entry.failures - 1), kDelayMaxNs);
    entry.not_before_ns = now_ns + delay_ns / 2 + random % delay_ns;
  }
  void succeeded(uint64_t mixed) { failed_.erase(mixed); }
  void clear() { failed_.clear(); }

  // True, and why, while the actor must not be tried.
  bool refuses(uint64_t mixed, std::string_view key, uint64_t now_ns, Error* error) const {
    const auto found = failed_.find(mixed);
    if (found == failed_.end() || found->second.not_before_ns <= now_ns || found->second.key != key.substr(0, kKeyBytes)) return false;
    const Entry& entry = found->second;
    *error = {entry.error.code, entry.error.message + " (activation failed " + std::to_string(entry.failures) +
                                    (entry.failures == 1 ? " time" : " times") + "; tried again in " +
                                    std::to_string((entry.not_before_ns - now_ns) / 1'000'000 + 1) + " ms)"};
    return true;
  }

 private:
  static constexpr size_t kKeyBytes = 256;
  struct Entry {
    std::string key;  // its beginning
    Error error;
    uint32_t failures = 0;
    uint64_t not_before_ns = 0;
  };
  void make_room(uint64_t now_ns) {
    std::erase_if(failed_, [now_ns](const auto& each) { return each.second.not_before_ns <= now_ns; });
    if (failed_.size() >= kMax) failed_.erase(failed_.begin());
  }
  std::unordered_map<uint64_t, Entry> failed_;
};

}  // namespace orbit::kernel
