// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/authorization.hpp"

#include <doctest/doctest.h>

namespace orbit {

TEST_CASE("Authorization is read as RFC 7617 and RFC 6750 say, whatever the case of the scheme") {
  const auto basic = parse_authorization("bAsIc QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // the RFC's own
  REQUIRE(basic.has_value());
  CHECK(basic->basic);
  CHECK(basic->name == "Aladdin");
  CHECK(basic->secret == "open sesame");
  const auto colons = parse_authorization("Basic YTpiOmM=");
  REQUIRE(colons.has_value());
  CHECK(colons->name == "a");
  CHECK(colons->secret == "b:c");
  const auto bearer = parse_authorization("BEARER  to.ke.n");
  REQUIRE(bearer.has_value());
  CHECK_FALSE(bearer->basic);
  CHECK(bearer->secret == "to.ke.n");
  CHECK(std::string_view(bearer->credentials("peer").mechanism) == ORBIT_MECHANISM_BEARER);
  CHECK(std::string_view(basic->credentials("peer").mechanism) == ORBIT_MECHANISM_PASSWORD);
}

TEST_CASE("what is no Authorization that is known is refused without repeating it") {
  for (const char* text : {"", "Basic", "Basic !!!!", "Basic bm9jb2xvbg==", "Bearer", "Bearer ", "Digest secret",
                           "secret", "Basicx YTpi"}) {
    const auto refused = parse_authorization(text);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Code::unauthenticated);
    CHECK(refused.error().message.find("secret") == std::string::npos);
  }
}

TEST_CASE("base64 has its padding or none of it, and nothing after it") {
  CHECK(decode_base64("YQ==") == "a");
  CHECK(decode_base64("YQ") == "a");
  CHECK(decode_base64("") == "");
  for (const char* text : {"Y", "YQ=", "YQ===", "Y=Q=", "YQ==YQ", "YW\nJj", "Y-_j"})
    CHECK_FALSE(decode_base64(text).has_value());
}

}  // namespace orbit
