// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "json.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/stream_parser.hpp>
#include <vector>

namespace orbit::mcp {

Result<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  boost::system::error_code error;
  json::stream_parser parser({}, options);
  const size_t taken = parser.write(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (!error) return parser.release();
  if (error == json::error::too_deep)
    return fail(Code::invalid_argument, "the JSON is nested deeper than " + std::to_string(kJsonDepthMax) + " levels");
  return fail(Code::invalid_argument, "no JSON at byte " + std::to_string(taken) + ": " + error.message());
}

const json::object* find_object(const json::object& object, std::string_view name) noexcept {
  const json::value* const value = find(object, name);
  return value != nullptr ? value->if_object() : nullptr;
}

const json::array* find_array(const json::object& object, std::string_view name) noexcept {
  const json::value* const value = find(object, name);
  return value != nullptr ? value->if_array() : nullptr;
}

std::optional<std::string_view> find_string(const json::object& object, std::string_view name) noexcept {
  const json::value* const value = find(object, name);
  const json::string* const text = value != nullptr ? value->if_string() : nullptr;
  if (text == nullptr) return std::nullopt;
  return from_json(*text);
}

bool is_true(const json::object& object, std::string_view name) noexcept {
  const json::value* const value = find(object, name);
  const bool* const flag = value != nullptr ? value->if_bool() : nullptr;
  return flag != nullptr && *flag;
}

std::string_view kind_name(const json::value& value) noexcept {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: return "a number";
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
  }
  return "something else";
}

namespace {

void append_canonical(const json::value& value, std::string& out) {
  if (const json::object* const object = value.if_object()) {
    std::vector<const json::key_value_pair*> members;
    for (const auto& member : *object) members.push_back(&member);
    std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->key() < b->key(); });
    out.push_back('{');
    for (const auto* member : members) {
      out.append(json::serialize(member->key())).push_back(':');
      append_canonical(member->value(), out);
      out.push_back(',');
    }
    out.push_back('}');
  } else if (const json::array* const array = value.if_array()) {
    out.push_back('[');
    for (const json::value& each : *array) {
      append_canonical(each, out);
      out.push_back(',');
    }
    out.push_back(']');
  } else {
    out.append(json::serialize(value));
  }
}

}  // namespace

std::string canonical(const json::value& value) {
  std::string out;
  append_canonical(value, out);
  return out;
}

}  // namespace orbit::mcp
