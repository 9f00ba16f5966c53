// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/indexes.hpp"

#include <algorithm>
#include <memory>

#include "actor/listing.hpp"
#include "actor/runtime.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr size_t kAtOnce = 256;
constexpr uint64_t kRetryNs = 200'000'000;
constexpr char kNoteFormat = 1;

bool passing(orbit_code code) {
  return code == ORBIT_RESOURCE_EXHAUSTED || code == ORBIT_UNAVAILABLE || code == ORBIT_DEADLINE_EXCEEDED ||
         code == ORBIT_ABORTED || code == ORBIT_CANCELLED || code == ORBIT_NOT_FOUND;
}

}  // namespace

// One page of a walk.
struct Indexes::Walk {
  Indexes* indexes;
  orbit_type* type;
  const TypeVersion* version;
  std::vector<std::string> keys;  // filled on the I/O pool
  uint64_t next_hash = 0;
  size_t left = 0;
  bool retry = false;
  std::string error;  // an actor could not write its entries
};

Indexes::Indexes(Runtime& runtime) : runtime_(runtime) {}
Indexes::~Indexes() = default;

std::string Indexes::note_key(const orbit_type* type, uint32_t number) {
  std::string key = index_note_prefix(type->name);
  append_u32_be(key, number);
  return key;
}

std::string Indexes::note_value(const Note& note) {
  std::string value(1, kNoteFormat);
  value.push_back(static_cast<char>(note.stage));
  append_varint(value, note.flags);
  append_varint(value, note.kind);
  append_varint(value, note.state_version);
  append_u64_be(value, note.next_hash);
  value.append(note.error);
  return value;
}

bool Indexes::read_note(std::string_view value, Note& note) {
  if (value.size() < 2 || value[0] != kNoteFormat) return false;
  note.stage = static_cast<IndexStage>(value[1]);
  value.remove_prefix(2);
  const auto flags = take_varint(value);
  const auto kind = take_varint(value);
  const auto state_version = take_varint(value);
  const auto next_hash = take_u64_be(value);
  if (!flags || !kind || !state_version || !next_hash) return false;
  note.flags = static_cast<uint32_t>(*flags);
  note.kind = static_cast<orbit_index_kind>(*kind);
  note.state_version = static_cast<uint32_t>(*state_version);
  note.next_hash = *next_hash;
  note.error = value;
  return true;
}

void Indexes::types_changed(const std::vector<orbit_type*>& types) {
  for (orbit_type* type : types) {
    {
      const std::lock_guard lock(mutex_);
      Type& its = types_[type];
      its.known = false;
      its.again = true;
    }
    runtime_.post(0, [this, type] { begin(type); });
  }
}

void Indexes::begin(orbit_type* type) {
  {
    const std::lock_guard lock(mutex_);
    Type& its = types_[type];
    if (its.running) return;
    its.running = true;
    its.again = false;
    its.version = type->current.load(std::memory_order_acquire);
  }
  struct Reading {
    Indexes* indexes;
    orbit_type* type;
    std::string prefix;
    std::map<uint32_t, Note> notes;
    bool ok = false;
  };
  auto* reading = new Reading{this, type, index_note_prefix(type->name), {}};
  const bool queued = runtime_.executor().blocking(
      [](void* ctx) {
        auto* self = static_cast<Reading*>(ctx);
        const Engine& engine = self->indexes->runtime_.store_of(*self->type).committer.engine();
        const std::string end = prefix_end(self->prefix);
        ErrorOut error;
        self->ok = engine.table->scan(
                       engine.self, nullptr, to_c(self->prefix), to_c(end), 0,
                       [](void* raw, orbit_bytes key, orbit_bytes value) -> int {
                         auto* to = static_cast<Reading*>(raw);
                         std::string_view rest = from_c(key).substr(to->prefix.size());
                         const auto number = take_u32_be(rest);
                         Note note;
                         // What cannot be read is built anew.
                         if (number) to->notes[*number] = read_note(from_c(value), note) ? note : Note{};
                         return 1;
                       },
                       self, &error) == ORBIT_OK;
        self->indexes->runtime_.post(0, [self] {
          const std::unique_ptr<Reading> owned(self);
          if (owned->ok)
            owned->indexes->compare(owned->type, std::move(owned->notes));
          else
            owned->indexes->later(owned->type, &Indexes::begin);
        });
      },
      reading);
  if (queued) return;
  delete reading;
  later(type, &Indexes::begin);
}

