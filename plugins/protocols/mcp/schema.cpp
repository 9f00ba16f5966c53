// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "schema.hpp"

#include <google/protobuf/descriptor.h>

#include <map>
#include <set>
#include <utility>

namespace orbit::mcp {
namespace {

namespace pb = google::protobuf;

std::string trimmed(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    while (line.starts_with(' ')) line.remove_prefix(1);
    while (line.ends_with(' ') || line.ends_with('\r')) line.remove_suffix(1);
    if (!out.empty()) out.push_back(line.empty() ? '\n' : out.back() == '\n' ? '\n' : ' ');
    if (!out.empty() && out.back() == ' ' && line.empty()) out.pop_back();
    out.append(line);
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '\n')) out.pop_back();
  return out;
}

class SchemaBuilder {
 public:
  SchemaBuilder(SchemaFor use, const std::function<bool(const pb::FieldDescriptor&)>& leave_out) : use_(use), leave_out_(leave_out) {}

  json::object build(const pb::Descriptor& message) {
    json::object out = object_schema(message, true);
    if (!defs_.empty()) {
      json::object defs;
      for (auto& [name, schema] : defs_) defs[name] = std::move(schema);
      out["$defs"] = std::move(defs);
    }
    return out;
  }

 private:
  json::object object_schema(const pb::Descriptor& message, bool outermost) {
    json::object properties;
    for (int i = 0; i < message.field_count(); ++i) {
      const pb::FieldDescriptor& field = *message.field(i);
      if (outermost && leave_out_ && leave_out_(field)) continue;
      json::object schema = field_schema(field);
      if (std::string text = comment_of(field); !text.empty()) schema["description"] = text;
      properties[field.json_name()] = std::move(schema);
    }
    json::object out{{"type", "object"}, {"properties", std::move(properties)}};
    if (!outermost)
      if (std::string text = comment_of(message); !text.empty()) out["description"] = text;
    if (use_ == SchemaFor::request) out["additionalProperties"] = false;
    return out;
  }

  json::object field_schema(const pb::FieldDescriptor& field) {
    if (field.is_map())
      return {{"type", "object"}, {"additionalProperties", value_schema(*field.message_type()->map_value())}};
    if (field.is_repeated()) return {{"type", "array"}, {"items", value_schema(field)}};
    return value_schema(field);
  }

  json::object number64(bool is_signed) const {
    const char* const pattern = is_signed ? "^-?[0-9]+$" : "^[0-9]+$";
    if (use_ == SchemaFor::reply) return {{"type", "string"}, {"pattern", pattern}};
    json::object out{{"type", json::array{"integer", "string"}}, {"pattern", pattern}};
    if (!is_signed) out["minimum"] = 0;
    return out;
  }

  json::object floating() const {
    // NaN and the infinities are strings.
    if (use_ == SchemaFor::reply) return {{"type", json::array{"number", "string"}}};
    return {{"type", "number"}};
  }

  json::object value_schema(const pb::FieldDescriptor& field) {
    switch (field.type()) {
      case pb::FieldDescriptor::TYPE_DOUBLE:
      case pb::FieldDescriptor::TYPE_FLOAT: return floating();
      case pb::FieldDescriptor::TYPE_INT64:
      case pb::FieldDescriptor::TYPE_SINT64:
      case pb::FieldDescriptor::TYPE_SFIXED64: return number64(true);
      case pb::FieldDescriptor::TYPE_UINT64:
      case pb::FieldDescriptor::TYPE_FIXED64: return number64(false);
      case pb::FieldDescriptor::TYPE_INT32:
      case pb::FieldDescriptor::TYPE_SINT32:
      case pb::FieldDescriptor::TYPE_SFIXED32:
        return {{"type", "integer"}, {"minimum", -2147483648LL}, {"maximum", 2147483647}};
      case pb::FieldDescriptor::TYPE_UINT32:
      case pb::FieldDescriptor::TYPE_FIXED32: return {{"type", "integer"}, {"minimum", 0}, {"maximum", 4294967295LL}};
      case pb::FieldDescriptor::TYPE_BOOL: return {{"type", "boolean"}};
      case pb::FieldDescriptor::TYPE_STRING: return {{"type", "string"}};
      case pb::FieldDescriptor::TYPE_BYTES: return {{"type", "string"}, {"contentEncoding", "base64"}};
      case pb::FieldDescriptor::TYPE_ENUM: return enum_schema(*field.enum_type());
      case pb::FieldDescriptor::TYPE_MESSAGE:
      case pb::FieldDescriptor::TYPE_GROUP: return reference(*field.message_type());
    }
    return {};
  }

