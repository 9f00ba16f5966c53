// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The suite is worth something only if it fails: engines with one fault each, and the case that must find it.
#include <doctest/doctest.h>

#include <map>
#include <mutex>
#include <orbit/storage.hpp>
#include <orbit/testkit/storage_conformance.hpp>
#include <sstream>

namespace {

enum class Fault {
  none,
  upper_bound_included,
  reverse_ignored,
  signed_order,
  last_operation_lost,
  writes_lost_on_reopen,
  snapshot_moves,
  cached_get_is_stale,
  conditions_ignored,
  refused_batch_applied,
  fence_forgotten,
  fence_not_checked,
  lost_among_many,
};
Fault fault = Fault::none;

struct Order {
  bool operator()(const std::string& a, const std::string& b) const {
    if (fault != Fault::signed_order) return a < b;
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
      return static_cast<signed char>(x) < static_cast<signed char>(y);
    });
  }
};
using Data = std::map<std::string, std::string, Order>;

// What outlives an instance.
Data& disk() {
  static Data data;
  return data;
}

// A copy for each snapshot and for what a scan visits: slow and plainly right, but for the fault.
class Engine final : public orbit::Storage {
 public:
  class Snapshot final : public orbit::StorageSnapshot {
   public:
    explicit Snapshot(Data d) : data(std::move(d)) {}
    const Data data;
  };

  ~Engine() override {
    if (fault == Fault::writes_lost_on_reopen && !disk().empty()) disk().erase(disk().begin());
  }
  orbit::Result<bool> get(const orbit::StorageSnapshot* snapshot, orbit::Bytes key, orbit::ValueSink value) override {
    std::lock_guard lock(mutex_);
    const Data& data = state(snapshot);
    const auto found = data.find(std::string(key));
    if (found != data.end()) value.append(found->second);
    return found != data.end();
  }
  orbit::Result<> multi_get(const orbit::StorageSnapshot* snapshot, orbit::KeyList keys, orbit::VisitValue visit) override {
    std::lock_guard lock(mutex_);
    const Data& data = state(snapshot);
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto found = data.find(std::string(keys[i]));
      visit(i, found != data.end(), found != data.end() ? orbit::Bytes(found->second) : orbit::Bytes());
    }
    return {};
  }
  orbit::Result<> scan(const orbit::StorageSnapshot* snapshot, orbit::Bytes from, orbit::Bytes to, bool reverse,
                       orbit::VisitEntry visit) override {
    std::vector<std::pair<std::string, std::string>> range;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [key, value] : state(snapshot)) {
        const bool below = to.empty() || key < to || (fault == Fault::upper_bound_included && key == to);
        if (orbit::Bytes(key) >= from && below) range.emplace_back(key, value);
      }
    }
    if (reverse && fault != Fault::reverse_ignored) std::reverse(range.begin(), range.end());
    for (const auto& [key, value] : range)
      if (!visit(key, value)) break;
    return {};
  }
  orbit::Result<> write(orbit::WriteOps ops, bool) override {
    std::lock_guard lock(mutex_);
    apply(ops);
    return {};
  }
  orbit::Result<orbit::FencedOutcome> write_if(orbit::Conditions conditions, orbit::WriteOps ops, bool) {
    std::lock_guard lock(mutex_);
    if (fault == Fault::refused_batch_applied) apply(ops);
    for (size_t i = 0; i < conditions.size(); ++i) {
      const orbit::Condition one = conditions[i];
      if (fault == Fault::conditions_ignored) break;
      if (fault == Fault::fence_not_checked && one.kind == orbit::ConditionKind::fence) continue;
      const auto found = disk().find(std::string(one.key));
      if (found == disk().end() ? one.holds({}) : one.holds(found->second)) continue;
      return orbit::FencedOutcome{i, found == disk().end() ? std::nullopt : std::optional(found->second)};
    }
    const auto fences = orbit::fence_puts(conditions);
    if (fault != Fault::fence_forgotten) apply(orbit::WriteOps(fences.data(), fences.size()));
    apply(ops);
    return orbit::FencedOutcome{};
  }
  void apply(orbit::WriteOps ops) {
    const size_t count = fault == Fault::last_operation_lost && ops.size() > 5 ? ops.size() - 1 : ops.size();
    for (size_t i = 0; i < count; ++i) {
      const orbit::WriteOp op = ops[i];
      if (fault == Fault::lost_among_many && op.key == "ab" && disk().size() > 12) continue;
      if (op.kind == orbit::WriteKind::put) disk()[std::string(op.key)] = op.value;
      if (op.kind == orbit::WriteKind::erase) disk().erase(std::string(op.key));
      if (op.kind == orbit::WriteKind::erase_range)
        std::erase_if(disk(), [&](const auto& e) { return e.first >= op.key && (op.value.empty() || e.first < op.value); });
      if (op.kind == orbit::WriteKind::put && op.key.size() < 100) last_[std::string(op.key)] = op.value;
    }
  }
  orbit::Result<> sync() override { return {}; }
  uint64_t size_bytes() override { return uint64_t{1} << 30; }
  orbit::Result<std::unique_ptr<orbit::StorageSnapshot>> create_snapshot() {
    std::lock_guard lock(mutex_);
    return std::make_unique<Snapshot>(state(nullptr));
  }
  orbit::Result<orbit::CachedGet> get_cached(orbit::Bytes key, orbit::ValueSink value) {
    if (fault == Fault::cached_get_is_stale && last_.contains(std::string(key)))
      return value.append(last_[std::string(key)]), orbit::CachedGet::found;
    return get(nullptr, key, value).map([](bool found) { return found ? orbit::CachedGet::found : orbit::CachedGet::absent; });
  }

 private:
  // What a snapshot, or without one the disk, holds; with mutex_ held.
  const Data& state(const orbit::StorageSnapshot* snapshot) const {
    if (snapshot == nullptr || fault == Fault::snapshot_moves) return disk();
    return static_cast<const Snapshot*>(snapshot)->data;
  }
  std::mutex mutex_;
  Data last_;
};

