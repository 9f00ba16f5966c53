// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Merging tables downwards: what to merge, and what to do about tables that cannot be read.
//
// A damaged table stays where it is, and so does what lies above it: newer versions of its keys must not get below it,
// and what they hide in it must not come out. Everything else is merged as ever (DATA_LOSS of a range is no reason to
// refuse others).
#include <algorithm>

#include "compaction.hpp"

namespace orbit::lsm {
namespace {

constexpr uint64_t kErasedMin = 4096;  // walked over by scans before a table is merged for that

std::vector<TablePtr> readable(std::vector<TablePtr> tables) {
  std::erase_if(tables, [](const TablePtr& table) { return table->damaged(); });
  return tables;
}

}  // namespace

uint64_t Engine::level_target(size_t level) const noexcept {
  uint64_t target = options_.level1_bytes;
  for (size_t i = 1; i < level; ++i) target *= options_.level_factor;
  return target;
}

// ---- what to merge -------------------------------------------------------------------------------------------------

std::unique_ptr<Engine::Compaction> Engine::pick_expired(const Version& version) {
  if (options_.ttl_seconds == 0) return nullptr;
  const uint64_t expired = expired_sequence();
  auto out = std::make_unique<Compaction>();
  out->expired = true;
  for (size_t level = 0; level < kLevels; ++level) {
    for (const TablePtr& table : version.levels[level])
      if (table->info.sequence_max <= expired) out->upper.push_back(table);
    out->level = level;
    if (!out->upper.empty()) return out;
  }
  return nullptr;
}

// The tables of a level with all that they meet in the next one.
std::unique_ptr<Engine::Compaction> Engine::merge_below(const Version& version, size_t level,
                                                        std::vector<TablePtr> upper) const {
  auto out = std::make_unique<Compaction>();
  out->level = level;
  out->output = level + 1;
  out->upper = std::move(upper);
  std::string from = out->upper.front()->info.smallest;
  RangeEnd end = out->upper.front()->info.end;
  for (const TablePtr& table : out->upper) {
    from = std::min(from, table->info.smallest);
    if (before(end, table->info.end)) end = table->info.end;
  }
  out->lower = version.overlapping(level + 1, from, end);
  if (!version.any_damaged()) return out;
  // Older ones of level 0 come between: what they may have must not end up below them, nor what is below them above.
  std::vector<KeyRange> between;
  if (level == 0)
    for (auto at = std::find(version.levels[0].begin(), version.levels[0].end(), out->upper.back());
         at != version.levels[0].end(); ++at)
      if ((*at)->damaged()) between.push_back({(*at)->info.smallest, (*at)->info.end});
  std::vector<KeyRange> kept_back = between;
  std::erase_if(out->lower, [&](const TablePtr& table) {
    const bool left_alone = table->damaged() || std::any_of(between.begin(), between.end(), [&](const KeyRange& range) {
                              return range.to.after(table->info.smallest) && table->info.end.after(range.from);
                            });
    if (left_alone) kept_back.push_back({table->info.smallest, table->info.end});
    return left_alone;
  });
  out->kept_back = joined(std::move(kept_back));
  return out;
}

// All tables of level 0 at once; with damaged ones among them the oldest between two of those that there is something
// to do about. Null: there are none.
std::unique_ptr<Engine::Compaction> Engine::pick_level0(const Version& version, bool may_move) {
  const auto& tables = version.levels[0];
  for (size_t end = tables.size(); end > 0;) {
    size_t begin = end;
    bool useful = false;
    for (; begin > 0 && !tables[begin - 1]->damaged(); --begin) useful = useful || !tables[begin - 1]->stuck();
    if (useful) {
      // Keys that were written in order make tables that have nothing in common: these need no merging.
      const auto& info = tables[end - 1]->info;
      if (may_move && version.overlapping(0, info.smallest, info.end).size() == 1 &&
          !version.overlaps(1, info.smallest, info.end))
        return merge_below(version, 0, {tables[end - 1]});
      return merge_below(
          version, 0, {tables.begin() + static_cast<ptrdiff_t>(begin), tables.begin() + static_cast<ptrdiff_t>(end)});
    }
    for (end = begin; end > 0 && tables[end - 1]->damaged(); --end) continue;
  }
  return nullptr;
}

// A table that scans lose time in: its erased entries go where they meet what they erase.
std::unique_ptr<Engine::Compaction> Engine::pick_erased(const Version& version) {
  for (size_t level = 0; level + 1 < kLevels; ++level) {
    const auto& tables = version.levels[level];
    for (size_t i = 0; i < tables.size(); ++i) {
      if (tables[i]->erased() < std::max(kErasedMin, tables[i]->info.entries / 2)) continue;
      tables[i]->forget_erased();
      if (tables[i]->stuck()) continue;
      auto out = level == 0 ? pick_level0(version, false) : merge_below(version, level, {tables[i]});
      out->rewrites = true;
      return out;
    }
  }
  return nullptr;
}

size_t Engine::mergeable_level0(const Version& version) {
  return static_cast<size_t>(std::count_if(version.levels[0].begin(), version.levels[0].end(),
                                           [](const TablePtr& table) { return !table->stuck(); }));
}

std::unique_ptr<Engine::Compaction> Engine::pick(const Version& version) {
  if (auto expired = pick_expired(version)) return expired;
  const auto bytes = [&](size_t level) {
    uint64_t sum = 0;
    for (const TablePtr& table : version.levels[level])
      if (!table->stuck()) sum += table->info.bytes;
    return sum;
  };
  double most = 0;
  size_t level = 0;
  for (size_t i = 0; i + 1 < kLevels; ++i) {
    const double score =
        i == 0 ? static_cast<double>(mergeable_level0(version)) / static_cast<double>(options_.level0_compact)
               : static_cast<double>(bytes(i)) / static_cast<double>(level_target(i));
    if (score > most) {
      most = score;
      level = i;
    }
  }
  if (most < 1) return pick_erased(version);
  if (level == 0) return pick_level0(version, true);
  const auto& tables = version.levels[level];
  const auto first = static_cast<size_t>(
      std::find_if(tables.begin(), tables.end(),
                   [&](const TablePtr& table) { return table->info.smallest > compact_after_[level]; }) -
      tables.begin());
  for (size_t i = 0; i < tables.size(); ++i) {
    const size_t at = (first + i) % tables.size();
    if (tables[at]->stuck()) continue;
    compact_after_[level] = tables[at]->info.smallest;
    return merge_below(version, level, {tables[at]});
  }
  return nullptr;
}

bool Engine::compact_one() {
  const std::lock_guard compacting(compact_lock_);
  const auto state = hold_state();
  const auto picked = pick(*state->version);
  if (!picked) return false;
  run(*picked);
  return true;
}

// ---- merging -------------------------------------------------------------------------------------------------------

Engine::Made Engine::merge(const Compaction& job, const Version& version) {
  std::vector<std::unique_ptr<Cursor>> runs;
  std::vector<ErasedRange> ranges;
  if (job.level == 0) {
    for (const TablePtr& table : job.upper) runs.push_back(table->table->cursor(false));
  } else {
    runs.push_back(std::make_unique<LevelCursor>(job.upper, false));
  }
  if (!job.lower.empty()) runs.push_back(std::make_unique<LevelCursor>(job.lower, false));
  for (const auto* tables : {&job.upper, &job.lower}) {
    for (const TablePtr& table : *tables) {
      const auto more = table->table->ranges().ranges();
      ranges.insert(ranges.end(), more.begin(), more.end());
      counters_.compaction_read_bytes += table->info.bytes;
    }
  }
  MergeCursor at(std::move(runs));
  return write_tables(at, RangeSet(ranges), version, job.output, job.kept_back);
}

// Whether a table of the job is damaged that was not known to be: the job is to be picked anew.
bool Engine::set_damaged_aside(const Compaction& job) {
  bool any = false;
  for (const auto* tables : {&job.upper, &job.lower}) {
    for (const TablePtr& table : *tables) {
      if (table->damaged()) continue;
      const auto read = guarded([&] { table->table->verify(); });
      if (read || read.error().code != Code::data_loss) continue;
      table->set_damaged(true);
      any = true;
      if (options_.on_damage) options_.on_damage(read.error());
    }
  }
  if (any) count_damaged();
  return any;
}

void Engine::run(Compaction& job) {
  const auto state = hold_state();
  const bool moves =
      !job.expired && !job.rewrites && job.upper.size() == 1 && job.lower.empty() && job.kept_back.empty();
  Made made;
  if (moves) {
    made.below = job.upper;
  } else if (!job.expired) {
    try {
      made = merge(job, *state->version);
    } catch (const Failure& failure) {
      if (failure.error.code != Code::data_loss || !set_damaged_aside(job)) throw;
      return;
    }
  }
  for (const TablePtr& table : made.stayed) table->set_kept_back(true);
  install(
      [&](Version& version) {
        const auto gone = [&](const TablePtr& table) {
          return std::find(job.upper.begin(), job.upper.end(), table) != job.upper.end() ||
                 std::find(job.lower.begin(), job.lower.end(), table) != job.lower.end();
        };
        const auto by_key = [](const TablePtr& a, const TablePtr& b) { return a->info.smallest < b->info.smallest; };
        auto& source = version.levels[job.level];
        // In level 0 what stays takes the place of what it was made of.
        const auto place = std::find_if(source.begin(), source.end(), gone) - source.begin();
        std::erase_if(source, gone);
        if (job.expired) return;
        source.insert(source.begin() + place, made.stayed.begin(), made.stayed.end());
        if (job.level > 0) std::sort(source.begin(), source.end(), by_key);
        auto& output = version.levels[job.output];
        std::erase_if(output, gone);
        output.insert(output.end(), made.below.begin(), made.below.end());
        std::sort(output.begin(), output.end(), by_key);
      },
      nullptr);
  if (moves) {
    counters_.tables_moved += 1;
    return;
  }
  for (const auto* tables : {&job.upper, &job.lower})
    for (const TablePtr& table : *tables) table->make_obsolete();
  if (job.expired) {
    count_damaged();
    counters_.tables_expired += job.upper.size();
    return;
  }
  counters_.compaction_bytes += made.bytes();
  counters_.compactions += 1;
}

// ---- asked for -----------------------------------------------------------------------------------------------------

Result<> Engine::merge_due() {
  return guarded([&] {
    while (flush_one()) {
    }
    while (compact_one()) {
    }
  });
}

Result<> Engine::compact() {
  if (auto flushed = flush(); !flushed) return flushed;
  return guarded([&] {
    const std::lock_guard compacting(compact_lock_);
    // Again where damage was met, which the next job knows of.
    for (size_t level = 0; level + 1 < kLevels;) {
      const uint64_t known = damaged_tables_;
      const auto state = hold_state();
      const Version& version = *state->version;
      bool deeper = false;
      for (size_t below = level + 1; below < kLevels; ++below) deeper = deeper || !version.levels[below].empty();
      std::unique_ptr<Compaction> job;
      if (level == 0) {
        job = pick_level0(version, false);
      } else if (auto upper = readable(version.levels[level]); deeper && !upper.empty()) {
        job = merge_below(version, level, std::move(upper));
        job->lower = readable(version.levels[level + 1]);
      }
      if (job) run(*job);
      if (damaged_tables_ == known && (level > 0 || !job)) ++level;
    }
    const auto state = hold_state();
    for (const auto& level : state->version->levels)
      for (const TablePtr& table : level)
        if (table->damaged())
          raise(Code::data_loss, "all was merged but what is above damaged tables, as " + table->path() +
                                     " is one; verify names the place");
  });
}

// Damage that was met is forgotten: compactions find out anew what can be read.
void Engine::forget_damage() {
  const auto state = hold_state();
  for (const auto& level : state->version->levels)
    for (const TablePtr& table : level) table->set_damaged(false), table->set_kept_back(false);
  count_damaged();
}

void Engine::count_damaged() {
  const std::lock_guard lock(state_lock_);
  const Version& version = *state_.load()->version;
  uint64_t damaged = 0;
  for (const auto& level : version.levels)
    damaged += static_cast<uint64_t>(
        std::count_if(level.begin(), level.end(), [](const TablePtr& table) { return table->damaged(); }));
  damaged_tables_ = damaged;
  level0_tables_ = mergeable_level0(version);
}

Result<> Engine::verify() {
  const auto state = hold_state();
  Result<> first;
  for (const auto& level : state->version->levels)
    for (const TablePtr& table : level)
      if (auto read = guarded([&] { table->table->verify(); }); !read && first) first = std::move(read);
  if (first && damaged_tables_ > 0) forget_damage();
  return first;
}

}  // namespace orbit::lsm
