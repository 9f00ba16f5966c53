// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "session.hpp"

#include <algorithm>

#include "orbit/authorization.hpp"
#include "orbit/http/guard.hpp"

namespace orbit::admin {

namespace {

// Strictly application/json: a page of another site can post many things without asking the node first, but not that.
bool is_plain_json(std::string_view content_type) {
  std::string_view media = content_type.substr(0, content_type.find(';'));
  while (media.ends_with(' ') || media.ends_with('\t')) media.remove_suffix(1);
  return http::equal_ignoring_case(media, http::kJson);
}

void unauthorized(ExchangePtr exchange, std::string_view detail) {
  http::Response response = http::problem(401, Code::unauthenticated, detail, exchange->request().target);
  // Basic is taken as well, but asking for it would make a browser put its own dialogue before the console.
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"orbit\"");
  exchange->answer(std::move(response));
}

void run(const Server& server, const Route& route, ExchangePtr exchange) {
  if (route.body_required && exchange->request().body.empty())
    exchange->fail(Code::invalid_argument, "this request needs a JSON body");
  else
    route.handle(server.services(), std::move(exchange));
}

// What the caller may do decides. A call of an actor is one as on every wire; all else is an administrative action, named by the
// tag and the operation in the API's own document: "modules.loadModule".
void run_for(const Server& server, const Route& route, ExchangePtr exchange, const Principal& caller, const std::string& peer) {
  const Access& access = *server.access();
  const bool reads = std::string_view(route.method) == "GET";
  Result<> good;
  if (route.is_call) {
    good = access.check(caller, {.type = exchange->path(0), .key = exchange->path(1), .method = exchange->path(2),
                                 .peer = peer.c_str()});
  } else {
    std::string target;
    for (size_t i = 0; i < exchange->path_count(); ++i) target += (i == 0 ? "" : "/") + exchange->path(i);
    const std::string action = std::string(route.tag) + "." + route.operation;
    good = access.check_admin(caller, action.c_str(), target, reads, peer.c_str());
  }
  exchange->user = caller.name();
  if (good) return run(server, route, std::move(exchange));
  if (good.error().code == Code::unauthenticated) return unauthorized(std::move(exchange), good.error().message);
  exchange->fail(good.error().code, good.error().message);
}

std::string unknown_parameter(const Route& route, std::string_view name) {
  std::string detail = "unknown query parameter '" + std::string(name) + "'; ";
  if (route.query.empty()) return detail + "this path has none";
  detail += "known:";
  for (const Parameter& known : route.query) detail.append(" ").append(known.name);
  return detail;
}

}  // namespace

Session::Session(const Server& server, const Connection& connection) : server_(server) {
  if (server_.access() == nullptr) return;
  peer_ = connection.peer_address();
  if (orbit_tls_info tls; connection.tls(tls)) certificate_ = from_c(tls.peer_certificate);
}

std::optional<http::Response> Session::admit(const http::Request& head) {
  auto parsed = http::parse_target(head.target);
  if (!parsed) return http::problem(400, Code::invalid_argument, parsed.error().message, {});
  target_ = std::move(*parsed);
  match_ = match_route(head.method, target_.segments);
  const bool open = match_.route != nullptr && match_.route->open;
  // With access control callers are known by credentials; but some a browser adds by itself.
  if (auto refusal = server_.access() != nullptr ? http::refuse_foreign_origin(head, target_.authority, nullptr, "use a token")
                                                 : server_.guard().refuse(head, target_.authority, open))
    return refusal;
  const auto object = [&](int status, Code code, std::string_view detail) {
    return http::problem(status, code, detail, head.target);
  };
  if (match_.route == nullptr) {
    if (match_.allow.empty()) return object(404, Code::not_found, "no such path; GET /openapi.json describes all");
    http::Response response = object(405, Code::unimplemented, "this path has " + match_.allow + " only");
    response.headers.emplace_back("Allow", match_.allow);
    return response;
  }
  const Route& route = *match_.route;
  for (const auto& [name, value] : target_.query) {
    const bool known =
        std::any_of(route.query.begin(), route.query.end(), [&](const Parameter& said) { return said.name == name; });
    if (!known) return object(400, Code::invalid_argument, unknown_parameter(route, name));
  }
  if (head.has_body && route.body == nullptr) return object(400, Code::invalid_argument, "this request takes no body");
  if (head.has_body && !is_plain_json(head.header("content-type")))
    return object(415, Code::invalid_argument, "the body must be JSON: send 'Content-Type: application/json'");
  return std::nullopt;
}

void Session::handle(http::Request request, http::Responder responder) {
  const Route& route = *match_.route;
  auto exchange = std::make_unique<Exchange>(std::move(request), std::move(match_.parameters), std::move(target_.query),
                                             std::move(responder));
  const Access* const access = server_.access();
  if (access == nullptr || route.open) return run(server_, route, std::move(exchange));
  if (server_.guard().has_right_token(exchange->request()))
    return run_for(server_, route, std::move(exchange), server_.token_holder(), peer_);
  const std::string_view sent = exchange->request().header("authorization");
  if (sent.empty() && certificate_.empty()) return run_for(server_, route, std::move(exchange), access->anonymous(), peer_);
  Authorization given;
  if (!sent.empty()) {
    auto parsed = parse_authorization(sent);
    if (!parsed) return unauthorized(std::move(exchange), parsed.error().message);
    given = std::move(*parsed);
  }
  const Credentials credentials = sent.empty() ? Credentials{.mechanism = ORBIT_MECHANISM_CERTIFICATE, .name = {},
                                                             .secret = certificate_, .peer = peer_.c_str()}
                                               : given.credentials(peer_.c_str());
  // The session may be gone when the answer comes.
  const std::shared_ptr<Exchange> waiting(std::move(exchange));
  access->authenticate(credentials,
                       [&server = server_, &route, waiting, peer = peer_](Result<Principal> who) {
                         auto mine = std::make_unique<Exchange>(std::move(*waiting));
                         if (who) return run_for(server, route, std::move(mine), *who, peer);
                         if (who.error().code == Code::unauthenticated) return unauthorized(std::move(mine), who.error().message);
                         mine->fail(who.error().code, who.error().message);
                       });
}

}  // namespace orbit::admin
