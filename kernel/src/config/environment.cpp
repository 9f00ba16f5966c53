// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <algorithm>
#include <cstdlib>

#include "config/schema.hpp"

namespace orbit::kernel {
namespace {

bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void substitute(std::string& text, const Position& position, const Environment& environment, Mistakes& mistakes) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text.compare(at, 3, "$${") == 0) {
      out += "${";
      at += 3;
    } else if (text.compare(at, 2, "${") == 0) {
      const size_t end = text.find('}', at);
      const std::string name = end == std::string::npos ? "" : text.substr(at + 2, end - at - 2);
      if (name.empty() || !std::all_of(name.begin(), name.end(), name_char)) {
        mistakes.add(position,
                     "'${' begins the name of an environment variable and needs '}' behind it; write '$${' for "
                     "the characters themselves");
        return;
      }
      if (const auto value = environment(name))
        out += *value;
      else
        mistakes.add(position, "environment variable '" + name + "' is not set");
      at = end + 1;
    } else {
      out += text[at++];
    }
  }
  text = std::move(out);
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

void substitute_environment(Tree& tree, const Environment& environment, Mistakes& mistakes) {
  if (tree.kind == Tree::Kind::string) substitute(tree.string, tree.position, environment, mistakes);
  for (Tree& item : tree.array) substitute_environment(item, environment, mistakes);
  for (Tree::Entry& entry : tree.table) substitute_environment(entry.value, environment, mistakes);
}

}  // namespace orbit::kernel
