// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "model.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>

#include "names.hpp"
#include "orbit/ext/actors.h"
#include "orbit/v1/options.pb.h"

namespace orbit::protoc {
namespace {

// Members of orbit::Actor and orbit::Proxy, which a method of that name would hide.
constexpr std::string_view kTaken[] = {
    "key",         "state",        "mutable_state", "erase_state",     "has_state",   "self",
    "on_activate", "on_deactivate", "delay_deactivation_ms", "call",   "post",        "key_object",
    "deactivate_when_idle", "start_timer", "cancel_timer", "set_reminder", "cancel_reminder", "on_reminder",
    "reminder_due_ms", "publish", "subscribe", "unsubscribe", "on_event"};

// Resolves a type name as protobuf does: from the innermost package outwards; a leading dot means the full name.
const google::protobuf::Descriptor* find_message(const google::protobuf::FileDescriptor& file, const std::string& name) {
  const auto* pool = file.pool();
  if (name.starts_with('.')) return pool->FindMessageTypeByName(name.substr(1));
  std::string scope = file.package();
  for (;;) {
    const std::string full = scope.empty() ? name : scope + "." + name;
    if (const auto* message = pool->FindMessageTypeByName(full)) return message;
    if (scope.empty()) return nullptr;
    const size_t dot = scope.rfind('.');
    scope.resize(dot == std::string::npos ? 0 : dot);
  }
}

bool read_options(const v1::ActorOptions& options, Service* service, std::string* error) {
  switch (options.durability()) {
    case v1::DURABILITY_UNSPECIFIED:
    case v1::DURABILITY_SYNC: service->durability = "ORBIT_DURABILITY_SYNC"; break;
    case v1::DURABILITY_ASYNC: service->durability = "ORBIT_DURABILITY_ASYNC"; break;
    case v1::DURABILITY_NONE: service->durability = "ORBIT_DURABILITY_NONE"; break;
    default: *error = service->full_name + ": durability has an unknown value"; return false;
  }
  switch (options.key()) {
    case v1::KEY_UNSPECIFIED:
    case v1::KEY_STRING: service->key_kind = "string"; break;
    case v1::KEY_INT64: service->key_kind = "int64"; break;
    case v1::KEY_BYTES: service->key_kind = "bytes"; break;
    default: *error = service->full_name + ": key has an unknown value"; return false;
  }
  switch (options.overload()) {
    case v1::OVERLOAD_UNSPECIFIED:
    case v1::OVERLOAD_REJECT: service->overload = "ORBIT_OVERLOAD_REJECT"; break;
    case v1::OVERLOAD_DROP_OLDEST: service->overload = "ORBIT_OVERLOAD_DROP_OLDEST"; break;
    default: *error = service->full_name + ": overload has an unknown value"; return false;
  }
  service->stateless = options.stateless();
  if (options.flush_delay_ms() != 0 && options.durability() != v1::DURABILITY_ASYNC) {
    *error = service->full_name + ": flush_delay_ms has a meaning only with durability: DURABILITY_ASYNC";
    return false;
  }
  service->flush_delay_ms = options.flush_delay_ms();
  service->idle_timeout_ms = options.idle_timeout_ms();
  service->mailbox_max = options.mailbox_max();
  service->timers = options.timers();
  service->reminders = options.reminders();
  return true;
}

bool read_method(const google::protobuf::MethodDescriptor& from, Method* method, std::string* error) {
  if (from.client_streaming() || from.server_streaming()) {
    *error = from.full_name() + ": streaming methods are not supported";
    return false;
  }
  const v1::MethodOptions& options = from.options().GetExtension(v1::method);
  method->proto_name = from.name();
  method->cpp_name = snake_case(from.name());
  method->input = from.input_type();
  method->output = from.output_type();
  method->read_only = options.read_only();
  method->one_way = options.one_way();
  method->reentrant = options.reentrant();
  if (method->read_only && method->one_way) {
    *error = from.full_name() + ": a method that is read_only and one_way can do nothing";
    return false;
  }
  if (std::find(std::begin(kTaken), std::end(kTaken), method->cpp_name) != std::end(kTaken)) {
    *error = from.full_name() + ": '" + method->cpp_name + "' is a member of orbit::Actor or orbit::Proxy; choose another name";
    return false;
  }
  return true;
}

bool read_service(const google::protobuf::FileDescriptor& file, const google::protobuf::ServiceDescriptor& from,
                  Service* service, std::string* error) {
  const v1::ActorOptions& options = from.options().GetExtension(v1::actor);
  service->name = from.name();
  service->full_name = from.full_name();
  if (options.stateless() != 0) {
    if (!options.state().empty() || options.durability() != v1::DURABILITY_UNSPECIFIED) {
      *error = from.full_name() + ": a stateless type has neither state nor durability";
      return false;
    }
  } else if (options.state().empty()) {
    *error = from.full_name() + ": (orbit.v1.actor) must name the state message, as in { state: \"" + from.name() + "State\" }";
    return false;
  }
  if (options.stateless() == 0) service->state = find_message(file, options.state());
  if (service->state == nullptr && options.stateless() == 0) {
    *error = from.full_name() + ": there is no message '" + options.state() + "' for its state in this file or its imports";
    return false;
  }
  if (!read_options(options, service, error)) return false;
  service->publishes = options.publishes();
  for (const std::string& name : options.subscribes()) {
    const google::protobuf::Descriptor* message = find_message(file, name);
    if (message == nullptr) {
      *error = from.full_name() + ": it subscribes to '" + name + "', and there is no such message in this file or its imports";
      return false;
    }
    if (std::find(service->subscribes.begin(), service->subscribes.end(), message) != service->subscribes.end()) {
      *error = from.full_name() + ": it subscribes to '" + name + "' twice";
      return false;
    }
    service->subscribes.push_back(message);
  }
  for (const char* ending : {"Base", "Service"}) {
    if (file.FindMessageTypeByName(from.name() + ending) != nullptr) {
      *error = from.full_name() + ": the message '" + from.name() + ending + "' has the name of a class made for it";
      return false;
    }
  }
  if (from.method_count() == 0) {
    *error = from.full_name() + ": an actor type needs at least one method";
    return false;
  }
  std::set<std::string> names;
  std::map<uint32_t, std::string> ids;
  for (int i = 0; i < from.method_count(); ++i) {
    Method& method = service->methods.emplace_back();
    if (!read_method(*from.method(i), &method, error)) return false;
    method.reentrant = method.reentrant || options.reentrant();
    if (!names.insert(method.cpp_name).second) {
      *error = from.method(i)->full_name() + ": another method is '" + method.cpp_name + "' in C++ too";
      return false;
    }
    const auto [same_id, added] =
        ids.emplace(orbit_method_id(method.proto_name.data(), method.proto_name.size()), method.proto_name);
    if (!added) {
      *error = from.method(i)->full_name() + ": has the same orbit_method_id as " + same_id->second + "; choose another name";
      return false;
    }
  }
  return true;
}

}  // namespace

bool read_services(const google::protobuf::FileDescriptor& file, std::vector<Service>* services, std::string* error) {
  for (int i = 0; i < file.service_count(); ++i) {
    if (!file.service(i)->options().HasExtension(v1::actor)) continue;
    if (!read_service(file, *file.service(i), &services->emplace_back(), error)) return false;
  }
  return true;
}

}  // namespace orbit::protoc
