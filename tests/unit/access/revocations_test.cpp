// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/revocations.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "support/temporary_folder.hpp"

namespace orbit::kernel {

namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("who is revoked stays so over a restart, until the time that was said or until it is taken back") {
  const test::TemporaryFolder folder;
  const std::string file = folder.path + "/deeper/revocations";
  {
    Revocations revocations(file, 10);
    REQUIRE(revocations.load());
    const uint64_t before = revocations.epoch();
    REQUIRE(revocations.add("user", "al ice", 0, 1000));
    REQUIRE(revocations.add("token", "t-1", 5000, 1000));
    CHECK(revocations.epoch() != before);
  }
  Revocations revocations(file, 10);
  const auto loaded = revocations.load();
  REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
  CHECK(revocations.has("al ice", "", 1000));
  CHECK(revocations.has("bob", "t-1", 4999));
  CHECK_FALSE(revocations.has("bob", "t-1", 5000));
  CHECK_FALSE(revocations.has("t-1", "al ice", 1000));
  CHECK(
      revocations.json(1000) ==
      R"({"revocations":[{"kind":"token","value":"t-1","until_ms":5000},{"kind":"user","value":"al ice","until_ms":0}]})");
  REQUIRE(revocations.take_back("user", "al ice", 1000));
  CHECK(revocations.take_back("user", "al ice", 1000).error().code == Code::not_found);
  CHECK_FALSE(revocations.has("al ice", "", 1000));
}

TEST_CASE("a damaged file of revocations is not taken for an empty one") {
  const test::TemporaryFolder folder;
  const std::string file = folder.path + "/revocations";
  REQUIRE(Revocations(file, 10).add("user", "alice", 0, 1000));
  const std::string good = content(file);
  for (const std::string& bad :
       {good.substr(0, good.size() / 2), std::string(good).replace(good.find("alice"), 5, "alicf"), std::string()}) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bad;
    const auto loaded = Revocations(file, 10).load();
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error().code == Code::data_loss);
    CHECK(loaded.error().message.find(file) != std::string::npos);
  }
}

TEST_CASE("revocations have a bound, those that have ended make room, and what names nothing is refused") {
  Revocations revocations({}, 2);
  REQUIRE(revocations.add("user", "a", 0, 1000));
  REQUIRE(revocations.add("user", "b", 2000, 1000));
  const auto full = revocations.add("user", "c", 0, 1000);
  REQUIRE_FALSE(full.has_value());
  CHECK(full.error().code == Code::resource_exhausted);
  CHECK(full.error().message.find("access.revocations_max") != std::string::npos);
  CHECK(revocations.add("user", "a", 0, 1000));  // is there already
  CHECK(revocations.add("user", "c", 0, 2000));  // b's has ended
  for (const auto& [kind, value] : {std::pair{"group", "x"}, {"user", ""}, {"user", "a\nb"}})
    CHECK(revocations.add(kind, value, 0, 1000).error().code == Code::invalid_argument);
  CHECK(revocations.add("user", "x", 999, 1000).error().code == Code::invalid_argument);
}

}  // namespace orbit::kernel
