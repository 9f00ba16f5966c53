// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Redis values as they have to be after a number of operations. Operation n on a key is a function of (key, n) alone, so that
// what is found in a node tells how many operations it has kept.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "resp_client.hpp"

namespace orbit::fault {

using Command = std::vector<std::string>;

// Bytes that tell (key, n) and are the same each time; lengths go from a few bytes to 16 KB, and a few have about 100 KB.
std::string content(const std::string& key, uint64_t n);

enum class Kind { string, counter, hash, list, set, sorted_set };

// One key.
class Part {
 public:
  Part(Kind kind, std::string key) : kind_(kind), key_(std::move(key)) {}

  // The command of operation n.
  Command command(uint64_t n) const;
  // Does operation n here.
  void apply(uint64_t n);
  // What reads the whole value, and whether its reply is what is here.
  Command reader() const;
  bool matches(const Reply& reply) const;

  Kind kind() const noexcept { return kind_; }
  const std::string& key() const noexcept { return key_; }

 private:
  Kind kind_;
  std::string key_;
  bool exists_ = false;  // of string
  std::string bytes_;    // of string
  uint64_t count_ = 0;   // of counter
  std::map<std::string, std::string> fields_;
  std::deque<std::string> elements_;
  std::set<std::string> members_;
  std::map<std::string, int64_t> scores_;
};

// Keys that change together, each by operation n, in one MULTI/EXEC or MSET; every fifth operation is one key's alone.
class Subject {
 public:
  explicit Subject(std::vector<Part> parts) : parts_(std::move(parts)) {}

  // Adds the next operation to what `client` sends; the number of its replies.
  size_t send(RespClient& client);
  void acknowledge() noexcept { ++acked_; }
  // Reads all keys. What is there must be what some number of operations leaves, the same for all keys: at least those that
  // were acknowledged, or with may_lose those that were there at the last verification, and at most those that were sent.
  // Then this is the truth from here on. What is wrong is appended to `wrong`.
  void verify(RespClient& client, bool may_lose, std::vector<std::string>& wrong);
  uint64_t kept() const noexcept { return base_; }

 private:
  bool matches(const std::vector<Reply>& replies) const;
  bool takes_part(size_t part, uint64_t n) const noexcept { return n % 5 != 0 || n / 5 % parts_.size() == part; }
  void apply_next();

  std::vector<Part> parts_;  // as operation base_ left them
  uint64_t base_ = 0;
  uint64_t acked_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace orbit::fault
