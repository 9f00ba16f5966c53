// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include "json.hpp"
#include "seal.hpp"
#include "uri_template.hpp"

using namespace orbit;
using namespace orbit::mcp;

TEST_CASE("a URI template finds the values that make a URI of it, and no others") {
  const UriTemplate actor = UriTemplate::parse("orbit://actors/{type}/{key}").value();
  const auto values = actor.match("orbit://actors/bank.Account/a%2Fb%20c");
  REQUIRE(values);
  CHECK(*values == UriTemplate::Values{{"type", "bank.Account"}, {"key", "a/b c"}});
  for (const std::string_view other : {"orbit://actors/bank.Account", "orbit://actors/bank.Account/", "orbit://actors//x",
                                       "orbit://actors/a/b/c", "orbit://actors/a/b?c", "orbit://actors/a/%2", "orbit://actors/a/%zz", "x"})
    CHECK_MESSAGE(!actor.match(other), other);
  CHECK(UriTemplate::parse("a{x}b").value().match("a1b2b") == UriTemplate::Values{{"x", "1b2"}});
  CHECK(UriTemplate::parse("plain").value().match("plain") == UriTemplate::Values{});
  CHECK_FALSE(UriTemplate::parse("plain").value().match("plainer"));
  for (const std::string_view wrong : {"{", "a}", "{a}{b}", "{+a}", "{}", "{a,b}"}) CHECK_MESSAGE(!UriTemplate::parse(wrong), wrong);
  CHECK(percent_encode("a/b \xff~") == "a%2Fb%20%FF~");
}

TEST_CASE("base64 has one form for each value") {
  for (const std::string_view bytes : {std::string_view(""), std::string_view("a"), std::string_view("ab"), std::string_view("abc"), std::string_view("\0\xff", 2)})
    CHECK(from_base64url(to_base64url(bytes)) == bytes);
  CHECK(from_base64("SGVsbG8=") == "Hello");
  CHECK(from_base64("SGVsbG8sIOS4lueVjA==") == "Hello, 世界");
  for (const std::string_view wrong : {"SGVsbG8", "SGVsbG9=", "S===", "$$$$", "SGVsbG8=="}) CHECK_MESSAGE(!from_base64(wrong), wrong);
}

TEST_CASE("a seal opens for what it belongs to, in its time, and unchanged") {
  const Seal seal("secret");
  const std::string closed = seal.close("state", "alice", 1000);
  CHECK(seal.open(closed, "alice", 999).value() == "state");
  CHECK_FALSE(seal.open(closed, "bob", 999));
  CHECK_FALSE(seal.open(closed, "alice", 1000));
  CHECK_FALSE(Seal("other").open(closed, "alice", 999));
  for (size_t i = 0; i < closed.size(); ++i) {
    std::string changed = closed;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(seal.open(changed, "alice", 999));
  }
  for (const std::string_view wrong : {"", ".", "..", "1.2", "9.c3RhdGU."}) CHECK_FALSE(seal.open(wrong, "alice", 0));
}

TEST_CASE("JSON is read to a depth and no further, and the same whatever the order of members") {
  const std::string deep = std::string(kJsonDepthMax, '[') + std::string(kJsonDepthMax, ']');
  CHECK(parse_json(deep));
  const auto deeper = parse_json("[" + deep + "]");
  REQUIRE_FALSE(deeper);
  CHECK(deeper.error().message.find("64") != std::string::npos);
  CHECK_FALSE(parse_json("{} x"));
  CHECK(canonical(*parse_json(R"({"b":[1,{"d":null,"c":"x"}],"a":true})")) == canonical(*parse_json(R"({"a":true,"b":[1,{"c":"x","d":null}]})")));
  CHECK(canonical(*parse_json("[[1],2]")) != canonical(*parse_json("[1,[2]]")));
}
