// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/plugin.hpp"

#include "orbit/ext/descriptors.h"
#include "orbit/ext/listeners.h"
#include "server.hpp"

namespace orbit::grpc_wire {

namespace {

constexpr const char* kClientCertificates[] = {"none", "optional", "required", nullptr};
constexpr const char* kCompressions[] = {"none", "low", "medium", "high", nullptr};

Result<ServerOptions> read_options(const Config& config) {
  const auto number = [&config](const char* key) { return static_cast<int>(config.integer(key)); };
  const auto count = [&config](const char* key) { return static_cast<uint32_t>(config.integer(key)); };
  ServerOptions options;
  options.listen = config.string("listen");
  options.certificate = config.string("tls.certificate");
  options.key = config.string("tls.key");
  options.client_ca = config.string("tls.client_ca");
  const std::string client = config.string("tls.client_certificate");
  if (!options.client_ca.empty())
    options.client_certificate = client == "required"   ? ORBIT_CLIENT_CERTIFICATE_REQUIRED
                                 : client == "optional" ? ORBIT_CLIENT_CERTIFICATE_OPTIONAL
                                                        : ORBIT_CLIENT_CERTIFICATE_NONE;
  options.reload_interval_s = count("tls.reload_interval_s");
  options.message_bytes_max = number("message_bytes_max");
  options.reply_bytes_max = number("reply_bytes_max");
  options.metadata_bytes_max = number("metadata_bytes_max");
  options.connection_calls_max = number("connection_calls_max");
  options.memory_bytes_max = static_cast<uint64_t>(config.integer("memory_bytes_max"));
  options.keepalive_time_ms = number("keepalive_time_ms");
  options.keepalive_timeout_ms = number("keepalive_timeout_ms");
  options.keepalive_min_interval_ms = number("keepalive_min_interval_ms");
  options.idle_timeout_ms = number("idle_timeout_ms");
  options.compression = config.string("compression");
  options.stop_grace_ms = static_cast<uint64_t>(config.integer("stop_grace_ms"));
  options.limits.calls_max = count("calls_max");
  options.limits.batch_calls_max = count("batch_calls_max");
  options.limits.lease_ms_max = static_cast<uint64_t>(config.integer("lease_ms_max"));
  options.limits.stream_calls_max = count("stream_calls_max");
  options.limits.subscription_events_max = count("subscription_events_max");
  options.limits.reflection = config.boolean("reflection");
  if (options.listen.rfind(':') == std::string::npos)
    return fail(Code::invalid_argument, "listen: found '" + options.listen + "', expected an address and a port, as 127.0.0.1:7090");
  if (options.certificate.empty() != options.key.empty())
    return fail(Code::invalid_argument, "tls: certificate and key belong together; found only " +
                                            std::string(options.key.empty() ? "tls.certificate" : "tls.key"));
  if (options.certificate.empty() && !options.client_ca.empty())
    return fail(Code::invalid_argument, "tls.client_ca is set, but tls.certificate is not");
  return options;
}

}  // namespace

class GrpcPlugin final : public Plugin {
 public:
  static constexpr Option kOptions[] = {
      option_string("listen", "\"127.0.0.1:7090\"",
                    "Address to listen on; port 0 takes a free one. Other than a loopback address needs access control or TLS."),
      option_string("tls.certificate", "\"\"", "PEM file with the server's certificate and those between it and the root; empty: no TLS."),
      option_string("tls.key", "\"\"", "PEM file with the certificate's private key."),
      option_string("tls.client_ca", "\"\"",
                    "PEM file with the authorities that client certificates must come from; empty: clients are not asked for one."),
      option_string("tls.client_certificate", "\"required\"",
                    "Whether a client must have a certificate; counts when client_ca is set.", kClientCertificates),
      option_integer("tls.reload_interval_s", "10", 1, 86400, "The files are looked at so often; new connections get what is new."),
      option_integer("message_bytes_max", "4194304", 1024, 1073741824, "Bytes of one message from a client, decompressed."),
      option_integer("reply_bytes_max", "67108864", 1024, 1073741824, "Bytes of one message to a client."),
      option_integer("metadata_bytes_max", "16384", 1024, 1048576, "Bytes of an RPC's metadata."),
      option_integer("calls_max", "100000", 1, 10000000, "RPCs open at a time; more are refused with RESOURCE_EXHAUSTED."),
      option_integer("connection_calls_max", "1000", 1, 1000000, "RPCs open on one connection; clients wait with more."),
      option_integer("batch_calls_max", "1000", 1, 100000, "Calls in one ActorService.Batch; actors in one ActorService.Lease."),
      option_integer("lease_ms_max", "600000", 1000, 86400000,
                     "For so long at most one ActorService.Lease keeps an actor in memory; a longer one is cut to that."),
      option_integer("stream_calls_max", "1000", 1, 100000,
                     "Calls of one ActorService.InvokeStream that are not answered yet; above it nothing more is read."),
      option_integer("subscription_events_max", "10000", 1, 1000000,
                     "Events that a client of ActorService.Subscribe may be behind before its subscription ends."),
      option_integer("memory_bytes_max", "1073741824", 0, 1099511627776,
                     "Memory for messages on their way; above it connections are slowed down and refused; 0: no bound."),
      option_integer("keepalive_time_ms", "60000", 1000, 86400000, "A connection without a byte for so long is pinged."),
      option_integer("keepalive_timeout_ms", "20000", 100, 3600000, "A ping without an answer for so long closes the connection."),
      option_integer("keepalive_min_interval_ms", "10000", 0, 86400000,
                     "Clients that ping more often, without calls, are sent away (GOAWAY, too_many_pings)."),
      option_integer("idle_timeout_ms", "0", 0, 86400000, "A connection without an RPC for so long is closed; 0: never."),
      option_string("compression", "\"none\"", "How much answers are compressed for clients that accept it.", kCompressions),
      option_boolean("reflection", "true", "Offer the reflection service, with which clients find types and messages."),
      option_integer("stop_grace_ms", "5000", 0, 600000, "At a stop, time for RPCs to end before they are cancelled."),
  };
  static constexpr PluginInfo kInfo{.id = "orbit.protocol.grpc",
                                    .version = "0.1.0",
                                    .doc = "Calls to actors over gRPC: each type's own service, a generic one, reflection and health.",
                                    .needs = {ORBIT_ACTORS_V1, ORBIT_WORKERS_V1, ORBIT_STREAMS_V1, ORBIT_NODE_V1,
                                              ORBIT_DESCRIPTORS_V1, ORBIT_ACCESS_V1, ORBIT_LISTENERS_V1, ORBIT_METRICS_V1},
                                    .options = kOptions};

