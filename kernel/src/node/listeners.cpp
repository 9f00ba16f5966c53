// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/listeners.hpp"

#include <algorithm>
#include <mutex>

#include "net/net_api.hpp"
#include "plugin/context.hpp"

namespace orbit::kernel {
namespace {

// stop_listening is not told which node calls, hence one list for the process.
struct Watched {
  const ExtensionRegistry* node;
  const orbit_host* host;
  orbit_listener* listener;  // null: the plugin's own
  ListenerInfo info;
};
std::mutex mutex;
std::vector<Watched> watched;

void add_listener(const orbit_host* host, orbit_listener* listener, const char* address) {
  const PluginContext& context = PluginContext::of(host);
  context.log->info("listening", {{"address", address}});
  const std::lock_guard lock(mutex);
  watched.push_back({context.extensions, host, listener, {context.name, address}});
}

constexpr orbit_listeners_v1 kListeners = {
    .struct_size = sizeof(orbit_listeners_v1),
    .reserved = 0,
    .announce = [](const orbit_host* host, const char* address) { add_listener(host, nullptr, address); },
    .withdraw =
        [](const orbit_host* host) {
          const std::lock_guard lock(mutex);
          std::erase_if(watched, [host](const Watched& w) { return w.host == host && w.listener == nullptr; });
        },
};

}  // namespace

const orbit_listeners_v1* listeners_table() noexcept { return &kListeners; }

const orbit_net_v1* watched_net_table() noexcept {
  static const orbit_net_v1 table = [] {
    orbit_net_v1 out = *net_table();
    out.listen = [](const orbit_host* host, const orbit_listen_options* options,
                    const orbit_connection_handler* handler, void* self, orbit_listener** listener,
                    orbit_error* error) {
      const orbit_code code = net_table()->listen(host, options, handler, self, listener, error);
      if (code != ORBIT_OK) return code;
      add_listener(host, *listener, net_table()->address(*listener));
      return code;
    };
    out.stop_listening = [](orbit_listener* listener) {
      net_table()->stop_listening(listener);
      const std::lock_guard lock(mutex);
      std::erase_if(watched, [listener](const Watched& w) { return w.listener == listener; });
    };
    return out;
  }();
  return &table;
}

std::vector<ListenerInfo> listeners_of(const ExtensionRegistry& node) {
  const std::lock_guard lock(mutex);
  std::vector<ListenerInfo> out;
  for (const Watched& w : watched)
    if (w.node == &node) out.push_back(w.info);
  return out;
}

void forget_listeners(const ExtensionRegistry& node) {
  const std::lock_guard lock(mutex);
  std::erase_if(watched, [&node](const Watched& w) { return w.node == &node; });
}

}  // namespace orbit::kernel
