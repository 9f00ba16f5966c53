// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A mixed load for minutes on a data set several times the cache, a line of CSV for each second: whether throughput has
// a cliff, and whether memory keeps to the configuration.
#pragma once

#include <string>
#include <vector>

#include "peers.hpp"

namespace orbit::bench {

struct SustainedSettings {
  double minutes = 10;
  size_t keys = 10'000'000;
  size_t threads = 4;
  StoreOptions store{size_t{128} << 20, size_t{32} << 20};
  std::string directory = "/tmp";
  std::string csv;  // empty: none
  std::vector<const Kind*> kinds;
};

// The process's exit code. Each store runs in a process of its own, so that memory is its own too.
int run_sustained(const SustainedSettings& settings);

}  // namespace orbit::bench
