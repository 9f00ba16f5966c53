// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/descriptors.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <functional>
#include <map>

namespace orbit::kernel {

namespace {

constexpr std::string_view kUrlPrefix = "type.googleapis.com";

// Of sdk/proto/orbit/v1/options.proto. The kernel does not have its generated code, and another library of the process may have
// registered it: the options are looked at as bytes.
constexpr int kActorOption = 50100;
constexpr int kActorKeyField = 6;

orbit_key_kind key_kind_of(const google::protobuf::ServiceDescriptorProto& service) {
  using Field = google::protobuf::UnknownField;
  orbit_key_kind kind = ORBIT_KEY_STRING;
  google::protobuf::UnknownFieldSet options;
  if (!options.ParseFromString(service.options().SerializeAsString())) return kind;
  for (int i = 0; i < options.field_count(); ++i) {
    google::protobuf::UnknownFieldSet actor;
    if (options.field(i).number() != kActorOption || options.field(i).type() != Field::TYPE_LENGTH_DELIMITED ||
        !actor.ParseFromString(options.field(i).length_delimited()))
      continue;
    for (int j = 0; j < actor.field_count(); ++j)
      if (const Field& field = actor.field(j); field.number() == kActorKeyField && field.type() == Field::TYPE_VARINT)
        kind = field.varint() == ORBIT_KEY_INT64 || field.varint() == ORBIT_KEY_BYTES ? static_cast<orbit_key_kind>(field.varint())
                                                                                      : ORBIT_KEY_STRING;
  }
  return kind;
}

// Collects what protobuf says instead of printing it.
class Collector : public google::protobuf::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& filename, const std::string& element, const google::protobuf::Message*, ErrorLocation,
                const std::string& message) override {
    text += (text.empty() ? "" : "; ") + filename + ": " + element + ": " + message;
  }
  std::string text;
};

}  // namespace

struct Descriptors::Impl {
  google::protobuf::DescriptorPool pool;
  std::unique_ptr<google::protobuf::util::TypeResolver> resolver;
  std::map<std::string, orbit_key_kind, std::less<>> key_kinds;  // by service
};

Descriptors::Descriptors() : impl_(std::make_unique<Impl>()) {
  impl_->resolver.reset(google::protobuf::util::NewTypeResolverForDescriptorPool(std::string(kUrlPrefix), &impl_->pool));
}
Descriptors::~Descriptors() = default;

Result<> Descriptors::add(std::string_view descriptor_set) {
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromArray(descriptor_set.data(), static_cast<int>(descriptor_set.size())))
    return fail(Code::invalid_argument, "not a serialized google.protobuf.FileDescriptorSet");
  for (const auto& file : set.file()) {
    if (const auto* known = impl_->pool.FindFileByName(file.name())) {
      google::protobuf::FileDescriptorProto have;
      known->CopyTo(&have);
      google::protobuf::FileDescriptorProto want = file;
      want.clear_source_code_info();
      want.clear_syntax();
      have.clear_syntax();
      if (have.SerializeAsString() != want.SerializeAsString())
        return fail(Code::invalid_argument, "two different files named " + file.name());
      continue;
    }
    Collector errors;
    if (impl_->pool.BuildFileCollectingErrors(file, &errors) == nullptr) return fail(Code::invalid_argument, errors.text);
    for (const auto& service : file.service())
      impl_->key_kinds[(file.package().empty() ? "" : file.package() + ".") + service.name()] = key_kind_of(service);
  }
  return {};
}

orbit_key_kind Descriptors::key_kind(std::string_view service) const {
  const auto found = impl_->key_kinds.find(service);
  return found != impl_->key_kinds.end() ? found->second : ORBIT_KEY_STRING;
}

Result<std::string> Descriptors::to_binary(std::string_view message_type, std::string_view json) const {
  const std::string url = std::string(kUrlPrefix) + "/" + std::string(message_type);
  std::string out;
  const std::string text = json.empty() ? "{}" : std::string(json);
  const auto status = google::protobuf::util::JsonToBinaryString(impl_->resolver.get(), url, text, &out);
  if (!status.ok())
    return fail(Code::invalid_argument, "the JSON is no " + std::string(message_type) + ": " + std::string(status.message()));
  return out;
}

Result<std::string> Descriptors::to_json(std::string_view message_type, std::string_view binary) const {
  const std::string url = std::string(kUrlPrefix) + "/" + std::string(message_type);
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string out;
  const auto status = google::protobuf::util::BinaryToJsonString(impl_->resolver.get(), url, std::string(binary), &out, options);
  if (!status.ok())
    return fail(Code::internal, "the answer is no " + std::string(message_type) + ": " + std::string(status.message()));
  return out;
}

}  // namespace orbit::kernel
