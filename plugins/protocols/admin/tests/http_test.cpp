// SPDX-License-Identifier: MIT OR BSD-3-Clause
// HTTP itself: framing, splitting, limits, keep-alive, malformed requests.
#include <doctest/doctest.h>

#include <string>

#include "answers.hpp"
#include "fake_host.hpp"

using namespace orbit;
using namespace orbit::admin;
using namespace orbit::admin::test;
using namespace orbit::http::test;

namespace {

constexpr uint64_t kLingerMs = 1000;  // of sdk/http
const std::string kGet = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string post(std::string_view body, std::string_view more_headers = {}) {
  return "POST /v1/actors/bank.Account/7/Deposit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         std::string(more_headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace

TEST_CASE("a request is understood however its bytes are split") {
  const std::string request = post(R"({"amount":5})") + kGet;
  for (size_t cut = 1; cut < request.size(); ++cut) {
    CAPTURE(cut);
    FakeHost host;
    Client client(host);
    client.send(request.substr(0, cut));
    client.send(request.substr(cut));
    const auto answers = read_answers(client.take());
    REQUIRE(answers.size() == 2);
    CHECK(answers[0].status == 200);
    CHECK(answers[1].body == R"({"status":"ok"})");
    CHECK(host.asked == std::vector<std::string>{R"(call bank.Account 7 Deposit {"amount":5} 60000ms)"});
  }
}

TEST_CASE("a request that comes byte by byte is understood") {
  FakeHost host;
  Client client(host);
  for (const char byte : post(R"({"amount":5})")) client.send({&byte, 1});
  CHECK(read_answer(client.take()).status == 200);
  CHECK(host.asked.size() == 1);
}

TEST_CASE("pipelined requests are answered in order, also when the first answer comes late") {
  FakeHost host;
  host.hold_answers = true;
  Client client(host);
  client.send(post("{}") + kGet + kGet);
  CHECK(client.paused());
  CHECK(client.take().empty());
  host.answer(ORBIT_OK, R"({"first":true})");
  client.pump();
  const auto answers = read_answers(client.take());
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].body == R"({"first":true})");
  CHECK(answers[2].body == R"({"status":"ok"})");
  CHECK_FALSE(client.closing());
}

TEST_CASE("a chunked body is put together") {
  FakeHost host;
  Client client(host);
  const std::string request =
      "POST /v1/actors/t/k/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "4;name=value\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\nTrailer: x\r\n\r\n";
  for (size_t cut = 0; cut < request.size(); ++cut) {
    client.send(request.substr(0, cut));
    client.send(request.substr(cut));
    CHECK(read_answer(client.take()).status == 200);
    CHECK(host.asked.back() == R"(call t k M {"a":1} 60000ms)");
  }
}

TEST_CASE("a chunked body may come byte by byte, its last chunk too") {
  FakeHost host;
  Client client(host);
  const std::string request =
      "POST /v1/actors/t/k/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
  for (const char c : request) client.send(std::string(1, c));
  CHECK(read_answer(client.take()).status == 200);
  CHECK(host.asked.back() == R"(call t k M {} 60000ms)");
}

