// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Settings that come as JSON instead of TOML.
#include <boost/json.hpp>

#include "config/tree.hpp"

namespace orbit::kernel {
namespace {

namespace json = boost::json;

void convert(const json::value& value, Tree& out) {
  switch (value.kind()) {
    case json::kind::object:
      out.kind = Tree::Kind::table;
      for (const auto& [key, member] : value.get_object()) {
        Tree::Entry& entry = out.table.emplace_back();
        entry.key = std::string(key.data(), key.size());
        convert(member, entry.value);
      }
      return;
    case json::kind::array:
      out.kind = Tree::Kind::array;
      for (const json::value& item : value.get_array()) convert(item, out.array.emplace_back());
      return;
    case json::kind::string:
      out.kind = Tree::Kind::string;
      out.string = std::string(value.get_string().data(), value.get_string().size());
      return;
    case json::kind::bool_:
      out.kind = Tree::Kind::boolean;
      out.boolean = value.get_bool();
      return;
    case json::kind::int64:
      out.kind = Tree::Kind::integer;
      out.integer = value.get_int64();
      return;
    case json::kind::double_:
      out.kind = Tree::Kind::number;
      out.number = value.get_double();
      return;
    case json::kind::uint64:  // more than any integer here may be
      out.kind = Tree::Kind::number;
      out.number = static_cast<double>(value.get_uint64());
      return;
    case json::kind::null:
      out.kind = Tree::Kind::null;
  }
}

}  // namespace

std::optional<Tree> parse_json(std::string_view text, Mistakes& mistakes) {
  if (text.size() > kConfigBytesMax) {
    mistakes.add({}, "the text has " + std::to_string(text.size()) + " bytes, at most " +
                         std::to_string(kConfigBytesMax) + " are read");
    return std::nullopt;
  }
  json::error_code error;
  json::parse_options options;
  options.max_depth = kConfigDepthMax;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error || !value.is_object()) {
    mistakes.add({}, error ? "no JSON: " + error.message() : std::string("expected a JSON object"));
    return std::nullopt;
  }
  Tree out;
  convert(value, out);
  return out;
}

}  // namespace orbit::kernel
