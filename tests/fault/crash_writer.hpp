// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One client that writes until its connection ends, and remembers what it was promised.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "resp_client.hpp"

namespace orbit::fault {

// Operations on one thing are numbered from 1. All up to `acked` were acknowledged and must be there; those up to `sent` may.
struct Range {
  uint64_t acked = 0;
  uint64_t sent = 0;
};

class CrashWriter {
 public:
  CrashWriter(int id, uint64_t seed) : id_(std::to_string(id)), random_(seed) {}

  // Writes in pipelines of random length until the connection ends. An error reply ends it too, and is kept.
  void run(RespClient& client);
  // Compares with what is stored, appends what is wrong to `wrong`, and takes what is stored as the truth from here on.
  void verify(RespClient& client, std::vector<std::string>& wrong);

  uint64_t acknowledged() const noexcept { return acknowledged_; }
  const std::string& error() const noexcept { return error_; }

 private:
  struct Step {
    size_t replies;
    std::function<void()> acked;
  };
  Step step(RespClient& client);
  Step numbered(Range& range);
  void verify_set(RespClient& client, std::vector<std::string>& wrong);
  void verify_pairs(RespClient& client, std::vector<std::string>& wrong);
  void verify_switches(RespClient& client, std::vector<std::string>& wrong);
  void verify_lists(RespClient& client, std::vector<std::string>& wrong);
  void verify_hashes(RespClient& client, std::vector<std::string>& wrong);

  const std::string id_;
  std::mt19937_64 random_;
  std::map<std::string, Range> values_;    // SET key n
  std::map<std::string, Range> counters_;  // INCR key
  std::map<std::string, Range> pairs_;     // key:a and key:b to n by MSET, or by MULTI SET SET EXEC
  std::map<std::string, Range> switches_;  // odd n: SET key n; even: DEL key
  std::map<std::string, Range> lists_;     // LPUSH key n
  std::map<std::string, Range> hashes_;    // HSET key fn n
  uint64_t acknowledged_ = 0;
  std::string error_;
};

// Three keys that every writer sets together to a value of its own: whoever was last, they are equal.
std::vector<std::string> shared_keys();

}  // namespace orbit::fault
