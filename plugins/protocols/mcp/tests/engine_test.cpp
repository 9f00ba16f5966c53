// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include "fake.hpp"

using namespace orbit;
using namespace orbit::mcp;
using namespace orbit::mcp::test;

namespace {

int error_code(const FakeOutlet& outlet) {
  const json::object body = outlet.json_body();
  const json::object* const error = find_object(body, "error");
  return error == nullptr ? 0 : static_cast<int>(error->at("code").as_int64());
}

json::object result_of(const FakeOutlet& outlet) {
  const json::object body = outlet.json_body();
  const json::object* const result = find_object(body, "result");
  REQUIRE_MESSAGE(result != nullptr, outlet.body);
  return *result;
}

std::string text_of(const json::object& result) {
  return std::string(from_json(result.at("content").as_array().at(0).as_object().at("text").as_string()));
}

json::object ask_for_name() {
  return parse_json(R"({"inputs":{"requests":[{"id":"name","elicitation":{"message":"Who?","schemaJson":"{\"type\":\"object\"}"}}],"state":"c3RlcA=="}})")
      .value()
      .get_object();
}

}  // namespace

TEST_CASE("a session begins with the revision that the client asked for, or the latest that has sessions") {
  Bench bench;
  for (const auto& [asked, answered] : {std::pair{"2025-06-18", "2025-06-18"}, std::pair{"2025-11-25", "2025-11-25"},
                                        std::pair{"2024-11-05", "2025-11-25"}, std::pair{"2026-07-28", "2025-11-25"}}) {
    const auto outlet = bench.post(Bench::request("initialize", {{"protocolVersion", asked}, {"capabilities", json::object()}, {"clientInfo", json::object()}}));
    CHECK(outlet->status == 200);
    CHECK(result_of(*outlet).at("protocolVersion") == answered);
    const std::string session = outlet->header("Mcp-Session-Id");
    CHECK(Engine::home_of(session) == 3);
    CHECK(bench.post(Bench::request("ping"), session)->status == 200);
  }
  CHECK(bench.shared.sessions == 4);
}

TEST_CASE("without a session nothing but initialize is served, and a session that has ended is not found") {
  Bench bench;
  CHECK(bench.post(Bench::request("tools/list"))->status == 400);
  const std::string session = bench.begin();
  CHECK(bench.post(Bench::request("tools/list"), session)->status == 200);
  CHECK(bench.remove(session)->status == 204);
  CHECK(bench.post(Bench::request("tools/list"), session)->status == 404);
  CHECK(bench.remove(session)->status == 404);
  CHECK(bench.get(session)->status == 404);
  CHECK(bench.get({})->status == 405);
  CHECK(bench.shared.sessions == 0);
}

TEST_CASE("another caller cannot use a session") {
  Bench bench;
  const std::string session = bench.begin();
  CHECK(bench.post(Bench::request("ping"), session, "mallory")->status == 404);
  CHECK(bench.post(Bench::request("ping"), session)->status == 200);
}

