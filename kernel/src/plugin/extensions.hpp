// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the host offers to plugins: interface id -> table. Each part of the kernel adds its own table before plugins are
// created; nothing is ever removed.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace orbit::kernel {

class ExtensionRegistry {
 public:
  // `table` must live until the process ends. Adding an id twice is a bug and asserts. [main], before plugins are
  // created
  void add(std::string_view id, const void* table);
  // Null: this host does not have it. [any thread]
  const void* find(std::string_view id) const noexcept;
  // Sorted. [any thread]
  std::vector<std::string> ids() const;

 private:
  std::map<std::string, const void*, std::less<>> tables_;
};

}  // namespace orbit::kernel
