// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "engine.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "actor_call.hpp"
#include "convert.hpp"

namespace orbit::mcp {
namespace {

constexpr std::string_view kMetaVersion = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view kMetaCapabilities = "io.modelcontextprotocol/clientCapabilities";
constexpr std::string_view kMetaClient = "io.modelcontextprotocol/clientInfo";
constexpr std::string_view kMetaLogLevel = "io.modelcontextprotocol/logLevel";
constexpr std::string_view kMetaServer = "io.modelcontextprotocol/serverInfo";

// Methods that a revision has not are unknown to it.
constexpr std::string_view kSessionOnly[] = {"ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"};
constexpr std::string_view kStatelessOnly[] = {"server/discover", "subscriptions/listen"};

void refuse(const OutletPtr& outlet, int status, const json::value& id, int code, std::string message, json::value data = nullptr) {
  outlet->answer(json_answer(status, make_error(id, {code, std::move(message), std::move(data)})));
}

json::array supported_versions() {
  json::array out;
  for (const Revision each : {Revision::v2026_07_28, Revision::v2025_11_25, Revision::v2025_06_18})
    out.push_back(to_json(version_name(each)));
  return out;
}

// A header's value as SEP-2243 encodes those that are no plain ASCII.
std::optional<std::string> decode_header(std::string_view value) {
  constexpr std::string_view kPrefix = "=?base64?";
  constexpr std::string_view kSuffix = "?=";
  if (value.size() < kPrefix.size() + kSuffix.size() || !value.starts_with(kPrefix) || !value.ends_with(kSuffix))
    return std::string(value);
  return from_base64(value.substr(kPrefix.size(), value.size() - kPrefix.size() - kSuffix.size()));
}

ClientInfo client_of(const json::object* capabilities, const json::object* info) {
  ClientInfo out;
  if (capabilities != nullptr) out.capabilities = *capabilities;
  if (info != nullptr) {
    out.name = string_or_empty(*info, "name").substr(0, 256);
    out.version = string_or_empty(*info, "version").substr(0, 256);
  }
  return out;
}

std::optional<json::value> progress_token_of(const json::object& params) {
  const json::object* const meta = find_object(params, "_meta");
  const json::value* const token = meta != nullptr ? find(*meta, "progressToken") : nullptr;
  if (token == nullptr || !(token->is_string() || token->is_int64() || token->is_uint64())) return std::nullopt;
  return *token;
}

}  // namespace

void Rpc::result(json::object result) {
  if (stateless()) {
    if (!result.contains("resultType")) result["resultType"] = "complete";
    json::object* const meta = result.contains("_meta") ? &result["_meta"].get_object() : &result["_meta"].emplace_object();
    (*meta)[to_json(kMetaServer)] = identity;
  }
  channel->finish(make_result(id, std::move(result)), 200);
}

void Rpc::error(RpcError error) {
  int status = 200;
  if (stateless()) {
    if (error.code == kMethodNotFound) status = 404;
    if (error.code == kMissingCapability || error.code == kUnsupportedVersion || error.code == kHeaderMismatch) status = 400;
  }
  channel->finish(make_error(id, error), status);
}

// A subscriptions/listen stream.
struct Engine::Listener {
  RpcPtr rpc;
  bool tools = false;
  bool prompts = false;
  bool resources = false;
  std::map<std::string, Watch> watches;