TEST_CASE("Expect: 100-continue gets the go-ahead before the body, or a refusal instead of it") {
  FakeHost host;
  {
    Client client(host);
    client.send(
        "POST /v1/actors/t/k/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: "
        "100-continue\r\n"
        "Content-Length: 2\r\n\r\n");
    CHECK(client.take() == "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("{}");
    CHECK(read_answer(client.take()).status == 200);
  }
  {
    Client client(host);
    client.send("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    const auto answer = read_answer(client.take());
    CHECK(answer.status == 404);
    CHECK(answer.headers.at("Connection") == "close");
  }
}

TEST_CASE("HEAD has the headers of GET and no body") {
  FakeHost host;
  Client client(host);
  client.send("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto answer = read_answer(client.take(), true);
  CHECK(answer.status == 200);
  CHECK(answer.headers.at("Content-Length") == std::to_string(std::string("orbit_up 1\n").size()));
  CHECK(answer.headers.at("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
}

TEST_CASE("HTTP/1.0 closes unless keep-alive is asked for, HTTP/1.1 stays open unless close is") {
  FakeHost host;
  const auto closes = [&](const char* head) {
    Client client(host);
    client.send(head);
    const auto answer = read_answer(client.take());
    CHECK(answer.status == 200);
    CHECK((answer.headers.contains("Connection") && answer.headers.at("Connection") == "close") == client.closing());
    return client.closing();
  };
  CHECK(closes("GET /healthz HTTP/1.0\r\n\r\n"));
  CHECK_FALSE(closes("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  CHECK_FALSE(closes("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  CHECK(closes("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
}

TEST_CASE("empty lines before a request are ignored") {
  FakeHost host;
  Client client(host);
  client.send("\r\n\r\n" + kGet + "\r\n");
  CHECK(read_answer(client.take()).status == 200);
  CHECK(client.unconsumed() == 0);
}

TEST_CASE("a head over header_bytes_max is 431 and names the bound") {
  FakeHost host({.http = {.limits = {.header_bytes_max = 2000}}});
  Client client(host);
  client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + std::string(2500, 'x'));
  const auto answer = read_answer(client.take());
  CHECK(answer.status == 431);
  CHECK(answer.code() == "RESOURCE_EXHAUSTED");
  CHECK(answer.body.find("header_bytes_max, 2000") != std::string::npos);
  CHECK(answer.headers.at("Connection") == "close");
}

TEST_CASE("a body over body_bytes_max is 413, announced or not") {
  FakeHost host({.http = {.limits = {.body_bytes_max = 1000}}});
  {
    Client client(host);
    client.send(
        "POST /v1/actors/t/k/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
        "1001\r\n\r\n");
    const auto answer = read_answer(client.take());
    CHECK(answer.status == 413);
    CHECK(answer.body.find("body_bytes_max, 1000") != std::string::npos);
  }
  {
    Client client(host);
    client.send(
        "POST /v1/actors/t/k/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
        "chunked\r\n\r\n");
    for (int i = 0; i < 11; ++i) client.send("64\r\n" + std::string(100, ' ') + "\r\n");
    CHECK(read_answer(client.take()).status == 413);
  }
  CHECK(host.asked.empty());
}

TEST_CASE("a chunk extension without end is refused") {
  FakeHost host({.http = {.limits = {.header_bytes_max = 2000}}});
  Client client(host);
  client.send(
      "POST /v1/actors/t/k/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
      "chunked\r\n\r\n");
  for (int i = 0; i < 30 && !client.closing(); ++i) client.send(i == 0 ? "4;x=" : std::string(100, 'x'));
  CHECK(client.unconsumed() <= 2000);
  CHECK(read_answer(client.take()).status == 431);
}

TEST_CASE("malformed requests get one clear answer and the connection ends") {
  struct Malformed {
    const char* bytes;
    int status;
  };
  const Malformed cases[] = {
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET /healthz\r\n\r\n", 400},
      {"GET  /healthz HTTP/1.1\r\n\r\n", 400},
      {"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", 400},
      {"GET /healthz HTTP/1.1\r\nName : space\r\n\r\n", 400},
      {"GET /healthz HTTP/1.1\nHost: localhost\n\r\n\r\n", 400},
      {"GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"POST /v1/modules HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
      {"POST /v1/modules HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       400},
      {"POST /v1/modules HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", 400},
      {"POST /v1/modules HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
      {"POST /v1/actors/t/k/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: "
       "chunked\r\n\r\nxyz\r\n",
       400},
  };
  for (const auto& [bytes, status] : cases) {
    CAPTURE(std::string(bytes));
    FakeHost host;
    Client client(host);
    client.send(bytes);
    const auto answer = read_answer(client.take());
    CHECK(answer.status == status);
    CHECK(answer.headers.at("Content-Type") == "application/problem+json");
    CHECK(answer.headers.at("Connection") == "close");
    // The connection lingers, so that a client that still sends can read the answer, and then closes.
    client.send("more");
    CHECK(client.unconsumed() == 0);
    CHECK_FALSE(client.closing());
    host.advance(kLingerMs);
    CHECK(client.closing());
    CHECK(host.asked.empty());
  }
}

TEST_CASE("a request needs exactly one Host") {
  FakeHost host;
  for (const char* head :
       {"GET /healthz HTTP/1.1\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"}) {
    Client client(host);
    client.send(head);
    CHECK(read_answer(client.take()).status == 400);
  }
}

TEST_CASE("a request that does not arrive in time is 408, one that waits for its answer is left alone") {
  FakeHost host;
  {
    Client client(host);
    client.send("GET /healthz HT");
    host.advance(29'999);
    CHECK(client.take().empty());
    host.advance(1);
    CHECK(read_answer(client.take()).status == 408);
    host.advance(kLingerMs);
    CHECK(client.closing());
  }
  {
    // Bytes that trickle in do not buy time.
    Client client(host);
    client.send(post(std::string(100, ' ')).substr(0, 160));
    host.advance(20'000);
    client.send(" ");
    host.advance(10'000);
    CHECK(read_answer(client.take()).status == 408);
  }
  {
    host.hold_answers = true;
    Client client(host);
    client.send(post("{}"));
    CHECK(client.idle_timeout_ms() == 0);
    host.advance(600'000);
    CHECK(client.take().empty());
    host.answer(ORBIT_OK, "{}");
    CHECK(read_answer(client.take()).status == 200);
    CHECK(client.idle_timeout_ms() == 60'000);
    CHECK(host.timers.empty());
  }
}

TEST_CASE("each request has the whole request_timeout_ms, also behind another one") {
  FakeHost host;
  Client client(host);
  client.send("GET /hea");
  host.advance(20'000);
  client.send("lthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea");
  CHECK(read_answer(client.take()).status == 200);
  host.advance(20'000);
  CHECK(client.take().empty());
  client.send("lthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(read_answer(client.take()).status == 200);
}

TEST_CASE("an answer for a client that has gone goes nowhere") {
  FakeHost host;
  host.hold_answers = true;
  {
    Client client(host);
    client.send(post("{}"));
    client.hang_up();
  }
  REQUIRE(host.questions.size() == 1);
  host.answer(ORBIT_OK, "{}");
  CHECK(host.counters["orbit_admin_answers_total{status=\"2xx\"}"] == 0);
}

TEST_CASE("a client that does not read is not served further until it does") {
  FakeHost host;
  Client client(host);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += kGet;
  client.send(many);
  CHECK(client.unconsumed() > 0);
  CHECK(client.output().size() < ListenOptions().output_pause_bytes + 4096);
  size_t answered = 0;
  for (int round = 0; round < 100 && answered < 5000; ++round) {
    answered += read_answers(client.take()).size();
    client.send({});  // the kernel says that the output has drained and offers the rest
  }
  CHECK(answered == 5000);
}

TEST_CASE("after stop a connection ends with the answer it waits for") {
  FakeHost host;
  CHECK(host.listening);
  host.hold_answers = true;
  Client client(host);
  client.send(post("{}"));
  host.server().stop();
  CHECK_FALSE(host.listening);
  host.answer(ORBIT_OK, "{}");
  CHECK(read_answer(client.take()).headers.at("Connection") == "close");
  CHECK(client.closing());
  CHECK(host.counters["orbit_admin_answers_total{status=\"2xx\"}"] == 1);
}

TEST_CASE("text that is no UTF-8 is repaired") {
  CHECK(http::valid_utf8("plain") == "plain");
  CHECK(http::valid_utf8("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80") == "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
  CHECK(http::valid_utf8("a\xFF"
                   "b") ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(http::valid_utf8("\xC3") == "\xEF\xBF\xBD");
  CHECK(http::valid_utf8("\xC0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD");              // overlong
  CHECK(http::valid_utf8("\xED\xA0\x80").find("\xED") == std::string::npos);      // a surrogate
  CHECK(http::valid_utf8("\xF4\x90\x80\x80").find("\xF4") == std::string::npos);  // above U+10FFFF
}
