// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A real orbitd with the Redis wire, and a plain client.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/node_process.hpp"

namespace orbit::test {

// Everything throws std::runtime_error on failure.
class TestNode {
 public:
  // resp_config: lines of [plugin.config] of the Redis wire.
  explicit TestNode(const std::string& resp_config = "", int workers = 2, const std::string& storage = "memory");

  uint16_t port() const;
  // SIGTERM, and the exit code.
  int stop() { return process_.stop(); }
  // SIGKILL.
  void kill() { process_.kill(); }
  // On the same data.
  void start() { process_.start(); }

 private:
  NodeProcess process_;
};

class Client {
 public:
  explicit Client(uint16_t port);
  explicit Client(const TestNode& node) : Client(node.port()) {}
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send_bytes(std::string_view bytes);
  void send(const std::vector<std::string>& command);
  // One reply as text: "+OK", "-ERR ...", ":1", "$value", "nil", "[a, b]"; RESP3: "{k: v}", "~[..]", ">[..]", "#t",
  // ",1.5", "_".
  std::string read();
  std::string operator()(const std::vector<std::string>& command) {
    send(command);
    return read();
  }
  // Sends no more, and still reads.
  void shut_write();
  // What is left until the server closes.
  std::string read_to_end();

 private:
  std::string line();
  std::string bytes(size_t size);
  void fill();

  int socket_ = -1;
  std::string buffer_;
  size_t at_ = 0;
};

// Runs a shell command; its output. Throws when it fails.
std::string run_shell(const std::string& command);

}  // namespace orbit::test
