// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The C++ face of orbit.net/1; the test is the kernel: it has the listener's callbacks and one connection.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <orbit/net.hpp>
#include <stdexcept>
#include <string>

struct orbit_listener {
  orbit_listen_options options;
  const orbit_connection_handler* handler;
  void* self;
};
struct orbit_connection {
  std::string output;
  int paused = 0;
  int closes = 0;
};

namespace {

orbit_listener bound;
std::string address_said;
std::string logged;
orbit_code listen_code = ORBIT_OK;

constexpr orbit_net_v1 kNet = {
    sizeof(orbit_net_v1),
    0,
    [](const orbit_host*, const orbit_listen_options* options, const orbit_connection_handler* handler, void* self,
       orbit_listener** listener, orbit_error* error) -> orbit_code {
      if (listen_code != ORBIT_OK) return orbit::to_c(static_cast<orbit::Code>(listen_code), "address in use", error);
      bound = {*options, handler, self};
      address_said = options->address;
      *listener = &bound;
      return ORBIT_OK;
    },
    [](orbit_listener*) -> const char* { return address_said.c_str(); },
    [](orbit_listener* listener) { listener->handler = nullptr; },
    [](orbit_connection*, size_t) -> char* { return nullptr; },
    [](orbit_connection*, size_t) {},
    [](orbit_connection* connection, const char* data, size_t size) { connection->output.append(data, size); },
    [](orbit_connection* connection) { return connection->output.size(); },
    [](orbit_connection* connection) { ++connection->paused; },
    [](orbit_connection* connection) { --connection->paused; },
    [](orbit_connection* connection) { ++connection->closes; },
    [](orbit_connection*, char* buffer, size_t) { std::strcpy(buffer, "127.0.0.1:9"); },
    [](orbit_connection*, char* buffer, size_t) { std::strcpy(buffer, "127.0.0.1:7"); },
    [](orbit_connection*) -> uint64_t { return 5; },
    [](orbit_connection*, uint64_t) {},
};
constexpr orbit_log_v1 kLog = {
    sizeof(orbit_log_v1),
    0,
    [](const orbit_host*, uint32_t) { return 1; },
    [](const orbit_host*, uint32_t, orbit_bytes, const orbit_log_field* fields, size_t count) {
      for (size_t i = 0; i < count; ++i) logged += orbit::from_c(fields[i].value);
    },
};
constexpr orbit_host kHost = {sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR,
                              [](const orbit_host*, const char* id) -> const void* {
                                if (std::string_view(id) == ORBIT_NET_V1) return &kNet;
                                if (std::string_view(id) == ORBIT_LOG_V1) return &kLog;
                                return nullptr;
                              }};

struct Shared {
  bool throw_in_constructor = false;
  int handlers = 0;
  std::optional<orbit::Code> closed;
  std::weak_ptr<orbit::ConnectionHandler> later;
};

// Writes back what it gets, by halves; "throw" and "drained" throw.
class Probe final : public orbit::ConnectionHandler {
 public:
  Probe(orbit::Connection connection, Shared& shared) : ConnectionHandler(std::move(connection)), shared_(shared) {
    if (shared.throw_in_constructor) throw std::runtime_error("no more of these");
    ++shared_.handlers;
  }
  ~Probe() override { --shared_.handlers; }
  size_t received(orbit::Bytes data) override {
    if (data == "throw") throw std::runtime_error("from received");
    shared_.later = weak_from_this();
    connection().write(data.substr(0, data.size() / 2));
    connection().pause();
    return data.size() / 2;
  }
  void drained() override { throw 1; }
  void closed(orbit::Code why) override {
    shared_.closed = why;
    CHECK(!connection().is_open());
    poke();
  }
  // What a late answer does.
  void poke() {
    connection().write("late");
    connection().resume();
    connection().close();
  }
  std::string who() { return connection().peer_address() + " " + connection().local_address(); }
  uint64_t id() { return connection().id(); }

 private:
  Shared& shared_;
};

struct Fixture {
  Fixture() {
    logged.clear();
    listen_code = ORBIT_OK;
    auto made = orbit::listen<Probe>(orbit::Host(&kHost), {.address = "127.0.0.1:7", .idle_timeout_ms = 12}, shared);
    REQUIRE(made.has_value());
    listener = std::move(*made);
  }
  void* open() { return bound.handler->opened(bound.self, &connection); }
  size_t receive(void* context, std::string_view data) {
    return bound.handler->received(context, data.data(), data.size());
  }

