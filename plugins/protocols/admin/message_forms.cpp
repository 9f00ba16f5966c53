// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "message_forms.hpp"

#include <boost/json.hpp>
#include <mutex>

#include "orbit/wire_types.hpp"

namespace orbit::admin {

namespace json = boost::json;
namespace pb = google::protobuf;

namespace {

json::object form_field(const pb::FieldDescriptor& field) {
  json::object out{{"name", field.json_name()}, {"repeated", field.is_repeated() && !field.is_map()}};
  out["kind"] = field.is_map() ? "map" : field.type_name();
  if (const auto* type = field.enum_type()) {
    json::array values;
    for (int i = 0; i < type->value_count(); ++i) values.emplace_back(type->value(i)->name());
    out["values"] = std::move(values);
  }
  if (const auto* message = field.message_type(); message != nullptr && !field.is_map()) out["message"] = message->full_name();
  return out;
}

void add_form(const pb::Descriptor& message, json::object& out) {
  if (out.contains(message.full_name())) return;
  json::array fields;
  for (int i = 0; i < message.field_count(); ++i) fields.push_back(form_field(*message.field(i)));
  out[message.full_name()] = json::object{{"fields", std::move(fields)}};
  for (int i = 0; i < message.field_count(); ++i)
    if (const auto* inner = message.field(i)->message_type(); inner != nullptr && !message.field(i)->is_map()) add_form(*inner, out);
}

}  // namespace

struct MessageForms::Impl {
  explicit Impl(const orbit_descriptors_v1* descriptors) : catalog(descriptors) {}
  WireCatalog catalog;
  std::mutex mutex;
  std::shared_ptr<const WireTypes> types;
  std::string text;
};

MessageForms::MessageForms(const orbit_descriptors_v1* descriptors) : impl_(std::make_unique<Impl>(descriptors)) {}
MessageForms::~MessageForms() = default;

std::string MessageForms::json() {
  const std::lock_guard lock(impl_->mutex);
  const auto types = impl_->catalog.current();
  if (types == impl_->types) return impl_->text;
  json::object messages;
  for (const WireType& type : types->all())
    for (const WireMethod& method : type.methods) add_form(*method.descriptor->input_type(), messages);
  impl_->types = types;
  impl_->text = json::serialize(json::object{{"messages", std::move(messages)}});
  return impl_->text;
}

}  // namespace orbit::admin
