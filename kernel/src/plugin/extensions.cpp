// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin/extensions.hpp"

#include <cstdio>
#include <cstdlib>

namespace orbit::kernel {

void ExtensionRegistry::add(std::string_view id, const void* table) {
  if (table != nullptr && tables_.emplace(id, table).second) return;
  std::fprintf(stderr, "bug: host interface '%.*s' was added twice or without a table\n", static_cast<int>(id.size()),
               id.data());
  std::abort();
}

const void* ExtensionRegistry::find(std::string_view id) const noexcept {
  const auto it = tables_.find(id);
  return it == tables_.end() ? nullptr : it->second;
}

std::vector<std::string> ExtensionRegistry::ids() const {
  std::vector<std::string> out;
  for (const auto& entry : tables_) out.push_back(entry.first);
  return out;
}

}  // namespace orbit::kernel
