// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One client that writes until its connection ends, and remembers what it was promised.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "crash_model.hpp"
#include "resp_client.hpp"

namespace orbit::fault {

class CrashWriter {
 public:
  CrashWriter(int id, uint64_t seed);

  // Writes in pipelines of random length until the connection ends. An error reply ends it too, and is kept.
  void run(RespClient& client);
  // Compares with what is stored, appends what is wrong to `wrong`, and takes what is stored as the truth from here on.
  void verify(RespClient& client, bool may_lose, std::vector<std::string>& wrong);

  uint64_t acknowledged() const noexcept { return acknowledged_; }
  // Operations that the last verification found kept.
  uint64_t kept() const;
  const std::string& error() const noexcept { return error_; }

 private:
  struct Step {
    Subject* subject;  // null: the keys that all writers share
    size_t replies;
  };
  Step step(RespClient& client);

  const std::string id_;
  std::mt19937_64 random_;
  std::vector<Subject> subjects_;
  uint64_t shared_ = 0;
  uint64_t acknowledged_ = 0;
  std::string error_;
};

// Three keys that every writer sets together to a value of its own: whoever was last, they tell the same writer and number.
void verify_shared_keys(RespClient& client, std::vector<std::string>& wrong);

}  // namespace orbit::fault
