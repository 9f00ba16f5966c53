// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A net on real loopback sockets with an echo protocol whose behaviour a test can bend, and a blocking client.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "executor/asio_executor.hpp"
#include "net/address.hpp"
#include "net/net_api.hpp"
#include "net/socket_net.hpp"

namespace orbit::kernel {

// A number that threads raise and a test waits for; the wait is bounded and says what it waited for.
class Count {
 public:
  void add(uint64_t n = 1) {
    const std::lock_guard lock(mutex_);
    value_ += n;
    changed_.notify_all();
  }
  uint64_t value() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  bool wait_for(uint64_t at_least) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return value_ >= at_least; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t value_ = 0;
};

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
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

class NetFixture {
 public:
  using Received = std::function<size_t(orbit_connection*, const char*, size_t)>;

  struct Per {
    NetFixture* fixture;
    orbit_connection* connection;
  };

  explicit NetFixture(uint32_t workers = 2, SocketNetOptions options = {}) : executor(executor_options(workers)) {
    options.warn = [this](std::string_view message) {
      const std::lock_guard lock(mutex);
      warnings.emplace_back(message);
    };
    net = std::make_unique<SocketNet>(executor, options);
    executor.start();
    received = [](orbit_connection* connection, const char* data, size_t size) {
      net_table()->write(connection, data, size);
      return size;
    };
  }
  ~NetFixture() {
    net->stop();
    executor.stop();
  }

  static orbit_listen_options options() {
    orbit_listen_options out{};
    out.struct_size = sizeof out;
    out.address = "127.0.0.1:0";
    return out;
  }

  std::string listen(const orbit_listen_options& options) {
    static constexpr orbit_connection_handler kHandler = {
        sizeof(orbit_connection_handler), 0,
        [](void* self, orbit_connection* connection) -> void* {
          auto* const fixture = static_cast<NetFixture*>(self);
          if (fixture->on_opened) fixture->on_opened(connection);
          fixture->opened.add();
          return new Per{fixture, connection};
        },
        [](void* context, const char* data, size_t size) {
          auto* const per = static_cast<Per*>(context);
          const size_t consumed = per->fixture->received(per->connection, data, size);
          per->fixture->bytes.add(consumed);
          return consumed;
        },
        [](void* context) {
          auto* const per = static_cast<Per*>(context);
          if (per->fixture->on_drained) per->fixture->on_drained(per->connection);
          per->fixture->drained.add();
        },
        [](void* context, orbit_code code) {
          auto* const per = static_cast<Per*>(context);
          {
            const std::lock_guard lock(per->fixture->mutex);
            per->fixture->codes.push_back(code);
          }
          per->fixture->closed.add();
          delete per;
        },
        [](void* context, int all_read) {
          auto* const per = static_cast<Per*>(context);
          const auto& told = per->fixture->on_peer_finished;
          return told && told(per->connection, all_read != 0) ? 1 : 0;
        }};
    auto made = net->listen(options, kHandler, this);
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    listener = *made;
    return (*made)->address();
  }

  std::vector<orbit_code> closed_codes() {
    const std::lock_guard lock(mutex);
    return codes;
  }
  // Runs on a worker and returns when it has run.
  void on_worker(uint32_t worker, std::function<void()> body) {
    struct Ctx : Job {
      std::function<void()> body;
      Count done;
    } job;
    job.body = std::move(body);
    job.run = [](Job* raw) noexcept {
      auto* const mine = static_cast<Ctx*>(raw);
      mine->body();
      mine->done.add();
    };
    executor.post(worker, &job, &job);
    REQUIRE(job.done.wait_for(1));
  }

  AsioExecutor executor;
  std::unique_ptr<SocketNet> net;
  Listener* listener = nullptr;
  Received received;
  std::function<void(orbit_connection*)> on_opened;
  std::function<void(orbit_connection*)> on_drained;
  std::function<bool(orbit_connection*, bool)> on_peer_finished;  // whether the codec closes
  Count opened, closed, drained, bytes;
  std::mutex mutex;
  std::vector<orbit_code> codes;      // guarded by mutex
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
