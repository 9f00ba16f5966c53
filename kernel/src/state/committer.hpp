// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Group commit. Workers submit write batches; one runner at a time on the I/O pool joins whatever waits into one engine write,
// in order of submission, syncs when any of them asks, and hands the outcome back to the workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <iterator>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "executor/executor.hpp"
#include "observe/log.hpp"
#include "observe/metrics.hpp"
#include "orbit/result.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

// One atomic batch of storage operations with their bytes. Reused: clear() keeps the memory.
class WriteBatch {
 public:
  void put(std::string_view key, std::string_view value) { add(ORBIT_WRITE_PUT, key, value); }
  void remove(std::string_view key) { add(ORBIT_WRITE_DELETE, key, {}); }
  void remove_range(std::string_view from, std::string_view to) { add(ORBIT_WRITE_DELETE_RANGE, from, to); }
  // The batch makes so many more (or fewer) actors of that type exist; `type` lives as long as the process.
  void count(const std::string* type, int64_t difference);
  // The batch removes all actors of that type.
  void count_none(const std::string* type) { counts_.push_back({type, 0, true}); }
  // Claims on unique index values that end when this batch is stored or refused.
  void hold_claims(std::vector<std::string> claims) {
    claims_.insert(claims_.end(), std::make_move_iterator(claims.begin()), std::make_move_iterator(claims.end()));
  }
  const std::vector<std::string>& claims() const noexcept { return claims_; }
  bool empty() const noexcept { return ops_.empty(); }
  size_t count() const noexcept { return ops_.size(); }
  size_t bytes() const noexcept { return data_.size(); }
  void clear() noexcept {
    data_.clear();
    ops_.clear();
    counts_.clear();
    earliest_due_ms_ = kNoDue;
    claims_.clear();
  }
  // The batch adds something to the index of what is due when; remembered is the earliest.
  static constexpr uint64_t kNoDue = UINT64_MAX;
  void note_due(uint64_t at_ms) noexcept { earliest_due_ms_ = at_ms < earliest_due_ms_ ? at_ms : earliest_due_ms_; }
  uint64_t earliest_due_ms() const noexcept { return earliest_due_ms_; }
  // Appends this batch's operations to a list for the engine; valid while the batch is unchanged.
  void append_to(std::vector<orbit_write_op>& out) const;
  struct CountChange {
    const std::string* type;
    int64_t difference;
    bool none;  // zero from here on
  };
  const std::vector<CountChange>& counts() const noexcept { return counts_; }

 private:
  struct Op {
    uint32_t kind;
    uint32_t key_size;
    size_t offset;
    size_t value_size;
  };
  void add(uint32_t kind, std::string_view key, std::string_view value);
  std::string data_;
  std::vector<Op> ops_;
  std::vector<CountChange> counts_;
  uint64_t earliest_due_ms_ = kNoDue;
  std::vector<std::string> claims_;
};

// A batch on its way. Owned by the submitting worker; in the committer's hands between submit and `done`.
struct Submission {
  WriteBatch batch;
  bool sync = false;       // must survive a power cut before done
  bool keep_trying = false; // its turns were acknowledged already: on failure retry until it succeeds, never drop
  uint32_t worker = 0;
  uint64_t seq = 0;        // the submitter's own number
  uint64_t failures_seen = 0;  // how many of its worker's submissions had come back failed when this one was submitted
  orbit_code code = ORBIT_OK;
  std::string message;
  void* owner = nullptr;
  void (*done)(Submission*) noexcept = nullptr;  // on `worker`
  Job job;                 // carries it back
};

// Hears of what was written, batch by batch, while a migration is on its way.
class CommitMirror {
 public:
  virtual ~CommitMirror() = default;
  // The engine has these operations. No other commit runs meanwhile. [io]
  virtual void committed(const std::vector<orbit_write_op>& ops) noexcept = 0;
};

