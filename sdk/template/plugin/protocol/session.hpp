#pragma once

#include <orbit/ext/actors.h>
#include <orbit/ext/observe.h>
#include <orbit/ext/workers.h>
#include <orbit/net.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "codec.hpp"

namespace @name@ {

// What all connections share, from every worker; constant once the plugin has started.
struct Server {
  orbit::Host host;
  const orbit_actors_v1* actors;
  const orbit_workers_v1* workers;
  const orbit_metrics_v1* metrics;
  orbit_counter* answers;
  size_t line_bytes_max;
  uint64_t output_pause_bytes;
  uint64_t call_timeout_ms;
  uint64_t idle_timeout_ms;
};

// A connection: hands bytes to the codec, and the codec's calls to the node.
class Session final : public orbit::ConnectionHandler, private Peer {
 public:
  Session(orbit::Connection connection, const Server& server)
      : ConnectionHandler(std::move(connection)), server_(server), codec_(*this, server.line_bytes_max) {}

  size_t received(orbit::Bytes data) override;

 private:
  void write(std::string_view bytes) override;
  bool output_is_full() override { return connection().output_bytes() > server_.output_pause_bytes; }
  void call(const CallRequest& request) override;
  void close() override { connection().close(); }

  void answered(orbit_code code, orbit::Bytes json_or_message) noexcept;

  const Server& server_;
  Codec codec_;
  bool in_received_ = false;
};

}  // namespace @name@
