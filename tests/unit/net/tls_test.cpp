// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <csignal>
#include <thread>

#include "support/temporary_folder.hpp"
#include "tls_fixture.hpp"

namespace orbit::kernel {

namespace {

// Without it a client of this test that writes to a closed socket would end the process; the net itself never needs it.
const auto ignored = std::signal(SIGPIPE, SIG_IGN);

// A listener with a certificate of its own authority.
struct TlsFixture : NetFixture {
  explicit TlsFixture(uint32_t workers = 2) : NetFixture(workers) {
    static_cast<void>(ignored);
    write("server", make_certificate("node.test", &authority));
    tls.struct_size = sizeof tls;
    tls.certificate = certificate_file.c_str();
    tls.key = key_file.c_str();
    write_file(client_ca_file, authority.certificate_pem());
  }

  void write(const std::string& name, const TestCertificate& made) {
    write_file(folder.path + "/" + name + ".pem", made.certificate_pem());
    write_file(folder.path + "/" + name + ".key", made.key_pem());
  }
  std::string listen_tls(orbit_listen_options options = NetFixture::options()) {
    options.tls = &tls;
    return listen(options);
  }
  void ask_for_certificates(orbit_client_certificate how) {
    tls.client_ca = client_ca_file.c_str();
    tls.client_certificate = how;
  }
  uint64_t failures() const {
    uint64_t out = 0;
    for (const NetCounters& each : net->counters()) out += each.tls_failures;
    return out;
  }

  test::TemporaryFolder folder;
  const TestCertificate authority = make_certificate("test authority");
  const std::string certificate_file = folder.path + "/server.pem";
  const std::string key_file = folder.path + "/server.key";
  const std::string client_ca_file = folder.path + "/client_ca.pem";
  orbit_tls_options tls{};
};

std::string numbered(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 11 + i / 257) % 26);
  return out;
}