void Indexes::later(orbit_type* type, void (Indexes::*what)(orbit_type*)) {
  Retry* retry = nullptr;
  {
    const std::lock_guard lock(mutex_);
    Type& its = types_[type];
    its.running = what == &Indexes::walk;
    its.retry = {this, type, what};
    retry = &its.retry;
  }
  runtime_.executor().after(
      kRetryNs,
      [](void* ctx) {
        const Retry* self = static_cast<Retry*>(ctx);
        (self->indexes->*self->what)(self->type);
      },
      retry);
}

// Makes storage know what the version declares: forgets indexes that it does not have, begins those that are new or
// were built otherwise.
void Indexes::compare(orbit_type* type, std::map<uint32_t, Note> stored) {
  Scheduler& scheduler = runtime_.scheduler(0);
  const TypeVersion* version = type->current.load(std::memory_order_acquire);
  std::map<uint32_t, Note> notes;
  if (version == nullptr) {  // retired; whatever is stored stays
    stop(type);
    return;
  }
  Pending* pending = scheduler.make_submission(runtime_.store_of(*type), true, true);
  const auto forget = [&](uint32_t number) {
    const std::string prefix = index_prefix(type->name, number);
    pending->batch.remove_range(prefix, prefix_end(prefix));
  };
  for (const orbit_index& index : version->indexes) {
    const auto found = stored.find(index.number);
    if (found != stored.end() && found->second.stage != IndexStage::failed && found->second.flags == index.flags &&
        found->second.kind == index.kind && found->second.state_version == version->state_version) {
      notes[index.number] = found->second;
      continue;
    }
    const Note note{IndexStage::building, index.flags, index.kind, version->state_version, 0, {}};
    forget(index.number);
    pending->batch.put(note_key(type, index.number), note_value(note));
    notes[index.number] = note;
  }
  for (const auto& [number, note] : stored) {
    if (notes.contains(number)) continue;
    forget(number);
    pending->batch.remove(note_key(type, number));
  }
  {
    const std::lock_guard lock(mutex_);
    Type& its = types_[type];
    its.version = version;
    its.notes = std::move(notes);
    its.actors = 0;
    its.known = !its.again;
  }
  pending->then.emplace_back([this, type](orbit_code, const std::string&) { walk(type); });
  scheduler.submit(pending);
}

void Indexes::stop(orbit_type* type) {
  bool again = false;
  std::vector<std::function<void()>> waiting;
  {
    const std::lock_guard lock(mutex_);
    Type& its = types_[type];
    its.running = false;
    again = its.again;
    if (!again) {
      its.known = true;
      waiting.swap(its.waiting);
    }
  }
  for (const auto& function : waiting) function();
  if (again) begin(type);
}

void Indexes::walk(orbit_type* type) {
  uint64_t from = UINT64_MAX;
  Walk* page = nullptr;
  std::vector<std::function<void()>> waiting;
  bool building = false;
  bool again = false;
  {
    const std::lock_guard lock(mutex_);
    Type& its = types_[type];
    its.page = std::make_unique<Walk>(Walk{this, type, its.version, {}});
    page = its.page.get();
    again = its.again;
    if (!again) waiting.swap(its.waiting);
    for (const auto& [number, note] : its.notes) {
      if (note.stage != IndexStage::building) continue;
      building = true;
      from = std::min(from, note.next_hash);
    }
  }
  for (const auto& function : waiting) function();
  if (!building || again || page->version == nullptr) {
    stop(type);
    return;
  }
  list_actors(
      type, from, kAtOnce,
      [](void* ctx, orbit_bytes key, uint64_t) -> int {
        static_cast<Walk*>(ctx)->keys.emplace_back(from_c(key));
        return 1;
      },
      [](void* ctx, uint64_t next_hash, orbit_code code, const char*) {
        auto* self = static_cast<Walk*>(ctx);
        self->next_hash = next_hash;
        self->retry = code != ORBIT_OK;
        self->left = self->keys.size() + 1;
        if (self->retry) self->keys.clear(), self->left = 1;
        const std::vector<std::string> keys = self->keys;
        for (const std::string& key : keys) {
          Scheduler& scheduler = self->indexes->runtime_.scheduler(0);
          orbit_envelope* envelope = scheduler.allocate();
          envelope->type = self->type;
          envelope->key = to_c(key);
          envelope->method = ORBIT_METHOD_REINDEX;
          envelope->reply_ctx = self;
          envelope->on_reply = [](void* reply_ctx, orbit_envelope* reply) {
            auto* its = static_cast<Walk*>(reply_ctx);
            if (reply->code != ORBIT_OK && passing(reply->code))
              its->retry = true;
            else if (reply->code != ORBIT_OK && its->error.empty())
              its->error = "actor \"" + std::string(from_c(reply->key)) +
                           "\": " + (reply->message != nullptr ? reply->message : "");
            this_scheduler()->free_envelope(reply);
            its->indexes->page_done(its);
          };
          scheduler.send(envelope, nullptr);
        }
        self->indexes->page_done(self);
      },
      page);
}