class Committer {
 public:
  // The engine behind `engine`, and the logger (may be null), must outlive the committer.
  Committer(Executor& executor, Engine engine, Logger* logger = nullptr);
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Queues a submission. Its `done` runs on its worker later, in order of submission per worker, except that a failed batch
  // that does not keep_trying is answered before batches that do. [worker]
  void submit(Submission* submission) noexcept;
  // Starts the runner again if the I/O pool was full before. Called by workers at the end of a round. [worker]
  void nudge() noexcept;

  // False while the engine refuses writes; `reason` then says why. [any thread]
  bool writable() const noexcept { return !failing_.load(std::memory_order_acquire); }
  std::string reason() const;

  // How many actors of the type are stored; from memory, or, the first time, from storage. [io]
  Result<uint64_t> count(const std::string& type);

  // Where to read. One reading uses one reference throughout. [any thread]
  const Engine& engine() const noexcept { return *engine_.load(std::memory_order_acquire); }

  // ---- migrations -------------------------------------------------------------------------------------------------------
  // Calls function while no commit is being written. [a thread that may block]
  template <class Function>
  auto between_commits(Function&& function) {
    const auto lock = lock_writing();
    return function();
  }
  // Inside between_commits only. Null: nobody.
  void set_mirror(CommitMirror* mirror) noexcept { mirror_ = mirror; }
  // From here on that engine is read and written; it holds what the other one does. The other one stays open: readers may
  // still use it.
  void switch_to(Engine engine);
  // The next batch that is written removes this key first; until then nothing is acknowledged.
  void remove_first(std::string key) { remove_first_ = std::move(key); }
  // Removes it at once, if there is one.
  Result<> remove_now();

  struct Counters {
    std::atomic<uint64_t> commits{0}, syncs{0}, batches{0}, operations{0}, bytes{0}, failures{0};
    orbit_histogram writes;  // how long the engine took for one
  };
  const Counters& counters() const noexcept { return counters_; }

 private:
  void start_runner() noexcept;
  void run() noexcept;
  // Writes the queue's front; returns false when the runner should stop (nothing to do, or waiting before a retry).
  bool write_some() noexcept;
  // The group's counts after it, as operations behind its own. Under counts_mutex_ from here until keep_counts.
  Result<> prepare_counts();
  Result<int64_t> read_count(const std::string& type);
  void finish(std::vector<Submission*>& group, orbit_code code, const std::string& message) noexcept;

  Executor& executor_;
  Logger* const logger_;
  std::deque<Engine> engines_;  // the last one is in use
  std::atomic<const Engine*> engine_{nullptr};

  // Whoever waits comes next: commits that follow each other closely do not keep others out.
  std::unique_lock<std::mutex> lock_writing() {
    const std::lock_guard turn(turn_mutex_);
    return std::unique_lock(write_mutex_);
  }
  std::mutex turn_mutex_;
  std::mutex write_mutex_;  // guards what follows; held while the engine writes
  CommitMirror* mirror_ = nullptr;
  std::string remove_first_;

  mutable std::mutex mutex_;
  std::vector<Submission*> queue_;
  std::vector<Submission*> retained_;  // keep_trying batches that failed; older than everything in queue_
  std::string reason_;
  uint64_t retry_at_ns_ = 0;
  uint64_t backoff_ns_ = 0;
  // Per worker, how many submissions have failed. One that was submitted before its worker had heard of all of them rests on
  // memory that is being dropped, and is refused too.
  std::vector<uint64_t> failures_given_;
  bool running_ = false;
  std::atomic<bool> pending_start_{false};
  std::atomic<bool> failing_{false};
  Counters counters_;

  // Every batch that changes a count stores the new one with it.
  std::mutex counts_mutex_;
  std::unordered_map<const std::string*, int64_t> counts_;

  // Used by the runner only.
  std::vector<Submission*> group_;
  std::vector<orbit_write_op> ops_;
  std::unordered_map<const std::string*, int64_t> new_counts_;
  WriteBatch count_batch_;
};

}  // namespace orbit::kernel
