// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "front.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "orbit/authorization.hpp"
#include "orbit/http/guard.hpp"
#include "orbit/http/target.hpp"
#include "seal.hpp"

namespace orbit::mcp {
namespace {

http::Response refusal(int status, int code, std::string message) {
  http::Response out;
  out.status = status;
  out.content_type = "application/json";
  out.body = json::serialize(make_error(nullptr, {code, std::move(message), nullptr}));
  return out;
}

http::Response unauthorized(const std::string& message) {
  http::Response out = refusal(401, kInvalidRequest, message);
  out.headers.emplace_back("WWW-Authenticate", kAuthenticateChallenge);
  return out;
}

// On the worker of the connection.
class HttpOutlet final : public Outlet {
 public:
  explicit HttpOutlet(http::Responder responder) : responder_(std::move(responder)) {}

  void answer(Answer answer) override {
    if (!responder_) return;
    http::Response response;
    response.status = answer.status;
    response.content_type = std::move(answer.content_type);
    response.body = std::move(answer.body);
    response.headers = std::move(answer.headers);
    take().answer(std::move(response));
  }
  void begin(const std::vector<std::pair<std::string, std::string>>& headers) override {
    if (!responder_) return;
    http::Response head;
    head.content_type = http::kEventStream;
    head.headers = headers;
    head.headers.emplace_back("Cache-Control", "no-cache");
    head.headers.emplace_back("X-Accel-Buffering", "no");
    stream_.emplace(take().stream(std::move(head)));
    if (closed_) stream_->on_gone(closed_);
  }
  void write(std::string bytes) override {
    if (stream_) stream_->write(bytes);
  }
  void end() override {
    if (!stream_) return;
    stream_->end();
    stream_.reset();
  }
  void on_closed(std::function<void()> closed) override {
    closed_ = std::move(closed);
    if (responder_) responder_->on_gone(closed_);
    if (stream_) stream_->on_gone(closed_);
  }

 private:
  http::Responder take() {
    http::Responder out = std::move(*responder_);
    responder_.reset();
    return out;
  }

  std::optional<http::Responder> responder_;
  std::optional<http::Stream> stream_;
  std::function<void()> closed_;
};

// On the worker of the session: passes all on to the connection's.
class RemoteOutlet final : public Outlet {
 public:
  using Post = std::function<void(uint32_t, std::function<void()>)>;
  RemoteOutlet(std::shared_ptr<HttpOutlet> there, Post post, uint32_t connection_worker, uint32_t session_worker)
      : there_(std::move(there)), post_(std::move(post)), connection_worker_(connection_worker), session_worker_(session_worker) {}
  ~RemoteOutlet() override {
    // The other worker lets go of it, which may answer the client.
    post_(connection_worker_, [there = std::move(there_)]() mutable { there.reset(); });
  }

  void answer(Answer answer) override {
    send([answer = std::move(answer)](HttpOutlet& out) { out.answer(answer); });
  }
  void begin(const std::vector<std::pair<std::string, std::string>>& headers) override {
    send([headers](HttpOutlet& out) { out.begin(headers); });
  }
  void write(std::string bytes) override {
    send([bytes = std::move(bytes)](HttpOutlet& out) { out.write(bytes); });
  }
  void end() override {
    send([](HttpOutlet& out) { out.end(); });
  }
  void on_closed(std::function<void()> closed) override {
    *closed_ = std::move(closed);
    if (std::exchange(watching_, true)) return;
    send([post = post_, worker = session_worker_, closed = closed_](HttpOutlet& out) {
      out.on_closed([post, worker, closed] {
        post(worker, [closed] {
          if (auto told = std::exchange(*closed, nullptr)) told();
        });
      });
    });
  }

 private:
  void send(std::function<void(HttpOutlet&)> function) {
    post_(connection_worker_, [there = there_, function = std::move(function)] { function(*there); });
  }

  std::shared_ptr<HttpOutlet> there_;
  const Post post_;
  const uint32_t connection_worker_;
  const uint32_t session_worker_;
  bool watching_ = false;
  // Only the session's worker looks into it.
  std::shared_ptr<std::function<void()>> closed_ = std::make_shared<std::function<void()>>();
};

std::optional<std::string> header(const http::Request& request, std::string_view name) {
  if (!request.has_header(name)) return std::nullopt;
  return std::string(request.header(name));
}

class ConnectionFront final : public http::Handler {
 public:
  ConnectionFront(Front& front, Connection& connection) : front_(front), peer_(connection.peer_address()) {
    if (orbit_tls_info tls; connection.tls(tls)) certificate_ = from_c(tls.peer_certificate);
  }
  std::optional<http::Response> admit(const http::Request& head) override { return front_.admit(head); }
  void handle(http::Request request, http::Responder responder) override {
    front_.handle(std::move(request), std::move(responder), peer_, certificate_);
  }

