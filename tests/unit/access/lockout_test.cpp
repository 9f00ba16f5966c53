// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/lockout.hpp"

#include <doctest/doctest.h>

namespace orbit::kernel {

namespace {

constexpr LockoutOptions kThree{
    .name_failures = 3, .address_failures = 5, .first_ms = 1000, .most_ms = 4000, .forget_ms = 60'000};

}  // namespace

TEST_CASE("an address is one machine's, or one customer's network") {
  CHECK(lockout_address("192.0.2.7:49152") == "192.0.2.7");
  CHECK(lockout_address("[::ffff:192.0.2.7]:80") == "192.0.2.7");
  CHECK(lockout_address("[2001:db8:0:1::7]:80") == "2001:db8:0:1::/64");
  CHECK(lockout_address("[2001:db8:0:1:ffff::1]:81") == "2001:db8:0:1::/64");
  CHECK(lockout_address("[fe80::1%eth0]:81") == "fe80::/64");
  CHECK(lockout_address("2001:db8::1") == "2001:db8::/64");
  CHECK(lockout_address("") == "");
  CHECK(lockout_address("[") == "");
}

TEST_CASE("after so many failures a name is locked, for twice as long with each further one, up to a bound") {
  Lockout lockout(kThree);
  uint64_t now = 1'000'000;
  CHECK(lockout.failed("alice", "a", 1, now).left_ms == 0);
  CHECK(lockout.failed("alice", "b", 2, now).left_ms == 0);
  CHECK(lockout.verdict("alice", "c", now).left_ms == 0);
  uint64_t fingerprint = 3;
  for (const uint64_t expected : {1000, 2000, 4000, 4000}) {
    const auto locked = lockout.failed("alice", "c", fingerprint++, now);
    CHECK(locked.left_ms == expected);
    CHECK(locked.by_name);
    CHECK(lockout.verdict("alice", "d", now + expected - 1).left_ms == 1);
    CHECK(lockout.verdict("bob", "c", now).left_ms == 0);
    now += expected;
    CHECK(lockout.verdict("alice", "d", now).left_ms == 0);
  }
  CHECK(lockout.failed("alice", "c", fingerprint, now + 60'000).left_ms == 0);  // all was forgotten
}

TEST_CASE("the same wrong credentials again are no guess") {
  Lockout lockout(kThree);
  for (int i = 0; i < 100; ++i) CHECK(lockout.failed("alice", "a", 7, 1000).left_ms == 0);
}

TEST_CASE("others' failures do not lock out a name from where it has logged in before") {
  Lockout lockout(kThree);
  lockout.succeeded("alice", "home", 1000);
  for (uint64_t i = 0; i < 3; ++i) lockout.failed("alice", "evil", i, 1000);
  CHECK(lockout.verdict("alice", "evil", 1000).left_ms == 1000);
  CHECK(lockout.verdict("alice", "elsewhere", 1000).left_ms == 1000);
  CHECK(lockout.verdict("alice", "home", 1000).left_ms == 0);
}

TEST_CASE("a good log-in ends a name's failures, and not those of its address") {
  Lockout lockout(kThree);
  for (uint64_t i = 0; i < 4; ++i) {
    CHECK(lockout.failed("", "a", i, 1000).left_ms == 0);  // tokens have no name
    lockout.succeeded("mallory", "a", 1000);
  }
  const auto locked = lockout.failed("", "a", 9, 1000);
  CHECK(locked.left_ms == 1000);
  CHECK_FALSE(locked.by_name);
  CHECK(lockout.verdict("mallory", "a", 1000).left_ms == 1000);
  CHECK(lockout.verdict("mallory", "b", 1000).left_ms == 0);
  lockout.failed("alice", "c", 1, 1000);
  lockout.failed("alice", "c", 2, 1000);
  lockout.succeeded("alice", "c", 1000);
  CHECK(lockout.failed("alice", "c", 3, 1000).left_ms == 0);
}

TEST_CASE("the table has a bound, and what was heard of longest ago makes room") {
  LockoutOptions options = kThree;
  options.entries_max = 2;
  options.address_failures = 0;
  Lockout lockout(options);
  for (uint64_t i = 0; i < 2; ++i) lockout.failed("alice", "a", i, 1000);
  for (int name = 0; name < 1000; ++name) lockout.failed("n" + std::to_string(name), "a", 1, 1000);
  CHECK(lockout.failed("alice", "a", 3, 1000).left_ms == 0);  // forgotten
  CHECK(lockout.failed(std::string(1000, 'x'), "a", 3, 1000).left_ms == 0);
}

TEST_CASE("with 0 neither names nor addresses are locked") {
  LockoutOptions options = kThree;
  options.name_failures = options.address_failures = 0;
  Lockout lockout(options);
  for (uint64_t i = 0; i < 100; ++i) CHECK(lockout.failed("alice", "a", i, 1000).left_ms == 0);
  CHECK(lockout.verdict("alice", "a", 1000).left_ms == 0);
}

}  // namespace orbit::kernel
