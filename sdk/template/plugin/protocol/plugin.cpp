// The description, the options, and the life of the plugin.
#include <orbit/net.hpp>
#include <orbit/plugin.hpp>

#include <string>
#include <utility>

#include "session.hpp"

namespace {

using @name@::Server;
using @name@::Session;

class @Name@Protocol final : public orbit::Plugin {
 public:
  static constexpr orbit::Option kOptions[] = {
      orbit::option_string("listen", "\"127.0.0.1:7007\"", "Address to listen on; port 0 takes a free one."),
      orbit::option_integer("connections_max", "1024", 1, 65536, "Open connections; more are told so and closed."),
      orbit::option_integer("line_bytes_max", "65536", 64, 16777216,
                            "Bytes of a request's line; more is an error and closes the connection."),
      orbit::option_integer("output_bytes_max", "67108864", 1048576, 1e12,
                            "Bytes of answers that a client has not read; more closes the connection."),
      orbit::option_integer("idle_timeout_ms", "300000", 1000, 86400000,
                            "A connection without a byte for so long is closed."),
      orbit::option_integer("call_timeout_ms", "10000", 1, 3600000, "Most time for a CALL; more is DEADLINE_EXCEEDED."),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "protocol.@name@",
      .version = "0.1.0",
      .doc = "A line-based protocol that calls actors.",
      .provides = {},
      .needs = {ORBIT_NET_V1, ORBIT_ACTORS_V1, ORBIT_WORKERS_V1, ORBIT_METRICS_V1},
      .options = kOptions,
  };

  @Name@Protocol(orbit::Host host, const orbit::Config& config)
      : server_{
            .host = host,
            .actors = host.require<orbit_actors_v1>(ORBIT_ACTORS_V1),
            .workers = host.require<orbit_workers_v1>(ORBIT_WORKERS_V1),
            .metrics = host.require<orbit_metrics_v1>(ORBIT_METRICS_V1),
            .answers = nullptr,
            .line_bytes_max = static_cast<size_t>(config.integer("line_bytes_max")),
            .output_pause_bytes = static_cast<uint64_t>(config.integer("output_bytes_max")) / 4,
            .call_timeout_ms = static_cast<uint64_t>(config.integer("call_timeout_ms")),
            .idle_timeout_ms = static_cast<uint64_t>(config.integer("idle_timeout_ms")),
        } {
    options_.address = config.string("listen");
    options_.connections_max = static_cast<uint32_t>(config.integer("connections_max"));
    options_.too_many_connections = "ERR RESOURCE_EXHAUSTED connections_max is reached; try again later\n";
    options_.idle_timeout_ms = server_.idle_timeout_ms;
    // The longest line, and what one read may bring behind it.
    options_.input_bytes_max = 2 * server_.line_bytes_max + 1024 * 1024;
    options_.output_bytes_max = static_cast<uint64_t>(config.integer("output_bytes_max"));
    options_.output_pause_bytes = server_.output_pause_bytes;
  }

  orbit::Result<> start() override {
    server_.answers = server_.metrics->counter(server_.host.raw(), "orbit_@name@_answers_total", "", "Lines answered.");
    auto listener = orbit::listen<Session>(server_.host, options_, std::as_const(server_));
    if (!listener) return tl::unexpected<orbit::Error>(listener.error());
    listener_ = std::move(*listener);
    server_.host.info("@name@ listens on " + std::string(listener_.address()));
    return {};
  }
  void stop() noexcept override { listener_.stop(); }

 private:
  Server server_;
  orbit::ListenOptions options_;
  orbit::Listener listener_;
};

}  // namespace

ORBIT_PLUGIN(@Name@Protocol)
