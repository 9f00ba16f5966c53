// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/plugin.hpp"

#include "front.hpp"
#include "orbit/ext/actors.h"
#include "orbit/ext/net.h"
#include "reporter.hpp"

namespace orbit::mcp {

class McpPlugin : public Plugin {
 public:
  static constexpr auto kOptions = with_tls_options({
      option_string("listen", "\"127.0.0.1:7070\"", "Address of the MCP endpoint; port 0 takes a free one."),
      option_string("path", "\"/mcp\"", "Path of the endpoint."),
      option_strings("hosts", "[]", "Names by which clients may ask for this node, beside loopback ones."),
      option_strings("origins", "[]", "Web pages that may ask, as \"https://app.example\"."),
      option_strings("allow", "[\"*\"]", "Methods that are offered, as \"TYPE/METHOD\" with '*' for any characters."),
      option_strings("deny", "[]", "Methods that are not, though 'allow' has them."),
      option_boolean("read_only", "false", "Offer only methods that change nothing."),
      option_string("instructions", "\"\"", "What clients tell their models about this server."),
      option_secret("state_secret", "\"\"",
                    "Signs the state of calls that ask the client something; the same on all nodes behind one address. Empty: made at start."),
      option_integer("page_size", "100", 1, 10000, "Entries of one page of a list."),
      option_integer("connections_max", "1024", 1, 65536, "Open connections; more are answered with 503 and closed."),
      option_integer("sessions_max", "1000", 1, 1000000, "Sessions at once; more are refused with 503."),
      option_integer("session_idle_ms", "1800000", 1000, 604800000, "A session without a request for so long ends."),
      option_integer("calls_max", "64", 1, 10000, "Calls that one session has at work at once; more are refused with 429."),
      option_integer("listeners_max", "1000", 1, 1000000, "subscriptions/listen streams at once; more are refused."),
      option_integer("subscriptions_max", "64", 1, 10000, "Resources that one session or stream watches."),
      option_integer("replay_events_max", "256", 1, 1000000, "Events kept of one session for clients that lost their connection."),
      option_integer("replay_bytes_max", "1048576", 1024, 1073741824, "And their bytes."),
      option_integer("poll_ms", "1000", 50, 3600000, "How often watched resources are looked at."),
      option_integer("keep_alive_ms", "15000", 1000, 3600000, "Time between comments on a silent stream."),
      option_integer("ask_timeout_ms", "300000", 1000, 86400000, "Time for a client to answer what an actor asks it in a session."),
      option_integer("call_timeout_ms", "60000", 1, 3600000, "Most time for one call of an actor."),
      option_integer("header_bytes_max", "16384", 1024, 1048576, "Bytes of a request's line and headers; more is 431."),
      option_integer("body_bytes_max", "4194304", 1024, 1073741824, "Bytes of a request's body; more is 413."),
      option_integer("idle_timeout_ms", "60000", 1000, 3600000, "A connection without a request for so long is closed."),
      option_integer("request_timeout_ms", "30000", 100, 3600000, "Time for a request to arrive completely; more is 408."),
  });
  static constexpr PluginInfo kInfo{.id = "orbit.protocol.mcp",
                                    .version = "0.1.0",
                                    .doc = "Model Context Protocol: actors as tools, prompts and resources for models.",
                                    .provides = {ORBIT_ACTOR_TYPES_V1},
                                    .needs = {ORBIT_NET_V1, ORBIT_NODE_V1, ORBIT_ACTORS_V1, ORBIT_WORKERS_V1, ORBIT_DESCRIPTORS_V1,
                                              ORBIT_ACCESS_V1},
                                    .options = kOptions};

  McpPlugin(Host host, const Config& config) : front_(host, options_of(config)) {
    if (auto connected = connect_reporter(host.raw(), &front_.reports()); !connected) throw std::runtime_error(connected.error().message);
  }

  const void* extension(std::string_view id) noexcept override { return id == ORBIT_ACTOR_TYPES_V1 ? reporter_types() : nullptr; }
  Result<> start() override { return front_.start(); }
  void stop() noexcept override { front_.stop(); }

 private:
  static FrontOptions options_of(const Config& config) {
    const auto number = [&config](std::string_view key) { return static_cast<uint64_t>(config.integer(key)); };
    const auto small = [&config](std::string_view key) { return static_cast<uint32_t>(config.integer(key)); };
    FrontOptions out;
    out.http = http::ServerOptions::from(config);
    out.http.cors.origins = config.strings("origins");
    out.http.cors.methods = "GET, POST, DELETE";
    out.http.cors.request_headers = "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name";
    out.http.cors.exposed_headers = "Mcp-Session-Id";
    out.path = config.string("path");
    out.hosts = config.strings("hosts");
    out.origins = config.strings("origins");
    out.filter.allow = config.strings("allow");
    out.filter.deny = config.strings("deny");
    out.filter.read_only = config.boolean("read_only");
    out.call_timeout_ms = number("call_timeout_ms");
    Settings& settings = out.settings;
    settings.version = kInfo.version;
    settings.instructions = config.string("instructions");
    settings.state_secret = config.string("state_secret");
    if (settings.state_secret.empty()) settings.state_secret = random_token();
    settings.page_size = small("page_size");
    settings.sessions_max = small("sessions_max");
    settings.session_idle_ms = number("session_idle_ms");
    settings.calls_max = small("calls_max");
    settings.listeners_max = small("listeners_max");
    settings.subscriptions_max = small("subscriptions_max");
    settings.replay_events_max = small("replay_events_max");
    settings.replay_bytes_max = number("replay_bytes_max");
    settings.poll_ms = number("poll_ms");
    settings.keep_alive_ms = number("keep_alive_ms");
    settings.ask_timeout_ms = number("ask_timeout_ms");
    return out;
  }

  Front front_;
};

}  // namespace orbit::mcp

ORBIT_PLUGIN(orbit::mcp::McpPlugin)
