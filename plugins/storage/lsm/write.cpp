// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Writing: groups, the log, and holding writers up.
#include <algorithm>
#include <array>
#include <cmath>

#include "waiting.hpp"

namespace orbit::lsm {
namespace {

constexpr size_t kGroupBytesMax = 1 << 20;
constexpr size_t kReusableLogsMax = 1;
constexpr auto kGatherMax = std::chrono::milliseconds(1);

}  // namespace

Result<> Engine::check_batch(WriteOps ops, size_t& bytes) {
  bytes = 0;
  for (size_t i = 0; i < ops.size(); ++i) {
    const WriteOp op = ops[i];
    if (op.key.size() > kKeyBytesMax)
      return fail(Code::invalid_argument, "operation " + std::to_string(i) + " of the batch has a key of " +
                                              std::to_string(op.key.size()) + " bytes; at most " +
                                              std::to_string(kKeyBytesMax) + " are possible");
    bytes += op.key.size() + op.value.size() + 12;
  }
  if (bytes > kLogPayloadBytesMax - 64)
    return fail(Code::invalid_argument, "the batch has " + std::to_string(bytes) + " bytes; at most " +
                                            std::to_string(kLogPayloadBytesMax - 64) + " are possible");
  return {};
}

Result<> Engine::write(WriteOps ops, bool sync) {
  Waiting mine;
  if (auto good = check_batch(ops, mine.bytes); !good) return good;
  mine.ops = &ops;
  mine.sync = sync;
  return queue(mine);
}

// A group of its own: what the conditions see is what the batch changes.
Result<FencedOutcome> Engine::write_if(Conditions conditions, WriteOps ops, bool sync) {
  const std::vector<orbit_write_op> all = with_fences(conditions, ops);
  const WriteOps batch(all.data(), all.size());
  Waiting mine;
  if (auto good = check_batch(batch, mine.bytes); !good) return tl::unexpected<Error>(std::move(good.error()));
  mine.ops = &batch;
  mine.sync = sync;
  const Turn turn(*this);
  Result<FencedOutcome> outcome = check_conditions(*this, conditions);
  if (!outcome || outcome->failed) return outcome;
  Waiting* const group = &mine;
  if (auto written = guarded([&] { commit({&group, 1}); }); !written)
    return tl::unexpected<Error>(std::move(written.error()));
  return outcome;
}

Result<> Engine::sync() {
  Waiting mine;
  mine.sync = true;
  return queue(mine);
}

Result<> Engine::queue(Waiting& mine) {
  std::unique_lock lock(queue_lock_);
  queue_.push_back(&mine);
  if (gathering_ && queue_.size() >= expected_) queue_.front()->changed.notify_one();
  while (!mine.done && queue_.front() != &mine) mine.changed.wait(lock);
  if (mine.done) return std::move(mine.result);
  if (mine.sync) gather(lock, mine);
  std::array<Waiting*, 256> group;
  size_t count = 0;
  size_t bytes = 0;
  for (Waiting* one : queue_) {
    if (one->alone || count == group.size() || (count > 0 && bytes + one->bytes > kGroupBytesMax)) break;
    bytes += one->bytes;
    group[count++] = one;
  }
  lock.unlock();
  const auto began = mine.sync ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
  Result<> result = guarded([&] { commit({group.data(), count}); });
  if (mine.sync)
    gather_at_most_ = std::min<std::chrono::nanoseconds>((std::chrono::steady_clock::now() - began) / 8, kGatherMax);
  lock.lock();
  expected_ = queue_.size();
  for (size_t i = 0; i < count; ++i) {
    queue_.pop_front();
    if (group[i] == &mine) continue;
    group[i]->result = result;
    group[i]->done = true;
    group[i]->changed.notify_one();
  }
  if (!queue_.empty()) queue_.front()->changed.notify_one();
  return result;
}

// Writers of the last group come back a moment after it, when the next one has begun: two groups that take turns, each
// with a sync of its own. So whoever is first waits for them, for a small part of what a sync takes.
void Engine::gather(std::unique_lock<std::mutex>& lock, Waiting& mine) {
  if (queue_.size() >= expected_) return;
  gathering_ = true;
  mine.changed.wait_for(lock, gather_at_most_, [&] { return queue_.size() >= expected_; });
  gathering_ = false;
}

void Engine::refuse_if_stopped() {
  if (!stopped_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(stop_lock_);
  throw Failure{stop_reason_};
}

void Engine::stop(const Error& reason) {
  const std::lock_guard lock(stop_lock_);
  if (stopped_) return;
  stop_reason_ = {reason.code, "the engine only reads since an error, until it can recover: " + reason.message};
  stopped_.store(true, std::memory_order_release);
}

void Engine::commit(std::span<Waiting* const> group) {
  refuse_if_stopped();
  size_t bytes = 0;
  bool sync = false;
  operations_.clear();
  uint64_t count = 0;
  for (const Waiting* one : group) {
    bytes += one->bytes;
    sync = sync || one->sync;
  }
  if (bytes > 0) make_room(bytes);
  for (const Waiting* one : group) {
    if (one->ops == nullptr) continue;
    for (size_t i = 0; i < one->ops->size(); ++i, ++count) {
      const WriteOp op = (*one->ops)[i];
      put_operation(operations_,
                    op.kind == WriteKind::put     ? Kind::put
                    : op.kind == WriteKind::erase ? Kind::erase
                                                  : Kind::erase_range,
                    op.key, op.value);
    }
  }
  const uint64_t sequence = last_sequence_.load(std::memory_order_relaxed) + 1;
  try {
    if (count > 0) {
      log_->append(sequence, synced_, operations_, sync);
      counters_.log_bytes.fetch_add(operations_.size() + 24, std::memory_order_relaxed);
    }
    if (sync) sync_logs();
    if (count > 0) add_to_memtable(group, sequence);
  } catch (const Failure& failure) {
    stop(failure.error);
    throw;
  } catch (const std::bad_alloc&) {
    stop({Code::resource_exhausted, "out of memory"});
    raise(Code::resource_exhausted, "out of memory");
  }
  last_sequence_.store(sequence + count - 1, std::memory_order_release);
  if (options_.ttl_seconds > 0) sample_time();
  counters_.groups.fetch_add(1, std::memory_order_relaxed);
  counters_.batches.fetch_add(group.size(), std::memory_order_relaxed);
  // A writer that has operations_ grown to a huge batch does not keep that memory.
  if (operations_.capacity() > 4 * kGroupBytesMax) std::string().swap(operations_);
}

void Engine::add_to_memtable(std::span<Waiting* const> group, uint64_t sequence) {
  Memtable& memtable = *memtable_;
  ranges_.clear();
  std::array<Memtable::Addition, LeafList::kTogether> additions;
  size_t count = 0;
  for (const Waiting* one : group) {
    if (one->ops == nullptr) continue;
    for (size_t i = 0; i < one->ops->size(); ++i, ++sequence) {
      const WriteOp op = (*one->ops)[i];
      if (op.kind == WriteKind::erase_range) {
        ranges_.push_back({std::string(op.key), {std::string(op.value), op.value.empty()}, sequence});
        continue;
      }
      const bool put = op.kind == WriteKind::put;
      additions[count++] = {op.key, tag_of(sequence, put ? Kind::put : Kind::erase), put ? op.value : Bytes()};
      if (count == additions.size()) memtable.add(additions), count = 0;
    }
  }
  memtable.add({additions.data(), count});
  if (!ranges_.empty()) memtable.add_ranges(ranges_);
}

// The logs before go first: a record never counts as synced while one before it does not.
void Engine::sync_logs() {
  std::vector<std::shared_ptr<LogWriter>> logs;
  {
    const std::lock_guard lock(logs_lock_);
    logs.assign(old_logs_.begin(), old_logs_.end());
  }
  for (const auto& log : logs) log->sync();
  log_->sync();
  counters_.log_syncs.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(logs_lock_);
  synced_ = log_->end();
}

// ---- room ----------------------------------------------------------------------------------------------------------

void Engine::make_room(size_t bytes) {
  if (!options_.background) {
    if (memtable_->bytes() < options_.write_buffer_bytes) return;
    rotate();
    guarded([&] {
      flush_one();
      while (compact_one()) {
      }
    }).map_error([&](const Error& error) { stop(error); });
    return refuse_if_stopped();
  }
  const double filled = static_cast<double>(memtable_->bytes()) / static_cast<double>(options_.write_buffer_bytes);
  const size_t tables = level0_tables_.load(std::memory_order_relaxed);
  double pressure = 0;
  if (tables > options_.level0_slow)
    pressure = static_cast<double>(tables - options_.level0_slow) /
               static_cast<double>(options_.level0_stop - options_.level0_slow);
  // The last memtable that there may be fills while the others wait for the disk.
  if (full_memtables_.load(std::memory_order_relaxed) + 1 >= options_.write_buffers_max)
    pressure = std::max(pressure, filled);
  if (pressure > 0) slow_down(bytes, std::min(pressure, 1.0));
  if (filled < 1) return;
  {
    std::unique_lock lock(state_lock_);
    const auto began = std::chrono::steady_clock::now();
    bool waited = false;
    const auto has_room = [&] {
      return stopped_ || (full_memtables_ + 1 < options_.write_buffers_max && level0_tables_ < options_.level0_stop);
    };
    while (!has_room()) {
      waited = true;
      state_changed_.wait_for(lock, std::chrono::milliseconds(100));
    }
    if (waited)
      counters_.stopped_microseconds += static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began).count());
  }
  refuse_if_stopped();
  rotate();
}

