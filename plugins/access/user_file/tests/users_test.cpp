// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "users.hpp"

#include <doctest/doctest.h>

namespace orbit::users {

namespace {

constexpr PasswordCost kCheap{.log2_n = 10};

std::string hashed(std::string_view password) { return hash_password(password, kCheap).value(); }

std::string mistake(const std::string& text) {
  const auto parsed = Users::parse(text);
  REQUIRE_FALSE(parsed.has_value());
  return parsed.error().message;
}

}  // namespace

TEST_CASE("a password lets its user in, and no other password or user") {
  const auto users = Users::parse("alice:" + hashed("a's") + ":teller, viewer\n# bob is away\n\nzoe:" + hashed("") + ":\r\n");
  REQUIRE_MESSAGE(users.has_value(), users.error().message);
  const User* const alice = users->by_password("alice", "a's");
  REQUIRE(alice != nullptr);
  CHECK(alice->roles == std::vector<std::string>{"teller", "viewer"});
  CHECK(users->by_password("alice", "A's") == nullptr);
  CHECK(users->by_password("bob", "a's") == nullptr);
  REQUIRE(users->by_password("zoe", "") != nullptr);
  CHECK(users->by_password("zoe", "")->roles.empty());
  CHECK(users->by_token("a's") == nullptr);
}

TEST_CASE("tokens are found by what they are, and are no passwords") {
  const auto users = Users::parse("ci:" + hash_token("t1") + ":deployer\nci:" + hash_token("t2") + ":viewer\nci:" + hashed("p") + ":\n");
  REQUIRE_MESSAGE(users.has_value(), users.error().message);
  CHECK(users->by_token("t1")->roles == std::vector<std::string>{"deployer"});
  CHECK(users->by_token("t2")->roles == std::vector<std::string>{"viewer"});
  CHECK(users->by_token("t3") == nullptr);
  CHECK(users->by_password("ci", "t1") == nullptr);
  CHECK(users->by_password("ci", "p") != nullptr);
}

TEST_CASE("two hashes of one password differ, and both fit") {
  const std::string first = hashed("same");
  const std::string second = hashed("same");
  CHECK(first != second);
  CHECK(StoredSecret::parse(first)->matches("same"));
  CHECK(StoredSecret::parse(second)->matches("same"));
}

TEST_CASE("a hash is the one of RFC 7914") {
  // Section 12's third vector, N = 16384, r = 8, p = 1, of which 32 bytes are kept.
  const std::string salt = detail::base64_without_padding(reinterpret_cast<const unsigned char*>("SodiumChloride"), 14);
  constexpr unsigned char kHash[] = {0x70, 0x23, 0xbd, 0xcb, 0x3a, 0xfd, 0x73, 0x48, 0x46, 0x1c, 0x06, 0xcd, 0x81, 0xfd, 0x38, 0xeb,
                                     0xfd, 0xa8, 0xfb, 0xba, 0x90, 0x4f, 0x8e, 0x3e, 0xa9, 0xb5, 0x43, 0xf6, 0x54, 0x5d, 0xa1, 0xf2};
  const auto stored = StoredSecret::parse("$scrypt$ln=14,r=8,p=1$" + salt + "$" + detail::base64_without_padding(kHash, sizeof kHash));
  REQUIRE_MESSAGE(stored.has_value(), stored.error().message);
  CHECK(stored->matches("pleaseletmein"));
  CHECK_FALSE(stored->matches("pleaseletmeout"));
}

TEST_CASE("a mistake names its line and what was expected") {
  CHECK(mistake("\nalice\n") == "line 2: expected NAME:SECRET:ROLE,ROLE, with both colons also without roles");
  CHECK(mistake("alice:secret:x").find("line 1: expected $scrypt$") == 0);
  CHECK(mistake("a:$scrypt$ln=15,r=8$x:r").find("expected $scrypt$ln=15,r=8,p=1$SALT$HASH") != std::string::npos);
  CHECK(mistake("a:$scrypt$ln=30,r=8,p=1$AAAA$AAAA:r").find("ask for more work than one may") != std::string::npos);
  CHECK(mistake("a:$scrypt$ln=15,r=8,p=1$AAAA$AAAA:r").find("base64 without padding of 32 bytes") != std::string::npos);
  CHECK(mistake("a:$sha256$ABC:r").find("64 hexadecimal digits") != std::string::npos);
  CHECK(mistake(":" + hash_token("x") + ":r").find("a name has 1 to 256 bytes") != std::string::npos);
  CHECK(mistake("a:" + hash_token("x") + ":r,,s").find("expected names between commas") != std::string::npos);
  CHECK(mistake("a:" + hash_token("x") + ":r\nb:" + hash_token("x") + ":r") == "line 2: this token is there already");
  CHECK(mistake("a:" + hashed("x") + ":r\na:" + hashed("y") + ":r") == "line 2: 'a' has a password already");
}

}  // namespace orbit::users