  static Result<std::unique_ptr<GrpcPlugin>> create(Host host, const Config& config) {
    Result<ServerOptions> options = read_options(config);
    if (!options) return tl::unexpected<Error>(options.error());
    return std::make_unique<GrpcPlugin>(host, std::move(*options));
  }

  GrpcPlugin(Host host, ServerOptions options)
      : host_(host),
        listeners_(host.require<orbit_listeners_v1>(ORBIT_LISTENERS_V1)),
        listen_(options.listen),
        has_tls_(!options.certificate.empty()),
        tls_{.struct_size = sizeof(orbit_tls_options), .client_certificate = options.client_certificate},
        server_(host, std::move(options)) {}

  Result<> start() override {
    const orbit_listen_options wanted = listening_on(listen_);
    ErrorOut error;
    if (const orbit_code refused = listeners_->may_listen(host_.raw(), &wanted, &error); refused != ORBIT_OK)
      return tl::unexpected<Error>(error.take(refused));
    if (auto started = server_.start(); !started) return started;
    const orbit_listen_options got = listening_on(server_.address());
    listeners_->announce_with(host_.raw(), &got);
    return {};
  }

  void stop() noexcept override {
    listeners_->withdraw(host_.raw());
    server_.stop();
  }

 private:
  // What says whom it is open to; borrows.
  orbit_listen_options listening_on(const std::string& address) const noexcept {
    orbit_listen_options out{};
    out.struct_size = sizeof out;
    out.address = address.c_str();
    out.tls = has_tls_ ? &tls_ : nullptr;
    return out;
  }

  Host host_;
  const orbit_listeners_v1* listeners_;
  std::string listen_;
  bool has_tls_;
  orbit_tls_options tls_;
  Server server_;
};

}  // namespace orbit::grpc_wire

ORBIT_PLUGIN(orbit::grpc_wire::GrpcPlugin)
