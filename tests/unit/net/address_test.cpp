// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/address.hpp"

#include <doctest/doctest.h>

namespace orbit::kernel {

TEST_CASE("addresses are read and written alike") {
  CHECK(parse_address("127.0.0.1:6379")->text() == "127.0.0.1:6379");
  CHECK(parse_address("[::1]:0")->text() == "[::1]:0");
  CHECK(parse_address("localhost:80")->text() == "127.0.0.1:80");
  CHECK(parse_address("*:65535")->text() == "0.0.0.0:65535");
}

TEST_CASE("a wrong address is refused with what is wrong about it") {
  const auto why = [](const char* text) {
    const auto address = parse_address(text);
    REQUIRE_FALSE(address.has_value());
    CHECK(address.error().code == Code::invalid_argument);
    return address.error().message;
  };
  CHECK(why("127.0.0.1") ==
        "address '127.0.0.1': the port is missing; expected host:port such as 127.0.0.1:6379 or [::1]:6379");
  CHECK(why("127.0.0.1:65536").find("the port is not a number from 0 to 65535") != std::string::npos);
  CHECK(why("127.0.0.1:").find("the port is not a number") != std::string::npos);
  CHECK(why("127.0.0.1:80x").find("the port is not a number") != std::string::npos);
  CHECK(why("::1:80").find("an IPv6 address stands in brackets") != std::string::npos);
  CHECK(why("[1.2.3.4]:80").find("no IPv6 address in the brackets") != std::string::npos);
  CHECK(why("example.org:80").find("the host is no numeric address") != std::string::npos);
}

}  // namespace orbit::kernel
