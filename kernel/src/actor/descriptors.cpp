// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/descriptors.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

namespace orbit::kernel {

namespace {

constexpr std::string_view kUrlPrefix = "type.googleapis.com";

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
  }
  return {};
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
