// SPDX-License-Identifier: MIT OR BSD-3-Clause
// For tests with doctest: a test case that fails prints the seeds of its nodes, as in
//
//   ORBIT_SEED=17 runs it again
//
// Include it in any file of the test program; once is enough.
#pragma once

#include <doctest/doctest.h>

#include <iostream>

#include "seeds.hpp"

namespace orbit::testkit::detail {

class SeedPrinter final : public doctest::IReporter {
 public:
  explicit SeedPrinter(const doctest::ContextOptions& options)
      : out_(options.cout != nullptr ? *options.cout : std::cout) {
    framework_prints_seeds();
  }
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData&) override { clear_seeds_used(); }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    if (stats.failure_flags == doctest::TestCaseFailureReason::None) return;
    for (const uint64_t seed : seeds_used()) out_ << "ORBIT_SEED=" << seed << " runs it again\n";
  }
  void test_case_exception(const doctest::TestCaseException&) override { note_failure(); }
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& assert) override {
    if (assert.m_failed) note_failure();
  }
  void log_message(const doctest::MessageData& message) override {
    if ((message.m_severity & (doctest::assertType::is_check | doctest::assertType::is_require)) != 0) note_failure();
  }
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  std::ostream& out_;
};

// One for the whole program, whoever includes this file.
inline const bool seed_printer_registered = [] {
  doctest::registerReporter<SeedPrinter>("orbit-seeds", 1, false);
  return true;
}();

}  // namespace orbit::testkit::detail
