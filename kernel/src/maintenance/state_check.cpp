// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/state_check.hpp"

#include <utility>

#include "actor/names.hpp"
#include "state/record_format.hpp"
#include "state/transfer.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kReportEvery = 4096;

std::string shown(const DecodedKey& key) {
  return std::string(kind_name(key.kind)) + " of " + (key.type.empty() ? "no type" : actor_name(key.type, key.key));
}

// Holds the reader to the pace, a piece at a time.
class Reading {
 public:
  explicit Reading(const CheckOptions& options) : options_(options) {}
  bool goes_on(uint64_t bytes) {
    constexpr uint64_t kPieceBytes = 64 << 10;
    if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) return false;
    if (options_.pace == nullptr || (piece_ += bytes) < kPieceBytes) return true;
    options_.pace->wait(std::exchange(piece_, 0), options_.stop);
    return true;
  }

 private:
  const CheckOptions& options_;
  uint64_t piece_ = 0;
};

class Checker {
 public:
  Checker(const Engine& engine, const Report& report, const CheckOptions& options)
      : engine_(engine), report_(report), options_(options), reading_(options_) {}

  StateCheck run() {
    // One scan for each kind of key: a range that cannot be read leaves the others to be read.
    std::string from;
    for (const char space : {kMainSpace, kIndexSpace, kMetaSpace, kSubSpace, kDueSpace}) {
      scan(from, std::string(1, space));
      from.assign(1, static_cast<char>(space + 1));
      scan(std::string(1, space), from);
    }
    scan(from, {});
    if (options_.compare_counts) check_counts();
    out_.counts_compared = options_.compare_counts;
    out_.stats.engine_bytes = engine_.table->size_bytes(engine_.self);
    return std::move(out_);
  }

 private:
  void damage(std::string what) {
    ++out_.damaged;
    if (out_.damages.size() < StateCheck::kDamagesMax) out_.damages.push_back(std::move(what));
  }

  void scan(const std::string& from, const std::string& to) {
    if (!to.empty() && from >= to) return;
    before_.clear();
    ErrorOut error;
    const orbit_code code = engine_.table->scan(
        engine_.self, options_.snapshot, to_c(from), to_c(to), 0,
        [](void* self, orbit_bytes key, orbit_bytes value) -> int {
          auto& its = *static_cast<Checker*>(self);
          its.entry(from_c(key), from_c(value));
          return its.reading_.goes_on(key.size + value.size) ? 1 : 0;
        },
        this, &error);
    if (code == ORBIT_OK) return;
    damage("after " + (before_.empty() ? "the beginning of the keys with '" + shown_key(from) + "'" : "key " + shown_key(before_)) +
           ": " + error.take(code).message);
  }

  void entry(std::string_view key, std::string_view value) {
    if (!before_.empty() && key <= before_) damage("key " + shown_key(key) + " comes after " + shown_key(before_));
    before_ = key;
    if (++progress_.entries % kReportEvery == 0) report_(progress_);
    progress_.bytes += key.size() + value.size();
    auto decoded = decode_key(key);
    const DecodedKey what = decoded ? *decoded : DecodedKey{};
    Amount& amount = out_.stats.types[std::string(what.type)][static_cast<size_t>(what.kind)];
    ++amount.keys;
    amount.bytes += key.size() + value.size();
    if (!decoded) return damage("key " + shown_key(key) + ": " + decoded.error().message);
    switch (what.kind) {
      case KeyKind::main:
        if (auto header = take_main_header(value); !header) damage(shown(what) + ": " + header.error().message);
        break;
      case KeyKind::sub:
        check_owner(key, what);
        break;
      case KeyKind::due:
      case KeyKind::index:
        if (!value.empty()) damage(shown(what) + ": expected no value, found " + std::to_string(value.size()) + " bytes");
        break;
      case KeyKind::count: {
        auto count = take_u64_be(value);
        if (!count || !value.empty())
          damage(shown(what) + ": expected a number of 8 bytes");
        else
          counts_[std::string(what.type)] = *count;
        break;
      }
      default:
        break;
    }
  }

  // All sub-records of an actor lie together.
  void check_owner(std::string_view key, const DecodedKey& what) {
    std::string main(1, kMainSpace);
    main.append(key.substr(1, key.size() - 1 - what.rest.size()));
    if (main == owner_) {
      out_.orphans += owner_missing_;
      return;
    }
    owner_ = std::move(main);
    std::string ignored;
    ErrorOut error;
    const orbit_sink sink{&ignored, [](void*, orbit_bytes) {}};
    owner_missing_ = engine_.table->get(engine_.self, options_.snapshot, to_c(owner_), sink, &error) == ORBIT_NOT_FOUND;
    out_.orphans += owner_missing_;
  }

  void check_counts() {
    for (const auto& [type, count] : counts_) {
      const auto found = out_.stats.types.find(type);
      const uint64_t there =
          found == out_.stats.types.end() ? 0 : found->second[static_cast<size_t>(KeyKind::main)].keys;
      if (there != count)
        damage("count of " + type + ": it says " + std::to_string(count) + " actors, found " + std::to_string(there));
    }
  }

  const Engine& engine_;
  const Report& report_;
  const CheckOptions options_;
  Reading reading_;
  StateCheck out_;
  Progress progress_{"checking"};
  std::string before_;
  std::string owner_;
  bool owner_missing_ = false;
  std::map<std::string, uint64_t> counts_;
};

struct Counting {
  const Report& report;
  Reading reading;
  StateStats stats;
  Progress progress{"reading"};
};

}  // namespace

StateCheck check_state(const Engine& engine, const Report& report, CheckOptions options) {
  return Checker(engine, report, options).run();
}

Result<StateStats> state_stats(const Engine& engine, const Report& report, CheckOptions options) {
  Counting counting{report, Reading(options), {}};
  ErrorOut error;
  const orbit_code code = engine.table->scan(
      engine.self, options.snapshot, {"", 0}, {"", 0}, 0,
      [](void* ctx, orbit_bytes key, orbit_bytes value) -> int {
        auto& its = *static_cast<Counting*>(ctx);
        const auto decoded = decode_key(from_c(key));
        const DecodedKey what = decoded ? *decoded : DecodedKey{};
        Amount& amount = its.stats.types[std::string(what.type)][static_cast<size_t>(what.kind)];
        ++amount.keys;
        amount.bytes += key.size + value.size;
        its.progress.bytes += key.size + value.size;
        if (++its.progress.entries % kReportEvery == 0) its.report(its.progress);
        return its.reading.goes_on(key.size + value.size) ? 1 : 0;
      },
      &counting, &error);
  if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
  if (options.stop != nullptr && options.stop->load()) return fail(Code::cancelled, "the counting was given up");
  counting.stats.engine_bytes = engine.table->size_bytes(engine.self);
  return std::move(counting.stats);
}

}  // namespace orbit::kernel
