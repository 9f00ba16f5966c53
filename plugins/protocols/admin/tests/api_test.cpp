// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the routes ask of the node, and how the node's answers and errors come out.
#include <doctest/doctest.h>

#include "answers.hpp"
#include "fake_host.hpp"

using namespace orbit;
using namespace orbit::admin;
using namespace orbit::admin::test;
using namespace orbit::http::test;

namespace {

HttpAnswer request(FakeHost& host, const std::string& method, const std::string& path, const std::string& body = {},
                   const std::string& content_type = "application/json") {
  Client client(host);
  std::string bytes = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n";
  if (!body.empty())
    bytes += "Content-Type: " + content_type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  client.send(bytes + "\r\n" + body);
  return read_answer(client.take());
}

}  // namespace

TEST_CASE("readiness follows the node") {
  FakeHost host;
  CHECK(request(host, "GET", "/readyz").status == 200);
  host.ready = false;
  const auto answer = request(host, "GET", "/readyz");
  CHECK(answer.status == 503);
  CHECK(answer.code() == "UNAVAILABLE");
  CHECK(request(host, "GET", "/healthz").status == 200);
}

TEST_CASE("what the node tells at once is passed on") {
  FakeHost host;
  CHECK(request(host, "GET", "/v1/node").body == R"({"name":"fake"})");
  CHECK(request(host, "GET", "/v1/workers").body == R"({"workers":[{"worker":0}]})");
  CHECK(request(host, "GET", "/v1/plugins").body == R"({"plugins":[]})");
  CHECK(request(host, "GET", "/v1/modules").body == R"({"modules":[]})");
  CHECK(request(host, "GET", "/v1/config").body == R"({"node":{"workers":1}})");
  CHECK(request(host, "GET", "/v1/types").json().at("types").as_array().size() == 1);
  CHECK(request(host, "GET", "/v1/types/bank.Account").json().at("module").as_string() == "bank");
  const auto none = request(host, "GET", "/v1/types/bank.Nothing");
  CHECK(none.status == 404);
  CHECK(none.json().at("instance").as_string() == "/v1/types/bank.Nothing");
  CHECK(request(host, "GET", "/openapi.json").json().at("openapi").as_string() == "3.1.0");
}

TEST_CASE("the log's last lines are passed on, as UTF-8") {
  FakeHost host;
  CHECK(request(host, "GET", "/v1/log?after=5&limit=3").json().at("lines").as_array()[0].as_string() == "after 5 limit 3 \xEF\xBF\xBD");
  CHECK(request(host, "GET", "/v1/log").body.find("after 0 limit 1000") != std::string::npos);
  for (const char* wrong : {"after=x", "after=-1", "limit=0", "limit=1001"})
    CHECK(request(host, "GET", "/v1/log?" + std::string(wrong)).status == 400);
}

TEST_CASE("the console is served without a token and loads nothing from elsewhere") {
  FakeHost host({.token = "secret"});
  const auto page = request(host, "GET", "/");
  CHECK(page.status == 200);
  CHECK(page.headers.at("Content-Type") == "text/html");
  CHECK(page.body.starts_with("<!doctype html>"));
  CHECK(page.headers.at("Content-Security-Policy").find("default-src 'none'") != std::string::npos);
  CHECK(request(host, "GET", "/v1/messages").status == 401);
}

TEST_CASE("an error is a problem document with all its members") {
  FakeHost host;
  const auto answer = request(host, "GET", "/nowhere?x=1");
  CHECK(answer.status == 404);
  CHECK(answer.headers.at("Content-Type") == "application/problem+json");
  const auto problem = answer.json();
  CHECK(problem.at("type").as_string() == "about:blank");
  CHECK(problem.at("title").as_string() == "Not Found");
  CHECK(problem.at("status").as_int64() == 404);
  CHECK(problem.at("instance").as_string() == "/nowhere?x=1");
  CHECK(problem.at("code").as_string() == "NOT_FOUND");
  CHECK_FALSE(problem.at("detail").as_string().empty());
}

