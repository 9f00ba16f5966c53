// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/lockout.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "orbit/ext/access.h"

namespace orbit::kernel {

std::string lockout_address(std::string_view peer) {
  std::string_view host = peer;
  const size_t colon = peer.rfind(':');
  if (peer.starts_with('[')) {
    host = peer.substr(1, std::min(peer.find(']'), peer.size()) - 1);
  } else if (colon != std::string_view::npos && peer.find(':') == colon) {
    host = peer.substr(0, colon);
  }
  const std::string text(host.substr(0, host.find('%')));  // without an interface
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return std::string(host);
  char out[INET6_ADDRSTRLEN] = "";
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return inet_ntop(AF_INET, &v6.s6_addr[12], out, sizeof out);
  std::fill(v6.s6_addr + 8, v6.s6_addr + 16, uint8_t{0});
  return std::string(inet_ntop(AF_INET6, &v6, out, sizeof out)) + "/64";
}

// ---- the table -----------------------------------------------------------------------------------------------------

Lockout::Entry* Lockout::Table::find(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &entries_.front();
}

Lockout::Entry& Lockout::Table::make(std::string_view key, size_t entries_max) {
  if (Entry* const there = find(key)) return *there;
  if (entries_.size() >= std::max<size_t>(entries_max, 1)) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({.key = std::string(key)});
  by_key_.emplace(entries_.front().key, entries_.begin());
  return entries_.front();
}

void Lockout::Table::forget(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  const auto entry = found->second;
  by_key_.erase(found);
  entries_.erase(entry);
}

// ---- what counts ---------------------------------------------------------------------------------------------------

std::string Lockout::pair(std::string_view name, std::string_view address) {
  return std::string(address) + '\n' + std::string(name);  // which neither has
}

uint64_t Lockout::left(Table& table, std::string_view key, uint64_t now_ms) const {
  const Entry* const entry = table.find(key);
  return entry != nullptr && entry->until_ms > now_ms ? entry->until_ms - now_ms : 0;
}

uint64_t Lockout::count(Table& table, std::string_view key, uint32_t bound, uint64_t fingerprint,
                        uint64_t now_ms) const {
  Entry& entry = table.make(key, options_.entries_max);
  if (entry.last_ms + options_.forget_ms <= now_ms) entry.failures = 0;
  entry.last_ms = now_ms;
  if (entry.failures != 0 && entry.fingerprint == fingerprint) return 0;
  entry.fingerprint = fingerprint;
  if (++entry.failures < bound) return 0;
  constexpr uint32_t kDoublingsMax = 32;
  const uint64_t lasts_ms =
      std::min(options_.most_ms, options_.first_ms << std::min(entry.failures - bound, kDoublingsMax));
  entry.until_ms = now_ms + lasts_ms;
  return lasts_ms;
}

Lockout::Verdict Lockout::verdict(std::string_view name, std::string_view address, uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (options_.address_failures != 0)
    if (const uint64_t left_ms = left(addresses_, address, now_ms); left_ms != 0) return {left_ms, false};
  if (options_.name_failures == 0 || name.empty() || good_.find(pair(name, address)) != nullptr) return {};
  return {left(names_, name, now_ms), true};
}

Lockout::Verdict Lockout::failed(std::string_view name, std::string_view address, uint64_t fingerprint,
                                 uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  Verdict out;
  // Nobody has a longer name, so there is nothing to guard.
  if (options_.name_failures != 0 && !name.empty() && name.size() <= ORBIT_PRINCIPAL_NAME_MAX)
    out = {count(names_, name, options_.name_failures, fingerprint, now_ms), true};
  if (options_.address_failures != 0)
    if (const uint64_t lasts_ms = count(addresses_, address, options_.address_failures, fingerprint, now_ms);
        lasts_ms != 0)
      out = {lasts_ms, false};
  return out;
}

void Lockout::succeeded(std::string_view name, std::string_view address, uint64_t now_ms) {
  if (name.empty() || options_.name_failures == 0) return;
  const std::lock_guard lock(mutex_);
  names_.forget(name);
  good_.make(pair(name, address), options_.entries_max).last_ms = now_ms;
}

}  // namespace orbit::kernel
