// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/access.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "executor/sim_executor.hpp"
#include "support/temporary_folder.hpp"

namespace orbit::kernel {

namespace {

// An authenticator that knows alice, and counts how often it is asked.
struct Fake {
  int asked = 0;
  uint64_t changes = 0;
  uint64_t expires_at_ms = 0;
  orbit_code code = ORBIT_OK;
  bool holds = true;
  int asked_again = 0;
};

constexpr const char* kPassword[] = {ORBIT_MECHANISM_PASSWORD, nullptr};
constexpr orbit_authenticator_v1 kFake = {
    sizeof(orbit_authenticator_v1), 0, kPassword,
    [](void* self, const orbit_credentials* credentials, orbit_identified found, void* ctx, orbit_error* error) -> orbit_code {
      Fake& fake = *static_cast<Fake*>(self);
      ++fake.asked;
      if (fake.code != ORBIT_OK) return to_c(static_cast<Code>(fake.code), "the directory is away", error);
      if (from_c(credentials->name) != "alice" || from_c(credentials->secret) != "right")
        return to_c(Code::not_found, "who?", error);
      const orbit_bytes roles[] = {to_c(Bytes("teller"))};
      const orbit_identity who{sizeof who, 1, to_c(Bytes("alice")), roles, fake.expires_at_ms, nullptr, to_c(Bytes("alice's"))};
      found(ctx, &who);
      return ORBIT_OK;
    },
    [](void* self) { return static_cast<Fake*>(self)->changes; },
    nullptr,
    [](void* self, const orbit_identity* who) {
      Fake& fake = *static_cast<Fake*>(self);
      ++fake.asked_again;
      CHECK(from_c(who->credential) == "alice's");
      return fake.holds ? 1 : 0;
    },
    nullptr};

struct Fixture {
  explicit Fixture(AccessOptions options = {}) : log(open_log()), access(std::move(options), executor, log->logger("audit")) {
    access.expect_authenticators();
    access.set_authenticators({{"fake", &kFake, &fake}});
  }
  std::unique_ptr<Log> open_log() const {
    LogOptions options;
    options.json = true;
    options.file = folder.path + "/log";
    return std::move(Log::open(options).value());
  }

  struct Answer {
    int times = 0;
    const Principal* principal = nullptr;
    orbit_code code = ORBIT_OK;
    std::string message;
  };
  Answer authenticate(const char* name, const char* secret, const char* mechanism = ORBIT_MECHANISM_PASSWORD) {
    const orbit_credentials credentials{sizeof credentials, 0, mechanism, to_c(Bytes(name)), to_c(Bytes(secret)), "peer"};
    Answer answer;
    access.authenticate(
        "wire", credentials,
        [](void* ctx, const orbit_principal* who, orbit_code code, orbit_bytes message) {
          auto& out = *static_cast<Answer*>(ctx);
          ++out.times;
          out.principal = who != nullptr ? &Principal::of(who) : nullptr;
          out.code = code;
          out.message = from_c(message);
        },
        &answer);
    executor.run_until([&answer] { return answer.times != 0; }, 1000);
    CHECK(answer.times == 1);
    if (answer.principal != nullptr) held.push_back(answer.principal);
    return answer;
  }
  ~Fixture() {
    for (const Principal* principal : held) principal->release();
  }

