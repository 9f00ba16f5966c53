// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A host without sockets, threads or actors: the admin server is driven by hand, time too. One at a time per process,
// because the host's tables have no context argument. Shared by the unit tests and the fuzz target.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server.hpp"

// The kernel's side of a connection, as orbit/ext/net.h names it.
struct orbit_connection {
  std::string output;
  std::string reserved;
  uint64_t idle_timeout_ms = 0;
  bool paused = false;
  bool closing = false;
  bool resumed = false;
};

namespace orbit::admin::test {

// An asynchronous question to the host that waits for the test to answer it.
struct Question {
  std::string what;  // "call redis.db0 key Method {json} 5000ms"
  void (*done)(void* ctx, orbit_code code, orbit_bytes text);
  void* ctx;
};

class FakeHost {
 public:
  explicit FakeHost(ServerOptions options = {});
  ~FakeHost();
  FakeHost(const FakeHost&) = delete;

  Server& server() noexcept { return *server_; }
  Result<> start() { return server_->start(); }

  // Runs the timers that are due.
  void advance(uint64_t ms);
  // Answers the oldest question.
  void answer(orbit_code code, std::string_view text);

  static constexpr const char* kTypes =
      R"([{"name":"bank.Account","module":"bank","durability":"sync","activations":1,"methods":[]}])";

  bool ready = true;
  bool hold_answers = false;   // questions wait in `questions`; else they are answered "{}" within the call
  bool throw_in_node = false;  // orbit.node's node() throws, as no kernel should
  std::deque<Question> questions;
  std::vector<std::string> asked;  // every question, in order
  std::map<std::string, std::string> levels{{"net", "info"}, {"admin", "info"}};
  std::string default_level = "info";
  std::map<std::string, uint64_t> counters;
  std::string listened;
  bool listening = false;
  uint64_t now_ms = 1'000'000;

  struct Timer {
    uint64_t due_ms;
    orbit_function function;
    void* ctx;
  };
  std::map<orbit_timer, Timer> timers;
  orbit_timer last_timer = 0;

  static FakeHost& current();

 private:
  orbit_host host_{};
  std::unique_ptr<Server> server_;
};

// A client's end of a connection. Keeps what the server leaves unconsumed and offers it again with more, as the kernel
// does.
class Client {
 public:
  explicit Client(FakeHost& host);
  ~Client();
  Client(const Client&) = delete;

  void send(std::string_view bytes);
  // Gives the server what waits, if it reads again; to be called after the host answered a question.
  void pump();
  std::string take() { return std::exchange(connection_.output, {}); }
  void hang_up();

  bool closing() const noexcept { return connection_.closing; }
  bool paused() const noexcept { return connection_.paused; }
  uint64_t idle_timeout_ms() const noexcept { return connection_.idle_timeout_ms; }
  size_t unconsumed() const noexcept { return pending_.size(); }
  // The client stops reading: its output stays in the kernel.
  std::string& output() noexcept { return connection_.output; }

 private:
  orbit_connection connection_;
  void* context_ = nullptr;
  std::string pending_;
};

}  // namespace orbit::admin::test
