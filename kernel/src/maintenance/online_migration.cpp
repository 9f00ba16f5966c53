// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/online_migration.hpp"

#include <algorithm>

namespace orbit::kernel {

namespace {

constexpr uint32_t kDisturbancesMax = 3;
constexpr uint64_t kQueueFullNs = 10'000'000;

bool below(std::string_view key, std::string_view end, bool no_end) noexcept { return no_end || key < end; }

}  // namespace

OnlineMigration::OnlineMigration(Executor& executor, Committer& committer, Engine target, ChunkLimits limits,
                                 Pace* pace)
    : executor_(executor),
      committer_(committer),
      source_(committer.engine()),
      target_(std::move(target)),
      limits_(limits),
      pace_(pace) {
  status_.from = source_.name;
  status_.to = target_.name;
}

OnlineMigration::~OnlineMigration() { stop(); }

Result<> OnlineMigration::start() {
  if (source_.name == target_.name) return fail(Code::invalid_argument, "the source and the target are both '" + source_.name + "'");
  auto noted = read_copy_note(target_);
  if (!noted) return tl::unexpected(noted.error());
  auto moved = read_moved_note(target_);
  if (!moved) return tl::unexpected(moved.error());
  if (*noted && ((*noted)->stage == CopyStage::adopted || (*noted)->from != source_.name))
    return fail(Code::failed_precondition, "the storage '" + target_.name + "' holds " +
                                               ((*noted)->stage == CopyStage::adopted ? "state that is in use, from" : "part of a copy of") +
                                               " '" + (*noted)->from + "'; the target of a migration must be empty");
  if (*noted) {
    note_ = **noted;
    note_.stage = CopyStage::copying;  // commits may have come since it was verified
  } else {
    auto holds = holds_any(target_, parts_);
    if (!holds) return tl::unexpected(holds.error());
    if (*holds || *moved)
      return fail(Code::failed_precondition, "the storage '" + target_.name +
                                                 "' holds something that is not from a migration; the target of a migration must be empty");
    note_ = {new_migration_id(), source_.name, {}, CopyStage::copying};
  }
  // An earlier one may have ended where it is not known whether the source says that it was moved.
  Result<> certain;
  committer_.between_commits([&] { certain = committer_.remove_now(); });
  if (!certain) return certain;
  if (auto written = write_copy_note(target_, note_); !written) return written;
  running_.store(true, std::memory_order_release);
  committer_.between_commits([this] { committer_.set_mirror(this); });
  queue();
  return {};
}

bool OnlineMigration::at_rest() const {
  const std::lock_guard lock(mutex_);
  return !queued_;
}

void OnlineMigration::stop() {
  ask_to_stop();
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return !queued_; });
  lock.unlock();
  if (running_.exchange(false)) committer_.between_commits([this] { committer_.set_mirror(nullptr); });
}

OnlineMigration::Status OnlineMigration::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void OnlineMigration::queue() {
  {
    const std::lock_guard lock(mutex_);
    queued_ = true;
  }
  if (executor_.blocking([](void* self) { static_cast<OnlineMigration*>(self)->run(); }, this)) return;
  queue_after(kQueueFullNs);  // the I/O pool's queue is full
}

void OnlineMigration::queue_after(uint64_t ns) {
  struct Again : Job {
    OnlineMigration* migration;
    uint64_t ns;
  };
  auto* again = new Again;
  again->migration = this;
  again->ns = ns;
  again->run = [](Job* job) noexcept {
    auto* its = static_cast<Again*>(job);
    OnlineMigration* migration = its->migration;
    const uint64_t wait_ns = its->ns;
    delete its;
    migration->executor_.after(wait_ns, [](void* self) { static_cast<OnlineMigration*>(self)->queue(); }, migration);
  };
  executor_.post(0, again, again);
}

void OnlineMigration::run() noexcept {
  bool more = false;
  if (!stop_.load(std::memory_order_acquire)) {
    if (const uint64_t wait_ns = pause_ns(); wait_ns != 0) return queue_after(wait_ns);
    read_bytes_ = 0;
    auto stepped = step();
    if (pace_ != nullptr) {
      pace_round_ = pace_->round();
      go_on_at_ = pace_->take(read_bytes_);
    }
    if (!stepped)
      end(Stage::failed, stepped.error().message);
    else
      more = *stepped;
  }
  if (more && !stop_.load(std::memory_order_acquire)) {
    queue();
    return;
  }
  const std::lock_guard lock(mutex_);
  queued_ = false;
  ended_.notify_all();
}

