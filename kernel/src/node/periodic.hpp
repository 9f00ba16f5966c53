// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A thread that does one thing again and again.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace orbit::kernel {

class Periodic {
 public:
  // The first time after `every_ns`. name: at most 15 bytes.
  Periodic(const char* name, uint64_t every_ns, std::function<void()> function);
  // Waits for the end of the function if it runs.
  ~Periodic();
  Periodic(const Periodic&) = delete;
  Periodic& operator=(const Periodic&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace orbit::kernel
