// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin/instance.hpp"

#include <cstddef>
#include <memory>

namespace orbit::kernel {
namespace {

constexpr uint32_t kInstanceBytes = offsetof(orbit_plugin_instance, destroy) + sizeof(orbit_plugin_instance::destroy);

// Where a call into a plugin leaves what came of it. Shared with the helper thread, which may outlive the caller's
// interest.
struct Outcome {
  orbit_code code = ORBIT_OK;
  ErrorOut error;
  std::string threw;
  orbit_plugin_instance* instance = nullptr;
};

template <class F>
void guarded(Outcome& outcome, F&& function) noexcept {
  try {
    function();
  } catch (const std::exception& e) {
    outcome.threw = std::string("an exception (") + e.what() + ")";
  } catch (...) {
    outcome.threw = "an exception that is no std::exception";
  }
}

std::string code_text(orbit_code code, const std::string& message) {
  return std::string(code_name(code)) + (message.empty() ? "" : ": " + message);
}

std::string late(const char* step, const char* limit, std::chrono::milliseconds timeout) {
  return std::string("`") + step + "` did not return within " + limit + " (" + std::to_string(timeout.count()) + " ms)";
}

// Everything `create` borrows.
struct CreateCall {
  CreateCall(const Values& v, const std::string& name) : values(v), instance(name), config(values, instance) {}
  const Values values;
  const std::string instance;
  const EdgeConfig config;
  Outcome outcome;
};

std::string instance_fault(const Descriptor& descriptor, const orbit_plugin_instance* raw) {
  if (raw == nullptr) return "`create` returned OK and no instance, expected one";
  if (raw->struct_size < kInstanceBytes)
    return "`create` made an instance of " + std::to_string(raw->struct_size) + " bytes, expected at least " +
           std::to_string(kInstanceBytes);
  if (raw->get_extension == nullptr || raw->start == nullptr || raw->stop == nullptr || raw->destroy == nullptr)
    return "`create` made an instance with a null function, expected get_extension, start, stop and destroy";
  for (const std::string& id : descriptor.provides) {
    Outcome outcome;
    const void* table = nullptr;
    guarded(outcome, [&] { table = raw->get_extension(raw->self, id.c_str()); });
    if (!outcome.threw.empty()) return "get_extension(\"" + id + "\") threw " + outcome.threw + ", expected a table";
    if (table == nullptr)
      return "its descriptor provides '" + id + "', but get_extension(\"" + id + "\") returned null, expected a table";
  }
  return {};
}

}  // namespace

Result<Instance> Instance::create(const Descriptor& descriptor, const Values& values, const PluginContext& context,
                                  BoundedCaller& caller, std::chrono::milliseconds timeout) {
  const auto call = std::make_shared<CreateCall>(values, context.name);
  const auto function = descriptor.create;
  const bool done = caller.call(timeout, [call, function, host = &context] {
    guarded(call->outcome, [&] {
      call->outcome.code = function(host, call->config.get(), &call->outcome.instance, &call->outcome.error);
    });
  });
  if (!done)
    return refuse(descriptor.file, late("create", "plugin_create_timeout_ms", timeout) + ", expected an instance");
  const Outcome& outcome = call->outcome;
  if (!outcome.threw.empty())
    return refuse(descriptor.file, "`create` threw " + outcome.threw + ", expected an instance or an error");
  if (outcome.code != ORBIT_OK)
    return refuse(descriptor.file, "`create` failed with " + code_text(outcome.code, outcome.error.message));
  const auto fault = std::make_shared<std::string>();
  const bool checked =
      caller.call(timeout, [descriptor, fault, call] { *fault = instance_fault(descriptor, call->outcome.instance); });
  if (!checked) return refuse(descriptor.file, late("get_extension", "plugin_create_timeout_ms", timeout));
  Instance made(descriptor.file, outcome.instance);
  if (fault->empty()) return made;
  if (outcome.instance != nullptr && outcome.instance->struct_size >= kInstanceBytes &&
      outcome.instance->destroy != nullptr)
    caller.call(timeout, [call] {
      Outcome ignored;
      guarded(ignored, [&] { call->outcome.instance->destroy(call->outcome.instance->self); });
    });
  return refuse(descriptor.file, *fault);
}

Result<> Instance::start(BoundedCaller& caller, std::chrono::milliseconds timeout) {
  const auto outcome = std::make_shared<Outcome>();
  started_ = true;  // also a failed start gets its stop
  hung_ = !caller.call(timeout, [outcome, raw = raw_] {
    guarded(*outcome, [&] { outcome->code = raw->start(raw->self, &outcome->error); });
  });
  if (hung_) return refuse(where_, late("start", "plugin_create_timeout_ms", timeout));
  if (!outcome->threw.empty()) return refuse(where_, "`start` threw " + outcome->threw + ", expected OK or an error");
  if (outcome->code != ORBIT_OK)
    return refuse(where_, "`start` failed with " + code_text(outcome->code, outcome->error.message));
  return {};
}

Result<> Instance::last_call(void (*function)(void*), const char* name, BoundedCaller& caller,
                             std::chrono::milliseconds timeout) {
  if (hung_) return {};  // told when it began to hang
  const auto outcome = std::make_shared<Outcome>();
  hung_ = !caller.call(timeout, [outcome, function, self = raw_->self] { guarded(*outcome, [&] { function(self); }); });
  if (hung_) return refuse(where_, late(name, "stop_timeout_ms", timeout));
  if (!outcome->threw.empty()) return refuse(where_, std::string("`") + name + "` threw " + outcome->threw);
  return {};
}

Result<> Instance::stop(BoundedCaller& caller, std::chrono::milliseconds timeout) {
  if (!started_) return {};
  started_ = false;
  return last_call(raw_->stop, "stop", caller, timeout);
}

Result<> Instance::destroy(BoundedCaller& caller, std::chrono::milliseconds timeout) {
  return last_call(raw_->destroy, "destroy", caller, timeout);
}

const void* Instance::extension(const char* id) const noexcept {
  Outcome ignored;
  const void* table = nullptr;
  guarded(ignored, [&] { table = raw_->get_extension(raw_->self, id); });
  return table;
}

}  // namespace orbit::kernel
