// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The actor types of one .proto file, checked and ready to be written as C++.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace orbit::protoc {

struct Method {
  std::string proto_name;  // "MakeTransfer"
  std::string cpp_name;    // "make_transfer"
  const google::protobuf::Descriptor* input = nullptr;
  const google::protobuf::Descriptor* output = nullptr;
  bool read_only = false;
  bool one_way = false;
  bool reentrant = false;
  bool idempotent = false;
};

// A state beside the main one.
struct NamedState {
  std::string name;
  const google::protobuf::Descriptor* message = nullptr;
  bool lazy = false;
};

struct Index {
  std::string name;
  const google::protobuf::FieldDescriptor* field = nullptr;
  std::string kind;   // ORBIT_INDEX_...
  std::string value;  // C++ type that queries take
  bool unique = false;
};

struct Service {
  std::string name;       // "Account"
  std::string full_name;  // "bank.Account"
  const google::protobuf::Descriptor* state = nullptr;  // null: stateless
  std::string durability;  // ORBIT_DURABILITY_...
  std::string key_kind;    // enumerator of orbit::KeyKind
  uint64_t flush_delay_ms = 0;
  uint64_t idle_timeout_ms = 0;
  uint32_t mailbox_max = 0;
  uint32_t stateless = 0;
  std::string overload;    // ORBIT_OVERLOAD_...
  bool timers = false;
  bool reminders = false;
  bool publishes = false;
  std::vector<const google::protobuf::Descriptor*> subscribes;
  std::vector<Method> methods;
  std::vector<NamedState> states;
  std::vector<Index> indexes;
  const google::protobuf::Descriptor* event = nullptr;  // of a journaled type
  std::vector<const google::protobuf::FieldDescriptor*> events;  // the members of its oneof
  uint32_t snapshot_every = 0;
  uint64_t journal_keep = 0;
  uint32_t state_version = 0;
  bool expires = false;
};

// The services of the file that have (orbit.v1.actor). On a mistake returns false and sets *error to a sentence that names
// the service or method.
bool read_services(const google::protobuf::FileDescriptor& file, std::vector<Service>* services, std::string* error);

}  // namespace orbit::protoc
