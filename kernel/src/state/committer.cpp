// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "state/committer.hpp"

#include <algorithm>

#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr size_t kGroupBytesMax = 8u << 20;
constexpr uint64_t kBackoffMinNs = 50'000'000;
constexpr uint64_t kBackoffMaxNs = 2'000'000'000;

// Moves batches from the front of a queue into the group, up to kGroupBytesMax of all of them; at least one into an empty one.
void take_front(std::vector<Submission*>& from, std::vector<Submission*>& group, size_t& bytes) {
  size_t count = 0;
  while (count < from.size() && (group.size() + count == 0 || bytes + from[count]->batch.bytes() <= kGroupBytesMax))
    bytes += from[count++]->batch.bytes();
  group.insert(group.end(), from.begin(), from.begin() + static_cast<ptrdiff_t>(count));
  from.erase(from.begin(), from.begin() + static_cast<ptrdiff_t>(count));
}

}  // namespace

void WriteBatch::add(uint32_t kind, std::string_view key, std::string_view value) {
  ops_.push_back({kind, static_cast<uint32_t>(key.size()), data_.size(), value.size()});
  data_.append(key);
  data_.append(value);
}

void WriteBatch::count(const std::string* type, int64_t difference) {
  if (!counts_.empty() && counts_.back().type == type && !counts_.back().none)
    counts_.back().difference += difference;
  else
    counts_.push_back({type, difference, false});
}

void WriteBatch::append_to(std::vector<orbit_write_op>& out) const {
  for (const Op& op : ops_) {
    const char* key = data_.data() + op.offset;
    out.push_back({op.kind, 0, {key, op.key_size}, {key + op.key_size, op.value_size}});
  }
}

Committer::Committer(Executor& executor, Engine engine, Logger* logger)
    : executor_(executor), logger_(logger), failures_given_(executor.workers()) {
  switch_to(std::move(engine));
}

void Committer::switch_to(Engine engine) {
  engines_.push_back(std::move(engine));
  engine_.store(&engines_.back(), std::memory_order_release);
}

Result<> Committer::remove_now() {
  if (remove_first_.empty()) return {};
  const Engine& its = engine();
  const orbit_write_op op{ORBIT_WRITE_DELETE, 0, to_c(remove_first_), {}};
  ErrorOut error;
  const orbit_code code = its.table->write(its.self, &op, 1, 1, &error);
  if (code != ORBIT_OK) return tl::unexpected<Error>(error.take(code));
  remove_first_.clear();
  return {};
}

void Committer::submit(Submission* submission) noexcept {
  submission->code = ORBIT_OK;
  submission->message.clear();
  bool start = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(submission);
    start = !std::exchange(running_, true);
  }
  if (start) start_runner();
}

void Committer::start_runner() noexcept {
  const bool queued = executor_.blocking([](void* self) { static_cast<Committer*>(self)->run(); }, this);
  pending_start_.store(!queued, std::memory_order_release);
}

void Committer::nudge() noexcept {
  if (pending_start_.load(std::memory_order_relaxed) && pending_start_.exchange(false, std::memory_order_acq_rel)) {
    start_runner();
    return;
  }
  if (!failing_.load(std::memory_order_relaxed)) return;
  bool start = false;
  {
    const std::lock_guard lock(mutex_);
    if (!running_ && executor_.monotonic_ns() >= retry_at_ns_) start = running_ = true;
  }
  if (start) start_runner();
}

std::string Committer::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

void Committer::run() noexcept {
  while (write_some()) {
  }
}

Result<int64_t> Committer::read_count(const std::string& type) {
  std::string key = count_key(type);
  std::string value;
  const Engine& its = engine();
  ErrorOut error;
  const orbit_sink sink{&value, [](void* out, orbit_bytes part) { static_cast<std::string*>(out)->append(part.data, part.size); }};
  const orbit_code code = its.table->get(its.self, nullptr, to_c(key), sink, &error);
  if (code == ORBIT_OK) {
    std::string_view in = value;
    auto count = take_u64_be(in);
    if (!count) return tl::unexpected<Error>(count.error());
    return static_cast<int64_t>(*count);
  }
  if (code != ORBIT_NOT_FOUND) return tl::unexpected<Error>(error.take(code));
  int64_t count = 0;
  std::string from(1, kMainSpace);
  append_type(from, type);
  const std::string to = prefix_end(from);
  const orbit_code scanned = its.table->scan(
      its.self, nullptr, to_c(from), to_c(to), 0,
      [](void* ctx, orbit_bytes, orbit_bytes) -> int { return ++*static_cast<int64_t*>(ctx), 1; }, &count, &error);
  if (scanned != ORBIT_OK) return tl::unexpected<Error>(error.take(scanned));
  return count;
}

Result<uint64_t> Committer::count(const std::string& type) {
  const std::lock_guard lock(counts_mutex_);
  auto found = counts_.find(&type);
  if (found == counts_.end()) {
    auto read = read_count(type);
    if (!read) return tl::unexpected<Error>(read.error());
    found = counts_.emplace(&type, *read).first;
  }
  return static_cast<uint64_t>(std::max<int64_t>(found->second, 0));
}

Result<> Committer::prepare_counts() {
  new_counts_.clear();
  count_batch_.clear();
  for (const Submission* s : group_) {
    for (const WriteBatch::CountChange& change : s->batch.counts()) {
      auto found = new_counts_.find(change.type);
      if (found == new_counts_.end()) {
        auto known = counts_.find(change.type);
        if (known == counts_.end()) {
          auto read = read_count(*change.type);
          if (!read) return tl::unexpected<Error>(read.error());
          known = counts_.emplace(change.type, *read).first;
        }
        found = new_counts_.emplace(change.type, known->second).first;
      }
      found->second = change.none ? 0 : found->second + change.difference;
    }
  }
  std::string value;
  for (const auto& [type, count] : new_counts_) {
    value.clear();
    append_u64_be(value, static_cast<uint64_t>(count));
    count_batch_.put(count_key(*type), value);
  }
  return {};
}

