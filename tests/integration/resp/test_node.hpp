// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A real orbitd in a folder of its own, on a free port of loopback; and a plain client.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace orbit::test {

// Everything throws std::runtime_error on failure; nothing waits longer than 30 seconds.
class TestNode {
 public:
  // resp_config: lines of [plugin.config] of the Redis wire.
  explicit TestNode(std::string resp_config = "", int workers = 2, std::string storage = "memory");
  ~TestNode();
  TestNode(const TestNode&) = delete;
  TestNode& operator=(const TestNode&) = delete;

  uint16_t port() const { return port_; }
  // SIGTERM, and the exit status.
  int stop();
  // SIGKILL.
  void kill();
  // On the same data.
  void start();

 private:
  void wait_until_ready();
  int wait_for_end();
  std::string log_tail() const;

  std::filesystem::path folder_;
  pid_t pid_ = -1;
  uint16_t port_ = 0;
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
