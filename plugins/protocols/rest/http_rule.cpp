// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "http_rule.hpp"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>

#include "orbit/http/target.hpp"

namespace orbit::rest {

namespace pb = google::protobuf;

namespace {

constexpr int kHttpOption = 72295728;
// Of google.api.HttpRule and google.api.CustomHttpPattern.
enum { kGet = 2, kPut = 3, kPost = 4, kDelete = 5, kPatch = 6, kBody = 7, kCustom = 8, kAdditional = 11, kResponseBody = 12 };

std::string_view verb_of(int field) {
  switch (field) {
    case kGet: return "GET";
    case kPut: return "PUT";
    case kPost: return "POST";
    case kDelete: return "DELETE";
    case kPatch: return "PATCH";
    default: return {};
  }
}

void read_rule(const std::string& bytes, std::vector<HttpRule>& out, std::vector<std::string>& complaints, bool nested) {
  pb::UnknownFieldSet fields;
  if (!fields.ParseFromString(bytes)) return;
  HttpRule rule;
  std::vector<std::string> additional;
  for (int i = 0; i < fields.field_count(); ++i) {
    const pb::UnknownField& field = fields.field(i);
    if (field.type() != pb::UnknownField::TYPE_LENGTH_DELIMITED) continue;
    const std::string& value = field.length_delimited();
    if (const std::string_view verb = verb_of(field.number()); !verb.empty()) {
      rule.method = verb;
      rule.path = value;
    } else if (field.number() == kBody) {
      rule.body = value;
    } else if (field.number() == kResponseBody) {
      rule.response_body = value;
    } else if (field.number() == kAdditional && !nested) {
      additional.push_back(value);
    } else if (field.number() == kCustom) {
      pb::UnknownFieldSet custom;
      if (!custom.ParseFromString(value)) continue;
      for (int j = 0; j < custom.field_count(); ++j)
        if (custom.field(j).type() == pb::UnknownField::TYPE_LENGTH_DELIMITED)
          (custom.field(j).number() == 1 ? rule.method : rule.path) = custom.field(j).length_delimited();
    }
  }
  if (auto parsed = parse_template(rule.path, rule); !parsed)
    complaints.push_back(parsed.error().message);
  else
    out.push_back(std::move(rule));
  for (const std::string& each : additional) read_rule(each, out, complaints, true);
}

bool is_identifier(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
}

}  // namespace

std::vector<HttpRule> http_rules(const pb::MethodDescriptor& method, std::vector<std::string>& complaints) {
  std::vector<HttpRule> out;
  pb::UnknownFieldSet options;
  if (!options.ParseFromString(method.options().SerializeAsString())) return out;
  std::string merged;  // several occurrences of a message field are one message
  for (int i = 0; i < options.field_count(); ++i)
    if (options.field(i).number() == kHttpOption && options.field(i).type() == pb::UnknownField::TYPE_LENGTH_DELIMITED)
      merged += options.field(i).length_delimited();
  if (!merged.empty()) read_rule(merged, out, complaints, false);
  return out;
}

Result<> parse_template(std::string_view text, HttpRule& rule) {
  const auto wrong = [&](std::string_view why) {
    return fail(Code::invalid_argument, "the path '" + std::string(text) + "' of google.api.http " + std::string(why));
  };
  if (!text.starts_with('/')) return wrong("must begin with '/'");
  std::string_view rest = text.substr(1);
  rule.parts.clear();
  rule.variables.clear();
  bool in_variable = false;
  while (!rest.empty() || rule.parts.empty()) {
    if (!in_variable && rest.starts_with('{')) {
      const size_t name_end = rest.find_first_of("=}");
      if (name_end == std::string_view::npos || !is_identifier(rest.substr(1, name_end - 1))) return wrong("has a '{' without a field's name");
      PathVariable variable{std::string(rest.substr(1, name_end - 1)), rule.parts.size(), 0};
      if (rest[name_end] == '}') {
        rule.parts.push_back({PathPart::Kind::one, {}});
        variable.end = rule.parts.size();
        rest.remove_prefix(name_end + 1);
        rule.variables.push_back(std::move(variable));
      } else {
        in_variable = true;
        rule.variables.push_back(std::move(variable));
        rest.remove_prefix(name_end + 1);
        continue;
      }
    } else {
      const size_t end = std::min(rest.find_first_of("/}:"), rest.size());
      const std::string_view part = rest.substr(0, end);
      if (part.empty()) return wrong("has an empty part");
      if (!rule.parts.empty() && rule.parts.back().kind == PathPart::Kind::rest) return wrong("has something behind '**'");
      rule.parts.push_back({part == "*" ? PathPart::Kind::one : part == "**" ? PathPart::Kind::rest : PathPart::Kind::literal,
                            part == "*" || part == "**" ? std::string() : std::string(part)});
      rest.remove_prefix(end);
      if (in_variable && rest.starts_with('}')) {
        rule.variables.back().end = rule.parts.size();
        in_variable = false;
        rest.remove_prefix(1);
      }
    }
    if (rest.empty()) break;
    if (rest.front() == ':' && !in_variable) {
      rule.verb = rest.substr(1);
      return rule.verb.empty() ? Result<>(wrong("has an empty verb")) : Result<>();
    }
    if (rest.front() != '/') return wrong("has something else than '/' behind a part");
    rest.remove_prefix(1);
    if (rest.empty()) return wrong("ends in '/'");
  }
  if (in_variable) return wrong("has a '{' without '}'");
  return {};
}

std::optional<std::vector<std::pair<std::string_view, std::string>>> HttpRule::match(std::string_view method_sent,
                                                                                     std::string_view path_sent) const {
  if (method_sent != method && !(method_sent == "HEAD" && method == "GET")) return std::nullopt;
  if (!path_sent.starts_with('/')) return std::nullopt;
  path_sent.remove_prefix(1);
  if (!verb.empty()) {
    if (path_sent.size() <= verb.size() || !path_sent.ends_with(verb) || path_sent[path_sent.size() - verb.size() - 1] != ':')
      return std::nullopt;
    path_sent.remove_suffix(verb.size() + 1);
  }
  std::vector<std::string_view> sent;
  for (;;) {
    const size_t slash = path_sent.find('/');
    sent.push_back(path_sent.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path_sent.remove_prefix(slash + 1);
  }
  const bool open_ended = parts.back().kind == PathPart::Kind::rest;
  if (open_ended ? sent.size() + 1 < parts.size() : sent.size() != parts.size()) return std::nullopt;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].kind == PathPart::Kind::rest) break;
    if (sent[i].empty()) return std::nullopt;
    if (parts[i].kind == PathPart::Kind::literal && sent[i] != parts[i].literal) return std::nullopt;
  }
  std::vector<std::pair<std::string_view, std::string>> values;
  for (const PathVariable& variable : variables) {
    const size_t end = variable.end == parts.size() && open_ended ? sent.size() : variable.end;
    std::string value;
    for (size_t i = variable.begin; i < end; ++i) {
      const auto decoded = http::percent_decode(sent[i]);
      if (!decoded) return std::nullopt;
      if (i != variable.begin) value += '/';
      value += *decoded;
    }
    values.emplace_back(variable.field, std::move(value));
  }
  return values;
}

}  // namespace orbit::rest