// Passes data through the echo while the client reads slowly, with little memory on the way.
void pass_through(TlsFixture& fixture, int version, size_t size) {
  auto options = NetFixture::options();
  options.output_pause_bytes = 256 * 1024;
  options.output_bytes_max = 1024 * 1024;
  TlsClient client(fixture.listen_tls(options),
                   {.min_version = version, .max_version = version, .receive_buffer_bytes = 32 * 1024});
  REQUIRE(client.connected());
  const std::string data = numbered(size);
  // OpenSSL's objects are for one thread: this one sends and receives in turns, more ahead than behind.
  SSL_set_mode(client.ssl(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  std::string back;
  size_t at = 0;
  while (back.size() < data.size()) {
    while (at < data.size() && at < back.size() + 200'000) {
      const int sent = SSL_write(client.ssl(), data.data() + at, static_cast<int>(std::min<size_t>(100'000, data.size() - at)));
      REQUIRE(sent > 0);
      at += static_cast<size_t>(sent);
    }
    const std::string part = client.read(std::min<size_t>(50'000, at - back.size()));
    if (part.empty()) break;
    back += part;
  }
  CHECK(back == data);
}

}  // namespace

TEST_CASE("an echo comes back over TLS 1.3 and 1.2, and the codec knows what was agreed") {
  TlsFixture fixture;
  static const char* const protocols[] = {"orbit/2", "orbit/1", nullptr};
  fixture.tls.alpn = protocols;
  std::mutex mutex;
  std::vector<std::string> seen;
  fixture.on_opened = [&](orbit_connection* connection) {
    orbit_tls_info info{};
    info.struct_size = sizeof info;
    REQUIRE(net_table()->tls(connection, &info) == 1);
    const std::lock_guard lock(mutex);
    seen.push_back(std::string(info.version) + " " + std::string(from_c(info.alpn)) + " " + std::string(from_c(info.server_name)) +
                   " " + std::to_string(info.peer_certificate.size));
  };
  const std::string address = fixture.listen_tls();
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    TlsClient client(address, {.min_version = version, .max_version = version, .alpn = "orbit/1", .trusted = &fixture.authority});
    REQUIRE(client.connected());
    REQUIRE(client.send("hello"));
    CHECK(client.read(5) == "hello");
    SSL_shutdown(client.ssl());
    CHECK(client.end() == SSL_ERROR_ZERO_RETURN);  // ours is answered by theirs
  }
  REQUIRE(fixture.closed.wait_for(2));
  CHECK(seen == std::vector<std::string>{"TLSv1.3 orbit/1 node.test 0", "TLSv1.2 orbit/1 node.test 0"});
  CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK, ORBIT_OK});
}

TEST_CASE("a plain connection has no TLS to tell of") {
  NetFixture fixture;
  int told = -1;
  fixture.on_opened = [&](orbit_connection* connection) {
    orbit_tls_info info{};
    info.struct_size = sizeof info;
    told = net_table()->tls(connection, &info);
  };
  Client client(fixture.listen(NetFixture::options()));
  REQUIRE(fixture.opened.wait_for(1));
  CHECK(told == 0);
}

TEST_CASE("versions before TLS 1.2 are refused, and so is 1.2 where 1.3 is the least") {
  TlsFixture fixture;
  const std::string address = fixture.listen_tls();
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION})
    CHECK_FALSE(TlsClient(address, {.min_version = version, .max_version = version}).connected());
  fixture.tls.min_version = "1.3";
  const std::string strict = fixture.listen_tls();
  CHECK_FALSE(TlsClient(strict, {.min_version = TLS1_2_VERSION, .max_version = TLS1_2_VERSION}).connected());
  CHECK(TlsClient(strict).connected());
  CHECK(fixture.opened.wait_for(1));
  CHECK(fixture.opened.value() == 1);
}

TEST_CASE("a client that offers protocols, none of them ours, is refused; one that offers none is not") {
  TlsFixture fixture;
  static const char* const protocols[] = {"orbit/1", nullptr};
  fixture.tls.alpn = protocols;
  const std::string address = fixture.listen_tls();
  CHECK_FALSE(TlsClient(address, {.alpn = "h2"}).connected());
  CHECK(TlsClient(address).connected());
}

TEST_CASE("a required client certificate must be there, of our authority and not expired") {
  TlsFixture fixture;
  fixture.ask_for_certificates(ORBIT_CLIENT_CERTIFICATE_REQUIRED);
  size_t size = 0;
  fixture.on_opened = [&](orbit_connection* connection) {
    orbit_tls_info info{};
    info.struct_size = sizeof info;
    net_table()->tls(connection, &info);
    size = info.peer_certificate.size;
  };
  const std::string address = fixture.listen_tls();
  const TestCertificate other = make_certificate("other authority");
  const TestCertificate foreign = make_certificate("alice", &other);
  const TestCertificate expired = make_certificate("alice", &fixture.authority, -7200, -3600);
  const TestCertificate later = make_certificate("alice", &fixture.authority, 3600, 7200);
  const TestCertificate good = make_certificate("alice", &fixture.authority);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
    for (const TestCertificate* each : {static_cast<const TestCertificate*>(nullptr), &foreign, &expired, &later}) {
      TlsClient client(address, {.min_version = version, .max_version = version, .certificate = each});
      // With TLS 1.3 the client's side is done before the server has looked.
      CHECK((!client.connected() || client.end() == SSL_ERROR_SSL));
    }
  CHECK(fixture.opened.value() == 0);
  TlsClient client(address, {.certificate = &good});
  REQUIRE(client.connected());
  REQUIRE(client.send("x"));
  CHECK(client.read(1) == "x");
  CHECK(size == static_cast<size_t>(i2d_X509(good.certificate.get(), nullptr)));
  CHECK(fixture.failures() == 8);
}

TEST_CASE("an optional client certificate may be missing, but not be bad") {
  TlsFixture fixture;
  fixture.ask_for_certificates(ORBIT_CLIENT_CERTIFICATE_OPTIONAL);
  const std::string address = fixture.listen_tls();
  const TestCertificate other = make_certificate("other authority");
  const TestCertificate foreign = make_certificate("alice", &other);
  TlsClient without(address);
  REQUIRE(without.connected());
  REQUIRE(without.send("x"));
  CHECK(without.read(1) == "x");
  TlsClient bad(address, {.certificate = &foreign});
  CHECK((!bad.connected() || bad.end() == SSL_ERROR_SSL));
}

TEST_CASE("what is no handshake goes no further, and the codec hears nothing of it") {
  TlsFixture fixture;
  const std::string address = fixture.listen_tls();
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("*1\r\n$4\r\nPING\r\n"), std::string(100'000, '\0'),
        std::string("\x16\x03\x01\xff\xff") + std::string(70'000, 'x'), std::string("\x80\x2e\x01\x00\x02", 5) + std::string(60, 'a')}) {
    Client client(address);
    client.send(garbage);
    client.shut_write();
    client.read_to_end();  // ends, and not for the test's own patience
  }
  {
    Client client(address);  // gone before it said a word
  }
  TlsClient good(address);
  CHECK(good.connected());
  REQUIRE(fixture.opened.wait_for(1));
  CHECK(fixture.opened.value() == 1);
  CHECK(fixture.closed.value() == 0);
}

TEST_CASE("a handshake that stays half open is ended after its time") {
  TlsFixture fixture;
  fixture.tls.handshake_timeout_ms = 100;
  const std::string address = fixture.listen_tls();
  Client silent(address);
  Client half(address);
  REQUIRE(half.send(std::string("\x16\x03\x01\x02\x00\x01", 6)));  // the beginning of a ClientHello
  CHECK(silent.read_to_end().empty());
  CHECK(half.read_to_end().empty());
  CHECK(TlsClient(address).connected());
  CHECK(fixture.failures() == 2);
}

TEST_CASE("handshakes have a bound, and those over it are closed at once") {
  TlsFixture fixture(1);
  fixture.tls.handshakes_max = 2;
  const std::string address = fixture.listen_tls();
  Client first(address);
  Client second(address);
  fixture.on_worker(0, [] {});
  Client third(address);
  CHECK(third.read_to_end().empty());
  CHECK(fixture.net->counters()[0].rejected == 1);
  first.close();
  second.close();
  bool again = false;  // once the node has seen that the two are gone
  for (int i = 0; i < 1000 && !again; ++i) again = TlsClient(address).connected();
  CHECK(again);
}

TEST_CASE("sixteen megabytes pass through TLS 1.3 and 1.2 unharmed while the reader is slow") {
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    TlsFixture fixture;
    pass_through(fixture, version, 16 * 1024 * 1024);
  }
}

TEST_CASE("a record larger than every buffer arrives whole, whatever the sizes of its parts") {
  TlsFixture fixture;
  const std::string data = numbered(3'000'000);
  fixture.received = [&](orbit_connection* connection, const char* bytes, size_t size) -> size_t {
    if (size < data.size()) return 0;
    net_table()->write(connection, std::string_view(bytes, size) == data ? "same" : "else", 4);
    return size;
  };
  TlsClient client(fixture.listen_tls());
  REQUIRE(client.connected());
  size_t at = 0;
  for (size_t part = 1; at < data.size(); part = part * 5 % 70'001 + 1) {
    const size_t size = std::min(part, data.size() - at);
    REQUIRE(client.send(std::string_view(data).substr(at, size)));
    at += size;
  }
  CHECK(client.read(4) == "same");
}

TEST_CASE("a paused connection gets what TLS has already read after resume, without new bytes") {
  TlsFixture fixture(1);
  orbit_connection* connection = nullptr;
  Count paused;
  std::string got;
  fixture.received = [&](orbit_connection* where, const char* data, size_t size) -> size_t {
    if (connection == nullptr) {
      connection = where;
      net_table()->pause(where);
      paused.add();
      return 1;
    }
    got.append(data, size);
    if (got.size() == 149'999) net_table()->write(where, "all", 3);
    return size;
  };
  TlsClient client(fixture.listen_tls());
  REQUIRE(client.connected());
  std::thread sender([&] { CHECK(client.send(numbered(150'000))); });
  REQUIRE(paused.wait_for(1));
  fixture.on_worker(0, [&] { net_table()->resume(connection); });
  sender.join();
  CHECK(client.read(3) == "all");
  CHECK(got == numbered(150'000).substr(1));
}

TEST_CASE("a codec's close is told by close_notify, after all that it wrote") {
  TlsFixture fixture;
  fixture.received = [](orbit_connection* connection, const char*, size_t size) -> size_t {
    const std::string last = numbered(500'000);
    net_table()->write(connection, last.data(), last.size());
    net_table()->close(connection);
    return size;
  };
  TlsClient client(fixture.listen_tls());
  REQUIRE(client.connected());
  REQUIRE(client.send("bye"));
  CHECK(client.read(500'000) == numbered(500'000));
  CHECK(client.end() == SSL_ERROR_ZERO_RETURN);
}

TEST_CASE("a connection that is cut without close_notify has not ended in order") {
  TlsFixture fixture;
  const std::string address = fixture.listen_tls();
  {
    TlsClient client(address);
    REQUIRE(client.connected());
    REQUIRE(client.send("x"));
    CHECK(client.read(1) == "x");
    client.socket().shut_write();
    REQUIRE(fixture.closed.wait_for(1));
  }
  CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_UNAVAILABLE});
}

TEST_CASE("renegotiation is refused, and new keys within TLS 1.3 are not") {
  TlsFixture fixture;
  const std::string address = fixture.listen_tls();
  TlsClient old(address, {.min_version = TLS1_2_VERSION, .max_version = TLS1_2_VERSION});
  REQUIRE(old.connected());
  SSL_renegotiate(old.ssl());
  SSL_do_handshake(old.ssl());
  ERR_clear_error();
  char byte = 0;
  CHECK((SSL_write(old.ssl(), "x", 1) <= 0 || SSL_read(old.ssl(), &byte, 1) <= 0));

  TlsClient now(address, {.min_version = TLS1_3_VERSION});
  REQUIRE(now.connected());
  for (int i = 0; i < 10; ++i) {
    REQUIRE(SSL_key_update(now.ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(now.send("hello"));
    CHECK(now.read(5) == "hello");
  }
}

TEST_CASE("a certificate is read again when its files change; who is connected goes on, and a bad one changes nothing") {
  TlsFixture fixture;
  const std::string address = fixture.listen_tls();
  TlsClient before(address);
  REQUIRE(before.server_name() == "node.test");
  fixture.net->reload_certificates(false);  // nothing has changed

  fixture.write("server", make_certificate("second.test", &fixture.authority));
  fixture.net->reload_certificates(false);
  CHECK(TlsClient(address).server_name() == "second.test");

  write_file(fixture.certificate_file, make_certificate("third.test", &fixture.authority).certificate_pem());  // not its key
  fixture.net->reload_certificates(false);
  CHECK(TlsClient(address).server_name() == "second.test");
  {
    const std::lock_guard lock(fixture.mutex);
    REQUIRE(fixture.warnings.size() == 1);
    CHECK(fixture.warnings[0].find("key values mismatch") != std::string::npos);
  }
  REQUIRE(before.send("still"));
  CHECK(before.read(5) == "still");
}

TEST_CASE("certificates change under load, and no connection fails") {
  TlsFixture fixture;
  const std::string address = fixture.listen_tls();
  const TestCertificate each[] = {make_certificate("a.test", &fixture.authority), make_certificate("b.test", &fixture.authority)};
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      while (!stop) {
        TlsClient client(address, {.trusted = &fixture.authority});
        if (!client.connected() || !client.send("x") || client.read(1) != "x") failed.fetch_add(1);
        done.fetch_add(1);
      }
    });
  for (int i = 0; i < 30 || done < 20; ++i) {
    fixture.write("server", each[i % 2]);
    fixture.net->reload_certificates(true);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  CHECK(failed == 0);
}

TEST_CASE("settings of TLS that cannot work are told when listening begins") {
  TlsFixture fixture;
  const auto refusal = [&](const orbit_tls_options& tls) {
    auto options = NetFixture::options();
    options.tls = &tls;
    static constexpr orbit_connection_handler handler = {
        sizeof(orbit_connection_handler), 0, [](void*, orbit_connection*) -> void* { return nullptr; },
        [](void*, const char*, size_t size) { return size; }, nullptr, [](void*, orbit_code) {}, nullptr};
    const auto made = fixture.net->listen(options, handler, nullptr);
    REQUIRE_FALSE(made.has_value());
    return made.error().message;
  };
  auto tls = fixture.tls;
  tls.certificate = "/nowhere.pem";
  CHECK(refusal(tls).find("tls.certificate '/nowhere.pem' cannot be used") != std::string::npos);
  tls = fixture.tls;
  tls.key = fixture.client_ca_file.c_str();
  CHECK(refusal(tls).find("expected its private key in PEM") != std::string::npos);
  tls = fixture.tls;
  tls.client_certificate = ORBIT_CLIENT_CERTIFICATE_REQUIRED;
  CHECK(refusal(tls).find("tls.client_ca does not say who signs them") != std::string::npos);
  tls = fixture.tls;
  tls.min_version = "1.1";
  CHECK(refusal(tls) == "tls.min_version is '1.1', expected '1.2' or '1.3'");
}

}  // namespace orbit::kernel
