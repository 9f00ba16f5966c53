// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "config/routes.hpp"

namespace orbit::kernel {

namespace {

constexpr size_t kPatternMax = 255;  // as long as a type's name may be

bool matches(std::string_view pattern, std::string_view type) noexcept {
  return pattern.ends_with('*') ? type.starts_with(pattern.substr(0, pattern.size() - 1)) : type == pattern;
}

// Of two patterns that match one name the greater is more specific.
size_t specific(std::string_view pattern) noexcept { return pattern.ends_with('*') ? pattern.size() - 1 : kPatternMax + 1; }

}  // namespace

Result<> TypeRoutes::add(std::string_view pattern, std::string_view storage) {
  if (pattern.empty() || pattern.size() > kPatternMax)
    return fail(Code::invalid_argument, "a type pattern has " + std::to_string(pattern.size()) + " bytes, expected 1 to " +
                                            std::to_string(kPatternMax));
  if (const size_t star = pattern.find('*'); star != std::string_view::npos && star + 1 != pattern.size())
    return fail(Code::invalid_argument,
                "'" + std::string(pattern) + "': expected the name of a type, or the beginning of names and one '*' at the end");
  for (const Route& route : routes_)
    if (route.pattern == pattern)
      return fail(Code::invalid_argument, "'" + route.pattern + "' is bound to the storage '" + route.storage + "' already");
  routes_.push_back({std::string(pattern), std::string(storage)});
  return {};
}

const std::string* TypeRoutes::find(std::string_view type) const noexcept {
  const Route* best = nullptr;
  for (const Route& route : routes_)
    if (matches(route.pattern, type) && (best == nullptr || specific(route.pattern) > specific(best->pattern))) best = &route;
  return best != nullptr ? &best->storage : nullptr;
}

}  // namespace orbit::kernel
