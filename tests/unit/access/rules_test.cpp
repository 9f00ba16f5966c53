// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/rules.hpp"

#include <doctest/doctest.h>

#include <memory>

namespace orbit::kernel {

namespace {

bool matches(std::string_view pattern, std::string_view text, std::string_view name = "alice") {
  const auto parsed = Pattern::parse(pattern);
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().message);
  return parsed->matches(text, name);
}

std::vector<Pattern> patterns(std::initializer_list<const char*> texts) {
  std::vector<Pattern> out;
  for (const char* text : texts) out.push_back(Pattern::parse(text).value());
  return out;
}

struct Releasing {
  void operator()(const Principal* principal) const noexcept { principal->release(); }
};
using Held = std::unique_ptr<const Principal, Releasing>;

Held principal(const char* name, std::initializer_list<const char*> roles) {
  std::vector<orbit_bytes> raw;
  for (const char* role : roles) raw.push_back(to_c(Bytes(role)));
  const orbit_identity who{sizeof who, static_cast<uint32_t>(raw.size()), to_c(Bytes(name)), raw.data(), 0, nullptr, {}};
  const auto made = Principal::make(who, "test");
  REQUIRE_MESSAGE(made.has_value(), made.error().message);
  return Held(*made);
}

Rule calls(std::vector<std::string> roles, std::initializer_list<const char*> types, std::initializer_list<const char*> keys,
           std::initializer_list<const char*> methods) {
  return {.roles = std::move(roles), .types = patterns(types), .keys = patterns(keys), .methods = patterns(methods)};
}

Rule denying(Rule rule) {
  rule.allow = false;
  return rule;
}
Rule reading(Rule rule) {
  rule.read_only = true;
  return rule;
}

}  // namespace

TEST_CASE("patterns match whole texts, with stars for anything and {name} for the caller's name") {
  CHECK(matches("abc", "abc"));
  CHECK_FALSE(matches("abc", "abcd"));
  CHECK_FALSE(matches("abc", "xabc"));
  CHECK(matches("*", ""));
  CHECK(matches("a*", "a"));
  CHECK(matches("a*c", "abbc"));
  CHECK_FALSE(matches("a*a", "a"));  // one byte is not both ends
  CHECK(matches("*b*b*", "abcb"));
  CHECK_FALSE(matches("*b*b*", "abc"));
  CHECK(matches("a**", "a"));
  CHECK(matches("{name}:*", "alice:1"));
  CHECK_FALSE(matches("{name}:*", "bob:1"));
  CHECK_FALSE(matches("{name}*", "anything", ""));  // nobody has no name
  CHECK(matches("*/{name}/*", "x/alice/y"));
  CHECK(matches("{name}", "a*", "a*"));  // a name with a star is no pattern
  CHECK_FALSE(matches("{name}", "ab", "a*"));
  CHECK(matches("\\*", "*"));
  CHECK_FALSE(matches("\\*", "a"));
  CHECK(matches("\\{name}", "{name}"));
  CHECK(matches(std::string("a\0b", 3), std::string("a\0b", 3)));
}

TEST_CASE("what is no pattern is refused with what was expected") {
  CHECK(Pattern::parse("").error().message.find("expected 1 to 255") != std::string::npos);
  CHECK(Pattern::parse(std::string(256, 'a')).error().message.find("256 bytes") != std::string::npos);
  CHECK(Pattern::parse("a\\").error().message.find("ends in '\\'") != std::string::npos);
  CHECK(Pattern::parse("{user}").error().message.find("expected {name}") != std::string::npos);
}

TEST_CASE("what no rule allows is denied, and a denying rule counts more whatever the order") {
  const Rules rules({denying(calls({"teller"}, {"bank.Account"}, {"0*"}, {"*"})), calls({"teller"}, {"bank.*"}, {"*"}, {"*"})});
  const Held teller = principal("alice", {"teller"});
  CHECK(rules.may_call(*teller, {"bank.Account", "1", "Deposit"}));
  CHECK_FALSE(rules.may_call(*teller, {"bank.Account", "01", "Deposit"}));
  CHECK(rules.may_call(*teller, {"bank.Teller", "01", "Transfer"}));
  CHECK_FALSE(rules.may_call(*teller, {"shop.Cart", "1", "Add"}));
  const Held other = principal("bob", {"guest"});
  CHECK_FALSE(rules.may_call(*other, {"bank.Account", "1", "Deposit"}));
}

TEST_CASE("the role admin may do everything, and rules cannot take it away") {
  const Rules rules({denying(calls({"admin", "*"}, {"*"}, {"*"}, {"*"}))});
  const Held root = principal("root", {"admin"});
  CHECK(rules.may_call(*root, {"bank.Account", "1", "Deposit"}));
  CHECK(rules.may_administer(*root, "modules.loadModule", false));
}

TEST_CASE("the star among roles is everybody with a name, and nobody has the roles that the configuration gives") {
  const Rules rules({calls({"*"}, {"a"}, {"*"}, {"*"}), calls({"public"}, {"b"}, {"*"}, {"*"})});
  const Held somebody = principal("alice", {});
  const Held nobody(Principal::make_anonymous({"public"}));
  CHECK(rules.may_call(*somebody, {"a", "k", "m"}));
  CHECK_FALSE(rules.may_call(*nobody, {"a", "k", "m"}));
  CHECK(rules.may_call(*nobody, {"b", "k", "m"}));
  CHECK_FALSE(rules.may_call(*somebody, {"b", "k", "m"}));
}

