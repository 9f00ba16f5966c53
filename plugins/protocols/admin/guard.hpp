// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who may talk to the admin API.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "orbit/http/message.hpp"
#include "orbit/result.hpp"

namespace orbit::admin {

// "127.0.0.1:7080" -> "127.0.0.1", "[::1]:0" -> "::1", "localhost" -> "localhost".
std::string_view host_of(std::string_view authority) noexcept;

// localhost and names below it, 127.0.0.0/8, ::1. Any other name may resolve to anything.
bool is_loopback(std::string_view host) noexcept;

// Compares in a time that depends on the sizes only.
bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

class Guard {
 public:
  // An empty token means none is asked for.
  explicit Guard(std::string token) : token_(std::move(token)) {}

  // Whether a node may listen there with this token; the error says what to do.
  static Result<> check_listen(std::string_view address, std::string_view token);

  bool has_token() const noexcept { return !token_.empty(); }

  // The refusal, if there is one. `authority` is the target's own in absolute form, else empty. `open`: the route needs
  // no token. Without a token a browser is the danger: a page of another site must neither reach the node through a
  // name that it points at 127.0.0.1 (DNS rebinding: the Host check) nor post to it blindly (the Origin check).
  std::optional<http::Response> refuse(const http::Request& request, std::string_view authority, bool open) const;

 private:
  std::string token_;
};

}  // namespace orbit::admin
