// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Calls into code that may never return. One helper thread makes the calls, one at a time; when a call takes too long
// the thread is abandoned with it, and the next call gets a new one.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace orbit::kernel {

class BoundedCaller {
 public:
  BoundedCaller() = default;
  ~BoundedCaller();  // joins the helper unless it was abandoned
  BoundedCaller(const BoundedCaller&) = delete;
  BoundedCaller& operator=(const BoundedCaller&) = delete;

  // False: `function` has not returned in time and may still run; it must own what it uses. One caller at a time.
  // Exceptions in `function` must not escape it.
  bool call(std::chrono::milliseconds timeout, std::function<void()> function);
  // Threads that were abandoned. One may still run, and one that has come back found that nobody wanted what it made: the process
  // must not run destructors. What those did that have come back has happened for the caller.
  size_t abandoned() const;

 private:
  struct Helper;
  std::shared_ptr<Helper> helper_;
  std::vector<std::shared_ptr<Helper>> abandoned_;  // each with what its thread was in
};

}  // namespace orbit::kernel
