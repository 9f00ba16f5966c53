// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The stores that the benchmark compares, behind one small face.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace orbit::bench {

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

class Store {
 public:
  virtual ~Store() = default;
  virtual void put(const Pairs& batch, bool sync) = 0;  // [any thread]
  virtual bool get(std::string_view key, std::string& value) = 0;
  // How many of the keys are there.
  virtual size_t multi_get(const std::vector<std::string_view>& keys) = 0;
  // Sums the sizes of all entries.
  virtual size_t scan() = 0;
  // How many entries there are from `key` on, at most `count`.
  virtual size_t scan_from(std::string_view key, size_t count) = 0;
  // Waits for what is going on in the background.
  virtual void settle() {}
};

struct StoreOptions {
  size_t cache_bytes = size_t{512} << 20;
  size_t write_buffer_bytes = size_t{64} << 20;
};

struct Kind {
  const char* name;
  bool encrypted;  // one of ours, with encryption at rest
  std::unique_ptr<Store> (*open)(const std::string& directory, const StoreOptions& options);
};
extern const std::vector<Kind> kKinds;

}  // namespace orbit::bench
