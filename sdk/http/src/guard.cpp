// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/http/guard.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "orbit/http/server.hpp"

namespace orbit::http {

std::string_view host_of(std::string_view authority) noexcept {
  const size_t colon = authority.rfind(':');
  std::string_view host = authority;
  if (colon != std::string_view::npos) {
    const std::string_view port = authority.substr(colon + 1);
    if (std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }))
      host = authority.substr(0, colon);
  }
  if (authority.starts_with('[')) {
    // "[::1]" itself ends in a colon and digits; a bracket that is not closed stays, and is no address.
    if (authority.ends_with(']')) host = authority;
    return host.ends_with(']') ? host.substr(1, host.size() - 2) : authority;
  }
  return host;
}

bool is_loopback(std::string_view host) noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  // RFC 6761 section 6.3: localhost and all names below it are loopback and browsers treat them so.
  constexpr std::string_view kLocalhost = "localhost", kBelow = ".localhost";
  if (equal_ignoring_case(host, kLocalhost) ||
      (host.size() > kBelow.size() && equal_ignoring_case(host.substr(host.size() - kBelow.size()), kBelow)))
    return true;
  char text[INET6_ADDRSTRLEN] = "";
  if (host.size() >= sizeof text) return false;
  std::copy(host.begin(), host.end(), text);
  in_addr v4{};
  if (inet_pton(AF_INET, text, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::optional<Response> refuse_foreign_page(const Request& request, std::string_view authority, const Cors* cors,
                                            std::string_view advice) {
  const std::string_view host = authority.empty() ? request.header("host") : authority;
  if ((!authority.empty() || request.has_header("host")) && !is_loopback(host_of(host)))
    return problem(403, Code::permission_denied,
                   "without access control this node answers to loopback names only (localhost, 127.0.0.1, [::1]), not to '" +
                       std::string(host) + "'; " + std::string(advice),
                   request.target);
  return refuse_foreign_origin(request, authority, cors, advice);
}

std::optional<Response> refuse_foreign_origin(const Request& request, std::string_view authority, const Cors* cors,
                                              std::string_view advice) {
  const std::string_view host = authority.empty() ? request.header("host") : authority;
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (reads && !is_websocket_upgrade(request)) return std::nullopt;
  if (!request.has_header("origin")) return std::nullopt;
  const std::string_view origin = request.header("origin");
  if (equal_ignoring_case(origin, "http://" + std::string(host)) || equal_ignoring_case(origin, "https://" + std::string(host)) ||
      (cors != nullptr && !cors->allowed(origin).empty()))
    return std::nullopt;
  return problem(403, Code::permission_denied,
                 "a page of '" + std::string(origin) + "' may not act on this node; " + std::string(advice), request.target);
}

}  // namespace orbit::http
