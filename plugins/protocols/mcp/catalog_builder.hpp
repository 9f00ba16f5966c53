// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Makes a catalog of the descriptors that actor modules carry.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog.hpp"
#include "orbit/ext/descriptors.h"

namespace orbit::mcp {

// What an operator lets out. Patterns are of "TYPE/METHOD", with '*' for any characters.
struct Filter {
  std::vector<std::string> allow{"*"};
  std::vector<std::string> deny;
  bool read_only = false;  // only methods that change nothing

  bool lets(std::string_view type, std::string_view method, bool method_is_read_only) const noexcept;
};

CatalogPtr build_catalog(uint64_t generation, const std::vector<orbit_callable_type>& types, const Filter& filter);

}  // namespace orbit::mcp
