// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the simulated network does to connections, and that a seed says all of it. What a codec may expect of any
// network is in net_contract_test.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "sim_fixture.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

std::unique_ptr<SimClient> connect(SimFixture& fixture, const std::string& address,
                                   const std::string& from = "127.0.0.1") {
  auto made = fixture.network.connect(address, from);
  REQUIRE(made.has_value());
  return std::move(*made);
}

void pass(SimFixture& fixture, uint64_t ns) {
  const uint64_t end_ns = fixture.executor.monotonic_ns() + ns;
  while (fixture.executor.step_until(end_ns)) {
  }
  if (end_ns > fixture.executor.monotonic_ns()) fixture.executor.advance(end_ns - fixture.executor.monotonic_ns());
}

template <class Body>
void with_seeds(Body&& body) {
  SimFixture::each(2, {}, body);
}

}  // namespace

TEST_CASE("TLS is refused") {
  SimFixture fixture(1);
  orbit_tls_options tls{};
  tls.struct_size = sizeof tls;
  auto options = SimFixture::options();
  options.tls = &tls;
  const auto made = fixture.listen_on(*fixture.net, options);
  REQUIRE_FALSE(made.has_value());
  CHECK(made.error().code == Code::unimplemented);
}

TEST_CASE("who asks where nobody listens is refused") {
  with_seeds([](SimFixture& fixture) {
    auto client = connect(fixture, "127.0.0.1:1");
    client->send("lost");
    REQUIRE(fixture.run_until([&] { return client->was_reset(); }));
    CHECK_FALSE(client->is_open());
    CHECK_FALSE(fixture.network.connect("nowhere").has_value());
  });
}

