// SPDX-License-Identifier: MIT OR BSD-3-Clause
// requestState of multi round-trip requests: what an actor wants to know again travels through the client, who may see and must
// not change it. Signed with HMAC-SHA256 over the state, its end, and what it belongs to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::mcp {

class Seal {
 public:
  explicit Seal(std::string secret) : secret_(std::move(secret)) {}

  // `belongs_to`: the caller, the request and its arguments.
  std::string close(std::string_view state, std::string_view belongs_to, uint64_t ends_at_ms) const;
  Result<std::string> open(std::string_view sealed, std::string_view belongs_to, uint64_t now_ms) const;

 private:
  std::string mac(std::string_view payload, std::string_view belongs_to) const;
  std::string secret_;
};

std::string to_base64url(std::string_view bytes);
std::optional<std::string> from_base64url(std::string_view text);
// RFC 4648 section 4, with padding.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace orbit::mcp
