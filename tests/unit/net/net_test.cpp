// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <set>
#include <thread>

#include "executor/workers_api.hpp"
#include "net_fixture.hpp"

namespace orbit::kernel {

namespace {
std::string pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return out;
}
}  // namespace

TEST_CASE("an echo comes back over IPv4 and IPv6, and the ends of both sides are told") {
  NetFixture fixture;
  for (const char* where : {"127.0.0.1:0", "[::1]:0"}) {
    auto options = NetFixture::options();
    options.address = where;
    const std::string address = fixture.listen(options);
    Client client(address);
    REQUIRE(client.send("hello"));
    CHECK(client.read(5) == "hello");
  }
  REQUIRE(fixture.closed.wait_for(2));
  CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK, ORBIT_OK});
}

TEST_CASE("connections are handed to the workers in turn and stay there") {
  NetFixture fixture(2);
  std::mutex mutex;
  std::vector<uint32_t> workers;
  std::set<uint64_t> ids;
  fixture.on_opened = [&](orbit_connection* connection) {
    const std::lock_guard lock(mutex);
    workers.push_back(fixture.executor.current());
    ids.insert(net_table()->id(connection));
  };
  const std::string address = fixture.listen(NetFixture::options());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<Client>(address));
    REQUIRE(fixture.opened.wait_for(static_cast<uint64_t>(i) + 1));
  }
  CHECK(workers == std::vector<uint32_t>{0, 1, 0, 1, 0, 1});
  CHECK(ids.size() == 6);
  const auto counters = fixture.net->counters();
  REQUIRE(counters.size() == 2);
  CHECK(counters[0].connections == 3);
  CHECK(counters[1].connections == 3);
}

