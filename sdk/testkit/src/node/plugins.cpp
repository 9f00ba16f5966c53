// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugins.hpp"

#include <stdexcept>

#include "config/tree.hpp"

namespace orbit::testkit {

using namespace orbit::kernel;

namespace {

[[noreturn]] void refuse(const LoadedPlugin& plugin, const std::string& why) {
  throw std::runtime_error("plugin '" + plugin.name + "': " + plugin.descriptor.file + ": " + why);
}

}  // namespace

LoadedPlugin load_plugin(const PluginOptions& options) {
  auto descriptor =
      options.linked != nullptr ? read_descriptor(options.linked, "(linked)") : load_library(options.file);
  if (!descriptor) throw std::runtime_error(descriptor.error().message);
  LoadedPlugin out{.descriptor = std::move(*descriptor), .name = options.name, .values = {}};
  if (out.name.empty()) out.name = out.descriptor.id;
  Mistakes mistakes("(config of '" + out.name + "')");
  if (const auto table = parse_toml(options.config, mistakes))
    out.values = validate(*table, out.descriptor.options, "the config of '" + out.name + "'", mistakes);
  if (!mistakes.empty()) throw std::runtime_error(mistakes.report());
  return out;
}

orbit_plugin_instance* create_plugin(const LoadedPlugin& plugin, const PluginContext& host) {
  for (const std::string& need : plugin.descriptor.needs)
    if (host.extensions->find(need) == nullptr)
      refuse(plugin, "needs '" + need + "', which the node of the test kit does not have");
  const EdgeConfig config(plugin.values, plugin.name);
  orbit_plugin_instance* instance = nullptr;
  ErrorOut error;
  if (plugin.descriptor.create(&host, config.get(), &instance, &error) != ORBIT_OK) refuse(plugin, error.message);
  for (const std::string& id : plugin.descriptor.provides)
    if (instance->get_extension(instance->self, id.c_str()) == nullptr) refuse(plugin, "does not provide " + id);
  return instance;
}

void start_plugin(const LoadedPlugin& plugin, orbit_plugin_instance& instance) {
  ErrorOut error;
  if (instance.start(instance.self, &error) != ORBIT_OK)
    refuse(plugin, "does not start: " + std::string(error.message));
}

}  // namespace orbit::testkit
