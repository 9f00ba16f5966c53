// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "fake.hpp"

#include <utility>

namespace orbit::mcp::test {

std::vector<FakeOutlet::Event> FakeOutlet::events() const {
  std::vector<Event> out;
  std::string_view rest = body;
  while (!rest.empty()) {
    const size_t end = rest.find("\n\n");
    std::string_view block = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    Event event;
    bool has_data = false;
    while (!block.empty()) {
      const std::string_view line = block.substr(0, block.find('\n'));
      block.remove_prefix(std::min(block.size(), line.size() + 1));
      if (line.starts_with("id: ")) event.id = line.substr(4);
      if (line.starts_with("data: ")) {
        event.data = line.substr(6);
        has_data = true;
      }
    }
    if (has_data) out.push_back(std::move(event));
  }
  return out;
}

std::vector<json::object> FakeOutlet::messages() const {
  std::vector<json::object> out;
  for (const Event& event : events())
    if (!event.data.empty()) out.push_back(parse_json(event.data).value().get_object());
  return out;
}

void FakeBackend::advance(uint64_t by_ms) {
  const uint64_t until = now + by_ms;
  for (;;) {
    auto next = timers.end();
    for (auto it = timers.begin(); it != timers.end(); ++it)
      if (it->second.first <= until && (next == timers.end() || it->second.first < next->second.first)) next = it;
    if (next == timers.end()) break;
    now = next->second.first;
    const auto function = std::move(next->second.second);
    timers.erase(next);
    function();
  }
  now = until;
}

std::shared_ptr<Catalog> small_catalog(uint64_t generation) {
  auto out = std::make_shared<Catalog>();
  out->generation = generation;
  const auto offer = [](std::string name, std::string method, ReplyKind reply) {
    Offer made;
    made.name = std::move(name);
    made.type = "bank.Account";
    made.method = std::move(method);
    made.key_argument = "key";
    made.reply = reply;
    made.listed = {{"name", made.name}, {"description", "does it"}, {"inputSchema", {{"type", "object"}}}};
    return made;
  };
  Offer deposit = offer("deposit", "Deposit", ReplyKind::message);
  deposit.has_output_schema = true;
  out->tools.emplace("deposit", deposit);
  Offer work = offer("work", "Work", ReplyKind::tool);
  work.context_field = "theContext";
  work.context_alias = "the_context";
  work.has_fixed_key = true;
  work.fixed_key = "main";
  work.key_argument.clear();
  out->tools.emplace("work", work);
  Offer greet = offer("greet", "Greet", ReplyKind::prompt);
  greet.arguments = {{"key", "", {}, true, false}, {"mood", "", {"GOOD", "BAD"}, false, false}, {"town", "", {}, false, false}};
  greet.completion = "Complete";
  out->prompts.emplace("greet", greet);
  Offer page = offer("page", "Page", ReplyKind::resource);
  page.has_fixed_key = true;
  page.fixed_key = "main";
  page.key_argument.clear();
  page.mime_type = "text/plain";
  page.read_only = true;
  page.uri = UriTemplate::parse("site://front").value();
  page.listed = {{"uri", "site://front"}, {"name", "front"}};
  out->resources.emplace("site://front", page);
  page.uri = UriTemplate::parse("site://pages/{number}").value();
  page.listed = {{"uriTemplate", "site://pages/{number}"}, {"name", "pages"}};
  page.arguments = {{"number", "", {}, true, false}};
  out->templates.emplace("site://pages/{number}", page);
  return out;
}

Settings Bench::default_settings() {
  Settings out;
  out.version = "1.2.3";
  out.state_secret = "secret";
  return out;
}

Bench::Bench(Settings given) : settings(std::move(given)), engine(std::make_shared<Engine>(backend, settings, shared, 3)) {
  backend.catalog_now = small_catalog();
  backend.resources = {{"orbit://node", "node", "Node", "The node.", false},
                       {"orbit://actors/{type}/{key}", "actor", "Actor", "An actor.", true}};
  backend.documents["orbit://node"] = R"({"state":"ready"})";
}

namespace {

CallerPtr caller_named(std::string name) {
  auto out = std::make_shared<FakeCaller>();
  out->name = std::move(name);
  return out;
}

}  // namespace

std::shared_ptr<FakeOutlet> Bench::post(const json::value& message, std::string session, std::string caller) {
  auto outlet = std::make_shared<FakeOutlet>();
  Incoming incoming;
  if (!session.empty()) incoming.session = std::move(session);
  incoming.body = json::serialize(message);
  engine->post(std::move(incoming), caller_named(std::move(caller)), outlet);
  return outlet;
}

std::shared_ptr<FakeOutlet> Bench::post_text(std::string body, std::string session) {
  auto outlet = std::make_shared<FakeOutlet>();
  Incoming incoming;
  if (!session.empty()) incoming.session = std::move(session);
  incoming.body = std::move(body);
  engine->post(std::move(incoming), caller_named({}), outlet);
  return outlet;
}

std::shared_ptr<FakeOutlet> Bench::ask(std::string_view method, json::object params, json::object capabilities, int id) {
  json::object meta;
  if (const json::object* given = find_object(params, "_meta")) meta = *given;
  meta["io.modelcontextprotocol/protocolVersion"] = "2026-07-28";
  meta["io.modelcontextprotocol/clientCapabilities"] = std::move(capabilities);
  params["_meta"] = std::move(meta);
  auto outlet = std::make_shared<FakeOutlet>();
  Incoming incoming;
  incoming.version = "2026-07-28";
  incoming.rpc_method = std::string(method);
  if (const auto name = find_string(params, method == "resources/read" ? "uri" : "name")) incoming.rpc_name = std::string(*name);
  incoming.body = json::serialize(make_request(id, method, std::move(params)));
  engine->post(std::move(incoming), caller_named({}), outlet);
  return outlet;
}

std::shared_ptr<FakeOutlet> Bench::get(std::string session, std::string last_event_id) {
  auto outlet = std::make_shared<FakeOutlet>();
  Incoming incoming;
  if (!session.empty()) incoming.session = std::move(session);
  if (!last_event_id.empty()) incoming.last_event_id = std::move(last_event_id);
  engine->get(std::move(incoming), caller_named({}), outlet);
  return outlet;
}

std::shared_ptr<FakeOutlet> Bench::remove(std::string session) {
  auto outlet = std::make_shared<FakeOutlet>();
  Incoming incoming;
  if (!session.empty()) incoming.session = std::move(session);
  engine->remove(std::move(incoming), caller_named({}), outlet);
  return outlet;
}

std::string Bench::begin(std::string_view version, json::object capabilities) {
  const auto outlet = post(request("initialize", {{"protocolVersion", to_json(version)},
                                                  {"capabilities", std::move(capabilities)},
                                                  {"clientInfo", {{"name", "test"}, {"version", "1"}}}},
                                   0));
  const std::string session = outlet->header("Mcp-Session-Id");
  post(make_notification("notifications/initialized", {}), session);
  return session;
}

}  // namespace orbit::mcp::test
