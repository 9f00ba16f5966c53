// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "catalog.hpp"

#include <algorithm>

#include "openapi.hpp"
#include "orbit/http/response.hpp"

namespace orbit::rest {

namespace {

namespace pb = google::protobuf;

void add_messages(const pb::Descriptor* message, std::vector<const pb::Descriptor*>& out) {
  if (message->options().map_entry()) return;
  out.push_back(message);
  for (int i = 0; i < message->nested_type_count(); ++i) add_messages(message->nested_type(i), out);
}

bool takes_part(const Type& type, const Method& method, const HttpRule& rule, std::vector<std::string>& complaints) {
  const auto complain = [&](std::string_view what) {
    complaints.push_back(type.wire->name + "." + std::string(method.wire->name()) + ": " + std::string(what));
    return false;
  };
  // The actor's key must be in the request somewhere.
  if (method.wire->key_field == nullptr)
    return complain("google.api.http needs a request field marked (orbit.v1.key), which says whom the call is for");
  const pb::Descriptor* input = method.input->descriptor;
  if (!rule.body.empty() && rule.body != "*" && input->FindFieldByName(rule.body) == nullptr)
    return complain("the body of google.api.http is no field of " + input->full_name() + ": '" + rule.body + "'");
  if (!rule.response_body.empty() && method.output->descriptor->FindFieldByName(rule.response_body) == nullptr)
    return complain("the response_body of google.api.http is no field of " + method.output->descriptor->full_name());
  if (rule.path == "/v1/actors" || rule.path.starts_with("/v1/actors/") || rule.path.starts_with("/v1/streams/"))
    return complain("the path '" + rule.path + "' is one of the REST wire's own");
  return true;
}

}  // namespace

Catalog::Catalog(std::shared_ptr<const WireTypes> types, std::vector<std::string>& complaints) : types_(std::move(types)) {
  all_.reserve(types_->all().size());
  for (const WireType& wire : types_->all()) {
    std::unique_ptr<JsonCodec>& codec = codecs_[wire.module.get()];
    if (codec == nullptr) codec = std::make_unique<JsonCodec>(&wire.module->pool);
    Type type;
    type.wire = &wire;
    type.codec = codec.get();
    if (wire.definition->state_type != nullptr)
      if (const auto* state = wire.module->pool.FindMessageTypeByName(wire.definition->state_type))
        type.state = codec->add(state);
    for (const WireMethod& method : wire.methods) {
      Method one;
      one.wire = &method;
      one.input = codec->add(method.descriptor->input_type());
      one.output = codec->add(method.descriptor->output_type());
      for (HttpRule& rule : http_rules(*method.descriptor, complaints))
        if (takes_part(type, one, rule, complaints)) one.rules.push_back(std::move(rule));
      type.methods.push_back(std::move(one));
    }
    std::vector<const pb::Descriptor*> all;
    const pb::FileDescriptor* file = wire.service->file();
    for (int i = 0; i < file->message_type_count(); ++i) add_messages(file->message_type(i), all);
    for (const pb::Descriptor* message : all) messages_.try_emplace(message->full_name(), Found{codec->add(message), codec.get()});
    all_.push_back(std::move(type));
  }
  for (Type& type : all_)
    for (Method& method : type.methods) method.type = &type;
}

const Type* Catalog::find(std::string_view name) const noexcept {
  const auto found = std::lower_bound(all_.begin(), all_.end(), name,
                                      [](const Type& one, std::string_view wanted) { return one.wire->name < wanted; });
  return found != all_.end() && found->wire->name == name ? &*found : nullptr;
}

Catalog::Found Catalog::message(std::string_view full_name) const {
  const auto found = messages_.find(full_name);
  return found != messages_.end() ? found->second : Found{};
}

std::string Catalog::openapi(bool asks_credentials, const Sees& sees) const {
  std::vector<bool> seen;
  for (const Type& type : all_) {
    seen.push_back(sees(type, nullptr));
    for (const Method& method : type.methods) seen.push_back(sees(type, &method));
  }
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = openapi_.find(seen); found != openapi_.end()) return found->second;
  }
  std::string document = openapi_document(*this, asks_credentials, sees);
  const std::lock_guard lock(mutex_);
  if (openapi_.size() >= kDocumentsMax) openapi_.erase(openapi_.begin());
  return openapi_.emplace(std::move(seen), std::move(document)).first->second;
}

std::string Catalog::types_json(const Sees& sees) const {
  std::string out = "{\"types\":[";
  const char* comma = "";
  for (const Type& type : all_) {
    std::string methods;
    for (const Method& method : type.methods) {
      if (!sees(type, &method)) continue;
      methods += methods.empty() ? "{\"name\":" : ",{\"name\":";
      http::append_json_string(methods, method.wire->name());
      methods += method.wire->read_only() ? ",\"readOnly\":true}" : ",\"readOnly\":false}";
    }
    if (methods.empty() && !sees(type, nullptr)) continue;
    out += comma;
    comma = ",";
    out += "{\"name\":";
    http::append_json_string(out, type.wire->name);
    out += ",\"methods\":[" + methods + "]}";
  }
  return out + "]}";
}

}  // namespace orbit::rest
