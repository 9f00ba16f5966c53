// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Power cuts at every point, and random operations against a map.
#include <doctest/doctest.h>

#include "effort.hpp"
#include "subject.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::lsm::testing::encrypted_options;
using orbit::lsm::testing::small_options;
using orbit::lsm::testing::subject;
using orbit::testing::with_effort;

// Every batch is at least one write, and every write is lost in each of four ways.
constexpr size_t kCrashesPerBatch = 5;

}  // namespace

TEST_CASE("after a power cut at any point everything acknowledged is there, and no batch is torn") {
  const size_t rounds = with_effort(3);
  const size_t batches = with_effort(120);
  size_t crashes = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    const auto report = orbit::testkit::crash_everywhere(subject(), orbit::testing::seed_of_this_run() + round, batches);
    CHECK_MESSAGE(report.failure.empty(), report.failure);
    crashes += report.crashes;
  }
  MESSAGE(crashes << " power cuts");
  CHECK(crashes > kCrashesPerBatch * rounds * batches);
}

TEST_CASE("an encrypted database survives power cuts at any point in the same way") {
  const size_t batches = with_effort(100);
  const auto report =
      orbit::testkit::crash_everywhere(subject(encrypted_options()), orbit::testing::seed_of_this_run() + 50, batches);
  CHECK_MESSAGE(report.failure.empty(), report.failure);
  CHECK(report.crashes > kCrashesPerBatch * batches);
}

TEST_CASE("random operations on an encrypted database agree with a map") {
  for (uint64_t round = 0; round < with_effort(6); ++round) {
    const std::string wrong =
        orbit::testkit::check_against_model(subject(encrypted_options()), orbit::testing::seed_of_this_run() + 200 + round, 500);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

TEST_CASE("random operations, reopens, snapshots and power cuts agree with a map") {
  for (uint64_t round = 0; round < with_effort(12); ++round) {
    const std::string wrong =
        orbit::testkit::check_against_model(subject(), orbit::testing::seed_of_this_run() + round, 600);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

TEST_CASE("random operations agree with a map when tables lie in many levels and next to nothing is cached") {
  auto options = small_options();
  options.write_buffer_bytes = 4 << 10;
  options.table_bytes = 2 << 10;
  options.level1_bytes = 4 << 10;
  options.cache_bytes = 16 << 10;
  options.table.filter_bits_per_key = 0;
  for (uint64_t round = 0; round < with_effort(6); ++round) {
    const std::string wrong =
        orbit::testkit::check_against_model(subject(options), orbit::testing::seed_of_this_run() + 100 + round, 600);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}