  Shared shared;
  orbit_connection connection;
  orbit::Listener listener;
};

}  // namespace

TEST_CASE("a failed listen is an error with its message") {
  listen_code = ORBIT_UNAVAILABLE;
  Shared shared;
  const auto made = orbit::listen<Probe>(orbit::Host(&kHost), {.address = "127.0.0.1:7"}, shared);
  REQUIRE(!made.has_value());
  CHECK(made.error().code == orbit::Code::unavailable);
  CHECK(made.error().message == "address in use");
}

TEST_CASE_FIXTURE(Fixture, "options and address pass, and stopping reaches the listener") {
  CHECK(bound.options.idle_timeout_ms == 12);
  CHECK(bound.options.too_many_connections == nullptr);
  CHECK(listener.address() == "127.0.0.1:7");
  listener.stop();
  CHECK(bound.handler == nullptr);
  CHECK(orbit::Listener().address().empty());
}

TEST_CASE_FIXTURE(Fixture, "a listener that goes accepts no more, and its open connections go on") {
  const orbit_connection_handler& handler = *bound.handler;
  void* const context = open();
  SUBCASE("another is assigned to it") { listener = orbit::Listener(); }
  SUBCASE("its life ends") { const orbit::Listener last = std::move(listener); }
  CHECK(bound.handler == nullptr);
  CHECK(listener.address().empty());
  CHECK(handler.received(context, "abcd", 4) == 2);
  CHECK(connection.output == "ab");
  CHECK(handler.received(context, "throw", 5) == 5);
  CHECK(logged.find("from received") != std::string::npos);
  handler.closed(context, ORBIT_UNAVAILABLE);
  CHECK(shared.closed == orbit::Code::unavailable);
  // Who was on the way when it went.
  void* const late = handler.opened(bound.self, &connection);
  CHECK(shared.handlers == 1);
  handler.closed(late, ORBIT_OK);
  CHECK(shared.handlers == 0);
}

TEST_CASE_FIXTURE(Fixture, "a handler lives from opened to closed, and speaks through its connection") {
  void* const context = open();
  CHECK(shared.handlers == 1);
  CHECK(receive(context, "abcd") == 2);
  CHECK(connection.output == "ab");
  CHECK(connection.paused == 1);
  auto& probe = static_cast<Probe&>(*shared.later.lock());
  CHECK(probe.who() == "127.0.0.1:9 127.0.0.1:7");
  CHECK(probe.id() == 5);
  probe.poke();
  CHECK(connection.output == "ablate");
  CHECK(connection.paused == 0);
  CHECK(connection.closes == 1);
  bound.handler->closed(context, ORBIT_DEADLINE_EXCEEDED);
  CHECK(shared.closed == orbit::Code::deadline_exceeded);
  CHECK(shared.handlers == 0);
  CHECK(shared.later.expired());
}

TEST_CASE_FIXTURE(Fixture, "an answer that comes after the connection closed touches nothing") {
  void* const context = open();
  receive(context, "abcd");
  const auto held = shared.later.lock();
  bound.handler->closed(context, ORBIT_OK);
  auto& probe = static_cast<Probe&>(*held);
  probe.poke();
  CHECK(probe.who() == " ");
  CHECK(probe.id() == 0);
  CHECK(connection.output == "ab");
  CHECK(connection.paused == 1);
  CHECK(connection.closes == 0);
}

TEST_CASE_FIXTURE(Fixture, "an exception ends at the edge, is logged and closes the connection") {
  SUBCASE("of received") {
    void* const context = open();
    CHECK(receive(context, "throw") == 5);
    CHECK(logged == "from received");
    CHECK(connection.closes == 1);
    bound.handler->closed(context, ORBIT_OK);
  }
  SUBCASE("of drained, and no std::exception") {
    void* const context = open();
    bound.handler->drained(context);
    CHECK(logged == "an exception that is no std::exception");
    CHECK(connection.closes == 1);
    bound.handler->closed(context, ORBIT_OK);
  }
  SUBCASE("of the constructor") {
    shared.throw_in_constructor = true;
    void* const context = open();
    CHECK(logged == "no more of these");
    CHECK(connection.closes == 1);
    CHECK(receive(context, "abcd") == 4);
    bound.handler->drained(context);
    bound.handler->closed(context, ORBIT_OK);
  }
  CHECK(shared.handlers == 0);
}