// How long the pace wants the next step to wait; a part of it, so that a stop or another limit is heard of.
uint64_t OnlineMigration::pause_ns() const noexcept {
  if (pace_ == nullptr || pace_->changed_since(pace_round_)) return 0;
  const auto left = go_on_at_ - std::chrono::steady_clock::now();
  if (left.count() <= 0) return 0;
  return static_cast<uint64_t>(
      std::chrono::nanoseconds(std::min<std::chrono::steady_clock::duration>(left, Pace::kLookAgain)).count());
}

void OnlineMigration::end(Stage stage, std::string error) {
  committer_.between_commits([this] { committer_.set_mirror(nullptr); });
  running_.store(false, std::memory_order_release);
  const std::lock_guard lock(mutex_);
  status_.stage = stage;
  status_.error = std::move(error);
}

Result<bool> OnlineMigration::step() {
  std::string failed;
  committer_.between_commits([&] { failed = mirror_error_; });
  if (!failed.empty()) return fail(Code::unavailable, failed);
  if (working_ == Stage::copying) return copy_some();
  return verify_some();
}

void OnlineMigration::guard() {
  guarding_ = true;
  touched_.reset();
}

bool OnlineMigration::disturbed(const Chunk& chunk) const noexcept {
  return touched_ && below(*touched_, chunk.to, chunk.last && chunk.to.empty());
}

// The stage's next chunk begins behind this one. Between two commits.
void OnlineMigration::advance(Chunk& chunk) {
  guarding_ = false;
  at_ = chunk.to;
  if (chunk.last && ++part_ < parts_.size()) at_ = parts_[part_].from;
  if (working_ == Stage::copying) {
    frontier_ = at_;
    all_mirrored_ = part_ == parts_.size();
  }
  const std::lock_guard lock(mutex_);
  status_.entries += chunk.entries;
  status_.bytes += chunk.bytes;
}

Result<bool> OnlineMigration::copy_some() {
  const Part& part = parts_[part_];
  const auto copy = [&]() -> Result<Chunk> {
    auto chunk = read_chunk(source_, part, at_, true, limits_);
    if (!chunk) return chunk;
    read_bytes_ += chunk->bytes;
    const std::lock_guard lock(target_mutex_);
    auto wrote = put_chunk(target_, part, at_, *chunk);
    if (!wrote) return tl::unexpected(wrote.error());
    if (*wrote) {
      const std::lock_guard status_lock(mutex_);
      status_.written_bytes += chunk->bytes;
    }
    return chunk;
  };
  Result<Chunk> chunk = Chunk{};
  if (disturbances_ < kDisturbancesMax) {
    committer_.between_commits([this] { guard(); });
    chunk = copy();
    if (!chunk) return tl::unexpected(chunk.error());
    const bool again = committer_.between_commits([&] {
      if (disturbed(*chunk)) return true;
      advance(*chunk);
      return false;
    });
    disturbances_ = again ? disturbances_ + 1 : 0;
  } else {
    committer_.between_commits([&] {
      chunk = copy();
      if (chunk) advance(*chunk);
    });
    if (!chunk) return tl::unexpected(chunk.error());
    disturbances_ = 0;
  }
  if (part_ < parts_.size()) return true;
  working_ = Stage::verifying;
  committer_.between_commits([this] {
    part_ = 0;
    at_ = parts_[0].from;
  });
  const std::lock_guard lock(mutex_);
  status_.stage = Stage::verifying;
  status_.entries = status_.bytes = 0;
  return true;
}

