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
  bool stopped = false;  // it may still have connections
};
std::mutex mutex;
std::vector<Watched> watched;

const ExposurePolicy& policy_of(const orbit_host* host) {
  return *static_cast<const ExposurePolicy*>(PluginContext::of(host).extensions->find(kExposureExtension));
}

bool given_up(const orbit_host* host) { return PluginContext::of(host).given_up.load(); }

orbit_code may_listen(const orbit_host* host, const orbit_listen_options* options, orbit_error* error) {
  return at_edge(error, [&]() -> Result<> {
    if (given_up(host)) return fail(Code::failed_precondition, "listen: the node has given this instance up");
    const auto whole = whole_options(options);
    if (!whole) return tl::unexpected(whole.error());
    if (whole->address == nullptr) return fail(Code::invalid_argument, "listen: no address");
    return check_exposure(Exposure::of(*whole), policy_of(host));
  });
}

// `listener`: null when the plugin has a transport of its own, which is not remembered once its instance is given up.
void remember(const orbit_host* host, const orbit_listen_options* options, orbit_listener* listener, const char* address) {
  const PluginContext& context = PluginContext::of(host);
  const auto whole = whole_options(options);
  Exposure exposure = whole ? Exposure::of(*whole) : Exposure();
  exposure.address = address;
  const std::string open_to = exposure_text(exposure, policy_of(host));
  {
    const std::lock_guard lock(mutex);
    if (listener == nullptr && given_up(host)) return;  // close_listeners was here, and nobody would take it back
    watched.push_back({context.extensions, host, listener, {context.name, address, std::move(exposure)}});
  }
  context.log->info("listening", {{"address", address}, {"open_to", open_to}});
}

constexpr orbit_listeners_v1 kListeners = {
    .struct_size = sizeof(orbit_listeners_v1),
    .reserved = 0,
    .announce =
        [](const orbit_host* host, const char* address) {
          orbit_listen_options options{};
          options.struct_size = sizeof options;
          remember(host, &options, nullptr, address);
        },
    .withdraw =
        [](const orbit_host* host) {
          const std::lock_guard lock(mutex);
          std::erase_if(watched, [host](const Watched& w) { return w.host == host && w.listener == nullptr; });
        },
    .may_listen = &may_listen,
    .announce_with =
        [](const orbit_host* host, const orbit_listen_options* options) {
          if (options->address != nullptr) remember(host, options, nullptr, options->address);
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
      if (const orbit_code refused = may_listen(host, options, error); refused != ORBIT_OK) return refused;
      const orbit_code code = net_table()->listen(host, options, handler, self, listener, error);
      if (code != ORBIT_OK) return code;
      remember(host, options, *listener, net_table()->address(*listener));
      if (given_up(host)) close_listeners(host);
      return code;
    };
    out.stop_listening = [](orbit_listener* listener) {
      net_table()->stop_listening(listener);
      const std::lock_guard lock(mutex);
      for (Watched& w : watched) w.stopped |= w.listener == listener;
    };
    return out;
  }();
  return &table;
}

std::vector<ListenerInfo> listeners_of(const ExtensionRegistry& node) {
  const std::lock_guard lock(mutex);
  std::vector<ListenerInfo> out;
  for (const Watched& w : watched)
    if (w.node == &node && !w.stopped) out.push_back(w.info);
  return out;
}

uint32_t open_connections(const orbit_host* host) {
  const std::lock_guard lock(mutex);
  uint32_t out = 0;
  for (const Watched& w : watched)
    if (w.host == host && w.listener != nullptr) out += static_cast<Listener*>(w.listener)->connections();
  return out;
}

void close_listeners(const orbit_host* host) {
  const std::lock_guard lock(mutex);
  std::erase_if(watched, [host](const Watched& w) { return w.host == host && w.listener == nullptr; });
  for (Watched& w : watched) {
    if (w.host != host) continue;
    w.stopped = true;
    static_cast<Listener*>(w.listener)->stop();
    static_cast<Listener*>(w.listener)->close_connections();
  }
}

void forget_listeners(const ExtensionRegistry& node) {
  const std::lock_guard lock(mutex);
  std::erase_if(watched, [&node](const Watched& w) { return w.node == &node; });
}

}  // namespace orbit::kernel
