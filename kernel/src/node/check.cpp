// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/check.hpp"

#include <map>
#include <string_view>

#include "access/access_config.hpp"
#include "net/tls.hpp"
#include "node/exposure.hpp"
#include "node/storages.hpp"
#include "orbit/tls.hpp"

namespace orbit::kernel {
namespace {

// A plugin host that tells nothing by itself.
struct QuietHost {
  explicit QuietHost(const NodeConfig& config, const NodeOptions& options)
      : log(open_log()), host(plugin_host_options(config, options), extensions, *log, metrics) {}

  static std::unique_ptr<Log> open_log() {
    LogOptions options;
    options.file = "/dev/null";
    options.queue_max = 16;
    return std::move(Log::open(options).value());
  }

  std::unique_ptr<Log> log;
  Metrics metrics;
  ExtensionRegistry extensions;
  PluginHost host;
};

// Reads what the listeners' TLS is made of, as they would at the start.
void check_tls(const NodeConfig& config, Mistakes& mistakes) {
  for (const PluginEntry& entry : config.plugins) {
    std::map<std::string_view, std::string> set;
    for (const Value& value : entry.values.all())
      if (value.type == ORBIT_OPTION_STRING) set[value.key] = value.string;
    TlsSettings tls;
    tls.certificate = set["tls.certificate"];
    tls.key = set["tls.key"];
    tls.client_ca = set["tls.client_ca"];
    if (!set["tls.min_version"].empty()) tls.min_version = set["tls.min_version"];
    if (!tls.client_ca.empty()) tls.client_certificate = ORBIT_CLIENT_CERTIFICATE_REQUIRED;
    Result<> good = tls.check();
    if (good && tls.enabled())
      if (const auto made = TlsServer::make(tls.raw()); !made) good = tl::unexpected<Error>(made.error());
    if (!good) mistakes.add(position_of(entry, "tls"), "TLS of the plugin '" + entry.name + "': " + good.error().message);
  }
}

}  // namespace

std::string check_config(const std::string& file, const std::string& text, std::span<const Override> overrides,
                         const NodeOptions& options) {
  Mistakes mistakes(file);
  auto config = read_config(text, overrides, process_environment(), mistakes);
  if (!config) return mistakes.report();
  QuietHost quiet(*config, options);
  static_cast<void>(quiet.host.load(*config, mistakes));  // what it says is in the status, too
  const AccessOptions access = access_options(*config, mistakes);
  bool access_control = !access.rules.empty();
  const std::vector<PluginStatus> plugins = quiet.host.status();  // one for each entry, in its order
  for (size_t i = 0; i < plugins.size(); ++i) {
    for (const std::string& id : plugins[i].provides) access_control |= id == ORBIT_AUTHENTICATOR_V1;
    const PluginEntry& entry = config->plugins[i];
    if (entry.required && !plugins[i].error.empty())
      mistakes.add(entry.position, "plugin '" + entry.name + "': " + plugins[i].error);
  }
  check_exposures(*config, {access_control, config->access.boolean("open_listeners")}, mistakes);
  check_tls(*config, mistakes);
  for (const ModuleEntry& entry : config->modules) {
    if (entry.path.empty()) continue;
    const auto good = ModuleHost::check(resolved(entry, *config, options), quiet.host.search(), mistakes);
    if (!good && entry.required) mistakes.add(entry.position, good.error().message);
  }
  std::string out = mistakes.report();
  if (out.empty())
    if (const auto storages = storages_in_use(*config, quiet.host); !storages)
      out = file + ": " + storages.error().message + "\n";
  return out;
}

std::vector<DescribedPlugin> describe_plugins(const NodeConfig& config, const NodeOptions& options,
                                              const std::string& id, std::vector<std::string>& refused) {
  QuietHost quiet(config, options);
  std::vector<DescribedPlugin> all = quiet.host.describe_all(config, refused);
  if (!id.empty()) std::erase_if(all, [&id](const DescribedPlugin& plugin) { return plugin.id != id; });
  return all;
}

}  // namespace orbit::kernel
