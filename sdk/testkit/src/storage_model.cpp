// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/testkit/storage_model.hpp>

#include <algorithm>

#include "storage_random.hpp"

namespace orbit::testkit {

namespace {

struct Step {
  enum class Kind { write, write_sync, get, multi_get, scan, snapshot, release, reopen, power_cut, upkeep };
  Kind kind;
  uint64_t seed;  // everything else about it
};

std::string name_of(const Step& step) {
  static constexpr const char* kNames[] = {"write", "write and sync", "get", "multi-get", "scan", "snapshot", "release a snapshot", "reopen", "power cut", "upkeep"};
  return std::string(kNames[static_cast<size_t>(step.kind)]) + "(" + std::to_string(step.seed) + ")";
}

std::vector<Step> random_steps(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::vector<Step> out;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t kind = random() % 200;
    const auto pick = [&] {
      if (kind < 90) return Step::Kind::write;
      if (kind < 110) return Step::Kind::write_sync;
      if (kind < 140) return Step::Kind::get;
      if (kind < 155) return Step::Kind::multi_get;
      if (kind < 175) return Step::Kind::scan;
      if (kind < 183) return Step::Kind::snapshot;
      if (kind < 190) return Step::Kind::release;
      if (kind < 193) return Step::Kind::reopen;
      if (kind < 196) return Step::Kind::power_cut;
      return Step::Kind::upkeep;
    };
    out.push_back({pick(), random()});
  }
  return out;
}

class Run {
 public:
  explicit Run(const StorageSubject& subject) : subject_(subject), files_(std::make_unique<FaultyFiles>()) {}

  // What differed; empty: nothing.
  std::string all(const std::vector<Step>& steps) {
    if (std::string wrong = open(); !wrong.empty()) return wrong;
    for (const Step& step : steps)
      if (std::string wrong = one(step); !wrong.empty()) return name_of(step) + ": " + wrong;
    return {};
  }

 private:
  struct Held {
    std::unique_ptr<StorageSnapshot> snapshot;
    StorageMap map;
  };

  std::string open() {
    auto engine = subject_.open(*files_);
    if (!engine) return "cannot be opened: " + engine.error().message;
    engine_ = std::move(*engine);
    return {};
  }
  std::string compare(const StorageSnapshot* snapshot, const StorageMap& expected) {
    const auto found = content_of(*engine_, snapshot);
    if (!found) return found.error().message;
    return *found == expected ? "" : first_difference(*found, expected);
  }

  std::string one(const Step& step) {
    std::mt19937_64 random(step.seed);
    const Held* held = held_.empty() || random() % 3 != 0 ? nullptr : &held_[random() % held_.size()];
    const StorageSnapshot* snapshot = held == nullptr ? nullptr : held->snapshot.get();
    const StorageMap& map = held == nullptr ? map_ : held->map;
    switch (step.kind) {
      case Step::Kind::write:
      case Step::Kind::write_sync: {
        const std::vector<RandomWrite> batch = random_batch(random);
        const bool sync = step.kind == Step::Kind::write_sync;
        if (Result<> written = write_to(*engine_, batch, sync); !written) return written.error().message;
        apply_to(map_, batch);
        if (sync) since_sync_.clear();
        since_sync_.push_back(map_);
        return {};
      }
      case Step::Kind::get: {
        const std::string key = random_key(random);
        std::string value;
        const auto found = engine_->get(snapshot, key, sink(value));
        if (!found) return found.error().message;
        const auto at = map.find(key);
        if (*found != (at != map.end())) return "the key " + key + (*found ? " was found" : " was not found");
        return *found && value != at->second ? "the key " + key + " has another value" : "";
      }
      case Step::Kind::multi_get: {
        std::vector<std::string> names;
        for (uint64_t n = random() % 80; n > 0; --n) names.push_back(random_key(random));
        std::vector<orbit_bytes> keys;
        for (const auto& name : names) keys.push_back(to_c(Bytes(name)));
        std::string wrong;
        size_t visits = 0;
        const Result<> done = engine_->multi_get(snapshot, KeyList(keys.data(), keys.size()), [&](size_t i, bool found, Bytes value) {
          ++visits;
          const auto at = map.find(names[i]);
          if (found != (at != map.end()) || (found && value != at->second)) wrong = "the key " + names[i] + " differs";
        });
        if (!done) return done.error().message;
        return visits != names.size() ? "not every key was visited" : wrong;
      }
      case Step::Kind::scan: {
        std::string from = random() % 4 == 0 ? "" : random_key(random);
        const std::string to = random() % 4 == 0 ? "" : random_key(random);
        const bool reverse = random() % 2 == 0;
        const size_t most = random() % 2 == 0 ? SIZE_MAX : random() % 50;
        std::vector<std::pair<std::string, std::string>> found;
        const Result<> done = engine_->scan(snapshot, from, to, reverse, [&](Bytes key, Bytes value) {
          found.emplace_back(key, value);
          return found.size() < most;
        });
        if (!done) return done.error().message;
        std::vector<std::pair<std::string, std::string>> expected;
        if (to.empty() || from < to) expected.assign(map.lower_bound(from), to.empty() ? map.end() : map.lower_bound(to));
        if (reverse) std::reverse(expected.begin(), expected.end());
        if (expected.size() > std::max<size_t>(most, 1)) expected.resize(std::max<size_t>(most, 1));
        return found == expected ? "" : "gave " + std::to_string(found.size()) + " entries, expected " + std::to_string(expected.size()) + ", or others";
      }
      case Step::Kind::snapshot: {
        if (!subject_.snapshot || held_.size() >= 4) return {};
        auto made = subject_.snapshot(*engine_);
        if (!made) return made.error().message;
        held_.push_back({std::move(*made), map_});
        return {};
      }
      case Step::Kind::release: {
        if (held_.empty()) return {};
        const size_t which = random() % held_.size();
        if (std::string wrong = compare(held_[which].snapshot.get(), held_[which].map); !wrong.empty()) return "a snapshot changed: " + wrong;
        held_.erase(held_.begin() + static_cast<ptrdiff_t>(which));
        return {};
      }
      case Step::Kind::reopen: {
        held_.clear();
        engine_.reset();
        if (std::string wrong = open(); !wrong.empty()) return wrong;
        since_sync_ = {map_};
        return compare(nullptr, map_);
      }
      case Step::Kind::power_cut: return power_cut(random);
      case Step::Kind::upkeep: {
        if (subject_.upkeep.empty()) return {};
        const auto& upkeep = subject_.upkeep[random() % subject_.upkeep.size()];
        if (Result<> done = upkeep.run(*engine_); !done) return upkeep.name + ": " + done.error().message;
        return compare(nullptr, map_);
      }
    }
    return "an unknown step";
  }