// From no limit at no pressure to 2 MB/s at full pressure, evenly on a logarithmic scale from 256 MB/s on: writers slow
// to what the disk takes before they would have to stop.
void Engine::slow_down(size_t bytes, double pressure) {
  const double bytes_per_second = 256e6 * std::pow(2.0 / 256.0, pressure);
  const auto now = std::chrono::steady_clock::now();
  slow_until_ = std::max(slow_until_, now) +
                std::chrono::nanoseconds(static_cast<int64_t>(1e9 * static_cast<double>(bytes) / bytes_per_second));
  const auto wait = slow_until_ - now;
  if (wait < std::chrono::milliseconds(1)) return;
  std::unique_lock lock(state_lock_);
  const State* const before = state_.load();
  state_changed_.wait_for(lock, std::min<std::chrono::nanoseconds>(wait, std::chrono::milliseconds(100)),
                          [&] { return stopped_ || state_.load() != before; });
  slow_until_ = std::min(slow_until_, std::chrono::steady_clock::now());
  counters_.slowed_microseconds += static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - now).count());
}

std::shared_ptr<LogWriter> Engine::new_log() {
  const uint64_t number = next_file_.fetch_add(1);
  const std::string path = log_path(options_.path, number);
  std::string old;
  {
    const std::lock_guard lock(logs_lock_);
    if (!reusable_logs_.empty()) {
      old = std::move(reusable_logs_.back());
      reusable_logs_.pop_back();
    }
  }
  if (!old.empty()) must(files_.rename(old, path));
  auto file = must(files_.open(path, old.empty() ? OpenMode::exclusive : OpenMode::existing));
  must(files_.sync_directory(options_.path));
  return std::make_shared<LogWriter>(std::move(file), number, log_->end(), new_file_seal());
}