  test::TemporaryFolder folder;
  SimExecutor executor{SimExecutorOptions{}};
  std::unique_ptr<Log> log;
  Fake fake;
  Access access;
  std::vector<const Principal*> held;
};

}  // namespace

TEST_CASE("good credentials give a principal, and bad ones a refusal that does not say what is wrong") {
  Fixture fixture;
  const auto good = fixture.authenticate("alice", "right");
  REQUIRE(good.principal != nullptr);
  CHECK(good.principal->name() == "alice");
  CHECK(good.principal->roles() == std::vector<std::string>{"teller"});
  const auto bad = fixture.authenticate("alice", "wrong");
  const auto unknown = fixture.authenticate("bob", "right");
  CHECK(bad.principal == nullptr);
  CHECK(bad.code == ORBIT_UNAUTHENTICATED);
  CHECK(bad.message == unknown.message);
}

TEST_CASE("good credentials are remembered for a while, bad ones never") {
  Fixture fixture({.remember_ms = 1000});
  fixture.authenticate("alice", "right");
  fixture.authenticate("alice", "right");
  CHECK(fixture.fake.asked == 1);
  fixture.authenticate("alice", "wrong");
  fixture.authenticate("alice", "wrong");
  CHECK(fixture.fake.asked == 3);
  fixture.executor.advance(1'000'000'000);
  fixture.authenticate("alice", "right");
  CHECK(fixture.fake.asked == 4);
}

TEST_CASE("what is remembered is asked again when the authenticator has changed, or the credentials have expired") {
  Fixture fixture({.remember_ms = 3'600'000});
  fixture.authenticate("alice", "right");
  fixture.fake.changes = 1;
  fixture.authenticate("alice", "right");
  CHECK(fixture.fake.asked == 2);
  fixture.fake.changes = 2;
  fixture.fake.expires_at_ms = fixture.executor.unix_ms() + 500;
  CHECK(fixture.authenticate("alice", "right").principal != nullptr);
  fixture.executor.advance(500'000'000);
  const auto late = fixture.authenticate("alice", "right");
  CHECK(late.principal == nullptr);
  CHECK(late.code == ORBIT_UNAUTHENTICATED);
  CHECK(fixture.fake.asked == 4);
}

TEST_CASE("a bound on remembered credentials keeps those that were used last") {
  Fixture fixture({.remember_ms = 3'600'000, .remembered_max = 1});
  fixture.authenticate("alice", "right");
  fixture.authenticate("alice", "right");
  CHECK(fixture.fake.asked == 1);
}

TEST_CASE("an authenticator that is not able to answer is not taken for a refusal") {
  Fixture fixture;
  fixture.fake.code = ORBIT_UNAVAILABLE;
  const auto answer = fixture.authenticate("alice", "right");
  CHECK(answer.code == ORBIT_UNAVAILABLE);
  CHECK(answer.message == "the directory is away");
}

TEST_CASE("credentials that are too long, or of a kind that nobody takes, are refused without asking") {
  Fixture fixture;
  CHECK(fixture.authenticate("alice", std::string(70'000, 'x').c_str()).code == ORBIT_INVALID_ARGUMENT);
  const auto unknown = fixture.authenticate("alice", "right", "kerberos");
  CHECK(unknown.code == ORBIT_UNAUTHENTICATED);
  CHECK(unknown.message == "no authenticator of this node takes credentials of the kind 'kerberos'");
  CHECK(fixture.fake.asked == 0);
}

TEST_CASE("a refusal names principal, type, key and method; nobody and who has expired are asked to say who they are") {
  Fixture fixture;
  fixture.fake.expires_at_ms = fixture.executor.unix_ms() + 500;
  const Principal& alice = *fixture.authenticate("alice", "right").principal;
  const std::string key("a\0b\n", 4);
  const orbit_access_request request{sizeof request, 0, to_c(Bytes("bank.Account")), to_c(Bytes(key)), to_c(Bytes("Deposit")), "peer"};
  ErrorOut error;
  CHECK(fixture.access.check("wire", alice, request, &error) == ORBIT_PERMISSION_DENIED);
  CHECK(std::string(error.message) == "'alice' may not call Deposit of bank.Account 'a\\x00b\\x0a'");
  CHECK(fixture.access.check("wire", fixture.access.anonymous(), request, &error) == ORBIT_UNAUTHENTICATED);
  CHECK(std::string(error.message) == "nobody may not call Deposit of bank.Account 'a\\x00b\\x0a' without credentials");
  fixture.executor.advance(500'000'000);
  CHECK(fixture.access.check("wire", alice, request, &error) == ORBIT_UNAUTHENTICATED);
  CHECK(std::string(error.message) == "the credentials of 'alice' have expired");
  CHECK(fixture.access.counters().denied == 3);
}

TEST_CASE("who has logged in loses what that gave when the authenticator has changed and does not know it any more") {
  Fixture fixture({.rules = {{.roles = {"teller"}, .types = {Pattern::parse("*").value()}, .keys = {Pattern::parse("*").value()},
                              .methods = {Pattern::parse("*").value()}, .admin = {}}}});
  const Principal& alice = *fixture.authenticate("alice", "right").principal;
  const orbit_access_request request{sizeof request, 0, to_c(Bytes("bank.Account")), to_c(Bytes("1")), to_c(Bytes("Deposit")), "peer"};
  ErrorOut error;
  CHECK(fixture.access.check("wire", alice, request, &error) == ORBIT_OK);
  CHECK(fixture.fake.asked_again == 0);
  fixture.fake.changes = 1;  // of somebody else
  CHECK(fixture.access.check("wire", alice, request, &error) == ORBIT_OK);
  CHECK(fixture.access.check("wire", alice, request, &error) == ORBIT_OK);
  CHECK(fixture.fake.asked_again == 1);
  fixture.fake.changes = 2;
  fixture.fake.holds = false;
  CHECK(fixture.access.still(alice, &error) == ORBIT_UNAUTHENTICATED);
  CHECK(fixture.access.check("wire", alice, request, &error) == ORBIT_UNAUTHENTICATED);
  CHECK(std::string(error.message) == "the credentials of 'alice' count no more: they, or that one's roles, were changed or taken away");
  CHECK_FALSE(fixture.access.may(alice, request));
  CHECK(fixture.access.check_admin("wire", alice, "node.getNode", "", true, "", &error) == ORBIT_UNAUTHENTICATED);
}

TEST_CASE("a revoked user is refused, also where it has logged in, until the revocation is taken back") {
  test::TemporaryFolder place;
  for (const auto& [kind, value] : {std::pair{ORBIT_REVOKE_USER, "alice"}, {ORBIT_REVOKE_TOKEN, "alice's"}}) {
    Fixture fixture({.remember_ms = 3'600'000, .revocations_file = place.path + "/revocations"});
    REQUIRE(fixture.access.load());
    const Principal& alice = *fixture.authenticate("alice", "right").principal;
    const auto change = [&fixture](auto&& begin) {
      std::optional<orbit_code> code;
      begin([](void* ctx, orbit_code told, orbit_bytes) { *static_cast<std::optional<orbit_code>*>(ctx) = told; }, &code);
      fixture.executor.run_until([&code] { return code.has_value(); }, 1000);
      return code;
    };
    CHECK(change([&](auto done, void* ctx) { fixture.access.revoke(kind, value, 0, done, ctx); }) == ORBIT_OK);
    CHECK(fixture.access.still(alice, nullptr) == ORBIT_UNAUTHENTICATED);
    const auto refused = fixture.authenticate("alice", "right");  // although it was remembered
    CHECK(refused.code == ORBIT_UNAUTHENTICATED);
    CHECK(refused.message == "the credentials are wrong or have expired");
    CHECK(fixture.access.still(fixture.access.anonymous(), nullptr) == ORBIT_OK);
    CHECK(change([&](auto done, void* ctx) { fixture.access.take_back(kind, value, done, ctx); }) == ORBIT_OK);
    CHECK(fixture.authenticate("alice", "right").principal != nullptr);
    CHECK(change([&](auto done, void* ctx) { fixture.access.take_back(kind, value, done, ctx); }) == ORBIT_NOT_FOUND);
  }
}

TEST_CASE("after too many wrong passwords none is looked at, the right one neither, and then it is again") {
  Fixture fixture({.remember_ms = 0, .lockout = {.name_failures = 3, .address_failures = 0, .first_ms = 1000}});
  for (const char* guess : {"a", "b", "c"}) CHECK(fixture.authenticate("alice", guess).code == ORBIT_UNAUTHENTICATED);
  const auto locked = fixture.authenticate("alice", "right");
  CHECK(locked.code == ORBIT_RESOURCE_EXHAUSTED);
  CHECK(locked.message == "too many wrong credentials of 'alice': none are looked at for 1 s (access.lockout_name_failures)");
  CHECK(fixture.fake.asked == 3);
  CHECK(fixture.access.counters().locked == 1);
  fixture.executor.advance(1'000'000'000);
  CHECK(fixture.authenticate("alice", "right").principal != nullptr);
}

TEST_CASE("without rules and authenticators everybody may do everything") {
  SimExecutor executor{SimExecutorOptions{}};
  test::TemporaryFolder folder;
  LogOptions options;
  options.file = folder.path + "/log";
  const auto log = std::move(Log::open(options).value());
  Access access({}, executor, log->logger("audit"));
  CHECK_FALSE(access.enabled());
  const orbit_access_request request{sizeof request, 0, to_c(Bytes("t")), to_c(Bytes("k")), to_c(Bytes("m")), nullptr};
  CHECK(access.check("wire", access.anonymous(), request, nullptr) == ORBIT_OK);
  CHECK(access.may(access.anonymous(), request));
}

}  // namespace orbit::kernel
