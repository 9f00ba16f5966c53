// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/address.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace orbit::kernel {

std::string SocketAddress::text() const {
  char host[INET6_ADDRSTRLEN] = "";
  if (raw.sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
    return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  if (raw.sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
    return std::string(host) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  return "?:0";
}

Result<SocketAddress> parse_address(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return fail(Code::invalid_argument, "address '" + std::string(text) + "': " + std::string(why) +
                                            "; expected host:port such as 127.0.0.1:6379 or [::1]:6379");
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse("the port is missing");
  const std::string_view port_text = text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc{} || end != port_text.data() + port_text.size())
    return refuse("the port is not a number from 0 to 65535");
  std::string host(text.substr(0, colon));
  SocketAddress address;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, host.c_str(), &address.v6.sin6_addr) != 1) return refuse("no IPv6 address in the brackets");
    return address;
  }
  if (host.find(':') != std::string::npos) return refuse("an IPv6 address stands in brackets");
  if (host == "localhost") host = "127.0.0.1";
  if (host == "*") host = "0.0.0.0";
  address.v4.sin_family = AF_INET;
  address.v4.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &address.v4.sin_addr) != 1) return refuse("the host is no numeric address");
  return address;
}

}  // namespace orbit::kernel
