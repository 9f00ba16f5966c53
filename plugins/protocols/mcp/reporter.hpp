// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The other end of orbit.mcp.v1.Reporter: what actors report about calls that are at work finds its way to the engine that waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "engine.hpp"

namespace orbit::mcp {

// Calls at work on all workers, by token. Shared by all threads.
class Reports {
 public:
  struct Call {
    explicit Call(uint32_t at) : worker(at) {}
    const uint32_t worker;
    std::atomic<uint32_t> sent{0};
    std::atomic<bool> cancelled{false};
  };

  void open(const std::string& token, uint32_t worker);
  void close(const std::string& token);
  std::shared_ptr<Call> find(const std::string& token) const;

  // How a report reaches the engine of a worker.
  std::function<void(uint32_t worker, std::string token, Report report)> deliver;
  // False: nobody waits for that call any more.
  bool report(const std::string& token, Report report);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Call>> calls_;
};

// The actor type, for the plugin's orbit.actor_types/1.
const void* reporter_types() noexcept;
// Before the first call. [main]
Result<> connect_reporter(const orbit_host* host, Reports* reports);

}  // namespace orbit::mcp
