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
    "key",         "state",      "mutable_state", "erase_state",  "has_state",     "self",         "on_activate",  "call",
    "post",        "key_object", "named",         "has_named",    "mutable_named", "erase_named",  "load_named",   "save",
    "record_event", "read_events", "expires_at_ms", "expire_at_ms", "expire_in_ms",  "deactivate_when_idle",
    "on_deactivate", "delay_deactivation_ms", "start_timer", "cancel_timer", "set_reminder", "cancel_reminder",
    "on_reminder", "reminder_due_ms", "publish", "subscribe", "unsubscribe", "on_event"};

bool is_snake_case(std::string_view name) {
  if (name.empty() || !(name[0] >= 'a' && name[0] <= 'z')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }) &&
         snake_case(name) == name;
}

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

// Index options are for fields of state messages of actors; elsewhere they would do nothing.
bool has_index(const google::protobuf::Descriptor& message) {
  for (int i = 0; i < message.field_count(); ++i)
    if (message.field(i)->options().HasExtension(v1::index)) return true;
  return false;
}

bool read_states(const google::protobuf::FileDescriptor& file, const v1::ActorOptions& options, Service* service,
                 std::string* error) {
  std::set<std::string> names;
  for (const v1::NamedState& from : options.states()) {
    NamedState& state = service->states.emplace_back();
    state.name = from.name();
    state.lazy = from.lazy();
    state.message = find_message(file, from.state());
    const std::string where = service->full_name + ": the state '" + from.name() + "'";
    if (!is_snake_case(from.name()) || from.name().size() > 100) {
      *error = where + " must have a snake_case name of at most 100 characters that is no C++ keyword";
      return false;
    }
    if (state.message == nullptr) {
      *error = where + ": there is no message '" + from.state() + "' in this file or its imports";
      return false;
    }
    if (has_index(*state.message)) {
      *error = where + ": only the main state's fields can have (orbit.v1.index)";
      return false;
    }
    if (state.lazy && options.journaled()) {
      *error = where + " is lazy; the states of a journaled type cannot be";
      return false;
    }
    if (!names.insert(from.name()).second || std::find(std::begin(kTaken), std::end(kTaken), from.name()) != std::end(kTaken)) {
      *error = where + " has a name that is taken; choose another one";
      return false;
    }
  }
  return true;
}

bool read_indexes(Service* service, std::string* error) {
  using Field = google::protobuf::FieldDescriptor;
  if (service->state == nullptr) return true;
  std::set<std::string> names;
  for (int i = 0; i < service->state->field_count(); ++i) {
    const Field* field = service->state->field(i);
    if (!field->options().HasExtension(v1::index)) continue;
    const v1::IndexOptions& options = field->options().GetExtension(v1::index);
    Index index;
    index.field = field;
    index.unique = options.unique();
    index.name = options.name().empty() ? field->name() : options.name();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_BOOL: index.kind = "BOOL", index.value = "bool"; break;
      case Field::CPPTYPE_INT32:
      case Field::CPPTYPE_INT64:
      case Field::CPPTYPE_ENUM: index.kind = "SIGNED", index.value = "int64_t"; break;
      case Field::CPPTYPE_UINT32:
      case Field::CPPTYPE_UINT64: index.kind = "UNSIGNED", index.value = "uint64_t"; break;
      case Field::CPPTYPE_FLOAT:
      case Field::CPPTYPE_DOUBLE: index.kind = "FLOAT", index.value = "double"; break;
      case Field::CPPTYPE_STRING:
        index.kind = field->type() == Field::TYPE_BYTES ? "BYTES" : "TEXT";
        index.value = "std::string_view";
        break;
      default:
        *error = field->full_name() + ": a field with (orbit.v1.index) is a scalar, an enum, a string or bytes";
        return false;
    }
    if (!is_snake_case(index.name) || index.name.size() > 100) {
      *error = field->full_name() + ": the index name '" + index.name + "' must be snake_case, at most 100 characters";
      return false;
    }
    if (!names.insert(index.name).second) {
      *error = field->full_name() + ": another index is named '" + index.name + "'";
      return false;
    }
    service->indexes.push_back(index);
  }
  return true;
}

