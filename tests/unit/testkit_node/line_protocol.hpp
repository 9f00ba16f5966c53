// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A wire for the tests of the test kit's network: a line "KEY N" adds N to the Tally of that key, and is answered with
// what it is then; "BYE" closes. One call of a connection at a time.
#pragma once

#include <cstdlib>
#include <memory>
#include <orbit/net.hpp>
#include <orbit/plugin.hpp>
#include <string>
#include <utility>

namespace kit {

struct LineServer {
  orbit::Host host;
  const orbit_actors_v1* actors;
};

class LineSession final : public orbit::ConnectionHandler {
 public:
  LineSession(orbit::Connection connection, const LineServer& server)
      : ConnectionHandler(std::move(connection)), server_(server) {}

  size_t received(orbit::Bytes data) override {
    const size_t end = data.find('\n');
    if (end == orbit::Bytes::npos) return 0;
    const std::string line(data.substr(0, end));
    if (line == "BYE") {
      connection().close();
      return data.size();
    }
    connection().pause();
    call(line.substr(0, line.find(' ')), line.substr(line.find(' ') + 1));
    return end + 1;
  }

 private:
  void call(const std::string& key, const std::string& by) {
    auto self = std::make_unique<std::weak_ptr<ConnectionHandler>>(weak_from_this());
    const std::string json = R"({"value": ")" + by + "\"}";
    server_.actors->call_json(
        orbit::to_c("kit.Tally"), orbit::to_c(key), orbit::to_c("Add"), orbit::to_c(json), 0,
        [](void* ctx, orbit_code code, orbit_bytes answer) {
          const std::unique_ptr<std::weak_ptr<ConnectionHandler>> waiting(
              static_cast<std::weak_ptr<ConnectionHandler>*>(ctx));
          if (const auto session = waiting->lock())
            static_cast<LineSession&>(*session).answered(code, std::string(orbit::from_c(answer)));
        },
        self.release());
  }
  void answered(orbit_code code, const std::string& answer) {
    connection().write(code == ORBIT_OK ? answer + "\n" : "ERR " + answer + "\n");
    connection().resume();
  }

  const LineServer& server_;
};

class LinePlugin final : public orbit::Plugin {
 public:
  static constexpr orbit::Option kOptions[] = {
      orbit::option_string("listen", "\"127.0.0.1:7007\"", "Address to listen on."),
      orbit::option_integer("idle_timeout_ms", "60000", 0, 86400000, "Closes connections without a byte for so long."),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "protocol.line",
      .version = "1.0.0",
      .doc = "Counts.",
      .provides = {},
      .needs = {ORBIT_NET_V1, ORBIT_ACTORS_V1},
      .options = kOptions,
  };

  LinePlugin(orbit::Host host, const orbit::Config& config)
      : server_{host, host.require<orbit_actors_v1>(ORBIT_ACTORS_V1)} {
    options_.address = config.string("listen");
    options_.idle_timeout_ms = static_cast<uint64_t>(config.integer("idle_timeout_ms"));
  }
  orbit::Result<> start() override {
    auto listener = orbit::listen<LineSession>(server_.host, options_, std::as_const(server_));
    if (!listener) return tl::unexpected<orbit::Error>(listener.error());
    listener_ = std::move(*listener);
    return {};
  }
  void stop() noexcept override { listener_.stop(); }

 private:
  const LineServer server_;
  orbit::ListenOptions options_;
  orbit::Listener listener_;
};

}  // namespace kit