bool Committer::write_some() noexcept {
  bool retrying = false;
  std::vector<Submission*> refused;
  std::string why;
  {
    const std::lock_guard lock(mutex_);
    group_.clear();
    const bool failing = failing_.load(std::memory_order_relaxed);
    const bool too_early = failing && executor_.monotonic_ns() < retry_at_ns_;
    std::erase_if(queue_, [&](Submission* s) {
      if (s->keep_trying || (!too_early && s->failures_seen == failures_given_[s->worker])) return false;
      refused.push_back(s);
      return true;
    });
    if (!refused.empty()) {
      why = reason_;
      for (const Submission* s : refused) ++failures_given_[s->worker];
    } else if (too_early) {
      retained_.insert(retained_.end(), queue_.begin(), queue_.end());
      queue_.clear();
      return running_ = false;
    } else {
      retrying = failing;
      size_t bytes = 0;
      take_front(retained_, group_, bytes);
      if (retained_.empty()) take_front(queue_, group_, bytes);
      if (group_.empty() && !retrying) return running_ = false;
    }
  }
  if (!refused.empty()) {
    finish(refused, ORBIT_UNAVAILABLE, why);
    return true;
  }

  ErrorOut error;
  orbit_code code = ORBIT_OK;
  auto write_lock = lock_writing();
  const Engine& its = engine();
  if (retrying) code = its.table->recover(its.self, &error);
  std::unique_lock counts_lock(counts_mutex_);
  if (code == ORBIT_OK) {
    if (auto counted = prepare_counts(); !counted) code = to_c(counted.error(), &error);
  }
  if (code == ORBIT_OK) {
    ops_.clear();
    bool sync = retrying;
    size_t bytes = 0;
    if (!remove_first_.empty()) [[unlikely]] {
      ops_.push_back({ORBIT_WRITE_DELETE, 0, to_c(remove_first_), {}});
      sync = true;
    }
    for (const Submission* s : group_) {
      s->batch.append_to(ops_);
      sync = sync || s->sync;
      bytes += s->batch.bytes();
    }
    count_batch_.append_to(ops_);
    // A retry with nothing kept back still has to prove that the engine takes writes.
    if (retrying && ops_.empty()) ops_.push_back({ORBIT_WRITE_PUT, 0, {"m\0probe", 7}, {"", 0}});
    const uint64_t began_ns = executor_.monotonic_ns();
    if (!ops_.empty())
      code = its.table->write(its.self, ops_.data(), ops_.size(), sync ? 1 : 0, &error);
    else if (sync)
      code = its.table->sync(its.self, &error);
    counters_.writes.observe(executor_.monotonic_ns() - began_ns);
    counters_.commits.fetch_add(1, std::memory_order_relaxed);
    counters_.batches.fetch_add(group_.size(), std::memory_order_relaxed);
    counters_.operations.fetch_add(ops_.size(), std::memory_order_relaxed);
    counters_.bytes.fetch_add(bytes, std::memory_order_relaxed);
    if (sync) counters_.syncs.fetch_add(1, std::memory_order_relaxed);
  }
  if (code == ORBIT_OK)
    for (const auto& [type, count] : new_counts_) counts_[type] = count;
  counts_lock.unlock();
  if (code == ORBIT_OK) {
    remove_first_.clear();
    if (mirror_ != nullptr && !ops_.empty()) [[unlikely]] mirror_->committed(ops_);
  }
  write_lock.unlock();
  if (code == ORBIT_OK) {
    if (retrying) {
      const std::lock_guard lock(mutex_);
      backoff_ns_ = 0;
      // With more kept back, the next round is another part of the retry, and nothing overtakes it.
      if (retained_.empty()) {
        failing_.store(false, std::memory_order_release);
        if (logger_ != nullptr) logger_->info("storage takes writes again", {{"storage", its.name}});
      }
    }
    finish(group_, ORBIT_OK, {});
    return true;
  }

  counters_.failures.fetch_add(1, std::memory_order_relaxed);
  const std::string message = error.take(code).message;
  {
    const std::lock_guard lock(mutex_);
    if (!failing_.exchange(true, std::memory_order_acq_rel) && logger_ != nullptr)
      logger_->error("storage refuses writes; it is tried again until it takes them", {{"storage", its.name}, {"reason", message}});
    reason_ = message;
    backoff_ns_ = std::clamp(backoff_ns_ * 2, kBackoffMinNs, kBackoffMaxNs);
    retry_at_ns_ = executor_.monotonic_ns() + backoff_ns_;
    std::vector<Submission*> kept;
    for (Submission* s : group_) {
      (s->keep_trying ? kept : refused).push_back(s);
      if (!s->keep_trying) ++failures_given_[s->worker];
    }
    retained_.insert(retained_.begin(), kept.begin(), kept.end());  // older than what waits there
  }
  finish(refused, code, message);
  return true;
}

void Committer::finish(std::vector<Submission*>& group, orbit_code code, const std::string& message) noexcept {
  for (Submission* s : group) {
    s->code = code;
    s->message = message;
    s->job.run = [](Job* job) noexcept {
      auto* submission = reinterpret_cast<Submission*>(reinterpret_cast<char*>(job) - offsetof(Submission, job));
      submission->done(submission);
    };
    executor_.post(s->worker, &s->job, &s->job);
  }
  group.clear();
}

}  // namespace orbit::kernel
