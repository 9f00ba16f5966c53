// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/json_call.hpp"

#include <memory>
#include <string>

#include "actor/runtime.hpp"

namespace orbit::kernel {

namespace {

// Protobuf bytes as a payload, for receivers that parse; lives in the envelope's room as a pointer.
const char kBytesToken = 0;
const orbit_payload_ops kBytesOps = {
    sizeof(orbit_payload_ops),
    0,
    &kBytesToken,
    [](const void* object, orbit_sink sink) -> orbit_code {
      sink.append(sink.ctx, to_c(*static_cast<const std::string*>(object)));
      return ORBIT_OK;
    },
    nullptr,
    [](void* object) { delete static_cast<std::string*>(object); },
};

struct Call {
  const TypeVersion* version;
  const orbit_method* method;
  void (*done)(void* ctx, orbit_code code, orbit_bytes json_or_message);
  void* ctx;
};

void answered(void* ctx, orbit_envelope* reply) {
  const std::unique_ptr<Call> call(static_cast<Call*>(ctx));
  orbit_code code = reply->code;
  std::string text = reply->message != nullptr ? reply->message : "";
  if (code == ORBIT_OK && reply->ops != nullptr) {
    std::string binary;
    code = reply->ops->serialize(reply->payload, {&binary, [](void* out, orbit_bytes part) {
                                                    static_cast<std::string*>(out)->append(part.data, part.size);
                                                  }});
    if (code == ORBIT_OK) {
      auto json = call->version->module->descriptors->to_json(call->method->output_type, binary);
      code = json ? ORBIT_OK : static_cast<orbit_code>(json.error().code);
      text = json ? *json : json.error().message;
    } else {
      text = "the answer of " + std::string(call->method->name) + " has no protobuf form";
    }
  } else if (code == ORBIT_OK) {
    text = "{}";
  }
  this_scheduler()->free_envelope(reply);
  call->done(call->ctx, code, to_c(text));
}

std::string known_methods(const TypeVersion& version) {
  std::string names;
  for (uint32_t i = 0; i < version.def->method_count; ++i) names += (i == 0 ? "" : ", ") + std::string(version.def->methods[i].name);
  return names;
}

}  // namespace

void call_json(orbit_bytes type_name, orbit_bytes key, orbit_bytes method_name, orbit_bytes json, uint64_t deadline_ns,
               void (*done)(void*, orbit_code, orbit_bytes), void* ctx) {
  const auto refuse = [&](orbit_code code, const std::string& message) { done(ctx, code, to_c(message)); };
  Runtime* runtime = this_runtime();
  orbit_type* type = runtime->types().find(from_c(type_name));
  const TypeVersion* version = type != nullptr ? type->current.load(std::memory_order_acquire) : nullptr;
  if (version == nullptr)
    return refuse(ORBIT_NOT_FOUND, "no actor type " + std::string(from_c(type_name)) + " is loaded on this node");
  const orbit_method* method = version->method(from_c(method_name));
  if (method == nullptr)
    return refuse(ORBIT_NOT_FOUND, "actor type " + type->name + " has no method " + std::string(from_c(method_name)) +
                                       "; it has " + known_methods(*version));
  if (method->input_type == nullptr || version->module->descriptors == nullptr)
    return refuse(ORBIT_UNIMPLEMENTED, "method " + std::string(method->name) + " of " + type->name + " has no protobuf form");
  auto binary = version->module->descriptors->to_binary(method->input_type, from_c(json));
  if (!binary) return refuse(static_cast<orbit_code>(binary.error().code), binary.error().message);

  Scheduler* scheduler = this_scheduler();
  orbit_envelope* envelope = scheduler->allocate();
  envelope->type = type;
  envelope->key = key;
  envelope->method = method->id;
  envelope->deadline_ns = deadline_ns;
  envelope->ops = &kBytesOps;
  envelope->payload = new std::string(std::move(*binary));
  envelope->on_reply = &answered;
  envelope->reply_ctx = new Call{version, method, done, ctx};
  scheduler->send(envelope, nullptr);
}

}  // namespace orbit::kernel