 private:
  Front& front_;
  const std::string peer_;
  std::string certificate_;  // of the client, DER; empty: none
};

bool accepts(std::string_view accept, std::string_view type) {
  // Parameters such as q are not looked at: who does not want it does not name it.
  const std::string_view group = type.substr(0, type.find('/'));
  while (!accept.empty()) {
    std::string_view each = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(accept.size(), each.size() + 1));
    each = each.substr(0, each.find(';'));
    while (each.starts_with(' ')) each.remove_prefix(1);
    while (each.ends_with(' ')) each.remove_suffix(1);
    if (each == "*/*" || http::equal_ignoring_case(each, type) || http::equal_ignoring_case(each, std::string(group) + "/*")) return true;
  }
  return false;
}

http::ServerOptions with_names(http::ServerOptions options) {
  options.name = "MCP";
  options.metric = "orbit_mcp";
  options.gzip_bytes_min = 0;
  return options;
}

}  // namespace

Front::Front(Host host, FrontOptions options)
    : host_(host),
      options_(std::move(options)),
      workers_(*host.require<orbit_workers_v1>(ORBIT_WORKERS_V1)),
      access_(host),
      catalogs_(host, options_.filter),
      http_(host, with_names(options_.http), *this) {
  const uint32_t count = workers_.count(host_.raw());
  for (uint32_t i = 0; i < count; ++i) {
    backends_.push_back(std::make_unique<NodeBackend>(host_, catalogs_, access_, reports_, i, options_.call_timeout_ms));
    engines_.push_back(std::make_shared<Engine>(*backends_.back(), options_.settings, shared_, i));
  }
  reports_.deliver = [this](uint32_t worker, std::string token, Report report) {
    post(worker, [engine = engines_.at(worker), token = std::move(token), report = std::move(report)] { engine->report(token, report); });
  };
}

Result<> Front::start() {
  if (auto started = http_.start(); !started) return started;
  host_.info("MCP at " + http_.url() + options_.path);
  return {};
}

void Front::stop() noexcept {
  http_.stop();
  for (const auto& engine : engines_) {
    const auto index = static_cast<uint32_t>(&engine - engines_.data());
    post(index, [engine] { engine->stop(); });
  }
}

std::unique_ptr<http::Handler> Front::connected(Connection& connection) {
  return std::make_unique<ConnectionFront>(*this, connection);
}

void Front::post(uint32_t worker, std::function<void()> function) const {
  auto kept = std::make_unique<std::function<void()>>(std::move(function));
  workers_.post(
      host_.raw(), worker,
      [](void* ctx) {
        const std::unique_ptr<std::function<void()>> run(static_cast<std::function<void()>*>(ctx));
        (*run)();
      },
      kept.release());
}

bool Front::is_own_name(std::string_view host) const noexcept {
  // Who knows callers by their credentials need not fear names; 'hosts' may still say which there are.
  if (access_.enabled() && options_.hosts.empty()) return true;
  return http::is_loopback(host) || std::any_of(options_.hosts.begin(), options_.hosts.end(),
                                                [host](const std::string& name) { return http::equal_ignoring_case(name, host); });
}

