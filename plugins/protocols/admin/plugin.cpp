// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/plugin.hpp"

#include "guard.hpp"
#include "orbit/access.hpp"
#include "orbit/ext/actors.h"
#include "orbit/ext/descriptors.h"
#include "orbit/ext/introspection.h"
#include "orbit/ext/net.h"
#include "orbit/ext/node.h"
#include "orbit/ext/storage_ops.h"
#include "orbit/ext/workers.h"
#include "server.hpp"
#include "version.hpp"

namespace orbit::admin {

class AdminPlugin : public Plugin {
 public:
  static constexpr auto kOptions = with_tls_options({
      option_string("listen", "\"127.0.0.1:7080\"",
                    "Address of the HTTP API; port 0 takes a free one. Other than a loopback address needs a token or access control."),
      option_secret("token", "\"\"",
                    "What clients send as 'Authorization: Bearer <token>'; empty: none is asked for, unless there is access control."),
      option_strings("token_roles", "[\"admin\"]", "Roles of who sent it, where there is access control; the name is 'admin'."),
      option_integer("connections_max", "256", 1, 65536, "Open connections; more are answered with 503 and closed."),
      option_integer("header_bytes_max", "16384", 1024, 1048576, "Bytes of a request's line and headers; more is 431."),
      option_integer("body_bytes_max", "1048576", 1024, 1073741824, "Bytes of a request's body; more is 413."),
      option_integer("idle_timeout_ms", "60000", 1000, 3600000, "A connection without a byte for so long is closed."),
      option_integer("request_timeout_ms", "30000", 100, 3600000,
                     "Time for a request to arrive completely, from its first byte; more is 408."),
      option_integer("call_timeout_ms", "60000", 1, 3600000, "Most time for a call of an actor; more is 504."),
  });
  static constexpr PluginInfo kInfo{.id = "orbit.protocol.admin",
                                    .version = kVersion,
                                    .doc = "REST API to see the node and act on it, described by OpenAPI.",
                                    .needs = {ORBIT_ACCESS_V1, ORBIT_NET_V1, ORBIT_NODE_V1, ORBIT_ACTORS_V1, ORBIT_WORKERS_V1,
                                              ORBIT_STORAGE_OPS_V1, ORBIT_INTROSPECTION_V1, ORBIT_DESCRIPTORS_V1},
                                    .options = kOptions};

  static Result<std::unique_ptr<AdminPlugin>> create(Host host, const Config& config) {
    ServerOptions options;
    options.http = http::ServerOptions::from(config);
    options.token = config.string("token");
    options.http.header_timeout_ms = options.http.request_timeout_ms;
    options.call_timeout_ms = static_cast<uint64_t>(config.integer("call_timeout_ms"));
    options.token_roles = config.strings("token_roles");
    options.http.listen.guarded = !options.token.empty();
    // With access control it is the rules that say who may.
    const bool access_control = Access(host).enabled();
    if (auto allowed = Guard::check_listen(access_control ? "127.0.0.1" : options.http.listen.address, options.token); !allowed)
      return tl::unexpected<Error>(allowed.error());
    return std::make_unique<AdminPlugin>(host, std::move(options));
  }

  AdminPlugin(Host host, ServerOptions options) : server_(host, std::move(options)) {}

  Result<> start() override { return server_.start(); }
  void stop() noexcept override { server_.stop(); }

 private:
  Server server_;
};

}  // namespace orbit::admin

ORBIT_PLUGIN(orbit::admin::AdminPlugin)
