// SPDX-License-Identifier: MIT OR BSD-3-Clause
// JSON as this plugin uses it: Boost.JSON with bounds, and looking at members without exceptions.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::mcp {

namespace json = boost::json;

inline constexpr size_t kJsonDepthMax = 64;

// One JSON text. The error says where and why; nesting deeper than kJsonDepthMax is one, bytes that are no UTF-8 another.
Result<json::value> parse_json(std::string_view text);

inline json::string_view to_json(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline std::string_view from_json(const json::string& text) noexcept { return {text.data(), text.size()}; }

// The member of that name, or null.
inline const json::value* find(const json::object& object, std::string_view name) noexcept {
  return object.if_contains(to_json(name));
}
const json::object* find_object(const json::object& object, std::string_view name) noexcept;
const json::array* find_array(const json::object& object, std::string_view name) noexcept;
std::optional<std::string_view> find_string(const json::object& object, std::string_view name) noexcept;
// Absent or no string: empty.
inline std::string_view string_or_empty(const json::object& object, std::string_view name) noexcept {
  return find_string(object, name).value_or(std::string_view());
}
bool is_true(const json::object& object, std::string_view name) noexcept;

// "a string", "an array": what an error message says was found.
std::string_view kind_name(const json::value& value) noexcept;

// The same text whatever the order of members was.
std::string canonical(const json::value& value);

}  // namespace orbit::mcp
