// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A real redis-server on a free loopback port, for as long as the object lives.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace orbit::resp::testing {

class RedisOracle {
 public:
  // Throws std::runtime_error when the server does not start.
  explicit RedisOracle(int protocol);
  ~RedisOracle();
  RedisOracle(const RedisOracle&) = delete;
  RedisOracle& operator=(const RedisOracle&) = delete;

  uint16_t port() const noexcept { return port_; }

  void send(const std::vector<std::string>& args);
  // The bytes of the next reply.
  std::string receive();
  std::string run(const std::vector<std::string>& args) {
    send(args);
    return receive();
  }

 private:
  bool start();
  void stop();

  uint16_t port_ = 0;
  pid_t pid_ = -1;
  int socket_ = -1;
  std::string directory_;
  std::string received_;
};

}  // namespace orbit::resp::testing