TEST_CASE("every code of the node has its status") {
  struct Mapping {
    orbit_code code;
    int status;
  };
  const Mapping mappings[] = {{1, 499},  {2, 500},  {3, 400},  {4, 504},  {5, 404},  {6, 409},
                              {7, 403},  {8, 429},  {9, 400},  {10, 409}, {11, 400}, {12, 501},
                              {13, 500}, {14, 503}, {15, 500}, {16, 401}, {99, 500}};
  for (const auto& [code, status] : mappings) {
    CAPTURE(code);
    FakeHost host;
    host.hold_answers = true;
    Client client(host);
    client.send("POST /v1/actors/t/k/M HTTP/1.1\r\nHost: localhost\r\n\r\n");
    host.answer(code, "what happened with \xff");
    const auto answer = read_answer(client.take());
    CHECK(answer.status == status);
    CHECK(answer.code() == code_name(code));
    CHECK(answer.json().at("detail").as_string() == "what happened with \xEF\xBF\xBD");
  }
}

TEST_CASE("a call passes type, key, method, body and deadline") {
  FakeHost host;
  CHECK(request(host, "POST", "/v1/actors/bank.Account/a%2Fb/Deposit?timeout_ms=250", R"({"cents":1})").status == 200);
  CHECK(host.asked.back() == R"(call bank.Account a/b Deposit {"cents":1} 250ms)");
  CHECK(request(host, "POST", "/v1/actors/bank.Account/k/Balance").status == 200);
  CHECK(host.asked.back() == "call bank.Account k Balance  60000ms");
  for (const char* wrong : {"0", "60001", "-1", "1s", "99999999999999999999999", "+1"})
    CHECK(request(host, "POST", "/v1/actors/t/k/M?timeout_ms=" + std::string(wrong)).status == 400);
  CHECK(host.asked.size() == 2);
}

TEST_CASE("activations are listed by type, limit and cursor, and strictly") {
  FakeHost host;
  CHECK(request(host, "GET", "/v1/activations").status == 200);
  CHECK(host.asked.back() == "activations type= cursor= limit=100");
  CHECK(request(host, "GET", "/v1/activations?type=bank.Account&limit=2&cursor=x%26y").status == 200);
  CHECK(host.asked.back() == "activations type=bank.Account cursor=x&y limit=2");
  for (const char* query : {"limit=0", "limit=1001", "limit=", "limit=ten", "limt=5", "type=a&foo"}) {
    CAPTURE(std::string(query));
    CHECK(request(host, "GET", "/v1/activations?" + std::string(query)).status == 400);
  }
  CHECK(request(host, "GET", "/v1/activations?limt=5").body.find("known: type limit cursor") != std::string::npos);
  CHECK(request(host, "GET", "/v1/activations/t/k").status == 200);
  CHECK(host.asked.back() == "activation t k");
  const auto gone = request(host, "DELETE", "/v1/activations/t/k");
  CHECK(gone.status == 204);
  CHECK_FALSE(gone.headers.contains("Content-Length"));
  CHECK(host.asked.back() == "deactivate t k");
}

TEST_CASE("what happens now is asked for with a limit, and strictly") {
  FakeHost host;
  const std::pair<const char*, const char*> asked[] = {
      {"top", "top by=0 limit=20"},
      {"top?by=time&limit=3", "top by=1 limit=3"},
      {"waits", "waits 1000"},
      {"waits?limit=10000", "waits 10000"},
      {"slow-turns?limit=7", "slow_turns 7"},
      {"dead-letters", "dead_letters 100"},
  };
  for (const auto& [path, question] : asked) {
    CHECK(request(host, "GET", "/v1/" + std::string(path)).status == 200);
    CHECK(host.asked.back() == question);
  }
  for (const char* wrong : {"top?by=size", "top?limit=0", "top?limit=1001", "waits?limit=10001", "slow-turns?limit=x",
                            "dead-letters?limit=-1", "waits?by=calls"}) {
    CAPTURE(std::string(wrong));
    CHECK(request(host, "GET", "/v1/" + std::string(wrong)).status == 400);
  }
  CHECK(host.asked.size() == std::size(asked));
}

TEST_CASE("a query over an index is passed on as JSON, its values as strings") {
  FakeHost host;
  CHECK(request(host, "GET", "/v1/types/people.Person/indexes/town").status == 200);
  CHECK(host.asked.back() == R"(query people.Person town {"limit":100,"descending":false})");
  CHECK(request(host, "GET", "/v1/types/t/indexes/i?equals=&limit=2&order=descending&after=0aff").status == 200);
  CHECK(host.asked.back() == R"(query t i {"limit":2,"equals":"","after":"0aff","descending":true})");
  CHECK(request(host, "GET", "/v1/types/t/indexes/i?from=%22a%0A&to=b").status == 200);
  CHECK(host.asked.back() == R"(query t i {"limit":100,"from":"\"a\n","to":"b","descending":false})");
  for (const char* wrong : {"equals=1&from=2", "limit=0", "limit=10001", "order=up", "equal=1"}) {
    CAPTURE(std::string(wrong));
    CHECK(request(host, "GET", "/v1/types/t/indexes/i?" + std::string(wrong)).status == 400);
  }
  CHECK(host.asked.size() == 3);
}

