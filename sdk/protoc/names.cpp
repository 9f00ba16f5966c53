// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "names.hpp"

#include <google/protobuf/compiler/cpp/names.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace orbit::protoc {
namespace {

constexpr std::array<std::string_view, 97> kKeywords = {
    "alignas",      "alignof",     "and",           "and_eq",     "asm",       "auto",          "bitand",
    "bitor",        "bool",        "break",         "case",       "catch",     "char",          "char16_t",
    "char32_t",     "char8_t",     "class",         "co_await",   "co_return", "co_yield",      "compl",
    "concept",      "const",       "const_cast",    "consteval",  "constexpr", "constinit",     "continue",
    "decltype",     "default",     "delete",        "do",         "double",    "dynamic_cast",  "else",
    "enum",         "explicit",    "export",        "extern",     "false",     "float",         "for",
    "friend",       "goto",        "if",            "inline",     "int",       "long",          "mutable",
    "namespace",    "new",         "noexcept",      "not",        "not_eq",    "nullptr",       "operator",
    "or",           "or_eq",       "private",       "protected",  "public",    "register",      "reinterpret_cast",
    "requires",     "return",      "short",         "signed",     "sizeof",    "static",        "static_assert",
    "static_cast",  "struct",      "switch",        "template",   "this",      "thread_local",  "throw",
    "true",         "try",         "typedef",       "typeid",     "typename",  "union",         "unsigned",
    "using",        "virtual",     "void",          "volatile",   "wchar_t",   "while",         "xor",
    "xor_eq",       "assert",      "errno",         "signals",    "slots",     "emit"};

bool is_lower_or_digit(char c) { return std::islower(static_cast<unsigned char>(c)) || std::isdigit(static_cast<unsigned char>(c)); }
bool is_upper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }

}  // namespace

std::string snake_case(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (is_upper(name[i]) && i != 0 && name[i - 1] != '_') {
      const bool after_lower = is_lower_or_digit(name[i - 1]);
      const bool before_lower = i + 1 < name.size() && std::islower(static_cast<unsigned char>(name[i + 1]));
      if (after_lower || before_lower) out += '_';
    }
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
  }
  if (std::find(kKeywords.begin(), kKeywords.end(), out) != kKeywords.end()) out += '_';
  return out;
}

std::vector<std::string> split(std::string_view dotted) {
  std::vector<std::string> parts;
  while (!dotted.empty()) {
    const size_t dot = std::min(dotted.find('.'), dotted.size());
    parts.emplace_back(dotted.substr(0, dot));
    dotted.remove_prefix(std::min(dot + 1, dotted.size()));
  }
  return parts;
}

std::string cpp_class(const google::protobuf::Descriptor& message) {
  return google::protobuf::compiler::cpp::QualifiedClassName(&message);
}

std::string without_proto_ending(std::string_view file) {
  constexpr std::string_view kEnding = ".proto";
  if (file.ends_with(kEnding)) file.remove_suffix(kEnding.size());
  return std::string(file);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace orbit::protoc