  json::object meta() const { return {{"io.modelcontextprotocol/subscriptionId", rpc->id}}; }
  void notify(std::string_view method, json::object params = {}) {
    params["_meta"] = meta();
    rpc->channel->send(make_notification(method, std::move(params)));
  }
};

Engine::Engine(Backend& backend, const Settings& settings, Shared& shared, uint32_t index)
    : backend_(backend), settings_(settings), shared_(shared), index_(index), seal_(settings.state_secret) {}

Engine::~Engine() { shared_.sessions -= static_cast<uint32_t>(sessions_.size()); }

std::optional<uint32_t> Engine::home_of(std::string_view session_id) noexcept {
  uint32_t index = 0;
  const auto [end, bad] = std::from_chars(session_id.data(), session_id.data() + session_id.size(), index);
  if (bad != std::errc() || end == session_id.data() + session_id.size() || *end != '-') return std::nullopt;
  return index;
}

const CatalogPtr& Engine::catalog() {
  CatalogPtr now = backend_.catalog();
  if (now != catalog_) {
    const bool changed = catalog_ != nullptr;
    catalog_ = std::move(now);
    if (changed) lists_changed();
  }
  return catalog_;
}

json::object Engine::capabilities() const {
  return {{"tools", {{"listChanged", true}}},
          {"prompts", {{"listChanged", true}}},
          {"resources", {{"subscribe", true}, {"listChanged", true}}},
          {"logging", json::object()},
          {"completions", json::object()}};
}

json::object Engine::server_info() const { return {{"name", "orbit"}, {"title", "Orbit"}, {"version", settings_.version}}; }

// ---- HTTP ----------------------------------------------------------------------------------------------------------

void Engine::post(Incoming incoming, CallerPtr caller, OutletPtr outlet) {
  auto message = read_message(incoming.body);
  if (!message) {
    const MessageFailure& failure = message.error();
    return outlet->answer(json_answer(400, make_error(failure.id, failure.error)));
  }
  incoming.body.clear();
  // A request says what it is: by its metadata, else by its header. Everything else belongs to a session, or begins one.
  const json::object* const meta = find_object(message->params, "_meta");
  const bool says_version = meta != nullptr && find(*meta, kMetaVersion) != nullptr;
  const bool other_header = incoming.version && !is_session_version(*incoming.version);
  if (says_version || (other_header && !incoming.session)) return post_stateless(incoming, std::move(*message), std::move(caller), std::move(outlet));
  post_session(incoming, std::move(*message), std::move(caller), std::move(outlet));
}

void Engine::post_stateless(const Incoming& incoming, Message message, CallerPtr caller, OutletPtr outlet) {
  if (message.kind != Message::Kind::request) {
    // There are none that mean anything over HTTP; responses are not sent in this revision.
    if (message.kind == Message::Kind::notification) return outlet->answer({202, {}, {}, {}});
    return refuse(outlet, 400, nullptr, kInvalidRequest, "revision " + std::string(kStatelessVersion) + " has no responses from clients");
  }
  const json::value& id = message.id;
  const auto mismatch = [&](const std::string& what) { refuse(outlet, 400, id, kHeaderMismatch, "Header mismatch: " + what); };
  if (!incoming.version) return mismatch("MCP-Protocol-Version is missing");
  const json::object* const meta = find_object(message.params, "_meta");
  const auto version = meta != nullptr ? find_string(*meta, kMetaVersion) : std::nullopt;
  const json::object* const capabilities = meta != nullptr ? find_object(*meta, kMetaCapabilities) : nullptr;
  if (!version || capabilities == nullptr)
    return refuse(outlet, 400, id, kInvalidParams,
                  "params._meta needs '" + std::string(version ? kMetaCapabilities : kMetaVersion) + "'" + (version ? ", an object" : ", a string"));
  if (*version != *incoming.version)
    return mismatch("MCP-Protocol-Version is '" + *incoming.version + "', params._meta says '" + std::string(*version) + "'");
  if (*version != kStatelessVersion)
    return refuse(outlet, 400, id, kUnsupportedVersion, "this node does not speak revision '" + std::string(*version) + "' without a session",
                  json::object{{"supported", supported_versions()}, {"requested", to_json(*version)}});
  if (!incoming.rpc_method) return mismatch("Mcp-Method is missing");
  if (*incoming.rpc_method != message.method)
    return mismatch("Mcp-Method is '" + *incoming.rpc_method + "', the body's method is '" + message.method + "'");
  const bool by_uri = message.method == "resources/read";
  if (by_uri || message.method == "tools/call" || message.method == "prompts/get") {
    const auto name = find_string(message.params, by_uri ? "uri" : "name");
    if (name && !incoming.rpc_name) return mismatch("Mcp-Name is missing");
    if (name && decode_header(*incoming.rpc_name) != *name)
      return mismatch("Mcp-Name is '" + *incoming.rpc_name + "', the body says '" + std::string(*name) + "'");
  }

  auto rpc = std::make_shared<Rpc>();
  rpc->client = client_of(capabilities, find_object(*meta, kMetaClient));
  if (const json::value* level = find(*meta, kMetaLogLevel)) {
    rpc->log_level = level->is_string() ? log_level(from_json(level->get_string())) : std::nullopt;
    if (!rpc->log_level) return refuse(outlet, 200, id, kInvalidParams, "'" + std::string(kMetaLogLevel) + "' is no log level");
  }
  rpc->progress_token = progress_token_of(message.params);
  rpc->identity = server_info();
  rpc->id = std::move(message.id);
  rpc->method = std::move(message.method);
  rpc->params = std::move(message.params);
  rpc->caller = std::move(caller);
  rpc->outlet = outlet;
  rpc->channel = std::make_shared<DirectChannel>(std::move(outlet));
  dispatch(rpc);
}

void Engine::post_session(const Incoming& incoming, Message message, CallerPtr caller, OutletPtr outlet) {
  if (!incoming.session) {
    if (message.kind == Message::Kind::request && message.method == "initialize")
      return initialize(std::move(message), std::move(caller), std::move(outlet));
    return refuse(outlet, 400, message.id, kInvalidRequest,
                  "no session: begin with 'initialize' and send the Mcp-Session-Id that it answers with, or use revision " +
                      std::string(kStatelessVersion) + " with params._meta");
  }
  const auto session = find_session(incoming, caller, outlet);
  if (!session) return;
  switch (message.kind) {
    case Message::Kind::notification:
      notified(*session, message);
      return outlet->answer({202, {}, {}, {}});
    case Message::Kind::result:
    case Message::Kind::error: {
      Result<json::object> result = std::move(message.body);
      if (message.kind == Message::Kind::error)
        result = fail(Code::aborted, "the client refused: " + std::string(string_or_empty(*result, "message")));
      outlet->answer({202, {}, {}, {}});
      // An answer that nobody waits for any more is no mistake of the client.
      session->answered(message.id, std::move(result));
      return;
    }
    case Message::Kind::request: break;
  }
  if (message.method == "initialize") return refuse(outlet, 400, message.id, kInvalidRequest, "this session has begun already");
  std::erase_if(session->calls, [](const auto& call) { return call.second.expired(); });
  if (session->calls.contains(json::serialize(message.id)))
    return refuse(outlet, 400, message.id, kInvalidRequest, "a request with this id is at work");
  if (session->calls.size() >= settings_.calls_max)
    return refuse(outlet, 429, message.id, kInternalError,
                  "the session has " + std::to_string(settings_.calls_max) + " calls at work (calls_max): wait for one");
  auto rpc = std::make_shared<Rpc>();
  rpc->revision = session->revision();
  rpc->client = session->client();
  rpc->log_level = session->log_level;
  rpc->progress_token = progress_token_of(message.params);
  rpc->id = std::move(message.id);
  rpc->method = std::move(message.method);
  rpc->params = std::move(message.params);
  rpc->caller = std::move(caller);
  rpc->session = session;
  rpc->outlet = outlet;
  rpc->channel = std::make_shared<SessionChannel>(session, std::move(outlet));
  dispatch(rpc);
}

void Engine::initialize(Message message, CallerPtr caller, OutletPtr outlet) {
  const auto version = find_string(message.params, "protocolVersion");
  const json::object* const capabilities = find_object(message.params, "capabilities");
  const json::object* const info = find_object(message.params, "clientInfo");
  if (!version || capabilities == nullptr || info == nullptr)
    return refuse(outlet, 200, message.id, kInvalidParams,
                  "'initialize' needs 'protocolVersion', a string, 'capabilities', an object, and 'clientInfo', an object");
  uint32_t have = shared_.sessions.load();
  do {
    if (have >= settings_.sessions_max || stopped_)
      return refuse(outlet, 503, message.id, kInternalError,
                    "the node has " + std::to_string(settings_.sessions_max) + " sessions (sessions_max): end one with DELETE, or try later");
  } while (!shared_.sessions.compare_exchange_weak(have, have + 1));
  // Asked for one that this node does not speak, it names the latest that it does.
  Revision revision = revision_of(*version).value_or(Revision::v2025_11_25);
  if (revision == Revision::v2026_07_28) revision = Revision::v2025_11_25;
  const std::string id = std::to_string(index_) + "-" + backend_.token();
  auto session = std::make_shared<Session>(id, settings_, revision, std::move(caller), client_of(capabilities, info));
  session->used_ms = backend_.now_ms();
  sessions_.emplace(id, session);
  catalog();
  arm();
  json::object result{{"protocolVersion", to_json(version_name(revision))}, {"capabilities", this->capabilities()}, {"serverInfo", server_info()}};
  if (!settings_.instructions.empty()) result["instructions"] = settings_.instructions;
  Answer answer = json_answer(200, make_result(message.id, std::move(result)));
  answer.headers.emplace_back("Mcp-Session-Id", id);
  outlet->answer(std::move(answer));
}

std::shared_ptr<Session> Engine::find_session(const Incoming& incoming, const CallerPtr& caller, const OutletPtr& outlet) {
  if (incoming.version) {
    const auto revision = revision_of(*incoming.version);
    if (!revision || *revision == Revision::v2026_07_28) {
      refuse(outlet, 400, nullptr, kInvalidRequest,
             "MCP-Protocol-Version is '" + incoming.version->substr(0, 64) + "'; sessions here are of " +
                 std::string(version_name(Revision::v2025_06_18)) + " or " + std::string(kLatestSessionVersion));
      return nullptr;
    }
  }
  const auto found = sessions_.find(*incoming.session);
  // Another's session is none that there is.
  if (found == sessions_.end() || found->second->caller()->name != caller->name) {
    refuse(outlet, 404, nullptr, kInvalidRequest, "no such session: it has ended or expired, begin another with 'initialize'");
    return nullptr;
  }
  found->second->used_ms = backend_.now_ms();
  found->second->renew(caller);
  return found->second;
}

void Engine::get(Incoming incoming, CallerPtr caller, OutletPtr outlet) {
  if (!incoming.session) {
    // Revision 2026-07-28 has no GET.
    Answer answer = json_answer(405, make_error(nullptr, {kInvalidRequest, "GET needs an Mcp-Session-Id; without a session use subscriptions/listen", nullptr}));
    answer.headers.emplace_back("Allow", "POST");
    return outlet->answer(std::move(answer));
  }
  const auto session = find_session(incoming, caller, outlet);
  if (!session) return;
  outlet->on_closed([weak = std::weak_ptr(session), raw = outlet.get(), last = incoming.last_event_id.value_or(std::string())] {
    uint64_t stream = 0;
    std::from_chars(last.data(), last.data() + last.size(), stream);
    if (const auto alive = weak.lock()) alive->detach(stream, raw);
  });
  if (auto attached = session->attach(outlet, incoming.last_event_id.value_or(std::string())); !attached) {
    outlet->on_closed(nullptr);
    refuse(outlet, 400, nullptr, kInvalidRequest, attached.error().message);
  }
}

void Engine::remove(Incoming incoming, CallerPtr caller, OutletPtr outlet) {
  if (!incoming.session) {
    Answer answer = json_answer(405, make_error(nullptr, {kInvalidRequest, "DELETE ends a session and needs its Mcp-Session-Id", nullptr}));
    answer.headers.emplace_back("Allow", "POST");
    return outlet->answer(std::move(answer));
  }
  const auto session = find_session(incoming, caller, outlet);
  if (!session) return;
  end_session(session->id());
  outlet->answer({204, {}, {}, {}});
}

void Engine::end_session(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const std::shared_ptr<Session> session = found->second;
  sessions_.erase(found);
  shared_.sessions -= 1;
  for (const auto& [name, call] : std::exchange(session->calls, {}))
    if (const auto alive = call.lock()) alive->cancel();
  session->drop_questions();
  session->close_streams();
}

void Engine::notified(Session& session, const Message& message) {
  // "initialized" and changed roots need nothing here; notifications that are not known are not an error.
  if (message.method != "notifications/cancelled") return;
  const json::value* const id = find(message.params, "requestId");
  if (id == nullptr) return;
  const auto found = session.calls.find(json::serialize(*id));
  if (found == session.calls.end()) return;
  if (const auto call = found->second.lock()) call->cancel();
}

void Engine::report(const std::string& call, const Report& report) {
  const auto found = reporting_.find(call);
  if (found == reporting_.end()) return;
  if (const auto alive = found->second.lock()) alive->report(report);
}

void Engine::stop() {
  stopped_ = true;
  if (timer_ != 0) backend_.cancel_timer(std::exchange(timer_, 0));
  while (!sessions_.empty()) end_session(std::string(sessions_.begin()->first));
  for (const auto& listener : std::exchange(listeners_, {})) {
    listener->rpc->outlet->on_closed(nullptr);
    listener->rpc->result(json::object{{"_meta", listener->meta()}});
    shared_.listeners -= 1;
  }
}

// ---- methods -------------------------------------------------------------------------------------------------------

void Engine::dispatch(const RpcPtr& rpc) {
  const std::string& method = rpc->method;
  const auto is = [&method](std::string_view name) { return method == name; };
  const bool unknown_here = rpc->stateless() ? std::any_of(std::begin(kSessionOnly), std::end(kSessionOnly), is)
                                             : std::any_of(std::begin(kStatelessOnly), std::end(kStatelessOnly), is);
  if (!unknown_here) {
    if (is("tools/call")) return call_tool(rpc);
    if (is("tools/list")) return list(rpc, "tools");
    if (is("resources/read")) return read_resource(rpc);
    if (is("resources/list")) return list(rpc, "resources");
    if (is("resources/templates/list")) return list(rpc, "resourceTemplates");
    if (is("prompts/get")) return get_prompt(rpc);
    if (is("prompts/list")) return list(rpc, "prompts");
    if (is("completion/complete")) return complete(rpc);
    if (is("ping")) return rpc->result({});
    if (is("logging/setLevel")) return set_level(rpc);
    if (is("resources/subscribe")) return subscribe(rpc, true);
    if (is("resources/unsubscribe")) return subscribe(rpc, false);
    if (is("subscriptions/listen")) return listen(rpc);
    if (is("server/discover")) {
      json::object result{{"supportedVersions", supported_versions()}, {"capabilities", this->capabilities()}};
      if (!settings_.instructions.empty()) result["instructions"] = settings_.instructions;
      result["ttlMs"] = settings_.list_ttl_ms;
      result["cacheScope"] = "public";
      return rpc->result(std::move(result));
    }
  }
  rpc->error({kMethodNotFound, "no method '" + method.substr(0, 128) + "' in revision " + std::string(version_name(rpc->revision)), nullptr});
}

void Engine::list(const RpcPtr& rpc, std::string_view what) {
  const CatalogPtr catalog = this->catalog();
  size_t begin = 0;
  if (const json::value* cursor = find(rpc->params, "cursor")) {
    const std::string prefix = std::to_string(catalog->generation) + ".";
    const std::string_view text = cursor->is_string() ? from_json(cursor->get_string()) : std::string_view();
    const char* const end = text.data() + text.size();
    bool good = text.starts_with(prefix);
    if (good) {
      const auto [rest, bad] = std::from_chars(text.data() + prefix.size(), end, begin);
      good = bad == std::errc() && rest == end;
    }
    if (!good) return rpc->error({kInvalidParams, "the cursor is none of this list as it is now: list again from its beginning", nullptr});
  }
  json::array entries;
  size_t position = 0;
  bool more = false;
  const auto add = [&](const json::object& entry) {
    if (position++ < begin) return true;
    if (entries.size() == settings_.page_size) {
      more = true;
      return false;
    }
    entries.push_back(entry);
    return true;
  };
  bool room = true;
  if (what == "resources" || what == "resourceTemplates") {
    for (const NodeResource& own : backend_.node_resources()) {
      if (!room || own.is_template != (what == "resourceTemplates")) continue;
      room = add({{own.is_template ? "uriTemplate" : "uri", own.uri}, {"name", own.name}, {"title", own.title},
                  {"description", own.description}, {"mimeType", "application/json"}});
    }
  }
  const auto& offers = what == "tools"       ? catalog->tools
                       : what == "prompts"   ? catalog->prompts
                       : what == "resources" ? catalog->resources
                                             : catalog->templates;
  for (const auto& [name, offer] : offers) {
    if (!room) break;
    if (!backend_.may(*rpc->caller, offer)) continue;
    room = add(offer.listed);
  }
  json::object result{{to_json(what), std::move(entries)}};
  if (more) result["nextCursor"] = std::to_string(catalog->generation) + "." + std::to_string(begin + settings_.page_size);
  if (rpc->stateless()) {
    result["ttlMs"] = settings_.list_ttl_ms;
    result["cacheScope"] = backend_.lists_are_public() ? "public" : "private";
  }
  rpc->result(std::move(result));
}

void Engine::start_call(const RpcPtr& rpc, CatalogPtr catalog, const Offer& offer, json::object arguments, std::string uri) {
  std::make_shared<ActorCall>(shared_from_this(), rpc, std::move(catalog), offer, std::move(arguments), std::move(uri))->start();
}

void Engine::call_tool(const RpcPtr& rpc) {
  const auto name = find_string(rpc->params, "name");
  if (!name) return rpc->error({kInvalidParams, "tools/call needs 'name', a string", nullptr});
  const CatalogPtr catalog = this->catalog();
  // Not listed for who may not call it, but a call is refused, and audited, as one on any other wire.
  const Offer* const offer = catalog->tool(*name);
  if (offer == nullptr)
    return rpc->error({kInvalidParams, "no tool '" + std::string(name->substr(0, 128)) + "'; tools/list names all", nullptr});
  json::object arguments;
  if (const json::value* sent = find(rpc->params, "arguments")) {
    if (!sent->is_object())
      return rpc->error({kInvalidParams, "'arguments' must be an object; found " + std::string(kind_name(*sent)), nullptr});
    arguments = sent->get_object();
  }
  start_call(rpc, catalog, *offer, std::move(arguments), {});
}

void Engine::get_prompt(const RpcPtr& rpc) {
  const auto name = find_string(rpc->params, "name");
  if (!name) return rpc->error({kInvalidParams, "prompts/get needs 'name', a string", nullptr});
  const CatalogPtr catalog = this->catalog();
  const Offer* const offer = catalog->prompt(*name);
  if (offer == nullptr)
    return rpc->error({kInvalidParams, "no prompt '" + std::string(name->substr(0, 128)) + "'; prompts/list names all", nullptr});
  const json::value* const sent = find(rpc->params, "arguments");
  if (sent != nullptr && !sent->is_object())
    return rpc->error({kInvalidParams, "'arguments' must be an object; found " + std::string(kind_name(*sent)), nullptr});
  json::object arguments;
  for (const Argument& argument : offer->arguments) {
    const json::value* const value = sent != nullptr ? find(sent->get_object(), argument.name) : nullptr;
    if (value == nullptr) {
      if (argument.required) return rpc->error({kInvalidParams, "the prompt '" + offer->name + "' needs the argument '" + argument.name + "'", nullptr});
      continue;
    }
    if (!value->is_string()) return rpc->error({kInvalidParams, "arguments of prompts are strings; '" + argument.name + "' is " + std::string(kind_name(*value)), nullptr});
    if (argument.is_bool)
      arguments[argument.name] = value->get_string() == "true";
    else
      arguments[argument.name] = *value;
  }
  start_call(rpc, catalog, *offer, std::move(arguments), {});
}

RpcError Engine::resource_not_found(const Rpc& rpc, std::string_view uri) const {
  return {rpc.stateless() ? kInvalidParams : kResourceNotFound, "no resource '" + std::string(uri.substr(0, 256)) + "'",
          json::object{{"uri", to_json(uri)}}};
}

namespace {

struct Found {
  const Offer* offer = nullptr;
  json::object arguments;
};

Found find_resource(const Catalog& catalog, const std::string& uri) {
  Found out;
  const auto whole = catalog.resources.find(uri);
  if (whole != catalog.resources.end()) {
    out.offer = &whole->second;
    return out;
  }
  for (const auto& [text, offer] : catalog.templates)
    if (auto values = offer.uri.match(uri)) {
      out.offer = &offer;
      for (auto& [name, value] : *values) out.arguments[name] = value;
      return out;
    }
  return out;
}

json::object node_contents(const std::string& uri, const std::string& text) {
  return {{"contents", json::array{json::object{{"uri", uri}, {"mimeType", "application/json"}, {"text", text}}}}};
}

}  // namespace

void Engine::read_resource(const RpcPtr& rpc) {
  const auto sent = find_string(rpc->params, "uri");
  if (!sent) return rpc->error({kInvalidParams, "resources/read needs 'uri', a string", nullptr});
  const std::string uri(*sent);
  if (uri.starts_with("orbit:")) {
    return backend_.read(rpc->caller, uri, [this, rpc, uri](Result<std::string> text) {
      if (!text) {
        if (text.error().code == Code::not_found) {
          RpcError error = resource_not_found(*rpc, uri);
          error.message = text.error().message;
          return rpc->error(std::move(error));
        }
        const bool mine = text.error().code == Code::invalid_argument;
        return rpc->error({mine ? kInvalidParams : kInternalError, text.error().message, json::object{{"code", to_json(code_name(text.error().code))}}});
      }
      json::object result = node_contents(uri, *text);
      if (rpc->stateless()) {
        result["ttlMs"] = 0;
        result["cacheScope"] = "private";
      }
      rpc->result(std::move(result));
    });
  }
  const CatalogPtr catalog = this->catalog();
  Found found = find_resource(*catalog, uri);
  if (found.offer == nullptr) return rpc->error(resource_not_found(*rpc, uri));
  start_call(rpc, catalog, *found.offer, std::move(found.arguments), uri);
}

void Engine::complete(const RpcPtr& rpc) {
  constexpr size_t kValuesMax = 100;
  const json::object* const ref = find_object(rpc->params, "ref");
  const json::object* const argument = find_object(rpc->params, "argument");
  const auto name = argument != nullptr ? find_string(*argument, "name") : std::nullopt;
  const auto value = argument != nullptr ? find_string(*argument, "value") : std::nullopt;
  if (ref == nullptr || !name || !value)
    return rpc->error({kInvalidParams, "completion/complete needs 'ref', an object, and 'argument' with the strings 'name' and 'value'", nullptr});
  const json::object* const context = find_object(rpc->params, "context");
  const json::object* const known = context != nullptr ? find_object(*context, "arguments") : nullptr;
  const auto answer = [rpc](std::vector<std::string> values, size_t total, bool more) {
    json::array list;
    for (std::string& each : values) {
      if (list.size() == kValuesMax) {
        more = true;
        break;
      }
      list.emplace_back(std::move(each));
    }
    json::object completion{{"values", std::move(list)}};
    if (total != 0) completion["total"] = total;
    completion["hasMore"] = more;
    rpc->result(json::object{{"completion", std::move(completion)}});
  };

  const CatalogPtr catalog = this->catalog();
  const Offer* offer = nullptr;
  const std::string_view kind = string_or_empty(*ref, "type");
  if (kind == "ref/prompt") {
    offer = catalog->prompt(string_or_empty(*ref, "name"));
  } else if (kind == "ref/resource") {
    const std::string uri(string_or_empty(*ref, "uri"));
    if (uri.starts_with("orbit:"))
      return backend_.complete(rpc->caller, uri, std::string(*name), std::string(*value), known != nullptr ? *known : json::object(), kValuesMax,
                               [answer](std::vector<std::string> values) { answer(std::move(values), 0, false); });
    const auto found = catalog->templates.find(uri);
    if (found != catalog->templates.end()) offer = &found->second;
  } else {
    return rpc->error({kInvalidParams, "'ref.type' must be ref/prompt or ref/resource", nullptr});
  }
  if (offer == nullptr || !backend_.permits(*rpc->caller, *offer)) return rpc->error({kInvalidParams, "'ref' names nothing that there is", nullptr});
  const auto described = std::find_if(offer->arguments.begin(), offer->arguments.end(), [&](const Argument& each) { return each.name == *name; });
  std::vector<std::string> choices;
  if (described != offer->arguments.end())
    for (const std::string& choice : described->choices)
      if (choice.starts_with(*value)) choices.push_back(choice);
  std::string key = offer->fixed_key;
  if (!offer->has_fixed_key && known != nullptr) key = string_or_empty(*known, offer->key_argument);
  if (offer->completion.empty() || key.empty() || !choices.empty()) {
    const size_t total = choices.size();
    return answer(std::move(choices), total, false);
  }
  json::object typed;
  if (known != nullptr)
    for (const auto& member : *known)
      if (member.value().is_string()) typed[member.key()] = member.value();
  const json::object request{{"argument", to_json(*name)}, {"value", to_json(*value)}, {"context", std::move(typed)}};
  backend_.call(*rpc->caller, {offer->type, key, offer->completion, true}, json::serialize(request), [rpc, answer](Result<std::string> reply) {
    if (!reply) return rpc->error({kInternalError, reply.error().message, nullptr});
    std::vector<std::string> values;
    size_t total = 0;
    bool more = false;
    if (auto parsed = parse_json(*reply); parsed && parsed->is_object()) {
      if (const json::array* list = find_array(parsed->get_object(), "values"))
        for (const json::value& each : *list)
          if (each.is_string()) values.emplace_back(from_json(each.get_string()));
      if (const json::value* count = find(parsed->get_object(), "total"); count != nullptr && count->is_int64())
        total = static_cast<size_t>(std::max<int64_t>(0, count->get_int64()));
      more = is_true(parsed->get_object(), "hasMore");
    }
    answer(std::move(values), total, more);
  });
}

void Engine::set_level(const RpcPtr& rpc) {
  const auto level = log_level(string_or_empty(rpc->params, "level"));
  if (!level) return rpc->error({kInvalidParams, "'level' must be debug, info, notice, warning, error, critical, alert or emergency", nullptr});
  rpc->session->log_level = *level;
  rpc->result({});
}

bool Engine::check_resource(const RpcPtr& rpc, const std::string& uri) {
  if (uri.starts_with("orbit:")) return backend_.permits_read(*rpc->caller, uri).has_value();
  const Found found = find_resource(*catalog(), uri);
  return found.offer != nullptr && backend_.permits(*rpc->caller, *found.offer);
}

void Engine::subscribe(const RpcPtr& rpc, bool on) {
  const auto sent = find_string(rpc->params, "uri");
  if (!sent) return rpc->error({kInvalidParams, rpc->method + " needs 'uri', a string", nullptr});
  const std::string uri(*sent);
  std::map<std::string, Watch>& watches = rpc->session->watches;
  if (!on) {
    watches.erase(uri);
    return rpc->result({});
  }
  if (!check_resource(rpc, uri)) return rpc->error(resource_not_found(*rpc, uri));
  if (!watches.contains(uri) && watches.size() >= settings_.subscriptions_max)
    return rpc->error({kInternalError, "the session watches " + std::to_string(settings_.subscriptions_max) + " resources (subscriptions_max)", nullptr});
  watches.try_emplace(uri, Watch{uri, {}, false, false});
  rpc->result({});
  tick();
}

void Engine::listen(const RpcPtr& rpc) {
  const json::object* const wanted = find_object(rpc->params, "notifications");
  if (wanted == nullptr) return rpc->error({kInvalidParams, "subscriptions/listen needs 'notifications', an object", nullptr});
  uint32_t have = shared_.listeners.load();
  do {
    if (have >= settings_.listeners_max || stopped_)
      return rpc->error({kInternalError, "the node has " + std::to_string(settings_.listeners_max) + " subscriptions (listeners_max)", nullptr});
  } while (!shared_.listeners.compare_exchange_weak(have, have + 1));
  auto listener = std::make_shared<Listener>();
  listener->rpc = rpc;
  json::object agreed;
  for (const auto& [name, flag] : {std::pair{"toolsListChanged", &Listener::tools}, std::pair{"promptsListChanged", &Listener::prompts},
                                   std::pair{"resourcesListChanged", &Listener::resources}})
    if (is_true(*wanted, name)) {
      (*listener).*flag = true;
      agreed[name] = true;
    }
  if (const json::array* uris = find_array(*wanted, "resourceSubscriptions")) {
    json::array taken;
    for (const json::value& each : *uris) {
      if (!each.is_string() || listener->watches.size() >= settings_.subscriptions_max) continue;
      const std::string uri(from_json(each.get_string()));
      if (!check_resource(rpc, uri)) continue;
      listener->watches.try_emplace(uri, Watch{uri, {}, false, false});
      taken.push_back(each);
    }
    agreed["resourceSubscriptions"] = std::move(taken);
  }
  listeners_.push_back(listener);
  rpc->outlet->on_closed([weak = weak_from_this(), raw = listener.get()] {
    const auto self = weak.lock();
    if (self && std::erase_if(self->listeners_, [raw](const auto& each) { return each.get() == raw; }) != 0) self->shared_.listeners -= 1;
  });
  catalog();
  listener->notify("notifications/subscriptions/acknowledged", json::object{{"notifications", std::move(agreed)}});
  tick();
}

// ---- what changes by itself ----------------------------------------------------------------------------------------

void Engine::arm() {
  if (timer_ != 0 || stopped_ || (sessions_.empty() && listeners_.empty())) return;
  timer_ = backend_.after(settings_.poll_ms, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->timer_ = 0;
      self->tick();
    }
  });
}