std::optional<http::Response> Front::admit(const http::Request& head) const {
  const auto target = http::parse_target(head.target);
  if (!target) return refusal(400, kInvalidRequest, target.error().message);
  const std::string_view path = head.target.substr(0, head.target.find('?'));
  if (path != options_.path) return refusal(404, kInvalidRequest, "no such path; the MCP endpoint is " + options_.path);
  // A page of another site must reach the node neither through a name that it points here (DNS rebinding) nor from its own origin,
  // whether or not there is access control: the browser may hold credentials.
  const std::string_view authority = target->authority.empty() ? head.header("host") : std::string_view(target->authority);
  if (!is_own_name(http::host_of(authority)))
    return refusal(403, kInvalidRequest, "this node is not '" + std::string(authority.substr(0, 256)) +
                                             "': it answers to loopback names and to those in 'hosts' of its configuration");
  if (head.has_header("origin")) {
    const std::string_view origin = head.header("origin");
    const bool own = http::equal_ignoring_case(origin, "http://" + std::string(authority)) ||
                     http::equal_ignoring_case(origin, "https://" + std::string(authority));
    if (!own && std::find(options_.origins.begin(), options_.origins.end(), origin) == options_.origins.end())
      return refusal(403, kInvalidRequest, "pages of '" + std::string(origin.substr(0, 256)) + "' may not ask this node ('origins' of its configuration)");
  }
  if (head.method != "POST" && head.method != "GET" && head.method != "DELETE") {
    http::Response out = refusal(405, kInvalidRequest, "the MCP endpoint has POST, GET and DELETE only");
    out.headers.emplace_back("Allow", "POST, GET, DELETE");
    return out;
  }
  if (head.method == "POST" && !http::is_json(head.header("content-type")))
    return refusal(415, kInvalidRequest, "the body must be JSON: send 'Content-Type: application/json'");
  if (head.has_header("accept")) {
    const std::string_view accept = head.header("accept");
    const bool stream = accepts(accept, http::kEventStream);
    if (head.method == "GET" && !stream) return refusal(406, kInvalidRequest, "GET answers with text/event-stream: accept it");
    if (head.method == "POST" && !(stream && accepts(accept, http::kJson)))
      return refusal(406, kInvalidRequest, "answers are application/json or text/event-stream: accept both");
  }
  return std::nullopt;
}

void Front::handle(http::Request request, http::Responder responder, const std::string& peer, const std::string& certificate) {
  auto caller = std::make_shared<NodeCaller>();
  caller->peer = peer;
  const std::string_view authorization = request.header("authorization");
  if (authorization.empty() && certificate.empty()) {
    caller->principal = access_.anonymous();
    // Who is nobody may do nothing, unless the configuration gives it roles: the client is asked for credentials at once.
    if (access_.enabled() && caller->principal.identity().role_count == 0)
      return responder.answer(unauthorized("this node asks for credentials: send 'Authorization: Bearer TOKEN', or Basic"));
    return run(request, std::move(caller), std::make_shared<HttpOutlet>(std::move(responder)));
  }
  Authorization given;
  if (!authorization.empty()) {
    auto parsed = parse_authorization(authorization);
    if (!parsed) return responder.answer(unauthorized(parsed.error().message));
    given = std::move(*parsed);
  }
  const Credentials credentials = authorization.empty() ? Credentials{.mechanism = ORBIT_MECHANISM_CERTIFICATE, .name = {},
                                                                      .secret = certificate, .peer = caller->peer.c_str()}
                                                        : given.credentials(caller->peer.c_str());
  struct Held {
    http::Request request;
    http::Responder responder;
  };
  auto held = std::make_shared<Held>(Held{std::move(request), std::move(responder)});
  access_.authenticate(credentials, [this, held, caller](Result<Principal> who) {
    if (!who) {
      if (who.error().code == Code::unauthenticated) return held->responder.answer(unauthorized(who.error().message));
      return held->responder.answer(refusal(http::status_of(who.error().code), kInternalError, who.error().message));
    }
    caller->principal = std::move(*who);
    caller->name = caller->principal.name();
    run(held->request, caller, std::make_shared<HttpOutlet>(std::move(held->responder)));
  });
}

void Front::run(const http::Request& request, CallerPtr caller, OutletPtr outlet) {
  Incoming incoming;
  incoming.session = header(request, "mcp-session-id");
  incoming.version = header(request, "mcp-protocol-version");
  incoming.rpc_method = header(request, "mcp-method");
  incoming.rpc_name = header(request, "mcp-name");
  incoming.last_event_id = header(request, "last-event-id");
  incoming.body = request.body;
  const auto ask = request.method == "POST" ? &Engine::post : request.method == "GET" ? &Engine::get : &Engine::remove;
  const uint32_t here = workers_.current(host_.raw());
  uint32_t home = here;
  if (incoming.session)
    if (const auto index = Engine::home_of(*incoming.session); index && *index < engines_.size()) home = *index;
  if (home == here) return (*engines_[here].*ask)(std::move(incoming), std::move(caller), std::move(outlet));
  auto remote = std::make_shared<RemoteOutlet>(std::static_pointer_cast<HttpOutlet>(std::move(outlet)),
                                               [this](uint32_t worker, std::function<void()> function) { post(worker, std::move(function)); }, here, home);
  post(home, [engine = engines_[home], ask, incoming = std::move(incoming), caller = std::move(caller), remote = std::move(remote)]() mutable {
    (*engine.*ask)(std::move(incoming), std::move(caller), std::move(remote));
  });
}

}  // namespace orbit::mcp