TEST_CASE("sessions are bounded, and one that is not used ends by itself") {
  Settings settings = Bench::default_settings();
  settings.sessions_max = 2;
  settings.session_idle_ms = 10'000;
  Bench bench(settings);
  const std::string first = bench.begin();
  const std::string second = bench.begin();
  const auto refused = bench.post(Bench::request("initialize", {{"protocolVersion", "2025-11-25"}, {"capabilities", json::object()}, {"clientInfo", json::object()}}));
  CHECK(refused->status == 503);
  CHECK(refused->body.find("sessions_max") != std::string::npos);
  bench.backend.advance(6'000);
  CHECK(bench.post(Bench::request("ping"), second)->status == 200);
  bench.backend.advance(6'000);
  CHECK(bench.post(Bench::request("ping"), first)->status == 404);
  CHECK(bench.post(Bench::request("ping"), second)->status == 200);
  CHECK_FALSE(bench.begin().empty());
}

TEST_CASE("a tool call is one call of an actor: the key and the other arguments go where they belong") {
  Bench bench;
  const std::string session = bench.begin();
  const auto outlet = bench.post(Bench::request("tools/call", {{"name", "deposit"}, {"arguments", {{"key", 7}, {"cents", 5}}}}), session);
  CHECK(outlet->answers == 0);
  REQUIRE(bench.backend.calls.size() == 1);
  const auto& call = bench.backend.calls.front();
  CHECK(call.type == "bank.Account");
  CHECK(call.key == "7");
  CHECK(call.method == "Deposit");
  CHECK(call.request == json::object{{"cents", 5}});
  bench.backend.reply(R"({"cents":"5"})");
  CHECK(outlet->status == 200);
  const json::object result = result_of(*outlet);
  CHECK(result.at("structuredContent") == json::object{{"cents", "5"}});
  CHECK(text_of(result) == R"({"cents":"5"})");
  CHECK_FALSE(result.contains("resultType"));
}

TEST_CASE("an actor's error is the tool's result, with its code") {
  Bench bench;
  const std::string session = bench.begin();
  const auto outlet = bench.post(Bench::request("tools/call", {{"name", "deposit"}, {"arguments", {{"key", "a"}}}}), session);
  bench.backend.reply(Error{Code::failed_precondition, "the account is closed"});
  const json::object result = result_of(*outlet);
  CHECK(result.at("isError") == true);
  CHECK(text_of(result) == "FAILED_PRECONDITION: the account is closed");
  SUBCASE("and so is a missing key") {
    const auto missing = bench.post(Bench::request("tools/call", {{"name", "deposit"}}), session);
    CHECK(result_of(*missing).at("isError") == true);
    CHECK(missing->body.find("'key' is missing") != std::string::npos);
    CHECK(bench.backend.calls.empty());
  }
}

TEST_CASE("a tool that the caller may not call is not listed; a call of it is refused in the node's words") {
  Bench bench;
  const std::string session = bench.begin();
  bench.backend.forbidden = [](const Caller&, const Offer& offer) { return offer.name == "deposit"; };
  CHECK(bench.post(Bench::request("tools/list"), session)->body.find("deposit") == std::string::npos);
  const auto refused = bench.post(Bench::request("tools/call", {{"name", "deposit"}, {"arguments", {{"key", "a"}}}}), session);
  bench.backend.reply(Error{Code::permission_denied, "'ann' may not"});
  CHECK(result_of(*refused).at("isError") == true);
  CHECK(text_of(result_of(*refused)) == "PERMISSION_DENIED: 'ann' may not");
  SUBCASE("one that is not there is an error of the request") {
    const auto unknown = bench.post(Bench::request("tools/call", {{"name", "fly"}}), session);
    CHECK(error_code(*unknown) == kInvalidParams);
    CHECK(bench.backend.calls.empty());
  }
}

TEST_CASE("progress and log lines come before the answer, as events of one stream, also when they take another way") {
  Bench bench;
  const std::string session = bench.begin();
  const auto outlet = bench.post(Bench::request("tools/call", {{"name", "work"}, {"_meta", {{"progressToken", "p"}}}}), session);
  REQUIRE(bench.backend.calls.size() == 1);
  const json::object& context = bench.backend.calls.front().request.at("theContext").as_object();
  const std::string call(from_json(context.at("call").as_string()));
  CHECK(context.at("wantsProgress") == true);
  bench.backend.reports[call] = 4;
  bench.engine->report(call, {.is_progress = true, .progress = 1, .total = 4, .message = "begun"});
  CHECK(outlet->streaming);
  bench.backend.reply(R"({"content":[{"text":"done"}]})");
  CHECK_FALSE(outlet->ended);
  bench.engine->report(call, {.is_progress = true, .progress = 1, .message = "no more than before"});
  bench.engine->report(call, {.level = 1, .logger = "worker", .text = "half"});
  bench.engine->report(call, {.level = 0, .text = "below the level"});
  CHECK(outlet->ended);
  const auto messages = outlet->messages();
  REQUIRE(messages.size() == 3);
  CHECK(messages[0].at("method") == "notifications/progress");
  CHECK(messages[0].at("params") == json::object{{"progressToken", "p"}, {"progress", 1.0}, {"total", 4.0}, {"message", "begun"}});
  CHECK(messages[1].at("params") == json::object{{"level", "info"}, {"logger", "worker"}, {"data", "half"}});
  CHECK(messages[2].contains("result"));
}

TEST_CASE("a client cannot say itself what its call's context is") {
  Bench bench;
  bench.ask("tools/call", {{"name", "work"}, {"arguments", {{"the_context", {{"state", "Zm9yZ2Vk"}}}, {"theContext", {{"state", "Zm9yZ2Vk"}}}}}});
  REQUIRE(bench.backend.calls.size() == 1);
  const json::object& request = bench.backend.calls.front().request;
  CHECK_FALSE(request.contains("the_context"));
  CHECK(request.at("theContext").as_object().at("state") == "");
}

TEST_CASE("a cancelled call is not answered, and the actor is told") {
  Bench bench;
  const std::string session = bench.begin();
  const auto outlet = bench.post(Bench::request("tools/call", {{"name", "work"}}, 9), session);
  CHECK(bench.post(make_notification("notifications/cancelled", {{"requestId", 9}}), session)->status == 202);
  CHECK(bench.backend.cancelled.size() == 1);
  CHECK(bench.backend.told_cancelled.size() == 1);
  CHECK(outlet->ended);
  CHECK(outlet->messages().empty());
  bench.backend.reply(R"({"content":[]})");
  CHECK(outlet->messages().empty());
  CHECK(bench.backend.reports.empty());
}

TEST_CASE("without a session, a client that goes away has cancelled; with one it has not, and can come back for the rest") {
  Bench bench;
  const auto gone = bench.ask("tools/call", {{"name", "deposit"}, {"arguments", {{"key", "a"}}}});
  gone->close();
  CHECK(bench.backend.cancelled.size() == 1);
  bench.backend.take();

  const std::string session = bench.begin();
  const auto lost = bench.post(Bench::request("tools/call", {{"name", "work"}, {"_meta", {{"progressToken", 1}}}}), session);
  const std::string call(from_json(bench.backend.calls.front().request.at("theContext").as_object().at("call").as_string()));
  bench.backend.reports[call] = 2;
  bench.engine->report(call, {.is_progress = true, .progress = 1});
  const auto before = lost->events();
  REQUIRE(before.size() == 2);
  CHECK(before[0].data.empty());
  lost->close();
  CHECK(bench.backend.cancelled.size() == 1);
  bench.engine->report(call, {.is_progress = true, .progress = 2});
  bench.backend.reply(R"({"content":[{"text":"done"}]})");
  const auto resumed = bench.get(session, before[1].id);
  CHECK(resumed->ended);
  const auto rest = resumed->messages();
  REQUIRE(rest.size() == 2);
  CHECK(rest[0].at("params").as_object().at("progress") == 2.0);
  CHECK(rest[1].contains("result"));
  CHECK(bench.get(session, "77-1")->status == 400);
  CHECK(bench.get(session, "nonsense")->status == 400);
  CHECK(parse_json(bench.get(session, "no UTF-8: \xff")->body));
}

TEST_CASE("what is kept for clients that come back is bounded, and what was dropped is said") {
  Settings settings = Bench::default_settings();
  settings.replay_events_max = 3;
  Bench bench(settings);
  const std::string session = bench.begin();
  const auto lost = bench.post(Bench::request("tools/call", {{"name", "work"}, {"_meta", {{"progressToken", 1}}}}), session);
  const std::string call(from_json(bench.backend.calls.front().request.at("theContext").as_object().at("call").as_string()));
  bench.backend.reports[call] = 10;
  for (int i = 1; i <= 10; ++i) bench.engine->report(call, {.is_progress = true, .progress = static_cast<double>(i)});
  const auto events = lost->events();
  lost->close();
  const auto refused = bench.get(session, events.at(2).id);
  CHECK(refused->status == 400);
  CHECK(refused->body.find("replay_events_max") != std::string::npos);
  CHECK(bench.get(session, events.at(8).id)->messages().size() == 2);
}

TEST_CASE("an actor that asks the client is called again with the answers: by requests in a session") {
  Bench bench;
  const std::string session = bench.begin("2025-11-25", {{"elicitation", json::object()}});
  const auto outlet = bench.post(Bench::request("tools/call", {{"name", "work"}}), session);
  bench.backend.reply(json::serialize(ask_for_name()));
  auto messages = outlet->messages();
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].at("method") == "elicitation/create");
  CHECK(messages[0].at("params").as_object().at("message") == "Who?");
  CHECK(bench.backend.calls.empty());
  const json::value answer = make_result(messages[0].at("id"), {{"action", "accept"}, {"content", {{"name", "Ada"}}}});
  CHECK(bench.post(answer, session)->status == 202);
  REQUIRE(bench.backend.calls.size() == 1);
  const json::object& context = bench.backend.calls.front().request.at("theContext").as_object();
  CHECK(context.at("state") == "c3RlcA==");
  const json::object& response = context.at("responses").as_array().at(0).as_object();
  CHECK(response.at("id") == "name");
  CHECK(response.at("action") == "accept");
  CHECK(response.at("contentJson") == R"({"name":"Ada"})");
  bench.backend.reply(R"({"content":[{"text":"Hello, Ada"}]})");
  CHECK(outlet->ended);
  CHECK(outlet->messages().back().contains("result"));
  SUBCASE("a second answer to the same question changes nothing") {
    CHECK(bench.post(answer, session)->status == 202);
    CHECK(bench.backend.calls.empty());
  }
}

