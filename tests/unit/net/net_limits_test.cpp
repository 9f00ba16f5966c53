// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>
#include <malloc.h>
#include <sys/resource.h>

#include <thread>

#include "net_fixture.hpp"

namespace orbit::kernel {

TEST_CASE("a never-reading client of a well-behaved codec is not read from any more") {
  NetFixture fixture(1);
  auto options = NetFixture::options();
  options.output_bytes_max = 1024 * 1024;
  options.output_pause_bytes = 64 * 1024;
  std::atomic<size_t> largest{0};
  fixture.received = [&](orbit_connection* connection, const char* data, size_t size) {
    net_table()->write(connection, data, size);
    largest = std::max(largest.load(), net_table()->output_bytes(connection));
    return size;
  };
  const std::string address = fixture.listen(options);
  Client silent(address, 16 * 1024), other(address);
  // Sends until the whole path is full; what it sent is bounded by the kernel's buffers and ours.
  const std::string block(64 * 1024, 'z');
  size_t sent = 0;
  for (int quiet = 0; quiet < 20 && sent < 512ULL * 1024 * 1024;) {
    const ssize_t n = ::send(silent.fd(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      sent += static_cast<size_t>(n);
      quiet = 0;
      continue;
    }
    ++quiet;
    REQUIRE(other.send("ping"));
    CHECK(other.read(4) == "ping");
  }
  CHECK(sent < 512ULL * 1024 * 1024);
  CHECK(largest <= 64 * 1024 + 64 * 1024);
  CHECK(fixture.closed.value() == 0);
  silent.close();  // with unread bytes: a reset
  REQUIRE(fixture.closed.wait_for(1));
  CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_UNAVAILABLE});
}

TEST_CASE("a flooding connection does not keep others from their turn") {
  NetFixture fixture(1);
  fixture.received = [](orbit_connection* connection, const char* data, size_t size) {
    if (data[0] == 'p') net_table()->write(connection, data, size);
    return size;
  };
  const std::string address = fixture.listen(NetFixture::options());
  Client flood(address), other(address);
  std::atomic<bool> stop{false};
  std::thread flooding([&] {
    const std::string block(256 * 1024, 'x');
    while (!stop && flood.send(block)) {
    }
  });
  for (int i = 0; i < 200; ++i) {
    REQUIRE(other.send("ping"));
    REQUIRE(other.read(4) == "ping");
  }
  stop = true;
  flooding.join();
}

TEST_CASE("a client that comes when descriptors are used up is closed, the log says why, and later ones are served") {
  NetFixture fixture(1);
  const std::string address = fixture.listen(NetFixture::options());
  fixture.on_worker(0, [] {});
  const auto parsed = parse_address(address);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int lowest_free = ::dup(fd);
  REQUIRE(lowest_free >= 0);
  ::close(lowest_free);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none_left{static_cast<rlim_t>(lowest_free), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none_left) == 0);
  REQUIRE(::connect(fd, &parsed->raw, parsed->size()) == 0);
  char byte = 0;
  CHECK(::recv(fd, &byte, 1, 0) == 0);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  ::close(fd);
  Client later(address);
  REQUIRE(later.send("hi"));
  CHECK(later.read(2) == "hi");
  const std::lock_guard lock(fixture.mutex);
  REQUIRE(fixture.warnings.size() == 1);
  CHECK(fixture.warnings[0].find("Too many open files; raise the limit of open files") != std::string::npos);
}

TEST_CASE("ten thousand idle connections cost less than a kilobyte each") {
  // Both ends live in this process; whoever may raise the limit of descriptors does, others test with what they have.
  rlimit files{25'000, 25'000};
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
  }
  const uint64_t possible = std::min<uint64_t>(10'000, (files.rlim_cur - 200) / 2);
  SocketNetOptions net_options;
  net_options.connections_max = 20'000;
  NetFixture fixture(2, net_options);
  auto options = NetFixture::options();
  options.idle_timeout_ms = 3'600'000;
  const std::string address = fixture.listen(options);
  {
    Client warm(address);
    REQUIRE(warm.send("x"));
    CHECK(warm.read(1) == "x");
  }
  const size_t before = ::mallinfo2().uordblks;
  std::vector<std::unique_ptr<Client>> clients;
  for (uint64_t i = 0; i < possible; ++i) {
    clients.push_back(std::make_unique<Client>(address));
    if (i % 100 == 99) REQUIRE(fixture.opened.wait_for(i - 98));
  }
  REQUIRE(fixture.opened.wait_for(possible + 1));
  // Each has talked once, so that buffers which were not given back would show.
  for (auto& client : clients) REQUIRE(client->send("hello"));
  for (auto& client : clients) REQUIRE(client->read(5) == "hello");
  const size_t after = ::mallinfo2().uordblks;
  const uint64_t each = after > before ? (after - before) / possible : 0;
  MESSAGE(possible << " connections, " << each << " bytes each");
  CHECK(each < 1'024);
}

}  // namespace orbit::kernel
