// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/plugin.hpp"

#include <random>

#include "idempotency.hpp"
#include "orbit/ext/access.h"
#include "orbit/ext/actors.h"
#include "orbit/ext/descriptors.h"
#include "orbit/ext/net.h"
#include "orbit/ext/streams.h"
#include "orbit/ext/workers.h"
#include "service.hpp"

namespace orbit::rest {

class RestPlugin : public Plugin {
 public:
  static constexpr auto kOptions = with_tls_options({
      option_string("listen", "\"127.0.0.1:8080\"", "Address of the HTTP API; port 0 takes a free one."),
      option_integer("connections_max", "1024", 1, 1048576, "Open connections; more are answered with 503 and closed."),
      option_integer("header_bytes_max", "16384", 1024, 1048576, "Bytes of a request's line and headers; more is 431."),
      option_integer("body_bytes_max", "1048576", 1024, 1073741824, "Bytes of a request's body; more is 413."),
      option_integer("idle_timeout_ms", "60000", 1000, 3600000, "A connection without a byte for so long is closed."),
      option_integer("header_timeout_ms", "10000", 100, 3600000,
                     "Time for a request's head to arrive, from its first byte; more is 408."),
      option_integer("request_timeout_ms", "30000", 100, 3600000,
                     "Time for a request to arrive completely, from its first byte; more is 408."),
      option_integer("call_timeout_ms", "60000", 1, 3600000,
                     "Most time for a call; more is 504. A request's Orbit-Timeout-Ms may ask for less."),
      option_integer("gzip_bytes_min", "1024", 0, 1073741824,
                     "Answers of so many bytes are compressed for clients that accept gzip; 0: none is."),
      option_strings("cors_origins", "[]",
                     "Origins whose pages may call, such as \"https://app.example\"; \"*\": all. Empty: none."),
      option_integer("idempotency_keep_ms", "86400000", 1000, 2592000000,
                     "How long the answer to a request with an Idempotency-Key is kept."),
      option_integer("stream_heartbeat_ms", "15000", 100, 3600000, "How often an open stream without events says that it lives."),
  });
  static constexpr PluginInfo kInfo{.id = "orbit.protocol.rest",
                                    .version = "0.1.0",
                                    .doc = "Every actor over HTTP and JSON, described by OpenAPI.",
                                    .provides = {ORBIT_ACTOR_TYPES_V1},
                                    .needs = {ORBIT_NET_V1, ORBIT_ACTORS_V1, ORBIT_WORKERS_V1, ORBIT_DESCRIPTORS_V1,
                                              ORBIT_STREAMS_V1, ORBIT_ACCESS_V1},
                                    .options = kOptions};

  static Result<std::unique_ptr<RestPlugin>> create(Host host, const Config& config) {
    Options options;
    http::ServerOptions& http = options.http;
    http = http::ServerOptions::from(config);
    const auto number = [&](const char* key) { return static_cast<uint64_t>(config.integer(key)); };
    http.header_timeout_ms = number("header_timeout_ms");
    http.gzip_bytes_min = static_cast<size_t>(number("gzip_bytes_min"));
    http.cors.origins = config.strings("cors_origins");
    options.call_timeout_ms = number("call_timeout_ms");
    options.idempotency_keep_ms = number("idempotency_keep_ms");
    options.stream_heartbeat_ms = number("stream_heartbeat_ms");
    return std::make_unique<RestPlugin>(host, std::move(options));
  }

  RestPlugin(Host host, Options options) : service_(host, std::move(options)) {
    // Another number for each process is all that it has to be.
    std::random_device random;
    types_ = idempotency_types(uint64_t{random()} << 32 | random());
  }

  const void* extension(std::string_view id) noexcept override { return id == ORBIT_ACTOR_TYPES_V1 ? types_ : nullptr; }
  Result<> start() override { return service_.start(); }
  void stop() noexcept override { service_.stop(); }

 private:
  Service service_;
  const orbit_actor_types_v1* types_;
};

}  // namespace orbit::rest

ORBIT_PLUGIN(orbit::rest::RestPlugin)