TEST_CASE("modules are loaded by absolute path and retired by name") {
  FakeHost host;
  CHECK(request(host, "POST", "/v1/modules", R"({"path":"/opt/bank.so"})").status == 200);
  CHECK(host.asked.back() == "load /opt/bank.so");
  CHECK(request(host, "DELETE", "/v1/modules/bank").status == 204);
  CHECK(host.asked.back() == "retire bank");
  for (const char* body :
       {"{}", R"({"path":5})", R"({"path":"bank.so"})", R"({"path":"/x","pth":"/y"})", "[]", "{", "null"}) {
    CAPTURE(std::string(body));
    CHECK(request(host, "POST", "/v1/modules", body).status == 400);
  }
  CHECK(request(host, "POST", "/v1/modules").status == 400);
  CHECK(host.asked.size() == 2);
}

TEST_CASE("plugins are loaded with what stands under [[plugin]], and unloaded by name") {
  FakeHost host;
  const std::string entry = R"({"name":"cache","id":"orbit.protocol.resp","config":{"listen":"127.0.0.1:0"}})";
  CHECK(request(host, "POST", "/v1/plugins", entry).status == 200);
  CHECK(host.asked.back() == "load plugin " + entry);
  CHECK(request(host, "DELETE", "/v1/plugins/cache").status == 204);
  CHECK(host.asked.back() == "unload plugin cache");
  CHECK(request(host, "POST", "/v1/plugins").status == 400);
  CHECK(host.asked.size() == 2);
}

TEST_CASE("all mistakes in a plugin's settings are in one problem document, together and one by one") {
  FakeHost host;
  host.hold_answers = true;
  Client client(host);
  client.send(
      "POST /v1/plugins HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  host.answer(ORBIT_INVALID_ARGUMENT,
              "unknown key 'lisen'; did you mean 'listen'?\n'port': expected 1 to 9\xff, found 0");
  const auto answer = read_answer(client.take());
  CHECK(answer.status == 400);
  CHECK(answer.headers.at("Content-Type") == "application/problem+json");
  CHECK(answer.code() == "INVALID_ARGUMENT");
  const auto problem = answer.json();
  CHECK(problem.at("detail").as_string() ==
        "unknown key 'lisen'; did you mean 'listen'?\n'port': expected 1 to 9\xEF\xBF\xBD, found 0");
  REQUIRE(problem.at("errors").as_array().size() == 2);
  CHECK(problem.at("errors").as_array()[0].as_string() == "unknown key 'lisen'; did you mean 'listen'?");
  CHECK(problem.at("errors").as_array()[1].as_string() == "'port': expected 1 to 9\xEF\xBF\xBD, found 0");
  CHECK(problem.at("instance").as_string() == "/v1/plugins");
}

TEST_CASE("a body must be JSON and say so") {
  FakeHost host;
  CHECK(request(host, "POST", "/v1/modules", "path=/x", "application/x-www-form-urlencoded").status == 415);
  CHECK(request(host, "POST", "/v1/actors/t/k/M", "{}", "text/plain").status == 415);
  CHECK(request(host, "POST", "/v1/actors/t/k/M", "{}", "application/jsonx").status == 415);
  CHECK(request(host, "POST", "/v1/actors/t/k/M", "{}", "Application/JSON ; charset=utf-8").status == 200);
  CHECK(request(host, "GET", "/v1/node", "{}").status == 400);
}

TEST_CASE("another method is 405 with Allow") {
  FakeHost host;
  const auto answer = request(host, "OPTIONS", "/v1/modules");
  CHECK(answer.status == 405);
  CHECK(answer.headers.at("Allow") == "GET, HEAD, POST");
}

