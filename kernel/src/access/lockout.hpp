// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Slows down who guesses passwords and tokens: after so many failures, credentials of a name, or from an address, are
// not even looked at for a while, which doubles with each further one.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace orbit::kernel {

struct LockoutOptions {
  uint32_t name_failures = 10;      // of one name in a row; 0: names are not locked
  uint32_t address_failures = 100;  // from one address; 0: addresses are not locked
  uint64_t first_ms = 5'000;
  uint64_t most_ms = 300'000;
  uint64_t forget_ms = 900'000;  // without a failure, and all is forgotten
  size_t entries_max = 10'000;   // names, and addresses; the one that was used longest ago makes room
};

// "192.0.2.7:49152" -> "192.0.2.7", "[2001:db8:0:1::7]:80" -> "2001:db8:0:1::/64", which one customer has. What is no
// address stays as it is.
std::string lockout_address(std::string_view peer);

class Lockout {
 public:
  explicit Lockout(LockoutOptions options) : options_(options) {}

  struct Verdict {
    uint64_t left_ms = 0;  // 0: the credentials may be looked at
    bool by_name = false;  // else by address
  };
  // name: empty for credentials that have none. [any thread, as the others]
  Verdict verdict(std::string_view name, std::string_view address, uint64_t now_ms);
  // fingerprint: of the credentials; the same wrong ones again are a client that does not know better, and no guess.
  // The verdict is there if this was the failure that locks.
  Verdict failed(std::string_view name, std::string_view address, uint64_t fingerprint, uint64_t now_ms);
  // The name's failures are forgotten, and others' failures do not keep it out from there any more. Those of the
  // address stay, or who has one account could go on guessing others.
  void succeeded(std::string_view name, std::string_view address, uint64_t now_ms);

 private:
  struct Entry {
    std::string key;
    uint32_t failures = 0;
    uint64_t last_ms = 0;
    uint64_t until_ms = 0;
    uint64_t fingerprint = 0;
  };
  // Bounded; knows which entry was used longest ago.
  class Table {
   public:
    Entry* find(std::string_view key);
    Entry& make(std::string_view key, size_t entries_max);
    void forget(std::string_view key);

   private:
    std::list<Entry> entries_;  // used last first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
  };

  uint64_t left(Table& table, std::string_view key, uint64_t now_ms) const;
  uint64_t count(Table& table, std::string_view key, uint32_t bound, uint64_t fingerprint, uint64_t now_ms) const;
  static std::string pair(std::string_view name, std::string_view address);

  const LockoutOptions options_;
  std::mutex mutex_;  // guards what follows
  Table names_;
  Table addresses_;
  Table good_;  // names with the addresses from which they came with good credentials
};

}  // namespace orbit::kernel
