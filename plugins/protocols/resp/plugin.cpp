// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The Redis wire as a plugin: configuration in, listener and sixteen actor types out.
#include "orbit/plugin.hpp"

#include <algorithm>
#include <memory>
#include <string>

#include "connection.hpp"
#include "server.hpp"

namespace orbit::resp {
namespace {

constexpr const char* kDurabilities[] = {"sync", "async", "none", nullptr};

constexpr auto kOptions = with_tls_options({
    option_string("listen", "\"127.0.0.1:6379\"", "Address to listen on; port 0 takes a free one."),
    option_secret("password", "\"\"",
                  "What AUTH and HELLO must give as the user 'default'; empty: nothing is asked, unless there is "
                  "access control."),
    option_string("types", "\"redis\"",
                  "First word of the names of its actor types (redis.db0 to redis.db15): its keys and channels are its "
                  "own, so each "
                  "instance of a node needs another one."),
    option_strings("password_roles", "[\"admin\"]", "Roles of who gave it, where there is access control."),
    option_string(
        "durability", "\"async\"",
        "When a write is answered: sync after it survives a power cut, async at once (it survives a power cut "
        "flush_delay_ms later), none at once (it is written when the key leaves memory).",
        kDurabilities),
    option_integer("flush_delay_ms", "1000", 1, 3600000, "Longest time until an async write is durable."),
    option_integer("key_idle_timeout_ms", "0", 0, 31536000000.0,
                   "A key that is not used for so long leaves memory and stays in storage; 0: the node's default."),
    option_integer("idle_timeout_ms", "0", 0, 31536000000.0,
                   "Closes connections without traffic for so long; 0: never."),
    option_integer("connections_max", "20000", 1, 1000000, "Most connections at a time."),
    option_integer("bulk_bytes_max", "536870912", 1024, 536870912, "Largest argument of a command."),
    option_integer("command_args_max", "1048576", 16, 1048576, "Most arguments of a command."),
    option_integer("request_bytes_max", "1073741824", 65536, 4294967296.0,
                   "Most bytes of a command that is not complete yet; more closes the connection."),
    option_integer("output_bytes_max", "1073741824", 65536, 68719476736.0,
                   "Most bytes of the answer of a command about keys, which is an error else, and of answers waiting for a client "
                   "that does not read; more of those closes the connection."),
    option_integer("output_pause_bytes", "1048576", 4096, 1073741824,
                   "With more reply bytes waiting, no further command of the client is run."),
    option_integer("subscriber_output_bytes_max", "33554432", 4096, 1073741824,
                   "Most bytes waiting for a subscriber that does not keep up; more closes the connection."),
    option_integer("subscriptions_max", "100000", 1, 10000000, "Most subscriptions of one connection."),
    option_integer("pipeline_max", "1024", 1, 1000000, "Most commands of one connection whose replies are missing."),
    option_integer("transaction_commands_max", "100000", 1, 10000000, "Most commands in one MULTI."),
    option_integer("transaction_bytes_max", "268435456", 1024, 4294967296.0,
                   "Most bytes of the commands in one MULTI."),
    option_integer("command_keys_max", "100000", 1, 10000000, "Most keys of one command, one EXEC, or one WATCH set."),
    option_integer(
        "command_timeout_ms", "30000", 0, 86400000,
        "Longest time that a command waits for its keys (held by a transaction, being loaded); 0: for ever."),
});

Settings read_settings(const Config& config) {
  const auto number = [&](const char* key) { return static_cast<uint64_t>(config.integer(key)); };
  const auto small = [&](const char* key) { return static_cast<uint32_t>(config.integer(key)); };
  Settings out;
  out.listen = config.string("listen");
  out.types = config.string("types");
  out.password = config.string("password");
  out.password_roles = config.strings("password_roles");
  out.tls = TlsSettings(config);
  out.durability = config.string("durability");
  out.flush_delay_ms = number("flush_delay_ms");
  out.key_idle_timeout_ms = number("key_idle_timeout_ms");
  out.idle_timeout_ms = number("idle_timeout_ms");
  out.connections_max = small("connections_max");
  out.parser.bulk_bytes_max = number("bulk_bytes_max");
  out.parser.args_max = small("command_args_max");
  out.request_bytes_max = number("request_bytes_max");
  out.output_bytes_max = number("output_bytes_max");
  out.output_pause_bytes = number("output_pause_bytes");
  out.subscriber_output_bytes_max = number("subscriber_output_bytes_max");
  out.subscriptions_max = small("subscriptions_max");
  out.pipeline_max = small("pipeline_max");
  out.transaction_commands_max = small("transaction_commands_max");
  out.transaction_bytes_max = number("transaction_bytes_max");
  out.command_keys_max = small("command_keys_max");
  out.command_timeout_ms = number("command_timeout_ms");
  return out;
}

class RespPlugin final : public Plugin {
 public:
  static constexpr PluginInfo kInfo{
      .id = "orbit.protocol.resp",
      .version = "0.1.0",
      .doc = "The Redis wire: every key is an actor.",
      .provides = {ORBIT_ACTOR_TYPES_V1},
      .needs = {ORBIT_ACCESS_V1, ORBIT_NET_V1, ORBIT_ACTORS_V1, ORBIT_ERASING_V1, ORBIT_WORKERS_V1, ORBIT_METRICS_V1},
      .options = kOptions,
  };

  static Result<std::unique_ptr<RespPlugin>> create(Host host, const Config& config) {
    const std::string types = config.string("types");
    const bool good = !types.empty() && types.size() <= 64 && std::all_of(types.begin(), types.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
    if (!good)
      return fail(Code::invalid_argument,
                  "'types': expected 1 to 64 letters, digits, '_' or '-', found '" + types + "'");
    return std::make_unique<RespPlugin>(host, config);
  }

  RespPlugin(Host host, const Config& config)
      : host_(host),
        server_({host.raw(), host.require<orbit_net_v1>(ORBIT_NET_V1), host.require<orbit_actors_v1>(ORBIT_ACTORS_V1),
                 host.require<orbit_erasing_v1>(ORBIT_ERASING_V1), host.require<orbit_workers_v1>(ORBIT_WORKERS_V1), host.require<orbit_metrics_v1>(ORBIT_METRICS_V1),
                 host.extension<orbit_node_v1>(ORBIT_NODE_V1), host.extension<orbit_listeners_v1>(ORBIT_LISTENERS_V1)},
                Access(host), read_settings(config)) {}

  const void* extension(std::string_view id) noexcept override {
    return id == ORBIT_ACTOR_TYPES_V1 ? server_.key_types().table() : nullptr;
  }

  Result<> start() override {
    if (auto good = server_.settings().tls.check(); !good) return good;
    server_.start();
    auto listener = listen(server_);
    if (!listener) return tl::unexpected<Error>(listener.error());
    listener_ = *listener;
    const std::string_view address = server_.interfaces().net->address(listener_);
    host_.log(ORBIT_LOG_INFO, "speaking the Redis protocol", {{"address", to_c(address)}});
    return {};
  }

  void stop() noexcept override {
    if (listener_ == nullptr) return;
    server_.interfaces().net->stop_listening(listener_);
    server_.drain();
  }

 private:
  Host host_;
  Server server_;
  orbit_listener* listener_ = nullptr;
};

}  // namespace
}  // namespace orbit::resp

ORBIT_PLUGIN(orbit::resp::RespPlugin)