class BrokenStorage final : public orbit::StoragePlugin<BrokenStorage, Engine> {
 public:
  static constexpr orbit::PluginInfo kInfo{.id = "test.storage.broken",
                                           .version = "0.1.0",
                                           .doc = "Fails on purpose.",
                                           .provides = orbit::storage_provides<Engine>()};
  BrokenStorage(orbit::Host, const orbit::Config&) : StoragePlugin(std::make_unique<Engine>()) {}
};

struct Outcome {
  orbit::testkit::ConformanceReport report;
  std::string log;
};

Outcome run(Fault with) {
  disk().clear();
  fault = with;
  const auto file = orbit::testkit::PluginFile::linked(orbit::detail::kDescriptor<BrokenStorage>);
  orbit::testkit::StorageConformance suite;
  suite.open = [&](std::span<const orbit::testkit::Setting> extra) { return file.create(extra); };
  std::ostringstream log;
  const auto report = orbit::testkit::run_storage_conformance(suite, log);
  return {report, log.str()};
}

void must_fail(Fault with, const std::string& in_case) {
  const Outcome outcome = run(with);
  INFO(outcome.log);
  CHECK(outcome.report.failed > 0);
  CHECK(outcome.log.find("FAILED  " + in_case) != std::string::npos);
}

}  // namespace

TEST_CASE("the suite passes a plain engine without a fault") {
  const Outcome outcome = run(Fault::none);
  INFO(outcome.log);
  CHECK(outcome.report.failed == 0);
  CHECK(outcome.report.passed >= 23);
}

TEST_CASE("the suite finds a scan that includes its upper bound") {
  must_fail(Fault::upper_bound_included, "a scan includes its lower and excludes its upper bound");
}
TEST_CASE("the suite finds a scan that ignores reverse") { must_fail(Fault::reverse_ignored, "a scan stops when"); }
TEST_CASE("the suite finds keys that are ordered as signed bytes") {
  must_fail(Fault::signed_order, "keys are ordered as unsigned bytes");
}
TEST_CASE("the suite finds a batch whose last operation is lost") {
  must_fail(Fault::last_operation_lost, "the operations of a batch apply in order");
}
TEST_CASE("the suite finds a write that is gone after a reopen") {
  must_fail(Fault::writes_lost_on_reopen, "what was written is there after a reopen");
}
TEST_CASE("the suite finds a snapshot that moves") { must_fail(Fault::snapshot_moves, "a snapshot stands still"); }
TEST_CASE("the suite finds a stale cached get") { must_fail(Fault::cached_get_is_stale, "a cached get is never wrong"); }
TEST_CASE("the suite finds conditions that are not looked at") { must_fail(Fault::conditions_ignored, "a batch is applied if"); }
TEST_CASE("the suite finds a refused batch that was applied all the same") {
  must_fail(Fault::refused_batch_applied, "a batch is applied if");
}
TEST_CASE("the suite finds a fence that is not remembered") { must_fail(Fault::fence_forgotten, "a fence lets epochs pass"); }
TEST_CASE("the suite finds a fence that lets a lower epoch pass") {
  must_fail(Fault::fence_not_checked, "a fence lets epochs pass");
}
TEST_CASE("what only random operations find is told with the few that show it") {
  const Outcome outcome = run(Fault::lost_among_many);
  INFO(outcome.log);
  CHECK(outcome.report.failed > 0);
  const size_t at = outcome.log.find("shrunk to ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stoi(outcome.log.substr(at + 10)) <= 8);
  CHECK(outcome.log.find("(\"ab\"", at) != std::string::npos);
}
