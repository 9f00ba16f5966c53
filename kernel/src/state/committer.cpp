// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "state/committer.hpp"

#include <algorithm>

namespace orbit::kernel {

namespace {

constexpr size_t kGroupBytesMax = 8u << 20;
constexpr uint64_t kBackoffMinNs = 50'000'000;
constexpr uint64_t kBackoffMaxNs = 2'000'000'000;

}  // namespace

void WriteBatch::add(uint32_t kind, std::string_view key, std::string_view value) {
  ops_.push_back({kind, static_cast<uint32_t>(key.size()), data_.size(), value.size()});
  data_.append(key);
  data_.append(value);
}

void WriteBatch::append_to(std::vector<orbit_write_op>& out) const {
  for (const Op& op : ops_) {
    const char* key = data_.data() + op.offset;
    out.push_back({op.kind, 0, {key, op.key_size}, {key + op.key_size, op.value_size}});
  }
}

Committer::Committer(Executor& executor, const orbit_storage_v1* storage, void* storage_self)
    : executor_(executor), storage_(storage), storage_self_(storage_self) {}

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

bool Committer::write_some() noexcept {
  bool retrying = false;
  {
    const std::lock_guard lock(mutex_);
    group_.clear();
    if (failing_.load(std::memory_order_relaxed)) {
      if (executor_.monotonic_ns() < retry_at_ns_) {
        // Too early to try: answer those that may be refused, keep the rest.
        for (Submission* s : queue_) (s->keep_trying ? retained_ : group_).push_back(s);
        queue_.clear();
        if (group_.empty()) return running_ = false;
      } else {
        retrying = true;
        retained_.insert(retained_.end(), queue_.begin(), queue_.end());
        queue_.clear();
        group_.swap(retained_);
      }
    } else {
      if (queue_.empty()) return running_ = false;
      size_t bytes = 0;
      size_t count = 0;
      while (count < queue_.size() && (count == 0 || bytes + queue_[count]->batch.bytes() <= kGroupBytesMax))
        bytes += queue_[count++]->batch.bytes();
      group_.assign(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(count));
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(count));
    }
    if (!retrying && failing_.load(std::memory_order_relaxed)) {
      for (Submission* s : group_) {
        s->code = ORBIT_UNAVAILABLE;
        s->message = reason_;
      }
    }
  }
  if (!retrying && failing_.load(std::memory_order_relaxed)) {
    finish(group_, ORBIT_UNAVAILABLE, reason());
    return true;
  }

  ErrorOut error;
  orbit_code code = ORBIT_OK;
  if (retrying) code = storage_->recover(storage_self_, &error);
  if (code == ORBIT_OK) {
    ops_.clear();
    bool sync = retrying;
    size_t bytes = 0;
    for (const Submission* s : group_) {
      s->batch.append_to(ops_);
      sync = sync || s->sync;
      bytes += s->batch.bytes();
    }
    // A retry with nothing kept back still has to prove that the engine takes writes.
    if (retrying && ops_.empty()) ops_.push_back({ORBIT_WRITE_PUT, 0, {"m\0probe", 7}, {"", 0}});
    if (!ops_.empty())
      code = storage_->write(storage_self_, ops_.data(), ops_.size(), sync ? 1 : 0, &error);
    else if (sync)
      code = storage_->sync(storage_self_, &error);
    counters_.commits.fetch_add(1, std::memory_order_relaxed);
    counters_.batches.fetch_add(group_.size(), std::memory_order_relaxed);
    counters_.operations.fetch_add(ops_.size(), std::memory_order_relaxed);
    counters_.bytes.fetch_add(bytes, std::memory_order_relaxed);
    if (sync) counters_.syncs.fetch_add(1, std::memory_order_relaxed);
  }
  if (code == ORBIT_OK) {
    if (retrying) {
      const std::lock_guard lock(mutex_);
      backoff_ns_ = 0;
      failing_.store(false, std::memory_order_release);
    }
    finish(group_, ORBIT_OK, {});
    return true;
  }

  counters_.failures.fetch_add(1, std::memory_order_relaxed);
  const std::string message = error.take(code).message;
  std::vector<Submission*> refused;
  {
    const std::lock_guard lock(mutex_);
    failing_.store(true, std::memory_order_release);
    reason_ = message;
    backoff_ns_ = std::clamp(backoff_ns_ * 2, kBackoffMinNs, kBackoffMaxNs);
    retry_at_ns_ = executor_.monotonic_ns() + backoff_ns_;
    for (Submission* s : group_) (s->keep_trying ? retained_ : refused).push_back(s);
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