void Engine::tick() {
  const uint64_t now_ms = backend_.now_ms();
  catalog();  // tells listeners when it is another
  std::vector<std::shared_ptr<Session>> sessions;
  for (const auto& [id, session] : sessions_) sessions.push_back(session);
  const bool keep_alive = now_ms - kept_alive_ms_ >= settings_.keep_alive_ms;
  if (keep_alive) kept_alive_ms_ = now_ms;
  for (const auto& session : sessions) {
    session->expire_questions(now_ms);
    if (!session->calls.empty()) session->used_ms = now_ms;
    if (now_ms - session->used_ms >= settings_.session_idle_ms || !backend_.still(*session->caller())) {
      end_session(session->id());
      continue;
    }
    if (keep_alive) session->keep_alive();
    const std::weak_ptr<Session> weak = session;
    poll_watches(
        session->watches, session->caller(),
        [weak] {
          const auto alive = weak.lock();
          return alive ? &alive->watches : nullptr;
        },
        [weak](const std::string& uri) {
          if (const auto alive = weak.lock())
            alive->append(0, json::serialize(make_notification("notifications/resources/updated", json::object{{"uri", uri}})), false);
        });
  }
  end_lost_listeners();
  for (const auto& listener : listeners_) {
    if (keep_alive) static_cast<DirectChannel&>(*listener->rpc->channel).comment();
    const std::weak_ptr<Listener> weak = listener;
    poll_watches(
        listener->watches, listener->rpc->caller,
        [weak] {
          const auto alive = weak.lock();
          return alive ? &alive->watches : nullptr;
        },
        [weak](const std::string& uri) {
          if (const auto alive = weak.lock()) alive->notify("notifications/resources/updated", json::object{{"uri", uri}});
        });
  }
  arm();
}

