// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A host without sockets and threads: an HTTP server is driven by hand, time too. One at a time per process, because the
// host's tables have no context argument. For unit tests and fuzz targets of everything that speaks HTTP.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "orbit/ext/net.h"
#include "orbit/ext/observe.h"
#include "orbit/ext/workers.h"
#include "orbit/plugin.hpp"

// The kernel's side of a connection, as orbit/ext/net.h names it.
struct orbit_connection {
  std::string output;
  std::string reserved;
  uint64_t idle_timeout_ms = 0;
  bool paused = false;
  bool closing = false;
  bool resumed = false;
};

namespace orbit::http::test {

class FakeNet {
 public:
  FakeNet();
  virtual ~FakeNet();
  FakeNet(const FakeNet&) = delete;
  FakeNet& operator=(const FakeNet&) = delete;

  Host host() const noexcept { return Host(&host_); }
  // Runs the timers that are due.
  void advance(uint64_t ms);
  // The host's tables; a test that needs more than net, workers and metrics adds them.
  virtual const void* extension(std::string_view id);

  static FakeNet& current();

  struct Timer {
    uint64_t due_ms;
    orbit_function function;
    void* ctx;
  };
  std::map<orbit_timer, Timer> timers;
  orbit_timer last_timer = 0;
  std::map<std::string, uint64_t> counters;
  std::string listened;
  bool listening = false;
  uint64_t now_ms = 1'000'000;
  uint64_t idle_timeout_ms = 0;
  const orbit_connection_handler* handler = nullptr;
  void* handler_self = nullptr;

 private:
  orbit_host host_{};
};

// A client's end of a connection. Keeps what the server leaves unconsumed and offers it again with more, as the kernel
// does.
class Client {
 public:
  explicit Client(FakeNet& net);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes);
  // Gives the server what waits, if it reads again; to be called after the host answered a question.
  void pump();
  std::string take() { return std::exchange(connection_.output, {}); }
  void hang_up();
  // The kernel says that output which was over the limit is sent.
  void drained() { net_.handler->drained(context_); }

  bool closing() const noexcept { return connection_.closing; }
  bool paused() const noexcept { return connection_.paused; }
  uint64_t idle_timeout_ms() const noexcept { return connection_.idle_timeout_ms; }
  size_t unconsumed() const noexcept { return pending_.size(); }
  // The client stops reading: its output stays in the kernel.
  std::string& output() noexcept { return connection_.output; }

 private:
  FakeNet& net_;
  orbit_connection connection_;
  void* context_ = nullptr;
  std::string pending_;
};

}  // namespace orbit::http::test