TEST_CASE("log levels are set as named, default first, and nothing changes on a mistake") {
  FakeHost host;
  CHECK(request(host, "PUT", "/v1/log/levels", R"({"loggers":{"net":"debug"}})").status == 200);
  CHECK(host.levels["net"] == "debug");
  CHECK(host.levels["admin"] == "info");
  const auto both = request(host, "PUT", "/v1/log/levels", R"({"loggers":{"net":"trace"},"default":"warn"})");
  CHECK(both.body == R"({"default":"warn","loggers":{"admin":"warn","net":"trace"}})");
  const auto before = host.levels;
  CHECK(request(host, "PUT", "/v1/log/levels", R"({"default":"info","loggers":{"nett":"debug"}})").status == 404);
  for (const char* body :
       {"{}", R"({"default":"loud"})", R"({"default":3})", R"({"loggers":[]})", R"({"level":"info"})",
        R"({"default":"info","loggers":{"net":"loud"}})", R"({"loggers":{}})"}) {
    CAPTURE(std::string(body));
    CHECK(request(host, "PUT", "/v1/log/levels", body).status == 400);
  }
  CHECK(host.levels == before);
  // What GET gives, PUT takes.
  const auto levels = request(host, "GET", "/v1/log/levels");
  CHECK(request(host, "PUT", "/v1/log/levels", levels.body).body == levels.body);
}

TEST_CASE("an exception on the way becomes a 500, and the connection goes on") {
  FakeHost host;
  host.throw_in_node = true;
  Client client(host);
  client.send("GET /v1/node HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto answer = read_answer(client.take());
  CHECK(answer.status == 500);
  CHECK(answer.code() == "INTERNAL");
  client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(read_answer(client.take()).status == 200);
}

TEST_CASE("storage instances and migrations are told, and a migration is begun with two names") {
  FakeHost host;
  CHECK(request(host, "GET", "/v1/storage").body == R"({"storages":[{"name":"main"}]})");
  CHECK(request(host, "GET", "/v1/storage/migrations").body == R"({"migrations":[]})");
  CHECK(request(host, "POST", "/v1/storage/migrations", R"({"from":"a","to":"b"})").status == 200);
  REQUIRE(host.asked.size() == 1);
  CHECK(host.asked[0] == "migrate a b");
  for (const char* body : {R"({"from":"a"})", R"({"from":"a","to":""})", R"({"from":1,"to":"b"})", R"({"from":"a","to":"b","x":1})"})
    CHECK(request(host, "POST", "/v1/storage/migrations", body).status == 400);
  CHECK(host.asked.size() == 1);
  CHECK(request(host, "GET", "/v1/storage/backups").body == R"({"backups":[]})");
  CHECK(request(host, "POST", "/v1/storage/backups", R"({"storage":"a","folder":"/b"})").status == 200);
  CHECK(host.asked.back() == "backup a /b");
  CHECK(request(host, "POST", "/v1/storage/backups", R"({"storage":"a","folder":"b"})").status == 400);
}

TEST_CASE("work on a storage instance is begun by kind, and its pace is told and changed") {
  FakeHost host;
  CHECK(request(host, "GET", "/v1/storage/jobs").body == R"({"jobs":[]})");
  for (const char* kind : {"check", "stats", "compact"}) {
    CHECK(request(host, "POST", "/v1/storage/jobs", std::string(R"({"storage":"a","kind":")") + kind + "\"}").status ==
          200);
    CHECK(host.asked.back() == std::string("work ") + kind + " a ");
  }
  CHECK(request(host, "POST", "/v1/storage/jobs", R"({"storage":"a","kind":"checkpoint","path":"/b"})").status == 200);
  CHECK(host.asked.back() == "work checkpoint a /b");
  const size_t asked = host.asked.size();
  for (const char* body :
       {R"({"storage":"a"})", R"({"storage":"a","kind":"melt"})", R"({"kind":"check"})",
        R"({"storage":"a","kind":"checkpoint"})", R"({"storage":"a","kind":"checkpoint","path":"b"})",
        R"({"storage":"a","kind":"check","path":"/b"})"})
    CHECK(request(host, "POST", "/v1/storage/jobs", body).status == 400);
  CHECK(host.asked.size() == asked);
  CHECK(request(host, "PUT", "/v1/storage/pace", R"({"bytes_per_second":5000000})").body ==
        R"({"bytes_per_second":5000000})");
  CHECK(request(host, "GET", "/v1/storage/pace").body == R"({"bytes_per_second":5000000})");
  for (const char* body : {R"({})", R"({"bytes_per_second":-1})", R"({"bytes_per_second":"1"})"})
    CHECK(request(host, "PUT", "/v1/storage/pace", body).status == 400);
  CHECK(host.bytes_per_second == 5'000'000);
}
