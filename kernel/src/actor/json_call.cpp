// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/json_call.hpp"

#include <memory>
#include <string>
#include <utility>

#include "actor/key_kinds.hpp"
#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "orbit/check_key.hpp"

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
  bool* answered;  // null once start_json has returned
  orbit_envelope* envelope;
  orbit_timer timer;  // 0: no deadline, or it has passed and `done` was called
};

// The caller is answered at its deadline, whatever the turn does.
void out_of_time(void* ctx) {
  auto* call = static_cast<Call*>(ctx);
  call->timer = 0;
  const std::string text = "the call of " + std::string(call->method->name) + " of " +
                           actor_name(call->version->type->name, from_c(call->envelope->key)) +
                           " was not answered by its deadline; its turn, if it runs, is told so";
  std::exchange(call->done, nullptr)(call->ctx, ORBIT_DEADLINE_EXCEEDED, to_c(text));
  this_scheduler()->cancel(call->envelope);
}

void answered(void* ctx, orbit_envelope* reply) {
  const std::unique_ptr<Call> call(static_cast<Call*>(ctx));
  if (call->answered != nullptr) *call->answered = true;
  if (call->timer != 0) this_runtime()->executor().cancel(call->timer);
  if (call->done == nullptr) {
    this_scheduler()->free_envelope(reply);
    return;
  }
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
  return names.empty() ? "none" : names;
}

}  // namespace

orbit_envelope* start_json(orbit_bytes type_name, orbit_bytes key, orbit_bytes method_name, orbit_bytes json, uint64_t deadline_ns,
                           const orbit_context_entry* context, size_t context_count,
                           void (*done)(void*, orbit_code, orbit_bytes), void* ctx) {
  const auto refuse = [&](orbit_code code, const std::string& message) -> orbit_envelope* {
    done(ctx, code, to_c(message));
    return nullptr;
  };
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
  if (auto good = check_key(key_kind_of(*version), from_c(key)); !good)
    return refuse(static_cast<orbit_code>(good.error().code), good.error().message);
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
  for (size_t i = 0; i < context_count; ++i) {
    ErrorOut error;
    const orbit_code code = scheduler->set_context(envelope, from_c(context[i].name), from_c(context[i].value), &error);
    if (code == ORBIT_OK) continue;
    scheduler->free_envelope(envelope);
    return refuse(code, error.message);
  }
  bool answered = false;
  auto* call = new Call{version, method, done, ctx, &answered, envelope, 0};
  envelope->reply_ctx = call;
  scheduler->send(envelope, nullptr);
  if (answered) return nullptr;
  call->answered = nullptr;
  if (deadline_ns != 0) {
    Executor& executor = runtime->executor();
    const uint64_t now_ns = executor.monotonic_ns();
    call->timer = executor.after(deadline_ns > now_ns ? deadline_ns - now_ns : 0, &out_of_time, call);
  }
  return envelope;
}

}  // namespace orbit::kernel
