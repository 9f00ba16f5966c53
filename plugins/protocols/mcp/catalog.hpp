// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a node offers over MCP at one moment: tools, prompts and resources, each of which is a method of an actor type. Never
// changes once made; calls that run keep the one that they began with.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "uri_template.hpp"

namespace orbit::mcp {

enum class KeyKind { string, int64, bytes };

// What the reply message of a method is: an ordinary one, or one of orbit.mcp.v1.
enum class ReplyKind { message, tool, prompt, resource };

struct Argument {
  std::string name;
  std::string description;
  std::vector<std::string> choices;  // of an enum
  bool required = false;
  bool is_bool = false;
};

struct Offer {
  std::string name;
  std::string type;
  std::string method;
  KeyKind key_kind = KeyKind::string;
  bool has_fixed_key = false;
  std::string fixed_key;
  std::string key_argument;   // name of the argument that is the key; empty: fixed_key
  bool key_is_field = false;  // and it is a field of the request, too: (orbit.v1.key)
  std::string context_field;  // JSON name of the request's field of type orbit.mcp.v1.Context; empty: none
  std::string context_alias;  // its name in the .proto, which JSON may use as well
  std::string completion;     // method that completes arguments; empty: none
  ReplyKind reply = ReplyKind::message;
  bool read_only = false;
  bool has_output_schema = false;
  std::string mime_type;            // of a resource
  UriTemplate uri;                  // of a resource
  std::vector<Argument> arguments;  // of a prompt or a template
  json::object listed;              // its entry in tools/list and so on
};

struct OfferedType {
  std::string name;
  KeyKind key_kind = KeyKind::string;
  std::string state_type;  // empty: opaque
  std::function<Result<std::string>(std::string_view bytes)> state_json;  // null: opaque
};

struct Catalog {
  uint64_t generation = 0;
  std::map<std::string, Offer, std::less<>> tools;
  std::map<std::string, Offer, std::less<>> prompts;
  std::map<std::string, Offer, std::less<>> resources;  // by URI: those without variables
  std::map<std::string, Offer, std::less<>> templates;  // by template
  std::map<std::string, OfferedType, std::less<>> types;
  std::vector<std::string> complaints;  // what could not be offered, and why

  const Offer* tool(std::string_view name) const noexcept { return get(tools, name); }
  const Offer* prompt(std::string_view name) const noexcept { return get(prompts, name); }

 private:
  static const Offer* get(const std::map<std::string, Offer, std::less<>>& offers, std::string_view name) noexcept {
    const auto found = offers.find(name);
    return found == offers.end() ? nullptr : &found->second;
  }
};

using CatalogPtr = std::shared_ptr<const Catalog>;

}  // namespace orbit::mcp
