// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "guard.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "orbit/http/response.hpp"

namespace orbit::admin {

namespace {

using http::equal_ignoring_case;

bool ends_with_ignoring_case(std::string_view text, std::string_view end) noexcept {
  return text.size() >= end.size() && equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

http::Response unauthorized(const http::Request& request, std::string_view detail, std::string challenge) {
  http::Response response = http::problem(401, Code::unauthenticated, detail, request.target);
  response.headers.emplace_back("WWW-Authenticate", std::move(challenge));
  return response;
}

}  // namespace

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
  if (equal_ignoring_case(host, "localhost") || ends_with_ignoring_case(host, ".localhost")) return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

bool equal_constant_time(std::string_view a, std::string_view b) noexcept {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto other = static_cast<unsigned char>(i < b.size() ? b[i] : 0);
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ other);
  }
  return difference == 0;
}

Result<> Guard::check_listen(std::string_view address, std::string_view token) {
  if (token.empty() && !is_loopback(host_of(address)))
    return fail(Code::failed_precondition,
                "the admin API would listen on " + std::string(address) +
                    ", which other machines may reach, without a token: set token (for example "
                    "token = \"${ORBIT_ADMIN_TOKEN}\") or listen on 127.0.0.1");
  const bool printable = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!printable)
    return fail(Code::invalid_argument,
                "the admin API's token cannot be sent in an HTTP header: use printable ASCII without spaces");
  return {};
}

std::optional<http::Response> Guard::refuse(const http::Request& request, std::string_view authority, bool open) const {
  if (!has_token()) {
    const std::string_view host = authority.empty() ? request.header("host") : authority;
    if ((!authority.empty() || request.has_header("host")) && !is_loopback(host_of(host)))
      return http::problem(
          403, Code::permission_denied,
          "without a token this node answers to loopback names only (localhost, 127.0.0.1, [::1]), not to '" +
              std::string(host) + "'; configure a token to use other names",
          request.target);
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (!reads && request.has_header("origin") && !equal_ignoring_case(request.header("origin"), "http://" + std::string(host)))
      return http::problem(403, Code::permission_denied,
                     "a page of '" + std::string(request.header("origin")) + "' may not act on this node; configure a token to allow it",
                     request.target);
    return std::nullopt;
  }
  if (open) return std::nullopt;
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view sent = request.header("authorization");
  if (!equal_ignoring_case(sent.substr(0, kScheme.size()), kScheme))
    return unauthorized(request, "this node asks for a token: send 'Authorization: Bearer <token>'",
                        "Bearer realm=\"orbit\"");
  if (!equal_constant_time(sent.substr(kScheme.size()), token_))
    return unauthorized(request, "the token is wrong", "Bearer realm=\"orbit\", error=\"invalid_token\"");
  return std::nullopt;
}

}  // namespace orbit::admin