Result<bool> OnlineMigration::verify_some() {
  if (part_ == parts_.size()) {
    auto cut = cut_over();
    if (!cut) return tl::unexpected(cut.error());
    return false;
  }
  const Part& part = parts_[part_];
  const auto compare = [&]() -> Result<Chunk> {
    auto chunk = read_chunk(source_, part, at_, false, limits_);
    if (!chunk) return chunk;
    auto there = read_range(target_, part, at_, chunk->to);
    if (!there) return there;
    read_bytes_ += chunk->bytes + there->bytes;
    if (there->sum != chunk->sum) chunk->data = std::to_string(there->entries);  // tells that they differ
    return chunk;
  };
  const auto differ = [&](const Chunk& chunk) {
    return fail(Code::data_loss, "a range of " + std::to_string(chunk.entries) + " entries of '" + source_.name +
                                     "' has another checksum in '" + target_.name + "' (" + chunk.data +
                                     " entries) after it was copied; '" + source_.name +
                                     "' goes on as before; start the migration again");
  };
  Result<Chunk> chunk = Chunk{};
  if (disturbances_ < kDisturbancesMax) {
    committer_.between_commits([this] { guard(); });
    chunk = compare();
    if (!chunk) return tl::unexpected(chunk.error());
    const bool again = committer_.between_commits([&] {
      if (disturbed(*chunk)) return true;
      if (chunk->data.empty()) advance(*chunk);
      return false;
    });
    if (!again && !chunk->data.empty()) return differ(*chunk);
    disturbances_ = again ? disturbances_ + 1 : 0;
    return true;
  }
  committer_.between_commits([&] {
    chunk = compare();
    if (chunk && chunk->data.empty()) advance(*chunk);
  });
  if (!chunk) return tl::unexpected(chunk.error());
  if (!chunk->data.empty()) return differ(*chunk);
  disturbances_ = 0;
  return true;
}

Result<> OnlineMigration::cut_over() {
  Result<> good;
  committer_.between_commits([&] {
    if (!mirror_error_.empty()) {
      good = fail(Code::unavailable, mirror_error_);
      return;
    }
    const std::lock_guard lock(target_mutex_);
    ErrorOut error;
    if (const orbit_code code = target_.table->sync(target_.self, &error); code != ORBIT_OK) {
      good = tl::unexpected(at_storage(target_, error.take(code)));
      return;
    }
    note_.stage = CopyStage::verified;
    if (good = write_copy_note(target_, note_); !good) return;
    if (good = write_moved_note(source_, {note_.id, target_.name}); !good) {
      // It may be there or not: the source counts again once a commit of it has removed it.
      committer_.remove_first(moved_note_key());
      return;
    }
    committer_.set_mirror(nullptr);
    committer_.switch_to(target_);
    note_.stage = CopyStage::adopted;
    // When this fails the next start does it.
    static_cast<void>(write_copy_note(target_, note_));
  });
  if (!good) return good;
  running_.store(false, std::memory_order_release);
  const std::lock_guard lock(mutex_);
  status_.stage = Stage::done;
  return good;
}

void OnlineMigration::committed(const std::vector<orbit_write_op>& ops) noexcept {
  if (!mirror_error_.empty()) return;
  std::vector<orbit_write_op> to_both;
  to_both.reserve(ops.size());
  const auto touch = [this](std::string_view key) {
    if (guarding_ && (!touched_ || key < *touched_)) touched_ = key;
  };
  for (const orbit_write_op& op : ops) {
    const std::string_view key = from_c(op.key);
    if (key.starts_with(kNoteSpace)) continue;
    if (op.kind != ORBIT_WRITE_DELETE_RANGE) {
      if (key >= at_) touch(key);
      if (below(key, frontier_, all_mirrored_)) to_both.push_back(op);
      continue;
    }
    const std::string_view end = from_c(op.value);
    if (end.empty() || end > at_) touch(std::max(key, std::string_view(at_)));
    if (!below(key, frontier_, all_mirrored_)) continue;
    to_both.push_back(op);
    if (!all_mirrored_ && (end.empty() || end > frontier_)) to_both.back().value = to_c(frontier_);
  }
  if (to_both.empty()) return;
  if (auto written = write_to_target(to_both); !written)
    mirror_error_ = written.error().message + "; '" + source_.name + "' goes on without it";
  const std::lock_guard lock(mutex_);
  status_.mirrored += to_both.size();
}

Result<> OnlineMigration::write_to_target(const std::vector<orbit_write_op>& ops) {
  const std::lock_guard lock(target_mutex_);
  ErrorOut error;
  const orbit_code code = target_.table->write(target_.self, ops.data(), ops.size(), 0, &error);
  if (code != ORBIT_OK) return tl::unexpected(at_storage(target_, error.take(code)));
  return {};
}

}  // namespace orbit::kernel