// A new log and a new memtable.
void Engine::rotate() {
  auto log = new_log();
  auto memtable = std::make_shared<Memtable>(log->number(), memtable_->common_prefix());
  {
    const std::lock_guard lock(logs_lock_);
    old_logs_.push_back(std::exchange(log_, std::move(log)));
  }
  {
    const std::lock_guard lock(state_lock_);
    const State& state = *state_.load();
    auto* const next = new State;
    next->memtable = memtable_ = std::move(memtable);
    next->full = state.full;
    next->full.insert(next->full.begin(), state.memtable);
    next->version = state.version;
    set_state(next);
  }
  state_changed_.notify_all();
}

void Engine::drop_logs_before(uint64_t number) {
  std::vector<std::string> remove;
  {
    const std::lock_guard lock(logs_lock_);
    for (; !old_logs_.empty() && old_logs_.front()->number() < number; old_logs_.pop_front()) {
      const LogWriter& log = *old_logs_.front();
      std::string path = log_path(options_.path, log.number());
      const bool reuse = !log.failed() && reusable_logs_.size() < kReusableLogsMax &&
                         log.end().offset <= 2 * options_.write_buffer_bytes;
      (reuse ? reusable_logs_ : remove).push_back(std::move(path));
    }
  }
  // What cannot be removed now is removed when the engine is opened next.
  for (const std::string& path : remove) (void)files_.remove(path);
}

// ---- after an error ------------------------------------------------------------------------------------------------

// What is in memory goes to tables, so that logs in which a write or a sync failed count no more.
Result<> Engine::recover() {
  const Turn turn(*this);
  return guarded([&] {
    if (!stopped_) return;
    if (log_->failed() || !memtable_->empty()) rotate();
    while (flush_one()) {
    }
    forget_damage();
    {
      const std::lock_guard lock(stop_lock_);
      stopped_.store(false, std::memory_order_release);
    }
    state_changed_.notify_all();
  });
}

Result<> Engine::flush() {
  return guarded([&] {
    {
      const Turn turn(*this);
      refuse_if_stopped();
      if (!memtable_->empty()) rotate();
    }
    while (flush_one()) {
    }
  });
}

}  // namespace orbit::lsm
