// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The actor types that a wire offers, as protobuf descriptors: orbit.descriptors/1 for C++ plugins that link libprotobuf.
//
//   orbit::WireCatalog catalog(host.require<orbit_descriptors_v1>(ORBIT_DESCRIPTORS_V1));
//   const std::shared_ptr<const orbit::WireTypes> types = catalog.current();   // [any thread]; keep it while you use what is in it
//   const orbit::WireType* type = types->find("bank.Account");
//   const orbit::WireMethod* method = type->find("Deposit");
//
// Each module version has a pool of its own, so two versions of one .proto live side by side. Nothing is registered with protobuf.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "check_key.hpp"
#include "ext/descriptors.h"
#include "key.hpp"
#include "result.hpp"

namespace orbit {

namespace detail {

// Of orbit/v1/options.proto: the extension (orbit.v1.key).
inline constexpr int kWireKeyOption = 50103;

// The last value of a boolean option. Looks at the bytes, whether or not some library of the process has registered the extension.
inline bool raw_flag(const google::protobuf::MessageLite& options, int number) {
  google::protobuf::UnknownFieldSet fields;
  bool value = false;
  if (!fields.ParseFromString(options.SerializeAsString())) return value;
  for (int i = 0; i < fields.field_count(); ++i)
    if (fields.field(i).number() == number && fields.field(i).type() == google::protobuf::UnknownField::TYPE_VARINT)
      value = fields.field(i).varint() != 0;
  return value;
}

}  // namespace detail

struct WireMethod {
  const orbit_method* definition = nullptr;
  const google::protobuf::MethodDescriptor* descriptor = nullptr;
  // The field of the request marked (orbit.v1.key); null: the key must come beside the request.
  const google::protobuf::FieldDescriptor* key_field = nullptr;

  bool read_only() const noexcept { return (definition->flags & ORBIT_METHOD_READ_ONLY) != 0; }
  bool one_way() const noexcept { return (definition->flags & ORBIT_METHOD_ONE_WAY) != 0; }
  std::string_view name() const noexcept { return definition->name; }

  // The key in the request's bytes: what its key field says, in the stored form; empty when the field is not set. The bytes are
  // not checked otherwise. INVALID_ARGUMENT when they are no protobuf message. Only with a key_field.
  Result<std::string> key_in(Bytes request) const;
};

struct WireModule;

struct WireType {
  const orbit_type* type = nullptr;
  const orbit_actor_type* definition = nullptr;
  const google::protobuf::ServiceDescriptor* service = nullptr;
  orbit_key_kind key_kind = ORBIT_KEY_STRING;
  std::string name;                    // "bank.Account"
  std::shared_ptr<WireModule> module;  // its descriptors are in this one's pool
  std::vector<WireMethod> methods;     // those with messages, in the order of the .proto

  const WireMethod* find(std::string_view method) const noexcept {
    const auto found = std::find_if(methods.begin(), methods.end(), [&](const WireMethod& one) { return one.name() == method; });
    return found == methods.end() ? nullptr : &*found;
  }
};

// One version of a module. The pool and the factory may be used from any thread.
struct WireModule {
  std::string name;
  std::string version;
  uint64_t generation = 0;
  google::protobuf::DescriptorPool pool;
  google::protobuf::DynamicMessageFactory factory{&pool};
};

// What the node offered at one moment.
class WireTypes {
 public:
  uint64_t generation() const noexcept { return generation_; }
  const std::vector<WireType>& all() const noexcept { return types_; }  // ordered by name
  const WireType* find(std::string_view name) const noexcept {
    const auto found = std::lower_bound(types_.begin(), types_.end(), name,
                                        [](const WireType& one, std::string_view wanted) { return one.name < wanted; });
    return found != types_.end() && found->name == name ? &*found : nullptr;
  }

 private:
  friend class WireCatalog;
  uint64_t generation_ = 0;
  std::vector<WireType> types_;
};

// Keeps up with the node. [any thread]
class WireCatalog {
 public:
  explicit WireCatalog(const orbit_descriptors_v1* descriptors) : descriptors_(descriptors) {}

  // What is offered now; made anew when modules have changed.
  std::shared_ptr<const WireTypes> current() {
    const std::lock_guard lock(mutex_);
    if (types_ == nullptr || types_->generation() != descriptors_->generation()) refresh();
    return types_;
  }
  // Whether `types` is what current() would return: one load of an atomic.
  bool is_current(const WireTypes& types) const noexcept { return types.generation() == descriptors_->generation(); }

 private:
  struct Gathering {
    WireCatalog& catalog;
    WireTypes& out;
    std::map<std::pair<std::string, uint64_t>, std::shared_ptr<WireModule>> modules;
  };

