// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "observe/metrics.hpp"

using namespace orbit::kernel;

TEST_CASE("metrics are rendered sorted, with help and type, values as whole numbers where they are") {
  Metrics metrics;
  metrics.gauge("orbit_b", "", "A gauge.")->value = -5;
  metrics.counter("orbit_a_total", "command=\"set\"", "Calls.")->add(2);
  metrics.counter("orbit_a_total", "command=\"get\"", "Calls.")->add(3);
  metrics.add_collector(
      [](Exposition& out) { out.gauge("orbit_c", "Help with \\ and\nnewline.", label("path", "a\"b\\c\nd"), 0.5); });
  CHECK(metrics.render() ==
        "# HELP orbit_a_total Calls.\n# TYPE orbit_a_total counter\n"
        "orbit_a_total{command=\"get\"} 3\norbit_a_total{command=\"set\"} 2\n"
        "# HELP orbit_b A gauge.\n# TYPE orbit_b gauge\norbit_b -5\n"
        "# HELP orbit_c Help with \\\\ and\\nnewline.\n# TYPE orbit_c gauge\norbit_c{path=\"a\\\"b\\\\c\\nd\"} 0.5\n"
        "# HELP orbit_metrics_refused_total Metrics refused: bad name or labels, another type, or too many series.\n"
        "# TYPE orbit_metrics_refused_total counter\norbit_metrics_refused_total 0\n");
}

TEST_CASE("the same name and labels give the same object") {
  Metrics metrics;
  CHECK(metrics.counter("a", "x=\"1\"", "") == metrics.counter("a", "x=\"1\"", ""));
  CHECK(metrics.counter("a", "x=\"1\"", "") != metrics.counter("a", "x=\"2\"", ""));
}

TEST_CASE("what the format does not allow is refused, counted and not rendered") {
  Metrics metrics;
  metrics.counter("ok", "", "");
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", ""},       {"1a", ""},         {"a b", ""},       {"a", "x"},        {"a", "x=1"},
      {"a", "x=\"1"}, {"a", "x=\"\\q\""}, {"a", "x=\"1\","}, {"a", "x=\"\n\""}, {"a", "=\"1\""},
  };
  for (const auto& [name, labels] : bad) metrics.counter(name, labels, "")->add(1);
  metrics.gauge("ok", "", "")->value = 1;  // is a counter already
  const std::string text = metrics.render();
  CHECK(text.find("orbit_metrics_refused_total 11\n") != std::string::npos);
  CHECK(text.find("# TYPE ok counter\nok 0\n") == 0);
  CHECK(text.find("\na") == std::string::npos);
}

TEST_CASE("a histogram counts durations in buckets that each have the ones before in them, and sums them") {
  Metrics metrics;
  orbit_histogram* times = metrics.histogram("orbit_step_seconds", "step=\"one\"", "Steps.");
  CHECK(metrics.histogram("orbit_step_seconds", "step=\"one\"", "") == times);
  for (const uint64_t ns : {uint64_t{0}, uint64_t{1'000}, uint64_t{1'001}, uint64_t{3'000'000}, uint64_t{11'000'000'000}}) times->observe(ns);
  const std::string text = metrics.render();
  CHECK(text.find("# HELP orbit_step_seconds Steps.\n# TYPE orbit_step_seconds histogram\n"
                  "orbit_step_seconds_bucket{step=\"one\",le=\"1e-06\"} 2\n"
                  "orbit_step_seconds_bucket{step=\"one\",le=\"2.5e-06\"} 3\n") != std::string::npos);
  for (const char* line : {"le=\"0.0025\"} 3\n", "le=\"0.005\"} 4\n", "le=\"10\"} 4\n", "le=\"+Inf\"} 5\n",
                           "orbit_step_seconds_sum{step=\"one\"} 11.003002001\n", "orbit_step_seconds_count{step=\"one\"} 5\n"})
    CHECK_MESSAGE(text.find(line) != std::string::npos, line);
  CHECK(std::is_sorted(orbit_histogram::kBoundsNs, orbit_histogram::kBoundsNs + orbit_histogram::kBounds));
  metrics.histogram("plain_seconds", "", "")->observe(1);
  metrics.counter("plain_seconds", "", "")->add(1);  // is a histogram already
  const std::string more = metrics.render();
  CHECK(more.find("plain_seconds_bucket{le=\"1e-06\"} 1\n") != std::string::npos);
  CHECK(more.find("plain_seconds_count 1\n") != std::string::npos);
  CHECK(more.find("orbit_metrics_refused_total 1\n") != std::string::npos);
}

TEST_CASE("additions of many threads are all counted") {
  Metrics metrics;
  orbit_counter* counter = metrics.counter("sum_total", "", "");
  std::vector<std::jthread> threads;
  for (int t = 0; t < 12; ++t)
    threads.emplace_back([counter] {
      for (int i = 0; i < 10'000; ++i) counter->add(1);
    });
  threads.clear();
  CHECK(counter->value() == 120'000);
}
