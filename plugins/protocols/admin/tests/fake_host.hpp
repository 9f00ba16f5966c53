// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A host without sockets, threads or actors: the admin server is driven by hand, time too. Shared by the unit tests and the
// fuzz target.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fake_net.hpp"
#include "server.hpp"

namespace orbit::admin::test {

using http::test::Client;

// An asynchronous question to the host that waits for the test to answer it.
struct Question {
  std::string what;  // "call redis.db0 key Method {json} 5000ms"
  void (*done)(void* ctx, orbit_code code, orbit_bytes text);
  void* ctx;
};

class FakeHost : public http::test::FakeNet {
 public:
  explicit FakeHost(ServerOptions options = {});
  ~FakeHost() override;

  Server& server() noexcept { return *server_; }
  // Answers the oldest question.
  void answer(orbit_code code, std::string_view text);

  static constexpr const char* kTypes =
      R"([{"name":"bank.Account","module":"bank","durability":"sync","activations":1,"methods":[]}])";

  bool ready = true;
  bool hold_answers = false;   // questions wait in `questions`; else they are answered "{}" within the call
  uint64_t bytes_per_second = 0;
  bool throw_in_node = false;  // orbit.node's node() throws, as no kernel should
  std::deque<Question> questions;
  std::vector<std::string> asked;  // every question, in order
  std::map<std::string, std::string> levels{{"net", "info"}, {"admin", "info"}};
  std::string default_level = "info";
  static FakeHost& current();
  const void* extension(std::string_view id) override;

 private:
  std::unique_ptr<Server> server_;
};

}  // namespace orbit::admin::test