TEST_CASE("bytes come in pieces of the sizes that are asked for, and in their order") {
  with_seeds([](SimFixture& fixture) {
    auto how = fixture.network.options();
    how.piece_bytes_min = 3;
    how.piece_bytes_max = 10;
    fixture.network.configure(how);
    std::set<size_t> sizes;
    std::string got;
    fixture.received = [&](orbit_connection*, const char* data, size_t size) {
      sizes.insert(size);
      got.append(data, size);
      return size;
    };
    auto client = connect(fixture, fixture.listen(SimFixture::options()));
    client->send(pattern(3'000));
    REQUIRE(fixture.run_until([&] { return got.size() == 3'000; }));
    CHECK(got == pattern(3'000));
    CHECK(*sizes.begin() >= 1);  // the last one may be shorter
    CHECK(sizes.size() > 5);
  });
}

TEST_CASE("connections overtake each other") {
  std::set<char> first;
  with_seeds([&](SimFixture& fixture) {
    std::string got;
    fixture.received = [&](orbit_connection*, const char* data, size_t size) {
      got.append(data, size);
      return size;
    };
    const std::string address = fixture.listen(SimFixture::options());
    auto a = connect(fixture, address);
    auto b = connect(fixture, address);
    a->send("a");
    b->send("b");
    REQUIRE(fixture.run_until([&] { return got.size() == 2; }));
    first.insert(got[0]);
  });
  if (SimFixture::kSeeds > 20) CHECK(first.size() == 2);
}

TEST_CASE("what a partition holds back arrives after heal, and the other direction goes on") {
  with_seeds([](SimFixture& fixture) {
    const std::string address = fixture.listen(SimFixture::options());
    auto client = connect(fixture, address);
    client->send("one");
    REQUIRE(fixture.run_until([&] { return client->received() == "one"; }));
    fixture.network.partition(*client, Direction::from_node);
    client->send("two");
    pass(fixture, 60 * kSecondNs);
    CHECK(client->received() == "one");
    CHECK(fixture.bytes.value() == 6);
    fixture.network.partition(*client, Direction::to_node);
    client->send("three");
    pass(fixture, 60 * kSecondNs);
    CHECK(fixture.bytes.value() == 6);
    fixture.network.heal(*client);
    REQUIRE(fixture.run_until([&] { return client->received() == "onetwothree"; }));
  });
}

TEST_CASE("a host that is partitioned keeps its old and new connections from the node, and others go on") {
  with_seeds([](SimFixture& fixture) {
    const std::string address = fixture.listen(SimFixture::options());
    auto old = connect(fixture, address, "10.0.0.1");
    auto other = connect(fixture, address, "10.0.0.2");
    REQUIRE(fixture.opened.wait_for(2));
    fixture.network.partition("10.0.0.1", Direction::both);
    auto later = connect(fixture, address, "10.0.0.1");
    for (SimClient* client : {old.get(), other.get(), later.get()}) client->send("x");
    REQUIRE(fixture.run_until([&] { return other->received() == "x"; }));
    pass(fixture, 60 * kSecondNs);
    CHECK(old->received().empty());
    CHECK(later->received().empty());
    CHECK(fixture.opened.value() == 2);
    fixture.network.heal();
    REQUIRE(fixture.run_until([&] { return old->received() == "x" && later->received() == "x"; }));
  });
}

TEST_CASE("a client that vanishes is noticed by the idle timeout only") {
  with_seeds([](SimFixture& fixture) {
    auto options = SimFixture::options();
    options.idle_timeout_ms = 30'000;
    auto client = connect(fixture, fixture.listen(options));
    REQUIRE(fixture.opened.wait_for(1));
    fixture.network.vanish(*client);
    client.reset();  // says nothing to the node
    pass(fixture, 29 * kSecondNs);
    CHECK(fixture.closed.value() == 0);
    pass(fixture, 2 * kSecondNs);
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_DEADLINE_EXCEEDED});
  });
}

TEST_CASE("close does not wait longer than five seconds for a client that does not read") {
  with_seeds([](SimFixture& fixture) {
    fixture.received = [](orbit_connection* connection, const char*, size_t size) {
      const std::string text(200'000, 'x');
      net_table()->write(connection, text.data(), text.size());
      net_table()->close(connection);
      return size;
    };
    auto client = connect(fixture, fixture.listen(SimFixture::options()));
    client->stop_reading();
    client->send("q");
    pass(fixture, 4 * kSecondNs);
    CHECK(fixture.closed.value() == 0);
    pass(fixture, 2 * kSecondNs);
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK});
    client->read_again();
    REQUIRE(fixture.run_until([&] { return client->peer_finished() || client->was_reset(); }));
    CHECK(client->received().size() >= fixture.network.options().window_bytes);
    CHECK(client->received().size() < 200'000);
  });
}

TEST_CASE("a client that does not read closes the window, and the codec is asked again once it reads") {
  with_seeds([](SimFixture& fixture) {
    auto options = SimFixture::options();
    options.output_pause_bytes = 10'000;
    fixture.received = [&](orbit_connection* connection, const char*, size_t size) {
      for (size_t i = 0; i < size; ++i) net_table()->write(connection, std::string(100, 'y').data(), 100);
      return size;
    };
    auto client = connect(fixture, fixture.listen(options));
    client->stop_reading();
    auto how = fixture.network.options();
    how.piece_bytes_max = 20;
    fixture.network.configure(how);
    client->send(std::string(5'000, 'q'));
    pass(fixture, kSecondNs);
    const uint64_t asked = fixture.bytes.value();
    CHECK(asked < 3'000);
    CHECK(client->unread_bytes() == how.window_bytes);
    pass(fixture, kSecondNs);
    CHECK(fixture.bytes.value() == asked);
    client->read_again();
    REQUIRE(fixture.run_until([&] { return client->received().size() == 500'000; }));
    CHECK(fixture.drained.value() > 0);
  });
}

TEST_CASE("a connection that is cut is reset at both ends") {
  with_seeds([](SimFixture& fixture) {
    auto how = fixture.network.options();
    how.reset_chance = 0.05;
    how.piece_bytes_max = 100;
    fixture.network.configure(how);
    auto client = connect(fixture, fixture.listen(SimFixture::options()));
    client->send(pattern(100'000));
    REQUIRE(fixture.run_until([&] { return client->was_reset(); }));
    REQUIRE(fixture.closed.wait_for(1));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_UNAVAILABLE});
    CHECK(client->received() == pattern(100'000).substr(0, client->received().size()));
  });
}

TEST_CASE("a power cut is told to nobody, and who sends afterwards is reset once the node is back") {
  for (uint64_t seed = 1; seed <= SimFixture::kSeeds; ++seed) {
    CAPTURE(seed);
    SimNetwork network({.seed = seed, .delay_max_ns = 1'000'000});
    std::unique_ptr<SimClient> client;
    EchoCodec codec;
    auto options = EchoCodec::options();
    options.address = "127.0.0.1:7000";
    const auto run = [](SimExecutor& executor, const std::function<bool()>& done) {
      return executor.run_until(done, SimFixture::kStepsMax);
    };
    std::unique_ptr<SimNet> before;  // its executor ends first
    SimExecutor first({.seed = seed});
    network.attach(first);
    before = std::make_unique<SimNet>(first, network, SocketNetOptions());
    REQUIRE(codec.listen_on(*before, options));
    first.start();
    client = std::move(*network.connect("127.0.0.1:7000"));
    client->send("one");
    REQUIRE(run(first, [&] { return client->received() == "one"; }));
    network.detach(true);

    network.advance_to(first.monotonic_ns() + 60 * kSecondNs);
    auto early = std::move(*network.connect("127.0.0.1:7000"));  // asks again and again
    early->send("hello");
    network.advance_to(first.monotonic_ns() + 120 * kSecondNs);
    CHECK(client->is_open());
    CHECK_FALSE(client->peer_finished());
    CHECK(early->is_open());

    SimExecutor second({.seed = ~seed, .monotonic_start_ns = first.monotonic_ns() + 120 * kSecondNs});
    network.attach(second);
    SimNet after(second, network, {});
    REQUIRE(codec.listen_on(after, options));
    second.start();
    REQUIRE(run(second, [&] { return early->received() == "hello"; }));
    CHECK(client->is_open());
    client->send("two");
    REQUIRE(run(second, [&] { return client->was_reset(); }));
    CHECK(client->received() == "one");
    const uint64_t closed = codec.closed.value();
    after.stop();
    CHECK(codec.closed.value() == closed + 1);
    second.stop();
    network.detach(false);
    auto late = std::move(*network.connect("127.0.0.1:7000"));
    network.advance_to(second.monotonic_ns() + kSecondNs);
    CHECK(late->was_reset());
    CHECK(early->peer_finished());
  }
}

TEST_CASE("the same seed gives the same history, and another seed another one") {
  const auto history = [](uint64_t seed) {
    SimFixture fixture(2, {}, seed);
    const std::string address = fixture.listen(SimFixture::options());
    auto a = connect(fixture, address);
    auto b = connect(fixture, address);
    a->send(pattern(100'000));
    b->send(pattern(50'000));
    REQUIRE(fixture.run_until([&] { return a->received().size() == 100'000 && b->received().size() == 50'000; }));
    return fixture.executor.trace_hash();
  };
  std::set<uint64_t> all;
  for (uint64_t seed = 1; seed <= SimFixture::kSeeds; ++seed) {
    const uint64_t once = history(seed);
    CHECK(once == history(seed));
    all.insert(once);
  }
  CHECK(all.size() == SimFixture::kSeeds);
}

}  // namespace orbit::kernel
