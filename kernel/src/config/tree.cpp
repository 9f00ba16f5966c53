// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "config/tree.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <sstream>
#include <tuple>

namespace orbit::kernel {
namespace {

Position position_of(const toml::source_region& source) { return {source.begin.line, source.begin.column, {}}; }

bool convert(const toml::node& node, Tree& out, size_t depth, Mistakes& mistakes) {
  out.position = position_of(node.source());
  if (depth > kConfigDepthMax) {
    mistakes.add(out.position, "tables nest deeper than " + std::to_string(kConfigDepthMax) + " levels");
    return false;
  }
  if (const auto* table = node.as_table()) {
    out.kind = Tree::Kind::table;
    for (const auto& [key, value] : *table) {
      Tree::Entry& entry = out.table.emplace_back();
      entry.key = std::string(key.str());
      entry.position = position_of(key.source());
      if (!convert(value, entry.value, depth + 1, mistakes)) return false;
    }
    // toml++ keeps keys sorted; the order of the file is what people know.
    std::sort(out.table.begin(), out.table.end(), [](const Tree::Entry& a, const Tree::Entry& b) {
      return std::tie(a.position.line, a.position.column, a.key) < std::tie(b.position.line, b.position.column, b.key);
    });
  } else if (const auto* array = node.as_array()) {
    out.kind = Tree::Kind::array;
    for (const auto& value : *array)
      if (!convert(value, out.array.emplace_back(), depth + 1, mistakes)) return false;
  } else if (const auto* string = node.as_string()) {
    out.kind = Tree::Kind::string;
    out.string = string->get();
  } else if (const auto* integer = node.as_integer()) {
    out.kind = Tree::Kind::integer;
    out.integer = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    out.kind = Tree::Kind::number;
    out.number = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    out.kind = Tree::Kind::boolean;
    out.boolean = boolean->get();
  } else {
    out.kind = Tree::Kind::other;
  }
  return true;
}

}  // namespace

void Mistakes::add(const Position& position, std::string message) { list_.push_back({position, std::move(message)}); }

std::vector<const Mistakes::Mistake*> Mistakes::sorted() const {
  std::vector<const Mistake*> sorted;
  for (const Mistake& mistake : list_) sorted.push_back(&mistake);
  // The addresses are those of one vector: found first comes first.
  std::sort(sorted.begin(), sorted.end(), [](const Mistake* a, const Mistake* b) {
    return std::tie(a->position.line, a->position.column, a) < std::tie(b->position.line, b->position.column, b);
  });
  return sorted;
}

std::vector<std::string> Mistakes::messages() const {
  std::vector<std::string> out;
  for (const Mistake* mistake : sorted()) out.push_back(mistake->message);
  return out;
}

std::string Mistakes::report() const {
  std::string out;
  for (const Mistake* mistake : sorted()) {
    const Position& at = mistake->position;
    if (!at.origin.empty())
      out += at.origin;
    else
      out += file_;
    if (at.origin.empty() && at.line != 0) out += ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
    out += ": " + mistake->message + "\n";
  }
  return out;
}

Tree::Entry* Tree::find(std::string_view key) {
  for (Entry& entry : table)
    if (entry.key == key) return &entry;
  return nullptr;
}

const Tree::Entry* Tree::find(std::string_view key) const {
  for (const Entry& entry : table)
    if (entry.key == key) return &entry;
  return nullptr;
}

std::string_view kind_name(Tree::Kind kind) noexcept {
  switch (kind) {
    case Tree::Kind::string:
      return "a string";
    case Tree::Kind::integer:
      return "an integer";
    case Tree::Kind::number:
      return "a number";
    case Tree::Kind::boolean:
      return "a boolean";
    case Tree::Kind::array:
      return "a list";
    case Tree::Kind::table:
      return "a table";
    case Tree::Kind::null:
      return "null";
    case Tree::Kind::other:
      break;
  }
  return "a date or time";
}

std::optional<Tree> parse_toml(std::string_view text, Mistakes& mistakes) {
  if (text.size() > kConfigBytesMax) {
    mistakes.add({}, "the file has " + std::to_string(text.size()) + " bytes, at most " +
                         std::to_string(kConfigBytesMax) + " are read");
    return std::nullopt;
  }
  try {
    const toml::table table = toml::parse(text);
    Tree tree;
    if (!convert(table, tree, 0, mistakes)) return std::nullopt;
    return tree;
  } catch (const toml::parse_error& error) {
    mistakes.add(position_of(error.source()), std::string(error.description()));
    return std::nullopt;
  }
}

std::optional<Tree> parse_toml_value(std::string_view text) {
  Mistakes ignored("");
  auto tree = parse_toml("value = " + std::string(text), ignored);
  if (!tree || tree->table.size() != 1 || tree->table[0].key != "value") return std::nullopt;
  return std::move(tree->table[0].value);
}

std::string toml_quote(std::string_view text) {
  std::string out = "\"";
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7f)
      ((out += "\\u00") += kDigits[byte >> 4]) += kDigits[byte & 15];
    else
      out += c;
  }
  return out + '"';
}

std::string toml_text(const Tree& value) {
  switch (value.kind) {
    case Tree::Kind::string:
      return toml_quote(value.string);
    case Tree::Kind::integer:
      return std::to_string(value.integer);
    case Tree::Kind::boolean:
      return value.boolean ? "true" : "false";
    case Tree::Kind::number: {
      std::ostringstream out;
      out << toml::value<double>(value.number);
      return out.str();
    }
    case Tree::Kind::array: {
      std::string out = "[";
      for (const Tree& item : value.array) out += (out.size() > 1 ? ", " : "") + toml_text(item);
      return out + "]";
    }
    case Tree::Kind::table: {
      std::string out = "{";
      for (const Tree::Entry& entry : value.table)
        out += (out.size() > 1 ? ", " : " ") + toml_quote(entry.key) + " = " + toml_text(entry.value);
      return out + " }";
    }
    case Tree::Kind::null:
    case Tree::Kind::other:
      break;
  }
  return "\"\"";
}

}  // namespace orbit::kernel