TEST_CASE("a client that does not answer ends the call") {
  Bench bench;
  const std::string session = bench.begin("2025-11-25", {{"elicitation", json::object()}});
  const auto outlet = bench.post(Bench::request("tools/call", {{"name", "work"}}), session);
  bench.backend.reply(json::serialize(ask_for_name()));
  bench.backend.advance(400'000);
  CHECK(outlet->ended);
  CHECK(outlet->body.find("ask_timeout_ms") != std::string::npos);
}

TEST_CASE("an actor that asks the client: without a session the client calls again") {
  Bench bench;
  const json::object can{{"elicitation", json::object()}};
  const auto first = bench.ask("tools/call", {{"name", "work"}, {"arguments", {{"a", 1}, {"b", 2}}}}, can);
  bench.backend.reply(json::serialize(ask_for_name()));
  const json::object asked = result_of(*first);
  CHECK(asked.at("resultType") == "input_required");
  CHECK(asked.at("inputRequests").as_object().at("name").as_object().at("method") == "elicitation/create");
  const json::value state = asked.at("requestState");
  const json::object answers{{"name", {{"action", "accept"}, {"content", {{"name", "Ada"}}}}}};

  const auto again = [&](json::object params) { return bench.ask("tools/call", std::move(params), can, 2); };
  SUBCASE("with its state, and in any order of the arguments") {
    const auto second = again({{"name", "work"}, {"arguments", {{"b", 2}, {"a", 1}}}, {"inputResponses", answers}, {"requestState", state}});
    REQUIRE(bench.backend.calls.size() == 1);
    CHECK(bench.backend.calls.front().request.at("theContext").as_object().at("state") == "c3RlcA==");
    bench.backend.reply(R"({"content":[{"text":"Hello, Ada"}]})");
    CHECK(result_of(*second).at("resultType") == "complete");
  }
  SUBCASE("a state that was changed is refused") {
    const auto second = again({{"name", "work"}, {"arguments", {{"a", 1}, {"b", 2}}}, {"requestState", std::string(from_json(state.as_string())) + "x"}});
    CHECK(error_code(*second) == kInvalidParams);
  }
  SUBCASE("a state of a call with other arguments is refused") {
    const auto second = again({{"name", "work"}, {"arguments", {{"a", 1}, {"b", 3}}}, {"requestState", state}});
    CHECK(error_code(*second) == kInvalidParams);
  }
  SUBCASE("a state that is too old is refused") {
    bench.backend.advance(bench.settings.state_ttl_ms);
    const auto second = again({{"name", "work"}, {"arguments", {{"a", 1}, {"b", 2}}}, {"requestState", state}});
    CHECK(error_code(*second) == kInvalidParams);
    CHECK(second->body.find("too old") != std::string::npos);
  }
  SUBCASE("answers of the wrong shape are refused") {
    for (const json::value& wrong : {json::value(12345), json::value(json::object{{"action", "shrug"}}), json::value(json::object())})
      CHECK(error_code(*again({{"name", "work"}, {"inputResponses", {{"name", wrong}}}})) == kInvalidParams);
    CHECK(error_code(*again({{"name", "work"}, {"inputResponses", nullptr}})) == kInvalidParams);
  }
  CHECK(bench.backend.calls.empty());
}

TEST_CASE("a client is not asked for what it cannot do") {
  Bench bench;
  const auto outlet = bench.ask("tools/call", {{"name", "work"}}, {{"sampling", json::object()}});
  bench.backend.reply(json::serialize(ask_for_name()));
  CHECK(outlet->status == 400);
  CHECK(error_code(*outlet) == kMissingCapability);
  CHECK(outlet->body.find(R"("requiredCapabilities":{"elicitation":{}})") != std::string::npos);
}

TEST_CASE("requests of revision 2026-07-28 must say all that it asks for") {
  Bench bench;
  const auto send = [&](std::optional<std::string> version, std::optional<std::string> method, json::object meta) {
    Incoming incoming;
    incoming.version = std::move(version);
    incoming.rpc_method = std::move(method);
    incoming.body = json::serialize(make_request(5, "server/discover", {{"_meta", std::move(meta)}}));
    auto outlet = std::make_shared<FakeOutlet>();
    bench.engine->post(std::move(incoming), std::make_shared<FakeCaller>(), outlet);
    CHECK(outlet->json_body().at("id") == 5);
    return std::pair(outlet->status, error_code(*outlet));
  };
  const json::object full{{"io.modelcontextprotocol/protocolVersion", "2026-07-28"}, {"io.modelcontextprotocol/clientCapabilities", json::object()}};
  CHECK(send("2026-07-28", "server/discover", full) == std::pair(200, 0));
  CHECK(send(std::nullopt, "server/discover", full) == std::pair(400, kHeaderMismatch));
  CHECK(send("2026-07-28", std::nullopt, full) == std::pair(400, kHeaderMismatch));
  CHECK(send("2026-07-28", "tools/list", full) == std::pair(400, kHeaderMismatch));
  CHECK(send("2026-07-28", "server/discover", {}) == std::pair(400, kInvalidParams));
  json::object other = full;
  other["io.modelcontextprotocol/protocolVersion"] = "v999";
  CHECK(send("2026-07-28", "server/discover", other) == std::pair(400, kHeaderMismatch));
  CHECK(send("v999", "server/discover", other) == std::pair(400, kUnsupportedVersion));
  json::object no_capabilities = full;
  no_capabilities.erase("io.modelcontextprotocol/clientCapabilities");
  CHECK(send("2026-07-28", "server/discover", no_capabilities) == std::pair(400, kInvalidParams));
}

TEST_CASE("each revision has its own methods") {
  Bench bench;
  for (const std::string_view removed : {"initialize", "ping", "logging/setLevel", "resources/subscribe", "unknown"}) {
    const auto outlet = bench.ask(removed);
    CHECK(outlet->status == 404);
    CHECK(error_code(*outlet) == kMethodNotFound);
  }
  const std::string session = bench.begin();
  for (const std::string_view unknown : {"server/discover", "subscriptions/listen", "unknown"})
    CHECK(error_code(*bench.post(Bench::request(unknown), session)) == kMethodNotFound);
}

TEST_CASE("lists have pages, and a cursor of another list is refused") {
  Settings settings = Bench::default_settings();
  settings.page_size = 1;
  Bench bench(settings);
  const auto first = result_of(*bench.ask("tools/list"));
  CHECK(first.at("tools").as_array().at(0).as_object().at("name") == "deposit");
  CHECK(first.at("cacheScope") == "public");
  const auto second = result_of(*bench.ask("tools/list", {{"cursor", first.at("nextCursor")}}));
  CHECK(second.at("tools").as_array().at(0).as_object().at("name") == "work");
  CHECK_FALSE(second.contains("nextCursor"));
  CHECK(error_code(*bench.ask("tools/list", {{"cursor", "1.x"}})) == kInvalidParams);
  CHECK(error_code(*bench.ask("tools/list", {{"cursor", 7}})) == kInvalidParams);
  bench.backend.catalog_now = small_catalog(2);
  CHECK(error_code(*bench.ask("tools/list", {{"cursor", first.at("nextCursor")}})) == kInvalidParams);
}

TEST_CASE("resources: the node's own, an actor's, templates, and none") {
  Bench bench;
  const std::string session = bench.begin();
  const auto node = bench.post(Bench::request("resources/read", {{"uri", "orbit://node"}}), session);
  CHECK(node->body.find("ready") != std::string::npos);
  const auto page = bench.post(Bench::request("resources/read", {{"uri", "site://pages/a%20b"}}), session);
  REQUIRE(bench.backend.calls.size() == 1);
  CHECK(bench.backend.calls.front().request == json::object{{"number", "a b"}});
  bench.backend.reply(R"({"contents":[{"uri":"","text":"hello"}]})");
  CHECK(result_of(*page).at("contents").as_array().at(0) ==
        json::object{{"uri", "site://pages/a%20b"}, {"text", "hello"}, {"mimeType", "text/plain"}});
  CHECK(error_code(*bench.post(Bench::request("resources/read", {{"uri", "site://nowhere"}}), session)) == kResourceNotFound);
  CHECK(error_code(*bench.ask("resources/read", {{"uri", "site://nowhere"}})) == kInvalidParams);
  CHECK(error_code(*bench.ask("resources/read", {{"uri", "orbit://nowhere"}})) == kInvalidParams);
}

TEST_CASE("a watched resource that changes is told on the session's stream, once for each change") {
  Bench bench;
  const std::string session = bench.begin();
  const auto stream = bench.get(session);
  CHECK(stream->streaming);
  CHECK(bench.post(Bench::request("resources/subscribe", {{"uri", "orbit://node"}}), session)->status == 200);
  CHECK(error_code(*bench.post(Bench::request("resources/subscribe", {{"uri", "site://nowhere"}}), session)) == kResourceNotFound);
  bench.backend.advance(5'000);
  CHECK(stream->messages().empty());
  bench.backend.documents["orbit://node"] = R"({"state":"draining"})";
  bench.backend.advance(5'000);
  auto messages = stream->messages();
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].at("method") == "notifications/resources/updated");
  CHECK(messages[0].at("params") == json::object{{"uri", "orbit://node"}});
  CHECK(bench.post(Bench::request("resources/unsubscribe", {{"uri", "orbit://node"}}), session)->status == 200);
  bench.backend.documents["orbit://node"] = "{}";
  bench.backend.advance(5'000);
  CHECK(stream->messages().size() == 1);
}

TEST_CASE("subscriptions/listen is acknowledged first and then tells what was asked for, with its id") {
  Bench bench;
  const auto stream = bench.ask("subscriptions/listen", {{"notifications", {{"toolsListChanged", true}, {"resourceSubscriptions", {"orbit://node", "site://nowhere"}}}}}, {}, 42);
  auto messages = stream->messages();
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].at("method") == "notifications/subscriptions/acknowledged");
  CHECK(messages[0].at("params").as_object().at("notifications") ==
        json::object{{"toolsListChanged", true}, {"resourceSubscriptions", json::array{"orbit://node"}}});
  bench.backend.catalog_now = small_catalog(2);
  bench.backend.documents["orbit://node"] = "{}";
  bench.backend.advance(2'000);
  messages = stream->messages();
  REQUIRE(messages.size() == 3);
  CHECK(messages[1].at("method") == "notifications/tools/list_changed");
  CHECK(messages[2].at("method") == "notifications/resources/updated");
  for (const auto& message : messages)
    CHECK(message.at("params").as_object().at("_meta").as_object().at("io.modelcontextprotocol/subscriptionId") == 42);
  CHECK(bench.shared.listeners == 1);
  SUBCASE("until the client goes") {
    stream->close();
    CHECK(bench.shared.listeners == 0);
  }
  SUBCASE("or the node stops, which is an answer") {
    bench.engine->stop();
    CHECK(stream->ended);
    CHECK(stream->messages().back().contains("result"));
  }
}

TEST_CASE("what the caller may not read it cannot watch") {
  Bench bench;
  bench.backend.denied.insert({"", "orbit://node"});
  CHECK(error_code(*bench.post(Bench::request("resources/subscribe", {{"uri", "orbit://node"}}), bench.begin())) == kResourceNotFound);
  const auto stream = bench.ask("subscriptions/listen", {{"notifications", {{"resourceSubscriptions", {"orbit://node"}}}}});
  CHECK(stream->messages().at(0).at("params").as_object().at("notifications") ==
        json::object{{"resourceSubscriptions", json::array()}});
}

TEST_CASE("sessions and streams end when their caller's credentials count no more, and others stay") {
  Bench bench;
  const std::string mine = bench.begin();
  const auto stream = bench.get(mine);
  const auto listening = bench.ask("subscriptions/listen", {{"notifications", {{"toolsListChanged", true}}}});
  bench.backend.advance(2'000);
  CHECK_FALSE(stream->ended);
  CHECK_FALSE(listening->ended);
  bench.backend.gone.insert("somebody else");
  bench.backend.advance(2'000);
  CHECK(bench.shared.sessions == 1);
  bench.backend.gone.insert("");
  bench.backend.advance(2'000);
  CHECK(stream->ended);
  CHECK(listening->ended);
  CHECK(listening->messages().back().at("error").as_object().at("message") == "the credentials count no more: send new ones");
  CHECK(bench.shared.sessions == 0);
  CHECK(bench.shared.listeners == 0);
  CHECK(bench.post(Bench::request("ping"), mine)->status == 404);
}

TEST_CASE("prompts take strings, and say what is missing") {
  Bench bench;
  const std::string session = bench.begin();
  const auto missing = bench.post(Bench::request("prompts/get", {{"name", "greet"}}), session);
  CHECK(error_code(*missing) == kInvalidParams);
  CHECK(missing->body.find("'key'") != std::string::npos);
  CHECK(error_code(*bench.post(Bench::request("prompts/get", {{"name", "greet"}, {"arguments", {{"key", 1}}}}), session)) == kInvalidParams);
  const auto outlet = bench.post(Bench::request("prompts/get", {{"name", "greet"}, {"arguments", {{"key", "ada"}, {"mood", "GOOD"}}}}), session);
  CHECK(bench.backend.calls.front().key == "ada");
  bench.backend.reply(R"({"description":"d","messages":[{"role":"ROLE_ASSISTANT","content":{"image":{"data":"AA==","mimeType":"image/png"}}}]})");
  CHECK(result_of(*outlet).at("messages") ==
        json::array{{{"role", "assistant"}, {"content", {{"type", "image"}, {"data", "AA=="}, {"mimeType", "image/png"}}}}});
}

TEST_CASE("completion: of enums from the descriptors, of the rest by the actor, of the node's own by the node") {
  Bench bench;
  const std::string session = bench.begin();
  const auto complete = [&](json::object ref, std::string name, std::string value) {
    return bench.post(Bench::request("completion/complete", {{"ref", std::move(ref)},
                                                             {"argument", {{"name", name}, {"value", value}}},
                                                             {"context", {{"arguments", {{"key", "ada"}}}}}}),
                      session);
  };
  const json::object greet{{"type", "ref/prompt"}, {"name", "greet"}};
  CHECK(result_of(*complete(greet, "mood", "G")).at("completion") == json::object{{"values", {"GOOD"}}, {"total", 1}, {"hasMore", false}});
  const auto town = complete(greet, "town", "Lon");
  REQUIRE(bench.backend.calls.size() == 1);
  CHECK(bench.backend.calls.front().method == "Complete");
  CHECK(bench.backend.calls.front().key == "ada");
  bench.backend.reply(R"({"values":["London"],"total":1,"hasMore":false})");
  CHECK(result_of(*town).at("completion").as_object().at("values") == json::array{"London"});
  const auto node = complete({{"type", "ref/resource"}, {"uri", "orbit://actors/{type}/{key}"}}, "type", "ba");
  CHECK(result_of(*node).at("completion").as_object().at("values") == json::array{"ba1", "ba2"});
  CHECK(error_code(*complete({{"type", "ref/other"}}, "a", "b")) == kInvalidParams);
}

TEST_CASE("calls of one session are bounded, and two with one id are refused") {
  Settings settings = Bench::default_settings();
  settings.calls_max = 2;
  Bench bench(settings);
  const std::string session = bench.begin();
  const auto call = [&](int id) { return bench.post(Bench::request("tools/call", {{"name", "deposit"}, {"arguments", {{"key", "a"}}}}, id), session); };
  call(1);
  CHECK(call(1)->status == 400);
  call(2);
  const auto refused = call(3);
  CHECK(refused->status == 429);
  CHECK(refused->body.find("calls_max") != std::string::npos);
  bench.backend.reply("{}");
  CHECK(call(1)->answers == 0);
}

TEST_CASE("what is no message is refused with a reason, and nothing breaks") {
  Bench bench;
  const std::string session = bench.begin();
  const auto refused = [&](std::string body, int code) {
    const auto outlet = bench.post_text(std::move(body), session);
    CHECK(outlet->status == 400);
    CHECK(error_code(*outlet) == code);
  };
  refused("", kParseError);
  refused("{", kParseError);
  refused("{\"a\":\"\xff\"}", kParseError);
  refused(std::string(100'000, '['), kParseError);
  refused("[]", kInvalidRequest);
  refused(R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", kInvalidRequest);
  refused("7", kInvalidRequest);
  refused(R"({"id":1,"method":"ping"})", kInvalidRequest);
  refused(R"({"jsonrpc":"2.0","id":null,"method":"ping"})", kInvalidRequest);
  refused(R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", kInvalidRequest);
  refused(R"({"jsonrpc":"2.0","id":1,"method":7})", kInvalidRequest);
  refused(R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[]})", kInvalidParams);
  refused(R"({"jsonrpc":"2.0","id":1})", kInvalidRequest);
  refused(R"({"jsonrpc":"2.0","result":{}})", kInvalidRequest);
  CHECK(bench.post_text(R"({"jsonrpc":"2.0","id":"orbit-9","result":{}})", session)->status == 202);
  for (const std::string_view method : {"tools/call", "prompts/get", "resources/read", "resources/subscribe", "completion/complete", "logging/setLevel"})
    CHECK(error_code(*bench.post(Bench::request(method, {{"name", 1}, {"uri", json::object()}, {"level", "loud"}, {"arguments", 3}}), session)) == kInvalidParams);
}