  std::string power_cut(std::mt19937_64& random) {
    held_.clear();
    CrashWalk walk(*files_);
    while (walk.step()) {
    }
    auto left = walk.crash(kLosses[random() % std::size(kLosses)], random);
    engine_.reset();
    files_ = std::move(left);
    if (std::string wrong = open(); !wrong.empty()) return wrong;
    const auto found = content_of(*engine_);
    if (!found) return found.error().message;
    for (auto& state : since_sync_) {
      if (*found != state) continue;
      map_ = *found;
      // It stays so: a second cut must not take more.
      const Result<> synced = engine_->sync();
      if (!synced) return synced.error().message;
      since_sync_ = {map_};
      return {};
    }
    return "the state is that after no batch since the last sync; compared with the last one: " + first_difference(*found, since_sync_.back());
  }

  static ValueSink sink(std::string& out) {
    return ValueSink({&out, [](void* into, orbit_bytes part) { static_cast<std::string*>(into)->append(from_c(part)); }});
  }

  const StorageSubject& subject_;
  std::unique_ptr<FaultyFiles> files_;
  std::unique_ptr<Storage> engine_;
  std::vector<Held> held_;
  StorageMap map_;
  std::vector<StorageMap> since_sync_{StorageMap()};
};

}  // namespace

std::string check_against_model(const StorageSubject& subject, uint64_t seed, size_t operations) {
  std::vector<Step> steps = random_steps(seed, operations);
  const auto fails = [&](const std::vector<Step>& list) { return Run(subject).all(list); };
  std::string wrong = fails(steps);
  if (wrong.empty()) return {};
  // Leaves out what is not needed to fail, in ever smaller parts.
  constexpr size_t kTriesMax = 400;
  size_t tries = 0;
  for (size_t part = steps.size() / 2; part > 0 && tries < kTriesMax; part /= 2) {
    for (size_t begin = 0; begin < steps.size() && tries < kTriesMax;) {
      std::vector<Step> fewer = steps;
      fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(begin),
                  fewer.begin() + static_cast<ptrdiff_t>(std::min(begin + part, fewer.size())));
      ++tries;
      if (std::string still = fails(fewer); !still.empty()) {
        steps = std::move(fewer);
        wrong = std::move(still);
      } else {
        begin += part;
      }
    }
  }
  std::string out = "seed " + std::to_string(seed) + ": " + wrong + "; after " + std::to_string(steps.size()) + " steps:";
  for (const Step& step : steps) out += " " + name_of(step);
  return out;
}

}  // namespace orbit::testkit
