// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/plugin.hpp"

#include "orbit/ext/descriptors.h"
#include "orbit/ext/net.h"
#include "server.hpp"

namespace orbit::grpc_wire {

namespace {

constexpr const char* kCompressions[] = {"none", "low", "medium", "high", nullptr};

int compression_level(std::string_view name) {
  return name == "low" ? 1 : name == "medium" ? 6 : name == "high" ? 9 : 0;
}

ServerOptions read_options(const Config& config) {
  const auto number = [&config](const char* key) { return static_cast<uint64_t>(config.integer(key)); };
  const auto count = [&config](const char* key) { return static_cast<uint32_t>(config.integer(key)); };
  ServerOptions options;
  options.listen.address = config.string("listen");
  options.listen.tls = TlsSettings(config);
  options.listen.connections_max = count("connections_max");
  options.message_bytes_max = number("message_bytes_max");
  options.reply_bytes_max = number("reply_bytes_max");
  options.metadata_bytes_max = count("metadata_bytes_max");
  options.connection_calls_max = count("connection_calls_max");
  options.memory_bytes_max = number("memory_bytes_max");
  options.keepalive_time_ms = number("keepalive_time_ms");
  options.keepalive_timeout_ms = number("keepalive_timeout_ms");
  options.keepalive_min_interval_ms = number("keepalive_min_interval_ms");
  options.idle_timeout_ms = number("idle_timeout_ms");
  options.compression_level = compression_level(config.string("compression"));
  options.stop_grace_ms = number("stop_grace_ms");
  options.limits.calls_max = count("calls_max");
  options.limits.batch_calls_max = count("batch_calls_max");
  options.limits.lease_ms_max = static_cast<uint64_t>(config.integer("lease_ms_max"));
  options.limits.stream_calls_max = count("stream_calls_max");
  options.limits.subscription_events_max = count("subscription_events_max");
  options.limits.reflection = config.boolean("reflection");
  return options;
}

}  // namespace

class GrpcPlugin final : public Plugin {
 public:
  static constexpr auto kOptions = with_tls_options({
      option_string(
          "listen", "\"127.0.0.1:7090\"",
          "Address to listen on; port 0 takes a free one. Other than a loopback address needs access control or TLS."),
      option_integer("connections_max", "10000", 1, 1048576, "Open connections; more are closed at once."),
      option_integer("message_bytes_max", "4194304", 1024, 1073741824,
                     "Bytes of one message from a client, decompressed."),
      option_integer("reply_bytes_max", "67108864", 1024, 1073741824, "Bytes of one message to a client."),
      option_integer("metadata_bytes_max", "16384", 1024, 1048576, "Bytes of an RPC's metadata."),
      option_integer("calls_max", "100000", 1, 10000000,
                     "RPCs open at a time; more are refused with RESOURCE_EXHAUSTED."),
      option_integer("connection_calls_max", "1000", 1, 1000000,
                     "RPCs open on one connection; clients wait with more."),
      option_integer("batch_calls_max", "1000", 1, 100000, "Calls in one ActorService.Batch; actors in one ActorService.Lease."),
      option_integer("lease_ms_max", "600000", 1000, 86400000,
                     "For so long at most one ActorService.Lease keeps an actor in memory; a longer one is cut to that."),
      option_integer(
          "stream_calls_max", "1000", 1, 100000,
          "Calls of one ActorService.InvokeStream that are not answered yet; above it nothing more is read."),
      option_integer("subscription_events_max", "10000", 1, 1000000,
                     "Events that a client of ActorService.Subscribe may be behind before its subscription ends."),
      option_integer("memory_bytes_max", "1073741824", 0, 1099511627776,
                     "Memory for messages that are not all here or not all sent yet; RPCs above it end with "
                     "RESOURCE_EXHAUSTED; 0: no bound."),
      option_integer("keepalive_time_ms", "60000", 1000, 86400000,
                     "A connection without a frame for so long is pinged."),
      option_integer("keepalive_timeout_ms", "20000", 100, 3600000,
                     "A ping without an answer for so long closes the connection."),
      option_integer("keepalive_min_interval_ms", "10000", 0, 86400000,
                     "Clients that ping more often, without calls, are sent away (GOAWAY, too_many_pings)."),
      option_integer("idle_timeout_ms", "0", 0, 86400000,
                     "A connection without an RPC for so long is closed; 0: never."),
      option_string("compression", "\"none\"", "How much answers are compressed for clients that accept it.",
                    kCompressions),
      option_boolean("reflection", "true", "Offer the reflection service, with which clients find types and messages."),
      option_integer("stop_grace_ms", "5000", 0, 600000, "At a stop, time for RPCs to end before they are cancelled."),
  });
  static constexpr PluginInfo kInfo{
      .id = "orbit.protocol.grpc",
      .version = "0.1.0",
      .doc = "Calls to actors over gRPC: each type's own service, a generic one, reflection and health.",
      .needs = {ORBIT_NET_V1, ORBIT_ACTORS_V1, ORBIT_WORKERS_V1, ORBIT_STREAMS_V1, ORBIT_NODE_V1, ORBIT_DESCRIPTORS_V1,
                ORBIT_ACCESS_V1, ORBIT_METRICS_V1},
      .options = kOptions};

  static Result<std::unique_ptr<GrpcPlugin>> create(Host host, const Config& config) {
    return std::make_unique<GrpcPlugin>(host, read_options(config));
  }

  GrpcPlugin(Host host, ServerOptions options) : server_(host, std::move(options)) {}

  Result<> start() override { return server_.start(); }
  void stop() noexcept override { server_.stop(); }

 private:
  Server server_;
};

}  // namespace orbit::grpc_wire

ORBIT_PLUGIN(orbit::grpc_wire::GrpcPlugin)
