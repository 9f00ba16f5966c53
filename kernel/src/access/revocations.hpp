// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who is not let in any more, whatever authenticators say: users by name, and credentials by what their authenticator
// calls them. Kept in a file (docs/formats/revocations.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "orbit/result.hpp"

namespace orbit::kernel {

class Revocations {
 public:
  // file: empty, nothing is kept over restarts.
  Revocations(std::string file, size_t count_max) : file_(std::move(file)), count_max_(count_max) {}

  // Reads the file, if there is one. DATA_LOSS: it is damaged; then it must not be gone on. [main]
  Result<> load();

  // It counts at once; when this returns without an error it is also in the file. until_ms: 0, until it is taken back.
  // INVALID_ARGUMENT, RESOURCE_EXHAUSTED: nothing has changed. [io]
  Result<> add(std::string_view kind, std::string_view value, uint64_t until_ms, uint64_t now_ms);
  Result<> take_back(std::string_view kind, std::string_view value, uint64_t now_ms);  // NOT_FOUND [io]

  // [any thread, as the rest]
  bool has(std::string_view user, std::string_view credential, uint64_t now_ms) const;
  // Another number whenever has() may answer otherwise, but for time.
  uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }
  std::string json(uint64_t now_ms) const;

 private:
  using Key = std::pair<std::string, std::string>;  // kind, value
  std::string text() const;
  Result<> parse(std::string_view text);
  Result<> save();

  const std::string file_;
  const size_t count_max_;
  std::mutex saving_;         // one after the other; taken before mutex_
  mutable std::mutex mutex_;  // guards the map
  std::map<Key, uint64_t> until_ms_;
  std::atomic<uint64_t> epoch_{1};
};

}  // namespace orbit::kernel