void Engine::end_lost_listeners() {
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    const std::shared_ptr<Listener> listener = *it;
    if (backend_.still(*listener->rpc->caller)) {
      ++it;
      continue;
    }
    it = listeners_.erase(it);
    shared_.listeners -= 1;
    listener->rpc->outlet->on_closed(nullptr);
    listener->rpc->error({kInvalidRequest, "the credentials count no more: send new ones", nullptr});
  }
}

void Engine::poll_watches(std::map<std::string, Watch>& watches, const CallerPtr& caller,
                          const std::function<std::map<std::string, Watch>*()>& find_watches,
                          const std::function<void(const std::string&)>& changed) {
  std::vector<std::string> uris;
  for (auto& [uri, watch] : watches)
    if (!std::exchange(watch.busy, true)) uris.push_back(uri);
  for (const std::string& uri : uris)
    look(caller, uri, [uri, find_watches, changed](Result<std::string> now) {
      std::map<std::string, Watch>* const there = find_watches();
      if (there == nullptr) return;
      const auto found = there->find(uri);
      if (found == there->end()) return;
      Watch& watch = found->second;
      watch.busy = false;
      // What cannot be read for now is looked at again; that it is gone is a change.
      if (!now && now.error().code != Code::not_found) return;
      std::string text = now ? std::move(*now) : std::string();
      if (std::exchange(watch.known, true) && text != watch.seen) changed(uri);
      watch.seen = std::move(text);
    });
}

