// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What keeps the pages of a browser from a node without access control, which trusts who reaches its loopback address.
#pragma once

#include <optional>
#include <string_view>

#include "message.hpp"

namespace orbit::http {

struct Cors;

// "127.0.0.1:7080" -> "127.0.0.1", "[::1]:0" -> "::1", "localhost" -> "localhost".
std::string_view host_of(std::string_view authority) noexcept;

// localhost and names below it, 127.0.0.0/8, ::1. Any other name may resolve to anything.
bool is_loopback(std::string_view host) noexcept;

// The refusal, if there is one: a page of another site must neither reach the node through a name that it points at 127.0.0.1
// (DNS rebinding: the Host check) nor act on it blindly (the Origin check). `authority` is the target's own in absolute form,
// else empty. Origins that `cors` allows may act. `advice` ends the sentences: "configure a token to use other names".
std::optional<Response> refuse_foreign_page(const Request& request, std::string_view authority, const Cors* cors,
                                            std::string_view advice);
// The Origin check alone, for who knows callers by their credentials and has names of its own.
std::optional<Response> refuse_foreign_origin(const Request& request, std::string_view authority, const Cors* cors,
                                              std::string_view advice);

}  // namespace orbit::http
