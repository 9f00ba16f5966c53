// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "guard.hpp"

#include <algorithm>

#include "orbit/http/guard.hpp"
#include "orbit/http/response.hpp"

namespace orbit::admin {

namespace {

using http::equal_ignoring_case;

constexpr std::string_view kScheme = "bearer ";

http::Response unauthorized(const http::Request& request, std::string_view detail, std::string challenge) {
  http::Response response = http::problem(401, Code::unauthenticated, detail, request.target);
  response.headers.emplace_back("WWW-Authenticate", std::move(challenge));
  return response;
}

}  // namespace

bool equal_constant_time(std::string_view a, std::string_view b) noexcept {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto other = static_cast<unsigned char>(i < b.size() ? b[i] : 0);
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ other);
  }
  return difference == 0;
}

Result<> Guard::check_listen(std::string_view address, std::string_view token) {
  if (token.empty() && !http::is_loopback(http::host_of(address)))
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

bool Guard::has_right_token(const http::Request& request) const noexcept {
  const std::string_view sent = request.header("authorization");
  return has_token() && equal_ignoring_case(sent.substr(0, kScheme.size()), kScheme) &&
         equal_constant_time(sent.substr(kScheme.size()), token_);
}

std::optional<http::Response> Guard::refuse(const http::Request& request, std::string_view authority, bool open) const {
  if (!has_token()) return http::refuse_foreign_page(request, authority, nullptr, "configure a token to allow it");
  if (open) return std::nullopt;
  const std::string_view sent = request.header("authorization");
  if (!equal_ignoring_case(sent.substr(0, kScheme.size()), kScheme))
    return unauthorized(request, "this node asks for a token: send 'Authorization: Bearer <token>'",
                        "Bearer realm=\"orbit\"");
  if (!has_right_token(request))
    return unauthorized(request, "the token is wrong", "Bearer realm=\"orbit\", error=\"invalid_token\"");
  return std::nullopt;
}

}  // namespace orbit::admin
