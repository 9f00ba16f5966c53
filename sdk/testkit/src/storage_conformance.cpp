// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/testkit/storage_conformance.hpp"

#include <algorithm>
#include <ostream>

#include "storage_case.hpp"

namespace orbit::testkit {

std::string at_line(const std::source_location& where) {
  const std::string_view file = where.file_name();
  return std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(where.line()) + ": ";
}

void Bench::open() {
  instance_ = must(suite.open({}));
  store = must(StorageClient::of(instance_->raw()));
}

void Bench::reopen() {
  instance_.reset();
  open();
}

void Bench::clear() {
  WriteBatch batch;
  batch.erase_range("", "");
  must(store.write(batch, false));
  expect(scan("", "").empty(), "erasing everything left something");
}

void Bench::put(Bytes key, Bytes value, bool sync) {
  WriteBatch batch;
  batch.put(key, value);
  must(store.write(batch, sync));
}

void Bench::erase(Bytes key) {
  WriteBatch batch;
  batch.erase(key);
  must(store.write(batch, false));
}

std::string Bench::get(Bytes key, const SnapshotHandle* snapshot) const {
  std::string value;
  return must(store.get(key, value, snapshot)) ? value : "(none)";
}

Entries Bench::scan(Bytes from, Bytes to, bool reverse, const SnapshotHandle* snapshot) const {
  Entries out;
  must(store.scan(from, to, reverse, [&](Bytes key, Bytes value) { return out.emplace_back(key, value), true; }, snapshot));
  return out;
}

Entries range_of(const Model& model, const std::string& from, const std::string& to, bool reverse) {
  Entries out;
  for (auto at = model.lower_bound(from); at != model.end() && (to.empty() || at->first < to); ++at) out.emplace_back(*at);
  if (reverse) std::reverse(out.begin(), out.end());
  return out;
}

void expect_equal(const Bench& bench, const Model& model, const SnapshotHandle* snapshot, const std::string& what) {
  expect(bench.scan("", "", false, snapshot) == range_of(model, "", "", false), what + ": an ascending scan differs");
  expect(bench.scan("", "", true, snapshot) == range_of(model, "", "", true), what + ": a descending scan differs");
  std::vector<Bytes> keys;
  for (const auto& [key, value] : model) {
    expect(bench.get(key, snapshot) == value, what + ": get of " + shown(key) + " differs");
    keys.push_back(key);
  }
  size_t visited = 0;
  must(bench.store.multi_get(
      keys,
      [&](size_t index, bool found, Bytes value) {
        ++visited;
        expect(found && value == model.at(std::string(keys.at(index))), what + ": multi-get of " + shown(keys[index]) + " differs");
      },
      snapshot));
  expect(visited == keys.size(), what + ": a multi-get visited " + std::to_string(visited) + " of " +
                                     std::to_string(keys.size()) + " keys");
}

ConformanceReport run_storage_conformance(const StorageConformance& suite, std::ostream& out) {
  ConformanceReport report;
  for (const auto cases : {plain_cases(), concurrent_cases(), fenced_cases(), maintenance_cases(), model_cases()}) {
    for (const Case& one : cases) {
      if (std::string_view(one.name).find(suite.only) == std::string_view::npos) continue;
      try {
        Bench bench(suite);
        bench.clear();
        one.run(bench);
        bench.clear();
        ++report.passed;
        out << "ok      " << one.name << std::endl;
      } catch (const Skip& skip) {
        ++report.skipped;
        out << "skipped " << one.name << ": " << skip.reason << std::endl;
      } catch (const std::exception& e) {
        ++report.failed;
        out << "FAILED  " << one.name << "\n          " << e.what() << "\n          seed " << suite.seed << std::endl;
      }
    }
  }
  out << report.passed << " passed, " << report.failed << " failed, " << report.skipped << " skipped" << std::endl;
  return report;
}

}  // namespace orbit::testkit
