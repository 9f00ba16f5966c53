// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "reflection.hpp"

#include <algorithm>
#include <set>

#include <grpc/reflection/v1/reflection.pb.h>
#include "own_descriptors.hpp"
#include "wire.hpp"

namespace orbit::grpc_wire {

namespace {

namespace pb = google::protobuf;
using ::grpc::reflection::v1::ServerReflectionRequest;
using ::grpc::reflection::v1::ServerReflectionResponse;

constexpr std::string_view kV1 = "grpc.reflection.v1";
constexpr std::string_view kAlpha = "grpc.reflection.v1alpha";

// Version v1alpha: the same messages in another package.
pb::FileDescriptorProto as_alpha(const pb::FileDescriptorProto& v1) {
  pb::FileDescriptorProto out = v1;
  out.set_name("grpc/reflection/v1alpha/reflection.proto");
  out.set_package(std::string(kAlpha));
  const auto rename = [](std::string* type) {
    const std::string prefix = "." + std::string(kV1) + ".";
    if (type->starts_with(prefix)) type->replace(0, prefix.size(), "." + std::string(kAlpha) + ".");
  };
  for (auto& message : *out.mutable_message_type())
    for (auto& field : *message.mutable_field())
      if (field.has_type_name()) rename(field.mutable_type_name());
  for (auto& service : *out.mutable_service())
    for (auto& method : *service.mutable_method()) {
      rename(method.mutable_input_type());
      rename(method.mutable_output_type());
    }
  return out;
}

void fail_with(ServerReflectionResponse* out, Code code, const std::string& message) {
  out->mutable_error_response()->set_error_code(static_cast<int32_t>(code));
  out->mutable_error_response()->set_error_message(message);
}

// With everything that it imports, which the client would ask for next.
void add_file(const pb::FileDescriptor& file, std::set<std::string>* seen, ServerReflectionResponse* out) {
  if (!seen->insert(file.name()).second) return;
  pb::FileDescriptorProto proto;
  file.CopyTo(&proto);
  out->mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) add_file(*file.dependency(i), seen, out);
}

// The pools of this wire and of the modules, each once.
std::vector<const pb::DescriptorPool*> pools_of(const WireTypes& types) {
  std::vector<const pb::DescriptorPool*> pools{&own_services()};
  for (const WireType& type : types.all())
    if (std::find(pools.begin(), pools.end(), &type.module->pool) == pools.end()) pools.push_back(&type.module->pool);
  return pools;
}

template <class Find>
void find_file(const WireTypes& types, const std::string& what, ServerReflectionResponse* out, Find find) {
  for (const pb::DescriptorPool* pool : pools_of(types))
    if (const pb::FileDescriptor* file = find(*pool)) {
      std::set<std::string> seen;
      return add_file(*file, &seen, out);
    }
  fail_with(out, Code::not_found, "nothing here has " + what);
}

class Reflection final : public RpcHandler {
 public:
  Reflection(Wire& wire, Rpc& rpc) : RpcHandler(wire, rpc) {}
  void begin() override { rpc_.read(); }
  void message(std::string bytes) override {
    const auto routes = wire_.routes.current();
    Result<std::string> answer = reflect(routes->types(), bytes, [this](const WireType& type) {
      return !wire_.access_enabled ||
             std::any_of(type.methods.begin(), type.methods.end(), [&](const WireMethod& method) {
               return wire_.access.may(caller_,
                                       {.type = type.name, .method = method.name(), .read_only = method.read_only()});
             });
    });
    if (!answer) return fail(answer.error());
    rpc_.write(std::move(*answer));
  }
  // One answer at a time: a client that does not read does not fill the memory.
  void sent() override { rpc_.read(); }
  void no_more_messages() override { rpc_.finish({}); }
  void drain() override { fail({Code::unavailable, "the node is stopping"}); }
};

}  // namespace

const pb::DescriptorPool& own_services() {
  static const pb::DescriptorPool* const pool = [] {
    auto* made = new pb::DescriptorPool;
    pb::FileDescriptorSet set;
    const Bytes bytes = own_descriptor_set();
    if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return made;
    for (const pb::FileDescriptorProto& file : set.file()) {
      made->BuildFile(file);
      if (file.package() == kV1) made->BuildFile(as_alpha(file));
    }
    return made;
  }();
  return *pool;
}

Result<std::string> reflect(const WireTypes& types, std::string_view bytes,
                            const std::function<bool(const WireType&)>& listed) {
  ServerReflectionRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(Code::invalid_argument, std::to_string(bytes.size()) +
                                            " bytes are no message of type grpc.reflection.v1.ServerReflectionRequest");
  ServerReflectionResponse out;
  out.set_valid_host(request.host());
  *out.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      find_file(types, "the file '" + request.file_by_filename() + "'", &out,
                [&](const pb::DescriptorPool& pool) { return pool.FindFileByName(request.file_by_filename()); });
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      find_file(types, "the symbol '" + request.file_containing_symbol() + "'", &out,
                [&](const pb::DescriptorPool& pool) {
                  return pool.FindFileContainingSymbol(request.file_containing_symbol());
                });
      break;
    case ServerReflectionRequest::kFileContainingExtension: {
      const auto& wanted = request.file_containing_extension();
      find_file(types,
                "extension " + std::to_string(wanted.extension_number()) + " of '" + wanted.containing_type() + "'",
                &out, [&](const pb::DescriptorPool& pool) -> const pb::FileDescriptor* {
                  const auto* message = pool.FindMessageTypeByName(wanted.containing_type());
                  const auto* extension =
                      message != nullptr ? pool.FindExtensionByNumber(message, wanted.extension_number()) : nullptr;
                  return extension != nullptr ? extension->file() : nullptr;
                });
      break;
    }
    case ServerReflectionRequest::kAllExtensionNumbersOfType: {
      const std::string& name = request.all_extension_numbers_of_type();
      std::set<int> numbers;
      bool known = false;
      for (const pb::DescriptorPool* pool : pools_of(types))
        if (const auto* message = pool->FindMessageTypeByName(name)) {
          known = true;
          std::vector<const pb::FieldDescriptor*> found;
          pool->FindAllExtensions(message, &found);
          for (const auto* field : found) numbers.insert(field->number());
        }
      if (!known) {
        fail_with(&out, Code::not_found, "no message is named '" + name + "'");
        break;
      }
      out.mutable_all_extension_numbers_response()->set_base_type_name(name);
      for (const int number : numbers) out.mutable_all_extension_numbers_response()->add_extension_number(number);
      break;
    }
    case ServerReflectionRequest::kListServices: {
      std::set<std::string> names{"orbit.v1.ActorService", "grpc.health.v1.Health",
                                  std::string(kV1) + ".ServerReflection", std::string(kAlpha) + ".ServerReflection"};
      for (const WireType& type : types.all())
        if (listed(type)) names.insert(type.name);
      for (const std::string& name : names) out.mutable_list_services_response()->add_service()->set_name(name);
      break;
    }
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      fail_with(&out, Code::invalid_argument, "the reflection request asks for nothing");
      break;
  }
  return out.SerializeAsString();
}

Handler* handle_reflection(Wire& wire, Rpc& rpc) { return new Reflection(wire, rpc); }

}  // namespace orbit::grpc_wire
