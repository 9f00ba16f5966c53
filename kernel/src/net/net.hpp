// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The network as the kernel sees it: listeners and connections behind an interface, so that a simulated network can stand
// in for sockets. net_api.hpp makes `orbit.net/1` of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "orbit/ext/net.h"
#include "orbit/result.hpp"

// The tags of the C interface; the classes below derive from them.
struct orbit_listener {};
struct orbit_connection {};

namespace orbit::kernel {

// One connection. All functions on the worker that owns it; see orbit/ext/net.h for what they promise.
class Connection : public orbit_connection {
 public:
  virtual char* reserve(size_t size) = 0;
  virtual void commit(size_t size) = 0;
  virtual size_t output_bytes() const noexcept = 0;
  virtual void pause() noexcept = 0;
  virtual void resume() noexcept = 0;
  virtual void close() noexcept = 0;
  virtual std::string peer_address() const = 0;
  virtual std::string local_address() const = 0;
  virtual uint64_t id() const noexcept = 0;
  virtual void set_idle_timeout(uint64_t idle_timeout_ms) = 0;
  // False: plain TCP.
  virtual bool tls_info(orbit_tls_info& out) { return static_cast<void>(out), false; }

 protected:
  ~Connection() = default;
};

class Listener : public orbit_listener {
 public:
  virtual const std::string& address() const noexcept = 0;
  virtual void stop() noexcept = 0;
  // Connections that it accepted and that are open. [any thread]
  virtual uint32_t connections() const noexcept = 0;
  // Closes those with ORBIT_UNAVAILABLE, after as much of their output as the sockets take now, and whatever it still
  // accepts. Does not wait for it. After stop. [main]
  virtual void close_connections() noexcept = 0;

 protected:
  ~Listener() = default;
};

// Since start, of one worker. Read without locks, so the numbers of one snapshot may be some events apart.
struct NetCounters {
  uint64_t connections = 0;  // open now
  uint64_t accepted = 0;
  uint64_t rejected = 0;     // over connections_max or handshakes_max
  uint64_t tls_handshakes = 0;
  uint64_t tls_failures = 0;  // of handshakes
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

class Net {
 public:
  virtual ~Net() = default;
  // The listener is owned by the net. [main]
  virtual Result<Listener*> listen(const orbit_listen_options& options, const orbit_connection_handler& handler,
                                   void* self) = 0;
  // One entry per worker. [any thread]
  virtual std::vector<NetCounters> counters() const = 0;
  // Closes listeners, then connections with ORBIT_UNAVAILABLE; returns when every `closed` has been called. The executor
  // must still run. [main]
  virtual void stop() noexcept = 0;
};

}  // namespace orbit::kernel
