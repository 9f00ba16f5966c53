// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a turn asks of storage while it runs: save, read, claim.
#include <algorithm>
#include <cstring>
#include <memory>

#include "actor/runtime.hpp"
#include "actor/scheduler.hpp"
#include "actor/unique_claims.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

// A reading of some of an actor's sub-records on the I/O pool.
struct Read {
  Scheduler* scheduler;
  orbit_activation* a;
  orbit_envelope* turn;
  const Committer* committer;
  std::string from;
  std::string to;
  size_t prefix_size;
  size_t records_max;
  size_t bytes_max;
  void (*done)(void*, const orbit_record*, size_t, int, orbit_code, const char*);
  void* ctx;
  // Filled on the pool.
  orbit_code code = ORBIT_OK;
  std::string message;
  std::string bytes;  // key, value, key, value
  std::vector<std::pair<size_t, size_t>> sizes;
  bool more = false;
  Job job;

  void run(const Engine& engine) {
    ErrorOut error;
    code = engine.table->scan(
        engine.self, nullptr, to_c(from), to_c(to), 0,
        [](void* ctx, orbit_bytes key, orbit_bytes value) -> int {
          auto* read = static_cast<Read*>(ctx);
          if (read->sizes.size() >= read->records_max || read->bytes.size() >= read->bytes_max) {
            read->more = true;
            return 0;
          }
          const std::string_view subkey = from_c(key).substr(read->prefix_size);
          read->bytes.append(subkey).append(from_c(value));
          read->sizes.emplace_back(subkey.size(), value.size);
          return 1;
        },
        this, &error);
    if (code != ORBIT_OK) message = error.take(code).message;
  }

  void answer() {
    scheduler->end_wait(turn, kWaitsForRead);
    std::vector<orbit_record> records;
    records.reserve(sizes.size());
    const char* at = bytes.data();
    for (const auto& [key_size, value_size] : sizes) {
      records.push_back({{at, key_size}, {at + key_size, value_size}});
      at += key_size + value_size;
    }
    scheduler->continue_turn(a, turn, [&] {
      done(ctx, records.data(), code == ORBIT_OK ? records.size() : 0, more ? 1 : 0, code, message.c_str());
    });
  }
};

Read* of_job(Job* job) noexcept { return reinterpret_cast<Read*>(reinterpret_cast<char*>(job) - offsetof(Read, job)); }

void come_back(Read* read) {
  read->job.run = [](Job* job) noexcept {
    const std::unique_ptr<Read> owned(of_job(job));
    owned->answer();
  };
  read->scheduler->runtime().executor().post(read->scheduler->worker(), &read->job, &read->job);
}

void start_read(Read* read) {
  const bool queued = read->scheduler->runtime().executor().blocking(
      [](void* self) {
        auto* running = static_cast<Read*>(self);
        running->run(running->committer->engine());
        come_back(running);
      },
      read);
  if (queued) return;
  read->code = ORBIT_RESOURCE_EXHAUSTED;
  read->message = "io_queue_max: the I/O pool's queue is full; try again later";
  come_back(read);
}

}  // namespace

void Scheduler::main_record(orbit_main_record* out) const noexcept {
  const uint32_t size = out->struct_size;
  orbit_main_record record{};
  if (loading_header_ != nullptr) {
    record.schema_version = static_cast<uint32_t>(loading_header_->schema_version);
    record.expires_at_ms = loading_header_->expires_at_ms;
    record.has_subrecords = loading_header_->has_subrecords ? 1 : 0;
    record.load_from = to_c(loading_header_->load_from);
  }
  record.struct_size = size;
  std::memcpy(out, &record, std::min<size_t>(size, sizeof record));
}

void Scheduler::save(orbit_activation* a, TurnDone done, void* ctx) noexcept {
  // What earlier turns changed belongs to the cut that is closing, and this turn's changes do not.
  if (a->dirty != 0) before_change(a);
  FlushClass& cls = flush_class(a->version->flush_class);
  mark_dirty(a);
  begin_wait(turn_, kWaitsForSave);
  auto then = [this, a, turn = turn_, done, ctx](orbit_code code, const std::string& message) {
    end_wait(turn, kWaitsForSave);
    continue_turn(a, turn, [&] { done(ctx, code, message.c_str()); });
  };
  if (cls.rule.durability == ORBIT_DURABILITY_SYNC) {
    open_sync(cls)->then.emplace_back(std::move(then));
    return;
  }
  cls.then_open.emplace_back(std::move(then));
  cls.due = cls.save = true;
}

void Scheduler::read(orbit_activation* a, std::string_view from, std::string_view to, size_t records_max,
                     size_t bytes_max, void (*done)(void*, const orbit_record*, size_t, int, orbit_code, const char*),
                     void* ctx) noexcept {
  begin_wait(turn_, kWaitsForRead);
  std::string prefix(1, kSubSpace);
  append_actor(prefix, a->type->name, a->hash, a->key());
  const std::string end = to.empty() ? prefix_end(prefix) : prefix + std::string(to);
  auto* read =
      new Read{this, a, turn_, &store_of(a).committer, prefix + std::string(from), end, prefix.size(), records_max, bytes_max,
               done, ctx};
  if (stored(a))
    start_read(read);
  else
    flush(Stores{1} << a->version->store, [read](orbit_code, const std::string&) { start_read(read); });
}

void Scheduler::claim(orbit_activation* a, const orbit_index_entry* entries, size_t count, TurnDone done,
                      void* ctx) noexcept {
  begin_wait(turn_, kWaitsForClaim);
  runtime_.claims().claim(*this, a, {entries, count}, done, ctx);
}

}  // namespace orbit::kernel
