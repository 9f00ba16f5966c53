// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A net on real loopback sockets with an echo protocol whose behaviour a test can bend, and a blocking client.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "echo_codec.hpp"
#include "executor/asio_executor.hpp"
#include "net/address.hpp"
#include "net/socket_net.hpp"

namespace orbit::kernel {

class Client {
 public:
  explicit Client(const std::string& address, int receive_buffer_bytes = 0) {
    const auto parsed = parse_address(address);
    REQUIRE(parsed.has_value());
    fd_ = ::socket(parsed->raw.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd_ >= 0);
    if (receive_buffer_bytes != 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    const timeval limit{30, 0};  // a test that waits for what never comes fails instead of hanging
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    REQUIRE(::connect(fd_, &parsed->raw, parsed->size()) == 0);
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int fd() const { return fd_; }
  bool send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Reads until `size` bytes have come, or the end.
  std::string read(size_t size) {
    std::string out(size, '\0');
    size_t have = 0;
    while (have < size) {
      const ssize_t got = ::recv(fd_, out.data() + have, size - have, 0);
      if (got <= 0) break;
      have += static_cast<size_t>(got);
    }
    out.resize(have);
    return out;
  }
  std::string read_to_end() {
    std::string out;
    char part[4096];
    for (ssize_t got = 0; (got = ::recv(fd_, part, sizeof part, 0)) > 0;) out.append(part, static_cast<size_t>(got));
    return out;
  }
  void shut_write() { ::shutdown(fd_, SHUT_WR); }
  std::string address() const {
    SocketAddress own;
    socklen_t size = sizeof own;
    REQUIRE(::getsockname(fd_, &own.raw, &size) == 0);
    return own.text();
  }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

class NetFixture : public EchoCodec {
 public:
  using Client = kernel::Client;
  // Sends while the test reads.
  class Sender {
   public:
    Sender(Client& client, std::string data, NextSize next_size = {})
        : thread_([&client, data = std::move(data), next_size = std::move(next_size)] {
            send_in_parts(client, data, next_size);
          }) {}
    ~Sender() { thread_.join(); }

   private:
    std::thread thread_;
  };
  static constexpr bool kSimulated = false;
  // Runs a case that any network must pass.
  template <class Body>
  static void each(uint32_t workers, const SocketNetOptions& options, Body&& body) {
    NetFixture fixture(workers, options);
    body(fixture);
  }
  static bool refuses(const std::string& address) {
    const auto parsed = parse_address(address);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const bool refused = ::connect(fd, &parsed->raw, parsed->size()) != 0;
    ::close(fd);
    return refused;
  }

  explicit NetFixture(uint32_t workers = 2, SocketNetOptions options = {}) : executor(executor_options(workers)) {
    options.warn = [this](std::string_view message) {
      const std::lock_guard lock(mutex);
      warnings.emplace_back(message);
    };
    net = std::make_unique<SocketNet>(executor, options);
    executor.start();
  }
  ~NetFixture() {
    net->stop();
    executor.stop();
  }

  std::string listen(const orbit_listen_options& options) {
    auto made = listen_on(*net, options);
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    listener = *made;
    return (*made)->address();
  }

  void on_worker(uint32_t worker, std::function<void()> body) { run_on(executor, worker, std::move(body)); }

  AsioExecutor executor;
  std::unique_ptr<SocketNet> net;
  Listener* listener = nullptr;
  std::vector<std::string> warnings;  // guarded by mutex

 private:
  static AsioExecutorOptions executor_options(uint32_t workers) {
    AsioExecutorOptions out;
    out.workers = workers;
    out.io_threads = 1;
    return out;
  }
};

}  // namespace orbit::kernel
