// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the cases of the storage suite are written with.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <source_location>
#include <stdexcept>
#include <utility>
#include <vector>

#include "orbit/storage.hpp"
#include "orbit/testkit/storage_conformance.hpp"

namespace orbit::testkit {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Skip {
  std::string reason;
};

std::string at_line(const std::source_location& where);
// Bytes as a person can read them: escaped, and cut when long.
inline std::string shown(Bytes bytes) { return detail::readable(bytes); }

inline void expect(bool condition, const std::string& what,
                   std::source_location where = std::source_location::current()) {
  if (!condition) throw Failure(at_line(where) + what);
}
template <class T>
T must(Result<T> result, std::source_location where = std::source_location::current()) {
  if (!result)
    throw Failure(at_line(where) + "unexpected error " + std::string(code_name(result.error().code)) + ": " +
                  result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
template <class T>
void expect_error(const Result<T>& result, Code code, std::source_location where = std::source_location::current()) {
  expect(!result.has_value(), "succeeded, expected " + std::string(code_name(code)), where);
  expect(result.error().code == code, "failed with " + std::string(code_name(result.error().code)) + " (" +
                                          result.error().message + "), expected " + std::string(code_name(code)), where);
}

using Entries = std::vector<std::pair<std::string, std::string>>;
using Model = std::map<std::string, std::string>;

// The engine under test, as a case sees it: open and empty at the start.
class Bench {
 public:
  explicit Bench(const StorageConformance& suite) : suite(suite) { open(); }

  const StorageConformance& suite;
  StorageClient store;

  void open();
  void reopen();
  void clear();
  std::mt19937_64 random() const { return std::mt19937_64(suite.seed); }
  // As many of so many steps as StorageConformance::effort wants; at least one.
  size_t steps(size_t all) const { return std::max<size_t>(all * suite.effort / 100, 1); }

  void put(Bytes key, Bytes value, bool sync = false);
  void erase(Bytes key);
  // The value, or "(none)".
  std::string get(Bytes key, const SnapshotHandle* snapshot = nullptr) const;
  Entries scan(Bytes from, Bytes to, bool reverse = false, const SnapshotHandle* snapshot = nullptr) const;

 private:
  std::unique_ptr<PluginInstance> instance_;
};

// Compares every way of reading with the model: gets, a multi-get, scans in both directions.
void expect_equal(const Bench& bench, const Model& model, const SnapshotHandle* snapshot, const std::string& what);
Entries range_of(const Model& model, const std::string& from, const std::string& to, bool reverse);

struct Case {
  const char* name;
  void (*run)(Bench&);
};
std::span<const Case> plain_cases();
std::span<const Case> concurrent_cases();
std::span<const Case> fenced_cases();
std::span<const Case> maintenance_cases();
std::span<const Case> model_cases();

}  // namespace orbit::testkit