void Engine::look(const CallerPtr& caller, const std::string& uri, std::function<void(Result<std::string>)> done) {
  // Large documents are compared by their digest.
  const auto digest = [done = std::move(done)](Result<std::string> text) {
    if (text && text->size() > 64) text = std::to_string(std::hash<std::string>{}(*text)) + "/" + std::to_string(text->size());
    done(std::move(text));
  };
  if (uri.starts_with("orbit:")) return backend_.read(caller, uri, digest);
  const Found found = find_resource(*catalog(), uri);
  if (found.offer == nullptr) return digest(fail(Code::not_found, "no resource '" + uri + "'"));
  std::string key = found.offer->fixed_key;
  json::object arguments = found.arguments;
  if (!found.offer->has_fixed_key) {
    key = string_or_empty(arguments, found.offer->key_argument);
    if (!found.offer->key_is_field) arguments.erase(to_json(found.offer->key_argument));
  }
  backend_.call(*caller, {found.offer->type, key, found.offer->method, true}, json::serialize(arguments), digest);
}

void Engine::lists_changed() {
  const auto tell = [this](std::string_view what, bool Listener::* wants) {
    const std::string method = "notifications/" + std::string(what) + "/list_changed";
    for (const auto& [id, session] : sessions_) session->append(0, json::serialize(make_notification(method, {})), false);
    for (const auto& listener : listeners_)
      if ((*listener).*wants) listener->notify(method);
  };
  tell("tools", &Listener::tools);
  tell("prompts", &Listener::prompts);
  tell("resources", &Listener::resources);
}

}  // namespace orbit::mcp
