// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One running instance of a plugin or an actor module: its life from create to destroy, each step bounded and with
// every exception caught, whoever wrote the plugin.
#pragma once

#include <chrono>
#include <string>

#include "config/schema.hpp"
#include "plugin/bounded_call.hpp"
#include "plugin/context.hpp"
#include "plugin/library.hpp"

namespace orbit::kernel {

class Instance {
 public:
  // Calls the plugin's create and checks what it made: its size, its functions, and that it answers all that it
  // `provides`. [main]
  static Result<Instance> create(const Descriptor& descriptor, const Values& values, const PluginContext& context,
                                 BoundedCaller& caller, std::chrono::milliseconds timeout);

  // [main]
  Result<> start(BoundedCaller& caller, std::chrono::milliseconds timeout);
  // A plugin that hangs in one of these is left alone for ever; then the error says so. stop does nothing when start
  // was never called. [main]
  Result<> stop(BoundedCaller& caller, std::chrono::milliseconds timeout);
  Result<> destroy(BoundedCaller& caller, std::chrono::milliseconds timeout);
  // Null: it does not have it. [any thread]
  const void* extension(const char* id) const noexcept;
  void* self() const noexcept { return raw_->self; }

 private:
  Instance(std::string where, orbit_plugin_instance* raw) : where_(std::move(where)), raw_(raw) {}
  Result<> last_call(void (*function)(void*), const char* name, BoundedCaller& caller,
                     std::chrono::milliseconds timeout);

  std::string where_;  // the file, for messages
  orbit_plugin_instance* raw_;
  bool started_ = false;
  bool hung_ = false;
};

}  // namespace orbit::kernel