TEST_CASE("a named caller and nobody with the same roles are not taken for each other") {
  const Rules rules({calls({"*"}, {"a"}, {"*"}, {"*"})});
  const Held somebody = principal("alice", {"x"});
  const Held nobody(Principal::make_anonymous({"x"}));
  for (int i = 0; i < 2; ++i) {
    CHECK(rules.may_call(*somebody, {"a", "k", "m"}));
    CHECK_FALSE(rules.may_call(*nobody, {"a", "k", "m"}));
  }
}

TEST_CASE("read_only is what the type says of its method, and what the wire says where the type does not know it") {
  Rules rules({reading(calls({"r"}, {"*"}, {"*"}, {"*"}))});
  rules.set_read_only([](std::string_view type, std::string_view method) -> std::optional<bool> {
    if (type != "bank.Account") return std::nullopt;
    return method == "GetBalance";
  });
  const Held reader = principal("r", {"r"});
  CHECK(rules.may_call(*reader, {"bank.Account", "1", "GetBalance", false}));
  CHECK_FALSE(rules.may_call(*reader, {"bank.Account", "1", "Deposit", true}));  // the wire's word does not count
  CHECK(rules.may_call(*reader, {"redis.db0", "k", "get", true}));
  CHECK_FALSE(rules.may_call(*reader, {"redis.db0", "k", "set", false}));
}

TEST_CASE("what was remembered of a method is asked again when types have changed") {
  Rules rules({reading(calls({"r"}, {"*"}, {"*"}, {"*"}))});
  bool read_only = true;
  rules.set_read_only([&](std::string_view, std::string_view) { return std::optional<bool>(read_only); });
  const Held reader = principal("r", {"r"});
  CHECK(rules.may_call(*reader, {"t", "k", "m"}));
  read_only = false;
  CHECK(rules.may_call(*reader, {"t", "k", "m"}));  // remembered
  rules.types_changed();
  CHECK_FALSE(rules.may_call(*reader, {"t", "k", "m"}));
}

TEST_CASE("for a listing, a method may be called if it may for some key") {
  const Rules rules({calls({"r"}, {"t"}, {"{name}:*"}, {"Get"}), calls({"r"}, {"u"}, {"*"}, {"*"}),
                     denying(calls({"r"}, {"u"}, {"*"}, {"Drop"}))});
  const Held reader = principal("r", {"r"});
  CHECK(rules.may_call_some(*reader, {"t", {}, "Get"}));
  CHECK_FALSE(rules.may_call_some(*reader, {"t", {}, "Set"}));
  CHECK(rules.may_call_some(*reader, {"u", {}, "Get"}));
  CHECK_FALSE(rules.may_call_some(*reader, {"u", {}, "Drop"}));
  const Held nobody(Principal::make_anonymous({"r"}));
  CHECK_FALSE(rules.may_call_some(*nobody, {"t", {}, "Get"}));
}

TEST_CASE("administrative actions have rules of their own") {
  Rule operators{.roles = {"operator"}, .admin = patterns({"modules.*", "node.getNode"})};
  Rule viewers{.roles = {"viewer"}, .admin = patterns({"*"}), .read_only = true};
  const Rules rules({operators, viewers, calls({"teller"}, {"*"}, {"*"}, {"*"})});
  CHECK(rules.may_administer(*principal("o", {"operator"}), "modules.loadModule", false));
  CHECK_FALSE(rules.may_administer(*principal("o", {"operator"}), "storage.migrateStorage", false));
  CHECK(rules.may_administer(*principal("v", {"viewer"}), "storage.listStorages", true));
  CHECK_FALSE(rules.may_administer(*principal("v", {"viewer"}), "storage.migrateStorage", false));
  CHECK_FALSE(rules.may_administer(*principal("t", {"teller"}), "node.getNode", true));  // types are not actions
}

TEST_CASE("a principal's name and roles fit on one line, and their number has a bound") {
  const auto refused = [](const std::string& name, const std::vector<std::string>& roles) {
    std::vector<orbit_bytes> raw;
    for (const std::string& role : roles) raw.push_back(to_c(Bytes(role)));
    const orbit_identity who{sizeof who, static_cast<uint32_t>(raw.size()), to_c(Bytes(name)), raw.data(), 0, nullptr, {}};
    const auto made = Principal::make(who, "test");
    REQUIRE_FALSE(made.has_value());
    return made.error().message;
  };
  CHECK(refused("", {}) == "the principal's name has 0 bytes, expected 1 to 256");
  CHECK(refused("a\nb", {}) == "the principal's name has control characters, expected text of one line");
  CHECK(refused("a", {std::string("x\0y", 3)}) == "the role of 'a' has control characters, expected text of one line");
  CHECK(refused("a", std::vector<std::string>(65, "r")) == "the principal 'a' has 65 roles, expected at most 64");
}

}  // namespace orbit::kernel
