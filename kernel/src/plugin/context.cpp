// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin/context.hpp"

#include <deque>
#include <mutex>

namespace orbit::kernel {
namespace {

const void* get_extension(const orbit_host* host, const char* id) {
  return id == nullptr ? nullptr : PluginContext::of(host).extensions->find(id);
}

}  // namespace

PluginContext* PluginContext::make(std::string instance, Logger& log, Metrics& metrics,
                                   const ExtensionRegistry& extensions) {
  static std::mutex mutex;
  static auto* contexts = new std::deque<PluginContext>();  // reachable for ever, also for leak checkers
  const std::lock_guard lock(mutex);
  PluginContext& context = contexts->emplace_back();
  context.struct_size = sizeof(orbit_host);
  context.abi_major = ORBIT_ABI_MAJOR;
  context.abi_minor = ORBIT_ABI_MINOR;
  context.get_extension = &kernel::get_extension;
  context.name = std::move(instance);
  context.log = &log;
  context.metrics = &metrics;
  context.extensions = &extensions;
  return &context;
}

}  // namespace orbit::kernel
