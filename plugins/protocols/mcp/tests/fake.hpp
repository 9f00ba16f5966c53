// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A node and HTTP clients for tests of the engine: no sockets, no threads, time that stands still.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine.hpp"

namespace orbit::mcp::test {

// What came of one HTTP request.
class FakeOutlet final : public Outlet {
 public:
  void answer(Answer answer) override {
    if (closed) return;
    status = answer.status;
    body = answer.body;
    headers = answer.headers;
    ended = true;
    ++answers;
  }
  void begin(const std::vector<std::pair<std::string, std::string>>&) override {
    if (closed) return;
    status = 200;
    streaming = true;
    ++answers;
  }
  void write(std::string bytes) override {
    if (!closed) body += bytes;
  }
  void end() override {
    if (!closed) ended = true;
  }
  void on_closed(std::function<void()> closed_now) override { on_closed_ = std::move(closed_now); }

  // The client goes away.
  void close() {
    closed = true;
    if (auto told = std::exchange(on_closed_, nullptr)) told();
  }
  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return {};
  }
  // The one JSON body.
  json::object json_body() const { return parse_json(body).value().get_object(); }
  struct Event {
    std::string id;
    std::string data;
  };
  std::vector<Event> events() const;
  // The messages of the events that have data.
  std::vector<json::object> messages() const;

  int status = 0;
  int answers = 0;
  bool streaming = false;
  bool ended = false;
  bool closed = false;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

 private:
  std::function<void()> on_closed_;
};

struct FakeCaller final : Caller {};

class FakeBackend final : public Backend {
 public:
  struct Call {
    uint64_t id;
    std::string caller, type, key, method;
    json::object request;
    std::function<void(Result<std::string>)> done;
  };

  CatalogPtr catalog() override { return catalog_now; }
  bool may(const Caller& caller, const Offer& offer) override { return !forbidden || !forbidden(caller, offer); }
  bool permits(const Caller& caller, const Offer& offer) override { return may(caller, offer); }
  Result<> permits_read(const Caller& caller, const std::string& uri) override {
    if (denied.contains({caller.name, uri})) return fail(Code::permission_denied, "no");
    return {};
  }
  bool still(const Caller& caller) override { return !gone.contains(caller.name); }
  bool lists_are_public() override { return true; }
  uint64_t call(const Caller& caller, const ActorTarget& target, const std::string& request,
                std::function<void(Result<std::string>)> done) override {
    const uint64_t id = ++last_call;
    calls.push_back({id, caller.name, std::string(target.type), std::string(target.key), std::string(target.method),
                     parse_json(request).value().get_object(), std::move(done)});
    return id;
  }
  void cancel(uint64_t id) override { cancelled.push_back(id); }
  const std::vector<NodeResource>& node_resources() override { return resources; }
  void read(const CallerPtr&, const std::string& uri, std::function<void(Result<std::string>)> done) override {
    const auto found = documents.find(uri);
    if (found == documents.end()) return done(fail(Code::not_found, "no resource '" + uri + "'"));
    done(found->second);
  }
  void complete(const CallerPtr&, const std::string&, const std::string&, const std::string& prefix, const json::object&, size_t,
                std::function<void(std::vector<std::string>)> done) override {
    done({prefix + "1", prefix + "2"});
  }
  void open_call(const std::string& token) override { reports[token] = 0; }
  uint32_t reports_sent(const std::string& token) override { return reports[token]; }
  void cancelled_call(const std::string& token) override { told_cancelled.push_back(token); }
  void close_call(const std::string& token) override { reports.erase(token); }
  uint64_t now_ms() override { return now; }
  uint64_t unix_ms() override { return 1'700'000'000'000 + now; }
  uint64_t after(uint64_t delay_ms, std::function<void()> function) override {
    timers.emplace(++last_timer, std::pair(now + delay_ms, std::move(function)));
    return last_timer;
  }
  void cancel_timer(uint64_t timer) override { timers.erase(timer); }
  std::string token() override { return "token" + std::to_string(++last_token); }
  void complain(const std::string& what) override { complaints.push_back(what); }

  void advance(uint64_t by_ms);
  // Answers the oldest call that waits.
  void reply(std::string text) { take().done(std::move(text)); }
  void reply(Error error) { take().done(tl::unexpected<Error>(std::move(error))); }
  Call take() {
    Call out = std::move(calls.front());
    calls.pop_front();
    return out;
  }

  CatalogPtr catalog_now;
  std::function<bool(const Caller&, const Offer&)> forbidden;
  std::deque<Call> calls;
  std::vector<uint64_t> cancelled;
  std::vector<NodeResource> resources;
  std::map<std::string, std::string> documents;
  std::set<std::pair<std::string, std::string>> denied;  // caller and URI
  std::set<std::string> gone;                           // callers
  std::map<std::string, uint32_t> reports;
  std::vector<std::string> told_cancelled;
  std::map<uint64_t, std::pair<uint64_t, std::function<void()>>> timers;
  std::vector<std::string> complaints;
  uint64_t now = 1'000'000;
  uint64_t last_call = 0;
  uint64_t last_timer = 0;
  uint64_t last_token = 0;
};

// A catalog with one of each.
std::shared_ptr<Catalog> small_catalog(uint64_t generation = 1);

// An engine and the ways in which clients ask it.
class Bench {
 public:
  explicit Bench(Settings settings = default_settings());
  ~Bench() {
    engine->stop();
    backend.calls.clear();
  }

  static Settings default_settings();
  std::shared_ptr<FakeOutlet> post(const json::value& message, std::string session = {}, std::string caller = {});
  std::shared_ptr<FakeOutlet> post_text(std::string body, std::string session = {});
  // Revision 2026-07-28, with all that it asks for; params may have more of _meta.
  std::shared_ptr<FakeOutlet> ask(std::string_view method, json::object params = {}, json::object capabilities = {}, int id = 1);
  std::shared_ptr<FakeOutlet> get(std::string session, std::string last_event_id = {});
  std::shared_ptr<FakeOutlet> remove(std::string session);
  // Initializes a session and returns its id.
  std::string begin(std::string_view version = "2025-11-25", json::object capabilities = {});
  static json::object request(std::string_view method, json::object params = {}, int id = 1) {
    return make_request(id, method, std::move(params)).get_object();
  }

  Settings settings;
  Shared shared;
  FakeBackend backend;
  std::shared_ptr<Engine> engine;
};

}  // namespace orbit::mcp::test
