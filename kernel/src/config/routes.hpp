// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which storage has which actor types: the [[route]] entries of a configuration.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "orbit/result.hpp"

namespace orbit::kernel {

class TypeRoutes {
 public:
  // A pattern is the name of a type, or ends with '*', which stands for any rest. Refuses one that is neither, or that is
  // there already. Adding more than once what overlaps is fine: see find.
  Result<> add(std::string_view pattern, std::string_view storage);
  // The storage of the most specific pattern that matches: the name itself, else the longest. Null when none does.
  const std::string* find(std::string_view type) const noexcept;

  struct Route {
    std::string pattern;
    std::string storage;
  };
  const std::vector<Route>& all() const noexcept { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace orbit::kernel
