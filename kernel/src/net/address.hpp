// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Socket addresses as text: "127.0.0.1:6379", "[::1]:6379".
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::kernel {

struct SocketAddress {
  // IPv4 or IPv6; small, because every connection keeps one.
  union {
    sockaddr raw;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  SocketAddress() noexcept : v6{} {}
  socklen_t size() const noexcept { return raw.sa_family == AF_INET6 ? sizeof v6 : sizeof v4; }
  std::string text() const;
};

// Numeric addresses, and "localhost" and "*" for the loopback and for every address (IPv4). No name is looked up: a node
// must not hang on a resolver.
Result<SocketAddress> parse_address(std::string_view text);

}  // namespace orbit::kernel
