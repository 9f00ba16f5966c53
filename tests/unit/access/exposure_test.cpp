// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/exposure.hpp"

#include <doctest/doctest.h>

namespace orbit::kernel {

TEST_CASE("an address is loopback only if no other machine can reach it") {
  for (const char* address : {"127.0.0.1:1", "127.255.0.9:0", "[::1]:80", "localhost:80"})
    CHECK_MESSAGE(Exposure{.address = address}.loopback(), address);
  for (const char* address : {"0.0.0.0:1", "*:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1", "[::ffff:127.0.0.1]:1", "nonsense", ""})
    CHECK_MESSAGE(!Exposure{.address = address}.loopback(), address);
}

TEST_CASE("an open address needs something that says who may, and the refusal says what") {
  const Exposure open{.address = "0.0.0.0:6379"};
  const auto refused = check_exposure(open, {});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Code::failed_precondition);
  for (const char* word : {"'0.0.0.0:6379'", "[[rule]]", "tls.certificate", "password", "127.0.0.1", "open_listeners"})
    CHECK_MESSAGE(refused.error().message.find(word) != std::string::npos, word);
  CHECK(check_exposure(open, {.access_control = true}));
  CHECK(check_exposure(open, {.open_listeners = true}));
  CHECK(check_exposure({.address = "0.0.0.0:1", .tls = true}, {}));
  CHECK(check_exposure({.address = "0.0.0.0:1", .guarded = true}, {}));
  CHECK(check_exposure({.address = "127.0.0.1:1"}, {}));
}

}  // namespace orbit::kernel