  void refresh() {
    auto made = std::make_shared<WireTypes>();
    Gathering gathering{*this, *made, {}};
    made->generation_ = descriptors_->each(
        [](void* ctx, const orbit_callable_type* type) { add(*static_cast<Gathering*>(ctx), *type); }, &gathering);
    types_ = std::move(made);
    modules_ = std::move(gathering.modules);
  }

  // A set that the kernel has taken builds here as well; a type whose descriptors do not is left out.
  static void add(Gathering& gathering, const orbit_callable_type& from) {
    const std::pair<std::string, uint64_t> id(from.module, from.module_generation);
    std::shared_ptr<WireModule>& module = gathering.modules[id];
    if (module == nullptr) {
      const auto known = gathering.catalog.modules_.find(id);
      if (known != gathering.catalog.modules_.end()) {
        module = known->second;
      } else {
        module = std::make_shared<WireModule>();
        module->name = from.module;
        module->version = from.module_version;
        module->generation = from.module_generation;
      }
    }
    const Bytes name = from.definition->name;
    const std::string full_name(name);
    if (module->pool.FindServiceByName(full_name) == nullptr) {
      google::protobuf::FileDescriptorSet set;
      const Bytes bytes = from_c(from.definition->descriptor_set);
      if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
      for (const auto& file : set.file())
        if (module->pool.FindFileByName(file.name()) == nullptr && module->pool.BuildFile(file) == nullptr) return;
    }
    WireType type;
    type.service = module->pool.FindServiceByName(full_name);
    if (type.service == nullptr) return;
    type.type = from.type;
    type.definition = from.definition;
    type.key_kind = from.key_kind;
    type.name = full_name;
    type.module = module;
    for (int i = 0; i < type.service->method_count(); ++i) {
      WireMethod method;
      method.descriptor = type.service->method(i);
      for (uint32_t j = 0; j < from.definition->method_count && method.definition == nullptr; ++j)
        if (method.descriptor->name() == from.definition->methods[j].name) method.definition = &from.definition->methods[j];
      if (method.definition == nullptr || method.definition->input_type == nullptr) continue;
      const auto* input = method.descriptor->input_type();
      for (int j = 0; j < input->field_count() && method.key_field == nullptr; ++j)
        if (!input->field(j)->is_repeated() && input->field(j)->message_type() == nullptr &&
            detail::raw_flag(input->field(j)->options(), detail::kWireKeyOption))
          method.key_field = input->field(j);
      type.methods.push_back(method);
    }
    gathering.out.types_.push_back(std::move(type));
  }

  const orbit_descriptors_v1* descriptors_;
  std::mutex mutex_;
  std::shared_ptr<const WireTypes> types_;
  std::map<std::pair<std::string, uint64_t>, std::shared_ptr<WireModule>> modules_;
};

inline Result<std::string> WireMethod::key_in(Bytes request) const {
  using Wire = google::protobuf::internal::WireFormatLite;
  namespace pb = google::protobuf;
  pb::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(request.data()), static_cast<int>(request.size()));
  const auto broken = [&] {
    return fail(Code::invalid_argument,
                std::to_string(request.size()) + " bytes are no message of type " + descriptor->input_type()->full_name());
  };
  std::string key;
  bool found = false;
  const auto wire_type = Wire::WireTypeForFieldType(static_cast<Wire::FieldType>(key_field->type()));
  while (const uint32_t tag = in.ReadTag()) {
    // The last one counts, as everywhere in protobuf.
    if (Wire::GetTagFieldNumber(tag) != key_field->number() || Wire::GetTagWireType(tag) != wire_type) {
      if (!Wire::SkipField(&in, tag)) return broken();
      continue;
    }
    int64_t number = 0;
    bool read = true;
    switch (key_field->type()) {
      case pb::FieldDescriptor::TYPE_STRING:
      case pb::FieldDescriptor::TYPE_BYTES: read = Wire::ReadBytes(&in, &key); break;
      case pb::FieldDescriptor::TYPE_INT64: read = Wire::ReadPrimitive<int64_t, Wire::TYPE_INT64>(&in, &number); break;
      case pb::FieldDescriptor::TYPE_SINT64: read = Wire::ReadPrimitive<int64_t, Wire::TYPE_SINT64>(&in, &number); break;
      case pb::FieldDescriptor::TYPE_SFIXED64: read = Wire::ReadPrimitive<int64_t, Wire::TYPE_SFIXED64>(&in, &number); break;
      default: return fail(Code::failed_precondition, key_field->full_name() + " cannot be a key");
    }
    if (!read) return broken();
    found = true;
    if (wire_type != Wire::WIRETYPE_LENGTH_DELIMITED) key = std::to_string(number);
  }
  if (!in.ConsumedEntireMessage()) return broken();
  // In proto3 a zero that is the key is not on the wire.
  if (!found && key_field->cpp_type() == pb::FieldDescriptor::CPPTYPE_INT64 && !key_field->has_presence()) key = "0";
  return key;
}

}  // namespace orbit
