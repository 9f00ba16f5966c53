// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "multi_key.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "orbit/result.hpp"
#include "session.hpp"
#include "words.hpp"

namespace orbit::resp {

void HoldCall::begin(Worker& worker, Session* session, Slot* slot, uint64_t deadline_ns) {
  worker_ = &worker;
  session_ = session;
  slot_ = slot;
  changed_.assign(refs_.size(), 0);
  erased_.assign(erasable_.size(), 0);
  bool inside = false;  // granted() may run, end and recycle this object inside hold()
  inside_ = &inside;
  const Interfaces& node = worker.server.interfaces();
  if (may_erase_) {
    node.erasing->hold(refs_.data(), refs_.size(), erasable_.data(), erasable_.size(), deadline_ns, &granted, this);
  } else {
    node.actors->hold(refs_.data(), refs_.size(), deadline_ns, &granted, this);
  }
  if (inside) return;
  inside_ = nullptr;
  try {
    retain();
  } catch (const std::bad_alloc&) {
    unusable_ = true;  // the kernel has the call already, and says when it ends
  }
}

void HoldCall::granted(void* ctx, orbit_hold* hold, void* const* actors, size_t, orbit_code code, const char* message) {
  auto* self = static_cast<HoldCall*>(ctx);
  if (self->inside_ != nullptr) {
    *std::exchange(self->inside_, nullptr) = true;
  } else {
    self->worker_->refresh_time();
  }
  if (code != ORBIT_OK) {
    self->refuse(code, message);
    self->end();
    return;
  }
  self->hold_ = hold;
  if (std::exchange(self->unusable_, false)) [[unlikely]]
    self->refuse(ORBIT_RESOURCE_EXHAUSTED, "out of memory");
  else
    self->use_safely(reinterpret_cast<KeyActor* const*>(actors));
  if (!self->goes_on_) self->release();
}

void HoldCall::keep() { worker_->server.interfaces().actors->keep(hold_); }

void HoldCall::release() {
  // This only marks: what follows on the connection runs after the release, when the keys are open again.
  if (slot_ != nullptr) session_->executed(slot_);
  const Interfaces& node = worker_->server.interfaces();
  if (may_erase_) {
    node.erasing->release(hold_, changed_.data(), erased_.data(), &committed, this);
  } else {
    node.actors->release(hold_, changed_.data(), &committed, this);
  }
}

void HoldCall::committed(void* ctx, orbit_code code, const char* message) {
  auto* self = static_cast<HoldCall*>(ctx);
  if (code != ORBIT_OK) self->refuse(code, message);
  self->end();
}

// The kernel calls from C, which no exception may reach.
void HoldCall::use_safely(KeyActor* const* actors) noexcept {
  try {
    use(actors);
  } catch (const std::exception&) {
    if (slot_ != nullptr) session_->lacks(slot_);
  }
}

void HoldCall::refuse(orbit_code code, const char* message) noexcept {
  try {
    if (slot_ != nullptr) {
      slot_->out.clear();
      Reply reply(slot_->out, session_->protocol());
      write_error(reply, writes(), code, message != nullptr ? message : "");
    }
    failed(code, message != nullptr ? message : "");
  } catch (const std::exception&) {
    if (slot_ != nullptr) session_->lacks(slot_);
  }
}

void HoldCall::end() {
  if (!lingers()) end_now();
}

void HoldCall::end_now() {
  Session* const session = session_;
  Slot* const slot = slot_;
  ended();
  if (slot != nullptr) session->finish(slot);
}

bool HoldCall::check_writable(Reply& reply) {
  ErrorOut error;
  const orbit_code code = worker_->server.interfaces().actors->writable(&error);
  if (code == ORBIT_OK) return true;
  write_error(reply, true, code, error.message);
  return false;
}

void MultiKeyCall::start(Session& session, const CommandEntry& entry, Args args, std::span<const uint32_t> positions,
                         uint32_t others) {
  spec_ = entry.spec;
  args_ = args;
  positions_.assign(positions.begin(), positions.end());
  refs_.clear();
  const orbit_type* type = session.server().database(session.database());
  for (const uint32_t position : positions) {
    refs_.push_back({type, to_c(args[position])});
    type = session.server().database(others);
  }
  begin(session.worker(), &session, session.begin_operation(), session.worker().deadline_ns());
}

void MultiKeyCall::use(KeyActor* const* actors) {
  Reply reply(slot_->out, session_->protocol());
  if (writes() && !check_writable(reply)) return;
  run_held(*spec_, args_, positions_, actors, changed_.data(), open_, reply, worker_->now_ms(), worker_->random(),
           session_->settings().output_bytes_max);
  if (reply.failed()) worker_->count_error();
}

void MultiKeyCall::ended() { worker_->give_back(this); }

void run_held(const CommandSpec& spec, Args args, std::span<const uint32_t> positions, KeyActor* const* actors,
              uint8_t* changed, std::vector<OpenKey>& open, Reply& reply, uint64_t now_ms, uint64_t random,
              size_t output_bytes_max) {
  open.clear();
  for (size_t i = 0; i < positions.size(); ++i) {
    if (actors[i]->expire_if_due(now_ms)) changed[i] = 1;
    open.push_back({args[positions[i]], &actors[i]->value});
  }
  CommandContext context{args, open, reply, now_ms, random};
  auto& out = static_cast<OutputBuffer&>(reply.buffer());
  const bool writes = (spec.flags & kWrite) != 0;
  const size_t mark = out.size();
  std::exception_ptr lack;
  try {
    const OutputBound bound(out, output_bytes_max, output_bytes_max);
    spec.run(context);
  } catch (const std::bad_alloc&) {
    lack = std::current_exception();
    if (writes)
      for (OpenKey& key : open) key.changed = true;  // what was changed before memory ran out stays
  }
  for (size_t i = 0; i < open.size(); ++i) {
    if (!open[i].changed) continue;
    actors[i]->touch();
    changed[i] = 1;
  }
  if (lack) [[unlikely]] {
    out.truncate(mark);
    write_lack(reply, lack, writes);
  }
}

bool find_keys(const CommandSpec& spec, Args args, uint32_t keys_max, std::vector<uint32_t>& positions,
               std::string& why) {
  positions.clear();
  const auto count = static_cast<int>(args.size());
  if (spec.key_positions != nullptr) {
    positions.resize(args.size());
    const int found = spec.key_positions(args, positions);
    if (found < 0) {
      why = "ERR syntax error";
      return false;
    }
    positions.resize(static_cast<size_t>(found));
  } else if (spec.first_key > 0) {
    const int last = spec.last_key >= 0 ? spec.last_key : count + spec.last_key;
    for (int i = spec.first_key; i <= last && i < count; i += std::max(spec.key_step, 1)) {
      positions.push_back(static_cast<uint32_t>(i));
    }
  }
  if (positions.size() > keys_max) {
    why = "ERR " + std::to_string(positions.size()) + " keys in one command; the bound is command_keys_max = " +
          std::to_string(keys_max);
    return false;
  }
  for (const uint32_t position : positions) {
    if (args[position].size() <= ORBIT_ACTOR_KEY_MAX) continue;
    why = key_too_long(args[position].size());
    return false;
  }
  return true;
}

std::vector<uint32_t>& key_positions_scratch() {
  thread_local std::vector<uint32_t> scratch;
  return scratch;
}

void run_many_keys(Session& session, const CommandEntry& entry, Args args, std::span<const uint32_t> positions) {
  session.worker().take_call()->start(session, entry, args, positions, session.database());
}

void run_two_databases(Session& session, const CommandEntry& entry, Args args, std::vector<uint32_t>& positions) {
  if (positions.size() == 1) positions.push_back(positions[0]);
  const int other = entry.spec->other_database(args);
  session.worker().take_call()->start(session, entry, args, positions,
                                      other >= 0 ? static_cast<uint32_t>(other) : session.database());
}

void run_without_keys(Worker& worker, const CommandEntry& entry, Args args, Reply& reply) {
  CommandContext context{args, {}, reply, worker.now_ms(), worker.random()};
  entry.spec->run(context);
}

std::string key_too_long(size_t size) {
  return "ERR the key has " + std::to_string(size) + " bytes; the bound is " + std::to_string(ORBIT_ACTOR_KEY_MAX);
}

bool is_http(std::string_view word) { return equal_ignoring_case(word, "post") || equal_ignoring_case(word, "host:"); }

}  // namespace orbit::resp