bool read_journal(const google::protobuf::FileDescriptor& file, const v1::ActorOptions& options, Service* service,
                  std::string* error) {
  if (!options.journaled()) {
    if (options.snapshot_every() == 0 && options.event().empty() && options.journal_keep() == 0) return true;
    *error = service->full_name + ": snapshot_every, event and journal_keep have a meaning only with journaled: true";
    return false;
  }
  service->event = find_message(file, options.event());
  if (options.event().empty() || service->event == nullptr) {
    *error = service->full_name + ": journaled needs the event message, as in event: \"" + service->name + "Event\"; there is no message '" +
             options.event() + "'";
    return false;
  }
  if (service->event->real_oneof_decl_count() != 1) {
    *error = service->event->full_name() + ": an event message has exactly one oneof, of messages";
    return false;
  }
  std::set<const google::protobuf::Descriptor*> kinds;
  const auto* oneof = service->event->oneof_decl(0);
  for (int i = 0; i < oneof->field_count(); ++i) {
    const auto* field = oneof->field(i);
    if (field->message_type() == nullptr || !kinds.insert(field->message_type()).second) {
      *error = field->full_name() + ": every event is a message of its own, different from the others";
      return false;
    }
    service->events.push_back(field);
  }
  service->snapshot_every = options.snapshot_every() == 0 ? 100 : options.snapshot_every();
  service->journal_keep = options.journal_keep();
  return true;
}

// (orbit.v1.key) is for one field of a request, whose type is what the keys are.
bool check_key_field(const google::protobuf::MethodDescriptor& from, const std::string& key_kind, std::string* error) {
  using Field = google::protobuf::FieldDescriptor;
  const Field* key = nullptr;
  for (int i = 0; i < from.input_type()->field_count(); ++i) {
    const Field* field = from.input_type()->field(i);
    if (!field->options().GetExtension(v1::key)) continue;
    if (key != nullptr) {
      *error = field->full_name() + ": '" + key->name() + "' is marked (orbit.v1.key) too; an actor has one key";
      return false;
    }
    key = field;
    const bool fits = key_kind == "string"  ? field->type() == Field::TYPE_STRING
                      : key_kind == "bytes" ? field->type() == Field::TYPE_BYTES
                                            : field->type() == Field::TYPE_INT64 || field->type() == Field::TYPE_SINT64 ||
                                                  field->type() == Field::TYPE_SFIXED64;
    if (field->is_repeated() || !fits) {
      *error = field->full_name() + ": found a " + (field->is_repeated() ? "repeated " : "") + field->type_name() +
               " marked (orbit.v1.key), expected a " + key_kind + " that is not repeated, as the keys of " +
               from.service()->full_name() + " are";
      return false;
    }
  }
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
  method->idempotent = options.idempotent();
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
    if (!options.state().empty() || options.durability() != v1::DURABILITY_UNSPECIFIED || options.states_size() != 0 ||
        options.journaled() || options.expires() || options.state_version() != 0) {
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
  service->state_version = options.state_version();
  service->expires = options.expires();
  if (!read_states(file, options, service, error) || !read_indexes(service, error) ||
      !read_journal(file, options, service, error))
    return false;
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
  for (const NamedState& state : service->states)
    for (const char* prefix : {"", "mutable_", "has_", "erase_", "load_", "migrate_"}) names.insert(prefix + state.name);
  if (service->event != nullptr) names.insert({"record", "read_journal", "event_count"});
  for (const Index& index : service->indexes) names.insert("by_" + index.name);
  std::map<uint32_t, std::string> ids;
  for (int i = 0; i < from.method_count(); ++i) {
    Method& method = service->methods.emplace_back();
    if (!read_method(*from.method(i), &method, error) || !check_key_field(*from.method(i), service->key_kind, error)) return false;
    method.reentrant = method.reentrant || options.reentrant();
    if (!names.insert(method.cpp_name).second) {
      *error = from.method(i)->full_name() + ": something else is '" + method.cpp_name + "' in C++ too";
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
