// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "handler.hpp"

#include <algorithm>

#include "call.hpp"
#include "orbit/authorization.hpp"
#include "orbit/http/guard.hpp"
#include "orbit/http/target.hpp"
#include "page.hpp"
#include "streams.hpp"

namespace orbit::rest {

namespace {

http::Response refusal(int status, Code code, std::string_view detail, const http::Request& head) {
  return http::problem(status, code, detail, head.target);
}

http::Response only(std::string_view methods, const http::Request& head) {
  http::Response response = refusal(405, Code::unimplemented, "this path has " + std::string(methods) + " only", head);
  response.headers.emplace_back("Allow", methods);
  return response;
}

bool reads(const http::Request& head) { return head.method == "GET" || head.method == "HEAD"; }

std::string method_names(const Type& type) {
  std::string out;
  for (const Method& method : type.methods) out.append(out.empty() ? "" : ", ").append(method.wire->name());
  return out;
}

std::string_view next_part(std::string_view& path) {
  const size_t slash = std::min(path.find('/'), path.size());
  const std::string_view part = path.substr(0, slash);
  path.remove_prefix(std::min(slash + 1, path.size()));
  return part;
}

// Callers see what there is some key for that they may call it with.
Sees seen_by(const Service& service, const Principal& caller) {
  if (!service.access().enabled()) return [](const Type&, const Method*) { return true; };
  return [&access = service.access(), caller](const Type& type, const Method* method) {
    return access.may(caller, {.type = type.wire->name,
                               .method = method != nullptr ? method->wire->name() : std::string_view("state"),
                               .read_only = method == nullptr || method->wire->read_only()});
  };
}

}  // namespace

Handler::Handler(Service& service, Connection& connection) : service_(service), anonymous_(service.access().anonymous()) {
  if (!service.access().enabled()) return;
  peer_ = connection.peer_address();
  if (orbit_tls_info tls; connection.tls(tls)) certificate_ = from_c(tls.peer_certificate);
}

std::optional<http::Response> Handler::admit(const http::Request& head) {
  catalog_ = service_.catalog(std::move(catalog_));
  route_ = {};
  if (!service_.access().enabled()) {
    std::string_view authority;
    if (!head.target.starts_with('/')) {
      authority = head.target.substr(std::min(head.target.find("://") + 3, head.target.size()));
      authority = authority.substr(0, authority.find_first_of("/?"));
    }
    if (auto refused = http::refuse_foreign_page(head, authority, &service_.options().http.cors,
                                                 "configure access control, or name the page's origin in cors_origins"))
      return refused;
  }
  if (auto refused = find_route(head)) return refused;
  return check_content(head);
}

std::optional<http::Response> Handler::find_route(const http::Request& head) {
  std::string_view path = head.target;
  if (!path.starts_with('/')) {
    const size_t scheme = path.find("://");
    if (scheme == std::string_view::npos)
      return refusal(400, Code::invalid_argument, "the request target is no path: " + std::string(path), head);
    path.remove_prefix(scheme + 3);
    path.remove_prefix(std::min(path.find_first_of("/?"), path.size()));
    if (!path.starts_with('/')) path = "/";
  }
  const size_t question = std::min(path.find('?'), path.size());
  route_.query = path.substr(std::min(question + 1, path.size()));
  path = path.substr(0, question);

  constexpr std::string_view kActors = "/v1/actors/", kStreams = "/v1/streams/";
  if (path.starts_with(kActors)) return find_actor_route(head, path.substr(kActors.size()));
  if (path.starts_with(kStreams)) {
    auto key = http::percent_decode(path.substr(kStreams.size()));
    if (!key) return refusal(400, Code::invalid_argument, key.error().message, head);
    if (head.method != "GET") return only("GET", head);
    route_.kind = Route::Kind::stream;
    route_.key = std::move(*key);
    return std::nullopt;
  }
  if (path == "/" || path == "/openapi.json" || path == "/v1/actors") {
    if (!reads(head)) return only("GET, HEAD", head);
    route_.kind = path == "/" ? Route::Kind::page : path == "/v1/actors" ? Route::Kind::types : Route::Kind::document;
    return std::nullopt;
  }
  std::string allow;
  for (const Type& type : catalog_->types())
    for (const Method& method : type.methods)
      for (const HttpRule& rule : method.rules) {
        if (auto variables = rule.match(head.method, path)) {
          route_.kind = Route::Kind::call;
          route_.type = &type;
          route_.method = &method;
          route_.rule = &rule;
          route_.variables = std::move(*variables);
          return std::nullopt;
        }
        if (rule.match(rule.method, path)) allow.append(allow.empty() ? "" : ", ").append(rule.method);
      }
  if (!allow.empty()) return only(allow, head);
  return refusal(404, Code::not_found, "no such path; GET /openapi.json describes all", head);
}

// `path` is what stands behind /v1/actors/.
std::optional<http::Response> Handler::find_actor_route(const http::Request& head, std::string_view path) {
  const std::string_view type_part = next_part(path), key_part = next_part(path), method_part = next_part(path);
  auto type_name = http::percent_decode(type_part), key = http::percent_decode(key_part),
       method_name = http::percent_decode(method_part);
  if (!type_name || !key || !method_name)
    return refusal(400, Code::invalid_argument, "the path has a '%' without two hexadecimal digits", head);
  if (!path.empty() || method_name->empty())
    return refusal(404, Code::not_found, "a path of an actor is /v1/actors/TYPE/KEY/METHOD or /v1/actors/TYPE/KEY/state", head);
  route_.type = catalog_->find(*type_name);
  if (route_.type == nullptr)
    return refusal(404, Code::not_found, "no actor type '" + *type_name + "' can be called; GET /v1/actors lists all", head);
  if (auto good = check_key(route_.type->wire->key_kind, *key); !good)
    return refusal(400, good.error().code, good.error().message, head);
  route_.key = std::move(*key);
  route_.method = route_.type->find(*method_name);
  if (route_.method == nullptr && *method_name == "state") {
    if (!reads(head)) return only("GET, HEAD", head);
    route_.kind = Route::Kind::state;
    return std::nullopt;
  }
  if (route_.method == nullptr)
    return refusal(404, Code::not_found,
                   "actor type " + *type_name + " has no method '" + *method_name + "'; it has " + method_names(*route_.type), head);
  const bool read_only = route_.method->wire->read_only();
  if (head.method != "POST" && !(read_only && reads(head))) return only(read_only ? "GET, HEAD, POST" : "POST", head);
  route_.kind = Route::Kind::call;
  return std::nullopt;
}

std::optional<http::Response> Handler::check_content(const http::Request& head) const {
  if (!head.has_body) return std::nullopt;
  const bool takes_body = route_.kind == Route::Kind::call && (route_.rule == nullptr ? !reads(head) : !route_.rule->body.empty());
  if (!takes_body) return refusal(400, Code::invalid_argument, "this request takes no body", head);
  // Asked for strictly: a page of another site can post anything but JSON without asking first.
  if (!http::is_json(head.header("content-type")))
    return refusal(415, Code::invalid_argument, "the body must be JSON: send 'Content-Type: application/json'", head);
  if (head.has_header("content-encoding"))
    return refusal(415, Code::invalid_argument, "a compressed body is not taken: send it as it is", head);
  return std::nullopt;
}

void Handler::handle(http::Request request, http::Responder responder) {
  if (!service_.access().enabled()) [[likely]]
    return serve(std::move(request), std::move(responder), anonymous_, std::move(route_), catalog_);
  const std::string_view header = request.header("authorization");
  if (header.empty() && certificate_.empty())
    return serve(std::move(request), std::move(responder), anonymous_, std::move(route_), catalog_);
  Authorization given;
  if (!header.empty()) {
    auto parsed = parse_authorization(header);
    if (!parsed) return responder.answer(problem_of(parsed.error(), request.target));
    given = std::move(*parsed);
  }
  const Credentials credentials =
      header.empty() ? Credentials{.mechanism = ORBIT_MECHANISM_CERTIFICATE, .name = {}, .secret = certificate_, .peer = peer_.c_str()}
                     : given.credentials(peer_.c_str());
  // The handler may be gone when the answer comes; what is needed of it travels along.
  struct Waiting {
    http::Request request;
    http::Responder responder;
    Route route;
    std::shared_ptr<const Catalog> catalog;
    Service& service;
    std::string peer;
  };
  auto waiting = std::make_shared<Waiting>(
      Waiting{std::move(request), std::move(responder), std::move(route_), catalog_, service_, peer_});
  service_.access().authenticate(credentials, [waiting](Result<Principal> who) {
    Waiting& w = *waiting;
    if (!who) return w.responder.answer(problem_of(who.error(), w.request.target));
    serve(w.service, std::move(w.request), std::move(w.responder), *who, w.peer, std::move(w.route), std::move(w.catalog));
  });
}

void Handler::serve(Service& service, http::Request request, http::Responder responder, const Principal& caller,
                    const std::string& peer, Route route, std::shared_ptr<const Catalog> catalog) {
  switch (route.kind) {
    case Route::Kind::call:
      return call_actor(service, std::move(catalog), std::move(request), std::move(responder), std::move(route), caller, peer);
    case Route::Kind::state:
      return read_state(service, std::move(catalog), std::move(request), std::move(responder), std::move(route), caller, peer);
    case Route::Kind::stream:
      return open_stream(service, std::move(catalog), std::move(request), std::move(responder), std::move(route), caller, peer);
    case Route::Kind::page:
      return responder.answer(page());
    case Route::Kind::document:
      return responder.answer(http::json_response(200, catalog->openapi(service.access().enabled(), seen_by(service, caller))));
    case Route::Kind::types:
      return responder.answer(http::json_response(200, catalog->types_json(seen_by(service, caller))));
    case Route::Kind::none:
      return responder.answer(refusal(404, Code::not_found, "no such path", request));
  }
}

}  // namespace orbit::rest