void Indexes::page_done(Walk* walk) {
  if (--walk->left != 0) return;
  if (walk->retry && walk->error.empty()) {
    later(walk->type, &Indexes::walk);
    return;
  }
  runtime_.flush_everywhere(0, runtime_.stores_of(*walk->type), [this, walk] { settle(walk); });
}

// The page's entries are stored: notes where to go on.
void Indexes::settle(Walk* walk) {
  orbit_type* type = walk->type;
  Scheduler& scheduler = runtime_.scheduler(0);
  Pending* pending = scheduler.make_submission(runtime_.store_of(*type), true, true);
  {
    const std::lock_guard lock(mutex_);
    Type& its = types_[type];
    its.actors += walk->keys.size();
    for (auto& [number, note] : its.notes) {
      if (note.stage != IndexStage::building || its.version != walk->version) continue;
      if (!walk->error.empty()) {
        note.stage = IndexStage::failed;
        note.error = walk->error;
      } else if (note.next_hash <= walk->next_hash || walk->next_hash == 0) {
        note.next_hash = walk->next_hash;
        if (walk->next_hash == 0) note.stage = IndexStage::ready;
      }
      pending->batch.put(note_key(type, number), note_value(note));
    }
  }
  pending->then.emplace_back([this, type](orbit_code, const std::string&) { this->walk(type); });
  scheduler.submit(pending);
}

void Indexes::when_known(const orbit_type* type, uint32_t number, std::function<void(Result<>)> done) {
  std::unique_lock lock(mutex_);
  Type& its = types_[type];
  if (!its.known && type->current.load(std::memory_order_acquire) != nullptr) {
    const uint32_t worker = this_scheduler()->worker();
    its.waiting.emplace_back([this, type, number, done, worker] {
      runtime_.post(worker, [this, type, number, done] { when_known(type, number, done); });
    });
    return;
  }
  const auto found = its.notes.find(number);
  Result<> answer;
  if (found == its.notes.end())
    answer = fail(Code::not_found, "actor type " + type->name + " has no index number " + std::to_string(number));
  else if (found->second.stage != IndexStage::ready) {
    const orbit_index* index = its.version != nullptr ? its.version->index(number) : nullptr;
    const std::string name = "index " + std::string(index != nullptr ? index->name : "?") + " of " + type->name;
    answer = found->second.stage == IndexStage::failed
                 ? fail(Code::failed_precondition, name + " could not be built: " + found->second.error)
                 : fail(Code::failed_precondition,
                        name + " is being built, " + std::to_string(its.actors) + " actors so far; try again later");
  }
  lock.unlock();
  done(answer);
}

Indexes::Shown Indexes::shown(const orbit_type* type, uint32_t number) const {
  const std::lock_guard lock(mutex_);
  const auto its = types_.find(type);
  if (its == types_.end() || !its->second.known) return {"unknown", 0, {}};
  const auto found = its->second.notes.find(number);
  if (found == its->second.notes.end()) return {"unknown", 0, {}};
  switch (found->second.stage) {
    case IndexStage::ready:
      return {"ready", 0, {}};
    case IndexStage::failed:
      return {"failed", its->second.actors, found->second.error};
    default:
      return {"building", its->second.actors, {}};
  }
}

}  // namespace orbit::kernel
