// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The Model Context Protocol of one worker: HTTP requests in, answers and event streams out, actor calls behind. Knows neither
// sockets nor the node. A session lives in the engine that began it.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend.hpp"
#include "message.hpp"
#include "seal.hpp"
#include "session.hpp"
#include "settings.hpp"

namespace orbit::mcp {

// The parts of an HTTP request that mean something here. Absent headers are nothing, not empty.
struct Incoming {
  std::optional<std::string> session;        // Mcp-Session-Id
  std::optional<std::string> version;        // MCP-Protocol-Version
  std::optional<std::string> rpc_method;     // Mcp-Method
  std::optional<std::string> rpc_name;       // Mcp-Name
  std::optional<std::string> last_event_id;  // Last-Event-ID
  std::string body;
};

// What an actor tells about a call while it works (orbit.mcp.v1.Reporter).
struct Report {
  bool is_progress = false;
  double progress = 0;
  double total = 0;
  std::string message;  // of progress
  int level = 0;
  std::string logger;
  std::string text;
  std::string data_json;
};

// One JSON-RPC request that waits for its answer.
struct Rpc {
  Revision revision = Revision::v2026_07_28;
  json::value id;
  std::string method;
  json::object params;
  CallerPtr caller;
  ClientInfo client;
  std::shared_ptr<Channel> channel;
  OutletPtr outlet;
  std::shared_ptr<Session> session;  // null: without
  std::optional<int> log_level;      // messages from this level on; nothing: none
  std::optional<json::value> progress_token;
  json::value identity;              // of the server, for results without session

  bool stateless() const noexcept { return session == nullptr; }
  void result(json::object result);
  void error(RpcError error);
};
using RpcPtr = std::shared_ptr<Rpc>;

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  Engine(Backend& backend, const Settings& settings, Shared& shared, uint32_t index);
  ~Engine();

  void post(Incoming incoming, CallerPtr caller, OutletPtr outlet);
  void get(Incoming incoming, CallerPtr caller, OutletPtr outlet);
  void remove(Incoming incoming, CallerPtr caller, OutletPtr outlet);  // DELETE
  void report(const std::string& call, const Report& report);
  // Ends streams; sessions are gone afterwards.
  void stop();

  // Which engine has the session; nothing when the id was not made here.
  static std::optional<uint32_t> home_of(std::string_view session_id) noexcept;
  size_t session_count() const noexcept { return sessions_.size(); }

  // ---- for ActorCall ----
  Backend& backend() noexcept { return backend_; }
  const Settings& settings() const noexcept { return settings_; }
  const Seal& seal() const noexcept { return seal_; }
  void enter_call(const std::string& token, std::weak_ptr<ActorCall> call) { reporting_[token] = std::move(call); }
  void leave_call(const std::string& token) { reporting_.erase(token); }

 private:
  struct Listener;

  void post_stateless(const Incoming& incoming, Message message, CallerPtr caller, OutletPtr outlet);
  void post_session(const Incoming& incoming, Message message, CallerPtr caller, OutletPtr outlet);
  void initialize(Message message, CallerPtr caller, OutletPtr outlet);
  std::shared_ptr<Session> find_session(const Incoming& incoming, const CallerPtr& caller, const OutletPtr& outlet);
  void end_session(const std::string& id);
  void notified(Session& session, const Message& message);
  void dispatch(const RpcPtr& rpc);

  void list(const RpcPtr& rpc, std::string_view what);
  void call_tool(const RpcPtr& rpc);
  void get_prompt(const RpcPtr& rpc);
  void read_resource(const RpcPtr& rpc);
  void complete(const RpcPtr& rpc);
  void subscribe(const RpcPtr& rpc, bool on);
  void listen(const RpcPtr& rpc);
  void set_level(const RpcPtr& rpc);
  void start_call(const RpcPtr& rpc, CatalogPtr catalog, const Offer& offer, json::object arguments, std::string uri);

  json::object capabilities() const;
  json::object server_info() const;
  const CatalogPtr& catalog();
  bool check_resource(const RpcPtr& rpc, const std::string& uri);
  RpcError resource_not_found(const Rpc& rpc, std::string_view uri) const;

  void arm();
  void tick();
  void poll_watches(std::map<std::string, Watch>& watches, const CallerPtr& caller,
                    const std::function<std::map<std::string, Watch>*()>& find, const std::function<void(const std::string&)>& changed);
  // The resource as it is now; for watches, which do not ask the client anything.
  void look(const CallerPtr& caller, const std::string& uri, std::function<void(Result<std::string>)> done);
  void lists_changed();
  // Those whose callers have lost what they logged in as.
  void end_lost_listeners();

  Backend& backend_;
  const Settings& settings_;
  Shared& shared_;
  const uint32_t index_;
  const Seal seal_;
  std::map<std::string, std::shared_ptr<Session>, std::less<>> sessions_;
  std::list<std::shared_ptr<Listener>> listeners_;
  std::map<std::string, std::weak_ptr<ActorCall>> reporting_;
  CatalogPtr catalog_;
  uint64_t timer_ = 0;
  uint64_t kept_alive_ms_ = 0;
  bool stopped_ = false;
};

}  // namespace orbit::mcp
