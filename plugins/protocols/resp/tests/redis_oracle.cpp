// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "redis_oracle.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "node_reply.hpp"

namespace orbit::resp::testing {
namespace {

constexpr int kStartsMax = 5;
constexpr int kConnectTriesMax = 500;
constexpr int kReplyTimeoutMs = 30'000;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A port that nobody listened on a moment ago; redis-server cannot be told to choose one itself.
uint16_t free_port() {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  const bool bound = bind(probe, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(probe);
  if (!bound) throw std::runtime_error("no free loopback port");
  return ntohs(address.sin_port);
}

}  // namespace

RedisOracle::RedisOracle(int protocol) {
  directory_ = std::filesystem::temp_directory_path() / "orbit-redis-XXXXXX";
  if (mkdtemp(directory_.data()) == nullptr) throw std::runtime_error("no temporary directory");
  for (int i = 0; i < kStartsMax; ++i) {
    if (!start()) continue;
    run({"HELLO", std::to_string(protocol)});
    return;
  }
  stop();
  throw std::runtime_error("redis-server did not start: is Debian's package redis-server installed?");
}

RedisOracle::~RedisOracle() { stop(); }

void RedisOracle::stop() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_ = -1;
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

bool RedisOracle::start() {
  const uint16_t port = free_port();
  port_ = port;
  const std::string port_text = std::to_string(port);
  pid_ = fork();
  if (pid_ == 0) {
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    execlp("redis-server", "redis-server", "--port", port_text.c_str(), "--bind", "127.0.0.1", "--save", "", "--dir",
           directory_.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  for (int i = 0; i < kConnectTriesMax; ++i) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) break;
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
    close(socket_);
    socket_ = -1;
    poll(nullptr, 0, 10);
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  return false;
}

void RedisOracle::send(const std::vector<std::string>& args) {
  std::string bytes = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) bytes += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t sent = ::send(socket_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) throw std::runtime_error("redis-server hung up");
    at += static_cast<size_t>(sent);
  }
}

std::string RedisOracle::receive() {
  for (;;) {
    if (const size_t size = reply_size(received_); size != 0) {
      std::string reply = received_.substr(0, size);
      received_.erase(0, size);
      return reply;
    }
    pollfd waiting{socket_, POLLIN, 0};
    char buffer[64 * 1024];
    if (poll(&waiting, 1, kReplyTimeoutMs) != 1) throw std::runtime_error("redis-server does not answer");
    const ssize_t got = recv(socket_, buffer, sizeof buffer, 0);
    if (got <= 0) throw std::runtime_error("redis-server hung up");
    received_.append(buffer, static_cast<size_t>(got));
  }
}

}  // namespace orbit::resp::testing
