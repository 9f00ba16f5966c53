// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node_json.hpp"

namespace orbit::resp {

boost::json::value node_json(const Server& server, void (*orbit_node_v1::*function)(orbit_sink)) {
  const orbit_node_v1* node = server.interfaces().node;
  if (node == nullptr) return nullptr;
  std::string text;
  (node->*function)(
      {&text, [](void* ctx, orbit_bytes part) { static_cast<std::string*>(ctx)->append(part.data, part.size); }});
  boost::json::error_code error;
  auto value = boost::json::parse(text, error);
  return error ? boost::json::value(nullptr) : value;
}

std::string_view json_text(const boost::json::value& object, std::string_view field) {
  const auto* fields = object.if_object();
  const auto* value = fields != nullptr ? fields->if_contains(field) : nullptr;
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

uint64_t json_number(const boost::json::value& object, std::string_view field) {
  const auto* fields = object.if_object();
  const auto* value = fields != nullptr ? fields->if_contains(field) : nullptr;
  if (value == nullptr) return 0;
  if (value->is_uint64()) return value->get_uint64();
  if (value->is_int64()) return static_cast<uint64_t>(value->get_int64());
  return value->is_double() ? static_cast<uint64_t>(value->get_double()) : 0;
}

}  // namespace orbit::resp
