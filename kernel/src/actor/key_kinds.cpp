// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/key_kinds.hpp"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include <string>
#include <string_view>
#include <unordered_map>

namespace orbit::kernel {

namespace {

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

orbit_key_kind read_key_kind(const TypeVersion& version) {
  google::protobuf::FileDescriptorSet set;
  const std::string_view bytes = from_c(version.def->descriptor_set);
  if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return ORBIT_KEY_STRING;
  for (const auto& file : set.file())
    for (const auto& service : file.service())
      if ((file.package().empty() ? service.name() : file.package() + "." + service.name()) == version.type->name)
        return key_kind_of(service);
  return ORBIT_KEY_STRING;
}

}  // namespace

orbit_key_kind key_kind_of(const TypeVersion& version) {
  // Definitions are data of modules, which stay where they are as long as the process lives.
  thread_local std::unordered_map<const orbit_actor_type*, orbit_key_kind> known;
  const auto found = known.find(version.def);
  if (found != known.end()) return found->second;
  return known.emplace(version.def, read_key_kind(version)).first->second;
}

}  // namespace orbit::kernel
