// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Finds actors whose stored expiry has passed, in memory or not, and sends them ORBIT_METHOD_EXPIRE.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace orbit::kernel {

class Runtime;

// Lives on worker 0; reads the expiry index in order of time, a bounded number of entries at once.
class ExpirySweeper {
 public:
  explicit ExpirySweeper(Runtime& runtime) : runtime_(runtime) {}
  void arm();  // [worker 0]

 private:
  struct Due {
    std::string index_key;
    std::string type;
    std::string key;
  };
  void look();
  void scan();
  void found();
  void expire(const Due& due);

  Runtime& runtime_;
  std::vector<Due> due_;  // filled on the I/O pool between look and found
  uint64_t now_ms_ = 0;
  bool more_ = false;
};

}  // namespace orbit::kernel
