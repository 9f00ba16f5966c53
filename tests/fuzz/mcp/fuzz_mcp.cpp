// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The engine of the MCP wire on any messages. Input: lines; each is one HTTP request, whose first character says what it is: '0' to
// '3' POST (1: in the session, 2: with the headers of revision 2026-07-28, 3: both), 'g' GET, 'd' DELETE, 'r' the actor's reply to the
// oldest call, 'e' an error of the actor, 'c' the client of the oldest request goes away, 't' time passes.
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <string_view>

#include "fake.hpp"

using namespace orbit::mcp;
using namespace orbit::mcp::test;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const FakeOutlet& outlet) {
  require(outlet.answers <= 1);
  if (outlet.answers == 0 || outlet.closed) return;
  if (!outlet.streaming) {
    require(outlet.body.empty() || parse_json(outlet.body).has_value());
    return;
  }
  for (const FakeOutlet::Event& event : outlet.events()) require(event.data.empty() || parse_json(event.data).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Settings settings = Bench::default_settings();
  settings.sessions_max = 4;
  settings.replay_events_max = 8;
  settings.replay_bytes_max = 4096;
  settings.listeners_max = 4;
  settings.subscriptions_max = 4;
  Bench bench(settings);
  const std::string session = bench.begin("2025-11-25", {{"sampling", json::object()}, {"elicitation", json::object()}, {"roots", json::object()}});
  std::deque<std::shared_ptr<FakeOutlet>> outlets;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.empty()) continue;
    const char what = line[0];
    const std::string body(line.substr(1));
    if (what == 'r' || what == 'e') {
      if (bench.backend.calls.empty()) continue;
      if (what == 'e')
        bench.backend.reply(orbit::Error{orbit::Code::not_found, body});
      else
        bench.backend.reply(body);
      continue;
    }
    if (what == 'c') {
      if (outlets.empty()) continue;
      outlets.front()->close();
      outlets.pop_front();
      continue;
    }
    if (what == 't') {
      bench.backend.advance(20'000);
      continue;
    }
    auto outlet = std::make_shared<FakeOutlet>();
    outlets.push_back(outlet);
    Incoming incoming;
    const unsigned kind = static_cast<unsigned char>(what);
    if (what == 'g' || what == 'd' || (kind & 1u) != 0) incoming.session = session;
    if (what == 'g' && !body.empty()) incoming.last_event_id = body;
    if ((kind & 2u) != 0 && what != 'g' && what != 'd') {
      incoming.version = "2026-07-28";
      if (auto parsed = read_message(body)) {
        incoming.rpc_method = parsed->method;
        if (const auto name = find_string(parsed->params, parsed->method == "resources/read" ? "uri" : "name")) incoming.rpc_name = std::string(*name);
      }
    }
    incoming.body = body;
    const auto caller = std::make_shared<FakeCaller>();
    if (what == 'g')
      bench.engine->get(std::move(incoming), caller, outlet);
    else if (what == 'd')
      bench.engine->remove(std::move(incoming), caller, outlet);
    else
      bench.engine->post(std::move(incoming), caller, outlet);
  }
  for (const auto& outlet : outlets) check(*outlet);
  require(bench.shared.sessions <= settings.sessions_max);
  require(bench.shared.listeners <= settings.listeners_max);
  return 0;
}
