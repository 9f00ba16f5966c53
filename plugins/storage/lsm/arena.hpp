// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Memory that is taken piece by piece and given back at once.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace orbit::lsm {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();
  // Aligned for numbers and pointers. [one thread at a time]
  char* allocate(size_t size);
  // What was asked for so far.
  size_t bytes() const noexcept { return bytes_; }

 private:
  std::vector<std::unique_ptr<char[]>> pieces_;
  std::vector<char*> huge_;
  char* at_ = nullptr;
  size_t left_ = 0;
  size_t bytes_ = 0;
};

}  // namespace orbit::lsm
