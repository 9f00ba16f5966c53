// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "session.hpp"

#include <algorithm>

namespace orbit::admin {

namespace {

// Strictly application/json: a page of another site can post many things without asking the node first, but not that.
bool is_plain_json(std::string_view content_type) {
  std::string_view media = content_type.substr(0, content_type.find(';'));
  while (media.ends_with(' ') || media.ends_with('\t')) media.remove_suffix(1);
  return http::equal_ignoring_case(media, http::kJson);
}

std::string unknown_parameter(const Route& route, std::string_view name) {
  std::string detail = "unknown query parameter '" + std::string(name) + "'; ";
  if (route.query.empty()) return detail + "this path has none";
  detail += "known:";
  for (const Parameter& known : route.query) detail.append(" ").append(known.name);
  return detail;
}

}  // namespace

std::optional<http::Response> Session::admit(const http::Request& head) {
  auto parsed = http::parse_target(head.target);
  if (!parsed) return http::problem(400, Code::invalid_argument, parsed.error().message, {});
  target_ = std::move(*parsed);
  match_ = match_route(head.method, target_.segments);
  const bool open = match_.route != nullptr && match_.route->open;
  if (auto refusal = server_.guard().refuse(head, target_.authority, open)) return refusal;
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
  if (route.body_required && exchange->request().body.empty())
    exchange->fail(Code::invalid_argument, "this request needs a JSON body");
  else
    route.handle(server_.services(), std::move(exchange));
}

}  // namespace orbit::admin
