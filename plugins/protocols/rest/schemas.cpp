// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "schemas.hpp"

#include <string_view>

namespace orbit::rest {

namespace pb = google::protobuf;
namespace json = boost::json;
using Field = pb::FieldDescriptor;

namespace {

// Both are taken; the node writes 64-bit numbers as strings, because JavaScript's numbers would lose digits.
json::object whole_number(const char* format, bool text, bool is_signed) {
  json::object out;
  out["type"] = text ? json::array{"string", "integer"} : json::array{"integer", "string"};
  out["format"] = format;
  out["pattern"] = is_signed ? "^-?[0-9]+$" : "^[0-9]+$";
  return out;
}

json::object typed(const char* type) { return json::object{{"type", type}}; }
json::object formatted(const char* type, const char* format) { return json::object{{"type", type}, {"format", format}}; }

// google.protobuf's own messages have JSON forms of their own.
bool well_known(const pb::Descriptor* message, json::object& out) {
  const std::string& name = message->full_name();
  if (!name.starts_with("google.protobuf.")) return false;
  const std::string_view own = std::string_view(name).substr(std::string_view("google.protobuf.").size());
  if (own == "Timestamp") return out = formatted("string", "date-time"), true;
  if (own == "Duration") return out = json::object{{"type", "string"}, {"pattern", "^-?[0-9]+(\\.[0-9]{1,9})?s$"}}, true;
  if (own == "FieldMask") return out = typed("string"), true;
  if (own == "Struct" || own == "Any" || own == "Empty") return out = typed("object"), true;
  if (own == "ListValue") return out = json::object{{"type", "array"}, {"items", json::object()}}, true;
  if (own == "Value") return out = json::object(), true;
  if (own == "StringValue") return out = json::object{{"type", json::array{"string", "null"}}}, true;
  if (own == "BytesValue")
    return out = json::object{{"type", json::array{"string", "null"}}, {"contentEncoding", "base64"}}, true;
  if (own == "BoolValue") return out = json::object{{"type", json::array{"boolean", "null"}}}, true;
  if (own.ends_with("Value")) return out = json::object{{"type", json::array{"number", "string", "null"}}}, true;
  return false;
}

}  // namespace

json::object Schemas::ref(const pb::Descriptor* message) {
  json::object own;
  if (well_known(message, own)) return own;
  if (!all_.contains(message->full_name())) {
    all_[message->full_name()] = json::object();  // against cycles
    all_[message->full_name()] = of_message(message);
  }
  return json::object{{"$ref", "#/components/schemas/" + message->full_name()}};
}

json::object Schemas::of_message(const pb::Descriptor* message) {
  json::object properties;
  for (int i = 0; i < message->field_count(); ++i) properties[message->field(i)->json_name()] = of_field(message->field(i));
  json::object out{{"type", "object"}, {"title", message->full_name()}};
  if (!properties.empty()) out["properties"] = std::move(properties);
  out["additionalProperties"] = false;
  return out;
}

json::object Schemas::of_field(const Field* field) {
  if (field->is_map())
    return json::object{{"type", "object"}, {"additionalProperties", of_value(field->message_type()->map_value())}};
  if (field->is_repeated()) return json::object{{"type", "array"}, {"items", of_value(field)}};
  return of_value(field);
}

json::object Schemas::of_value(const Field* field) {
  switch (field->type()) {
    case Field::TYPE_BOOL:
      return typed("boolean");
    case Field::TYPE_STRING:
      return typed("string");
    case Field::TYPE_BYTES:
      return json::object{{"type", "string"}, {"contentEncoding", "base64"}};
    case Field::TYPE_DOUBLE:
    case Field::TYPE_FLOAT:
      return json::object{{"type", json::array{"number", "string"}},
                          {"format", field->type() == Field::TYPE_FLOAT ? "float" : "double"}};
    case Field::TYPE_INT32:
    case Field::TYPE_SINT32:
    case Field::TYPE_SFIXED32:
      return whole_number("int32", false, true);
    case Field::TYPE_UINT32:
    case Field::TYPE_FIXED32:
      return whole_number("uint32", false, false);
    case Field::TYPE_INT64:
    case Field::TYPE_SINT64:
    case Field::TYPE_SFIXED64:
      return whole_number("int64", true, true);
    case Field::TYPE_UINT64:
    case Field::TYPE_FIXED64:
      return whole_number("uint64", true, false);
    case Field::TYPE_ENUM: {
      const auto* type = field->enum_type();
      if (type->full_name() == "google.protobuf.NullValue") return typed("null");
      if (!all_.contains(type->full_name())) {
        json::array names;
        for (int i = 0; i < type->value_count(); ++i) names.emplace_back(type->value(i)->name());
        all_[type->full_name()] = json::object{{"type", "string"}, {"title", type->full_name()}, {"enum", std::move(names)}};
      }
      return json::object{{"$ref", "#/components/schemas/" + type->full_name()}};
    }
    case Field::TYPE_GROUP:
    case Field::TYPE_MESSAGE:
      return ref(field->message_type());
  }
  return {};
}

}  // namespace orbit::rest