  json::object enum_schema(const pb::EnumDescriptor& type) const {
    if (type.full_name() == "google.protobuf.NullValue") return {{"type", "null"}};
    json::array names;
    for (int i = 0; i < type.value_count(); ++i) names.emplace_back(type.value(i)->name());
    // A number that this version has no name for comes as that number.
    if (use_ == SchemaFor::reply) return {{"anyOf", json::array{json::object{{"type", "string"}, {"enum", std::move(names)}}, json::object{{"type", "integer"}}}}};
    return {{"type", "string"}, {"enum", std::move(names)}};
  }

  // The JSON forms of google.protobuf's own messages (https://protobuf.dev/programming-guides/proto3/#json).
  bool well_known(const pb::Descriptor& message, json::object* out) {
    const std::string& name = message.full_name();
    if (name == "google.protobuf.Timestamp") {
      *out = {{"type", "string"}, {"format", "date-time"}};
    } else if (name == "google.protobuf.Duration") {
      *out = {{"type", "string"}, {"pattern", "^-?[0-9]+(\\.[0-9]+)?s$"}};
    } else if (name == "google.protobuf.FieldMask") {
      *out = {{"type", "string"}};
    } else if (name == "google.protobuf.Struct") {
      *out = {{"type", "object"}};
    } else if (name == "google.protobuf.ListValue") {
      *out = {{"type", "array"}};
    } else if (name == "google.protobuf.Value") {
      *out = json::object{};
    } else if (name == "google.protobuf.Any") {
      *out = {{"type", "object"}, {"properties", {{"@type", {{"type", "string"}}}}}, {"required", json::array{"@type"}}};
    } else if (name == "google.protobuf.Empty") {
      *out = {{"type", "object"}};
    } else if (name.starts_with("google.protobuf.") && name.ends_with("Value") && message.field_count() == 1) {
      *out = value_schema(*message.field(0));
    } else {
      return false;
    }
    return true;
  }

  json::object reference(const pb::Descriptor& message) {
    json::object out;
    if (well_known(message, &out)) return out;
    const std::string& name = message.full_name();
    if (seen_.insert(name).second) {
      json::object schema = object_schema(message, false);
      defs_.emplace(name, std::move(schema));
    }
    return {{"$ref", "#/$defs/" + name}};
  }

  const SchemaFor use_;
  const std::function<bool(const pb::FieldDescriptor&)>& leave_out_;
  std::set<std::string> seen_;
  std::map<std::string, json::object> defs_;
};

}  // namespace

json::object message_schema(const pb::Descriptor& message, SchemaFor use,
                            const std::function<bool(const pb::FieldDescriptor&)>& leave_out) {
  return SchemaBuilder(use, leave_out).build(message);
}

template <class Descriptor>
std::string comment_of(const Descriptor& descriptor) {
  pb::SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return {};
  std::string out = trimmed(location.leading_comments);
  return out.empty() ? trimmed(location.trailing_comments) : out;
}
template std::string comment_of(const pb::Descriptor&);
template std::string comment_of(const pb::FieldDescriptor&);
template std::string comment_of(const pb::MethodDescriptor&);
template std::string comment_of(const pb::ServiceDescriptor&);

}  // namespace orbit::mcp