TEST_CASE("sixteen megabytes pass through unharmed while the reader is slow") {
  NetFixture fixture;
  auto options = NetFixture::options();
  options.output_pause_bytes = 256 * 1024;
  options.output_bytes_max = 1024 * 1024;
  const std::string address = fixture.listen(options);
  const std::string data = pattern(16 * 1024 * 1024);
  Client client(address, 32 * 1024);
  std::thread sender([&] { CHECK(client.send(data)); });
  std::string back;
  while (back.size() < data.size()) {
    const std::string part = client.read(std::min<size_t>(50'000, data.size() - back.size()));
    if (part.empty()) break;
    back += part;
  }
  sender.join();
  CHECK(back == data);
  CHECK(fixture.drained.value() > 0);
  const auto counters = fixture.net->counters();
  CHECK(counters[0].bytes_in + counters[1].bytes_in == data.size());
  CHECK(counters[0].bytes_out + counters[1].bytes_out == data.size());
}

TEST_CASE("a codec that consumes whole records gets the rest again with more") {
  NetFixture fixture;
  fixture.received = [](orbit_connection* connection, const char* data, size_t size) {
    const size_t whole = size / 1000 * 1000;  // records of 1000 bytes
    net_table()->write(connection, data, whole);
    return whole;
  };
  const std::string address = fixture.listen(NetFixture::options());
  const std::string data = pattern(700'000);
  Client client(address);
  std::thread sender([&] {
    size_t at = 0;
    for (size_t part = 1; at < data.size(); part = part * 5 % 70'001 + 1) {
      const size_t size = std::min(part, data.size() - at);
      if (!client.send(std::string_view(data).substr(at, size))) break;
      at += size;
    }
  });
  CHECK(client.read(data.size()) == data);
  sender.join();
}

TEST_CASE("one record larger than every buffer arrives whole") {
  NetFixture fixture;
  const std::string data = pattern(5'000'000);
  fixture.received = [&](orbit_connection* connection, const char* bytes, size_t size) -> size_t {
    if (size < data.size()) return 0;
    net_table()->write(connection, std::string_view(bytes, size) == data ? "same" : "else", 4);
    return size;
  };
  Client client(fixture.listen(NetFixture::options()));
  REQUIRE(client.send(data));
  CHECK(client.read(4) == "same");
}

TEST_CASE("a paused connection is asked again after resume, also without new bytes") {
  NetFixture fixture(1);
  orbit_connection* connection = nullptr;
  Count paused;
  fixture.received = [&](orbit_connection* where, const char* data, size_t size) -> size_t {
    if (connection == nullptr) {
      connection = where;
      net_table()->pause(where);
      paused.add();
      return 0;
    }
    net_table()->write(where, data, size);
    return size;
  };
  Client client(fixture.listen(NetFixture::options()));
  REQUIRE(client.send("one"));
  REQUIRE(paused.wait_for(1));
  REQUIRE(client.send("two"));
  client.shut_write();  // the answer still comes: only the client's direction has ended
  fixture.on_worker(0, [] {});
  CHECK(fixture.bytes.value() == 0);
  fixture.on_worker(0, [&] { net_table()->resume(connection); });
  CHECK(client.read_to_end() == "onetwo");
  REQUIRE(fixture.closed.wait_for(1));
  CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK});
}

TEST_CASE("output written outside a callback is sent at the end of the round") {
  NetFixture fixture(1);
  orbit_connection* connection = nullptr;
  fixture.on_opened = [&](orbit_connection* where) { connection = where; };
  Client client(fixture.listen(NetFixture::options()));
  REQUIRE(fixture.opened.wait_for(1));
  fixture.on_worker(0, [&] {
    std::memcpy(net_table()->reserve(connection, 100), "later", 5);
    net_table()->commit(connection, 5);
    CHECK(net_table()->output_bytes(connection) == 5);
  });
  CHECK(client.read(5) == "later");
}

TEST_CASE("close sends what is left, reaches a client that has unread input, and stops the input") {
  NetFixture fixture(1);
  fixture.received = [](orbit_connection* connection, const char*, size_t) -> size_t {
    const std::string text(300'000, 'x');
    net_table()->write(connection, text.data(), text.size());
    net_table()->close(connection);
    net_table()->close(connection);
    return 0;
  };
  Client client(fixture.listen(NetFixture::options()));
  REQUIRE(client.send(std::string(100'000, 'q')));
  CHECK(client.read_to_end() == std::string(300'000, 'x'));
  REQUIRE(fixture.closed.wait_for(1));
  CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK});
}

TEST_CASE("a peer that shuts its side gets what the codec still owes it") {
  NetFixture fixture(1);
  orbit_connection* owing = nullptr;
  Count finished;
  fixture.received = [&](orbit_connection* connection, const char*, size_t size) {
    owing = connection;
    return size;
  };
  fixture.on_peer_finished = [&](orbit_connection*, bool all_read) {
    CHECK(all_read);
    finished.add();
    return true;
  };
  Client client(fixture.listen(NetFixture::options()));
  REQUIRE(client.send("question"));
  client.shut_write();
  REQUIRE(finished.wait_for(1));
  fixture.on_worker(0, [&] { net_table()->write(owing, "first ", 6); });
  CHECK(client.read(6) == "first ");
  fixture.on_worker(0, [&] {
    net_table()->write(owing, "last", 4);
    net_table()->close(owing);
  });
  CHECK(client.read_to_end() == "last");
  REQUIRE(fixture.closed.wait_for(1));
  CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK});
  CHECK(finished.value() == 1);
}

TEST_CASE("a paused codec hears that the peer has finished, and again once it has read everything") {
  NetFixture fixture(1);
  orbit_connection* paused = nullptr;
  Count told;
  Count told_all;
  fixture.received = [&](orbit_connection* connection, const char*, size_t size) {
    if (paused != nullptr) return size;
    paused = connection;
    net_table()->pause(connection);
    return size_t{0};
  };
  fixture.on_peer_finished = [&](orbit_connection*, bool all_read) {
    (all_read ? told_all : told).add();
    return false;
  };
  Client client(fixture.listen(NetFixture::options()));
  REQUIRE(client.send("x"));
  client.shut_write();
  REQUIRE(told.wait_for(1));
  CHECK(told_all.value() == 0);
  fixture.on_worker(0, [&] { net_table()->resume(paused); });
  CHECK(client.read_to_end().empty());
  REQUIRE(fixture.closed.wait_for(1));
  CHECK(told.value() == 1);
  CHECK(told_all.value() == 1);
}

TEST_CASE("a handler of the first orbit.net/1, without peer_finished, is taken") {
  NetFixture fixture(1);
  struct Host : orbit_host {
    Net* net;
  } host{{sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR,
          [](const orbit_host* raw, const char* id) -> const void* {
            return std::strcmp(id, kNetExtension) == 0 ? static_cast<const Host*>(raw)->net : nullptr;
          }},
         fixture.net.get()};
  orbit_connection_handler handler{
      offsetof(orbit_connection_handler, peer_finished), 0,
      [](void*, orbit_connection* connection) -> void* { return connection; },
      [](void* context, const char* data, size_t size) {
        net_table()->write(static_cast<orbit_connection*>(context), data, size);
        return size;
      },
      nullptr, [](void*, orbit_code) {},
      [](void*, int) -> int { std::abort(); }};  // behind the end that the struct names
  auto options = NetFixture::options();
  orbit_listener* listener = nullptr;
  ErrorOut error;
  REQUIRE(net_table()->listen(&host, &options, &handler, nullptr, &listener, &error) == ORBIT_OK);
  Client client(net_table()->address(listener));
  REQUIRE(client.send("old"));
  client.shut_write();
  CHECK(client.read_to_end() == "old");
}

TEST_CASE("a connection that is closed in opened gets what opened wrote") {
  NetFixture fixture;
  fixture.on_opened = [](orbit_connection* connection) {
    net_table()->write(connection, "go away", 7);
    net_table()->close(connection);
  };
  Client client(fixture.listen(NetFixture::options()));
  CHECK(client.read_to_end() == "go away");
  REQUIRE(fixture.closed.wait_for(1));
}

TEST_CASE("addresses of both ends are told") {
  NetFixture fixture(1);
  std::string peer, local;
  fixture.on_opened = [&](orbit_connection* connection) {
    char text[64];
    net_table()->peer_address(connection, text, sizeof text);
    peer = text;
    net_table()->local_address(connection, text, sizeof text);
    local = text;
    net_table()->local_address(connection, text, 5);
    CHECK(std::string(text) == "127.");
  };
  const std::string address = fixture.listen(NetFixture::options());
  Client client(address);
  REQUIRE(fixture.opened.wait_for(1));
  fixture.on_worker(0, [] {});
  CHECK(local == address);
  SocketAddress own;
  socklen_t size = sizeof own;
  REQUIRE(::getsockname(client.fd(), &own.raw, &size) == 0);
  CHECK(peer == own.text());
}

TEST_CASE("a port that is taken is an error that says so") {
  NetFixture fixture;
  const std::string address = fixture.listen(NetFixture::options());
  auto options = NetFixture::options();
  options.address = address.c_str();
  const auto handler = orbit_connection_handler{
      sizeof(orbit_connection_handler), 0, [](void*, orbit_connection*) -> void* { return nullptr; },
      [](void*, const char*, size_t size) { return size; }, nullptr, [](void*, orbit_code) {}, nullptr};
  const auto second = fixture.net->listen(options, handler, nullptr);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().message ==
        "cannot listen on " + address + ": Address already in use; another process has the port");
}

TEST_CASE("after stop_listening nobody is accepted and connections stay") {
  NetFixture fixture;
  const std::string address = fixture.listen(NetFixture::options());
  Client client(address);
  REQUIRE(client.send("a"));
  CHECK(client.read(1) == "a");
  net_table()->stop_listening(fixture.listener);
  const auto parsed = parse_address(address);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  CHECK(::connect(fd, &parsed->raw, parsed->size()) != 0);
  ::close(fd);
  REQUIRE(client.send("b"));
  CHECK(client.read(1) == "b");
}

TEST_CASE("stop closes every connection with UNAVAILABLE after sending what it can") {
  auto fixture = std::make_unique<NetFixture>();
  const std::string address = fixture->listen(NetFixture::options());
  Client first(address), second(address);
  REQUIRE(fixture->opened.wait_for(2));
  fixture->net->stop();
  CHECK(first.read_to_end().empty());
  CHECK(fixture->closed_codes() == std::vector<orbit_code>{ORBIT_UNAVAILABLE, ORBIT_UNAVAILABLE});
  const auto counters = fixture->net->counters();
  CHECK(counters[0].connections + counters[1].connections == 0);
}

TEST_CASE("close_connections closes those of its listener, and the others stay") {
  NetFixture fixture(2);
  const std::string kept = fixture.listen(NetFixture::options());
  Listener* const other = fixture.listener;
  const std::string address = fixture.listen(NetFixture::options());
  Client stays(kept), first(address), second(address);
  for (Client* client : {&stays, &first, &second}) {
    REQUIRE(client->send("a"));
    CHECK(client->read(1) == "a");
  }
  CHECK(fixture.listener->connections() == 2);
  fixture.listener->stop();
  fixture.listener->close_connections();
  CHECK(first.read_to_end().empty());
  CHECK(second.read_to_end().empty());
  REQUIRE(fixture.closed.wait_for(2));
  CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_UNAVAILABLE, ORBIT_UNAVAILABLE});
  for (uint32_t worker = 0; worker < 2; ++worker)
    fixture.on_worker(worker, [] {});  // the round that closed them is over
  CHECK(fixture.listener->connections() == 0);
  CHECK(other->connections() == 1);
  REQUIRE(stays.send("b"));
  CHECK(stays.read(1) == "b");
}

TEST_CASE("listen through the table tells errors at the edge") {
  NetFixture fixture;
  struct Host : orbit_host {
    Net* net;
  } host{{sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR,
          [](const orbit_host* raw, const char* id) -> const void* {
            return std::strcmp(id, kNetExtension) == 0 ? static_cast<const Host*>(raw)->net : nullptr;
          }},
         fixture.net.get()};
  auto options = NetFixture::options();
  options.address = "nowhere";
  const orbit_connection_handler handler{sizeof(orbit_connection_handler), 0,       nullptr, nullptr,
                                         nullptr,                          nullptr, nullptr};
  orbit_listener* listener = nullptr;
  ErrorOut error;
  CHECK(net_table()->listen(&host, &options, &handler, nullptr, &listener, &error) == ORBIT_INVALID_ARGUMENT);
  CHECK(std::string(error.message).find("handler has no opened") != std::string::npos);
}

}  // namespace orbit::kernel
