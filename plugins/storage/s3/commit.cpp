// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Writing: groups of batches become log objects, one at a time and without a gap in their numbers.
#include <chrono>

#include "engine.hpp"

namespace orbit::s3 {

Result<> Engine::write(WriteOps ops, bool sync) {
  if (ops.size() == 0 && !sync) return {};
  Request request{ops, sync};
  submit(request);
  return std::move(request.result);
}

Result<FencedOutcome> Engine::write_if(Conditions conditions, WriteOps ops, bool sync) {
  const std::vector<orbit_write_op> all = with_fences(conditions, ops);
  Request request{WriteOps(all.data(), all.size()), sync};
  request.conditions = &conditions;
  submit(request);
  if (!request.result) return tl::unexpected<Error>(std::move(request.result.error()));
  return std::move(request.outcome);
}

void Engine::submit(Request& request) {
  if (const uint64_t bytes = batch_bytes(request.ops); bytes > options_.batch_bytes_max) {
    request.result =
        fail(Code::resource_exhausted, "a batch of " + std::to_string(bytes) + " bytes is above batch_bytes_max (" +
                                           std::to_string(options_.batch_bytes_max) + ")");
    return;
  }
  {
    std::lock_guard lock(queue_mutex_);
    queue_.push_back(&request);
  }
  // Whoever comes first writes for all that wait.
  std::lock_guard lock(commit_mutex_);
  while (!request.done) commit_group();
}

bool Engine::conditions_hold(Request& request) {
  const View newest = view(nullptr);
  for (size_t i = 0; i < request.conditions->size(); ++i) {
    const Condition condition = (*request.conditions)[i];
    std::shared_ptr<const Block> holder;
    Bytes value;
    const bool there = look_up(newest, condition.key, false, holder, value) == Lookup::put;
    if (condition.holds(there ? std::optional(value) : std::nullopt)) continue;
    request.outcome.failed = i;
    if (there) request.outcome.found = value;
    return false;
  }
  return true;
}

void Engine::commit_group() {
  std::vector<Request*> group;
  bool sync = false;
  uint64_t bytes = 0;
  {
    std::lock_guard lock(queue_mutex_);
    while (!queue_.empty()) {
      const uint64_t more = batch_bytes(queue_.front()->ops);
      // One with conditions is a group of its own: it is judged by what all earlier ones did.
      if (!group.empty() && (bytes + more > options_.group_bytes_max || queue_.front()->conditions != nullptr ||
                             group.front()->conditions != nullptr))
        break;
      bytes += more;
      group.push_back(queue_.front());
      sync = sync || queue_.front()->sync;
      queue_.pop_front();
    }
  }
  const Result<> result = guarded([&] {
    check_writable();
    if (!group.empty() && group.front()->conditions != nullptr && !conditions_hold(*group.front())) return;
    make_room();
    std::string batches;
    for (const Request* request : group)
      if (request->ops.size() != 0) append_batch(batches, request->ops);
    const bool later =
        !sync && options_.unsynced_delay_ms != 0 && pending_.size() + batches.size() <= options_.group_bytes_max;
    if (later) {
      pending_ += batches;
      pending_changed_.notify_all();
    } else {
      if (pending_.empty() && batches.empty()) return;
      store_wal(pending_ + batches);
      pending_.clear();
    }
    try {
      for (const Request* request : group)
        for (size_t i = 0; i < request->ops.size(); ++i) apply(request->ops[i]);
    } catch (const std::exception& e) {
      stop_for_good(std::string("a stored batch could not be taken into memory: ") + e.what());
    }
    publish();
  });
  for (Request* request : group) {
    request->result = result;
    request->done = true;
  }
}

void Engine::check_writable() {
  check_fenced();
  if (doubt_)
    raise(Code::unavailable, "writes are refused until it is known whether " + store_->describe(wal_name(wal_next_)) +
                                 " was stored: " + doubt_cause_.message);
}

// What is stored and what readers see differ: only opening again can mend that.
void Engine::stop_for_good(const std::string& why) {
  std::lock_guard lock(state_mutex_);
  fenced_ = Error{Code::internal, store_->describe(kManifestName) + ": " + why + "; the store has to be opened again"};
  is_fenced_.store(true, std::memory_order_release);
  state_changed_.notify_all();
  throw Failure{*fenced_};
}

// Freezes the write buffer when it is full; waits for a place among those that wait to be stored.
void Engine::make_room() {
  if (active_->bytes() < options_.write_buffer_bytes && wal_since_freeze_ < options_.wal_objects_max) return;
  if (active_->empty()) {
    wal_since_freeze_ = 0;
    return;
  }
  store_pending();
  if (options_.background) {
    std::unique_lock lock(state_mutex_);
    const bool room = state_changed_.wait_for(lock, std::chrono::milliseconds(options_.room_wait_ms), [&] {
      return version_->frozen.size() + 1 < options_.write_buffers_max || background_error_ || fenced_;
    });
    if (fenced_) throw Failure{*fenced_};
    if (version_->frozen.size() + 1 >= options_.write_buffers_max)
      raise(room ? background_error_->code : Code::resource_exhausted,
            "write_buffers_max (" + std::to_string(options_.write_buffers_max) + ") write buffers are full" +
                (room ? " and cannot be stored: " + background_error_->message
                      : ", and none was stored within " + std::to_string(options_.room_wait_ms) + " ms"));
  }
  freeze();
  if (options_.background) return;
  while (flush_one()) continue;
  while (compact_one()) continue;
}

void Engine::freeze() {
  change_version([&](Version& next) {
    active_->last_wal = wal_next_ - 1;
    next.frozen.insert(next.frozen.begin(), std::move(active_));
    next.active = active_ = std::make_shared<Memtable>();
  });
  wal_since_freeze_ = 0;
}

void Engine::store_wal(Bytes batches) {
  std::string object = make_wal({epoch_, wal_next_, 0, writer_id_}, batches);
  std::optional<std::string> other;
  try {
    other = put_wal(wal_next_, object);
  } catch (const Failure& failure) {
    if (!is_fenced_.load()) {
      doubt_ = std::move(object);
      doubt_cause_ = failure.error;
    }
    throw;
  }
  if (other) {
    look_for_fence();
    raise(Code::data_loss, store_->describe(wal_name(wal_next_)) + " exists already, and this writer did not make it");
  }
  ++wal_next_;
  ++wal_since_freeze_;
  wal_objects_.fetch_add(1, std::memory_order_relaxed);
  wal_bytes_.fetch_add(object.size(), std::memory_order_relaxed);
}

void Engine::store_pending() {
  if (pending_.empty()) return;
  store_wal(pending_);
  pending_.clear();
}

std::optional<std::string> Engine::put_wal(uint64_t number, Bytes object) {
  const std::string name = wal_name(number);
  if (store_->put(name, object, PutCondition::absent())) return std::nullopt;
  auto now = store_->get(name);
  if (!now)
    raise(Code::unavailable, store_->describe(name) + " exists, and then it does not: the store contradicts itself");
  if (now->bytes == object) return std::nullopt;  // this very write; its answer was lost
  return std::move(now->bytes);
}

Result<> Engine::sync() {
  return guarded([&] {
    std::lock_guard lock(commit_mutex_);
    check_writable();
    store_pending();
  });
}

Result<> Engine::recover() {
  return guarded([&] {
    std::lock_guard lock(commit_mutex_);
    check_fenced();
    if (doubt_) settle_doubt();
    if (!options_.background) {
      while (flush_one()) continue;
      return;
    }
    std::unique_lock state(state_mutex_);
    if (version_->frozen.size() + 1 < options_.write_buffers_max || !background_error_) return;
    // One more try of the background, whose outcome is the answer.
    background_error_.reset();
    state_changed_.notify_all();
    state_changed_.wait_for(state, std::chrono::milliseconds(options_.room_wait_ms), [&] {
      return version_->frozen.size() + 1 < options_.write_buffers_max || background_error_ || fenced_;
    });
    if (fenced_) throw Failure{*fenced_};
    if (background_error_) throw Failure{*background_error_};
  });
}

// A write was refused, and it is not known whether its object exists or still will. Its number is taken by an object
// without the refused batches; or, if they are stored already, the next object says that they do not count.
void Engine::settle_doubt() {
  const uint8_t nothing = pending_.empty() ? kWalNothing : 0;
  uint64_t last = wal_next_;
  const auto other = put_wal(last, make_wal({epoch_, last, nothing, writer_id_}, pending_));
  if (other) {
    if (*other != *doubt_) look_for_fence();
    if (*other != *doubt_)
      raise(Code::data_loss, store_->describe(wal_name(last)) + " exists, and this writer did not make it");
    ++last;
    if (put_wal(last,
                make_wal({epoch_, last, static_cast<uint8_t>(nothing | kWalVoidsBefore), writer_id_}, pending_))) {
      look_for_fence();
      raise(Code::data_loss, store_->describe(wal_name(last)) + " exists, and this writer did not make it");
    }
  }
  if (nothing != 0) {
    std::lock_guard lock(trash_mutex_);
    wal_kept_.insert(last);
  }
  wal_since_freeze_ += last + 1 - wal_next_;
  wal_next_ = last + 1;
  pending_.clear();
  doubt_.reset();
}

void Engine::apply(const WriteOp& op) {
  switch (op.kind) {
    case WriteKind::put:
      active_->put(op.key, op.value, ++sequence_);
      break;
    case WriteKind::erase:
      active_->erase(op.key, ++sequence_);
      break;
    case WriteKind::erase_range:
      active_->erase_range(op.key, op.value, ++sequence_);
      break;
  }
}

void Engine::publish() {
  std::lock_guard lock(state_mutex_);
  visible_ = sequence_;
}

}  // namespace orbit::s3
