// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who may talk to the admin API.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "orbit/http/message.hpp"
#include "orbit/result.hpp"

namespace orbit::admin {

// Compares in a time that depends on the sizes only.
bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

class Guard {
 public:
  // An empty token means none is asked for.
  explicit Guard(std::string token) : token_(std::move(token)) {}

  // Whether a node may listen there with this token; the error says what to do.
  static Result<> check_listen(std::string_view address, std::string_view token);

  bool has_token() const noexcept { return !token_.empty(); }

  // Whether the request brings the token.
  bool has_right_token(const http::Request& request) const noexcept;

  // The refusal, if there is one. `authority` is the target's own in absolute form, else empty. `open`: the route needs
  // no token. Without a token a browser is the danger, see http::refuse_foreign_page.
  std::optional<http::Response> refuse(const http::Request& request, std::string_view authority, bool open) const;

 private:
  std::string token_;
};

}  // namespace orbit::admin
