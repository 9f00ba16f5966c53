// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "uncommitted.hpp"

#include <algorithm>
#include <functional>
#include <memory>

#include "exec.hpp"
#include "orbit/result.hpp"
#include "session.hpp"

namespace orbit::resp {
namespace {

const orbit_actors_v1& actors_of(const Session& session) { return *session.server().interfaces().actors; }

// A listing of what is stored, in which keys that an EXEC holds are replaced by those of them that exist now.
class Merge {
 public:
  Merge(const Uncommitted& changes, const orbit_type* type, uint64_t from_hash, orbit_visit_actor visit,
        void (*done)(void*, uint64_t, orbit_code, const char*), void* ctx)
      : changes_(changes), type_(type), present_(changes.present(type, from_hash)), visit_(visit), done_(done),
        ctx_(ctx) {}

  // [io] The EXEC waits for it, and changes nothing meanwhile.
  static int visit(void* ctx, orbit_bytes key, uint64_t hash) {
    auto& self = *static_cast<Merge*>(ctx);
    if (self.changes_.find(self.type_, from_c(key)) != Uncommitted::kNotHeld) return 1;
    return self.tell(hash) ? self.visit_(self.ctx_, key, hash) : 0;
  }
  static void done(void* ctx, uint64_t next_hash, orbit_code code, const char* message) {
    const std::unique_ptr<Merge> self(static_cast<Merge*>(ctx));
    if (code == ORBIT_OK) self->tell(next_hash - 1);  // the end is 0
    self->done_(self->ctx_, next_hash, code, message);
  }

 private:
  // Those up to this hash. False: it is enough.
  bool tell(uint64_t hash) {
    for (; next_ < present_.size() && present_[next_].hash <= hash; ++next_) {
      if (visit_(ctx_, to_c(present_[next_].key), present_[next_].hash) == 0) return false;
    }
    return true;
  }

  const Uncommitted& changes_;
  const orbit_type* const type_;
  const std::vector<Uncommitted::Present> present_;
  size_t next_ = 0;
  const orbit_visit_actor visit_;
  void (*const done_)(void*, uint64_t, orbit_code, const char*);
  void* const ctx_;
};

struct Count {
  const Uncommitted& changes;
  std::span<const orbit_type* const> types;
  uint64_t* counts;
  void (*done)(void*, orbit_code, const char*);
  void* ctx;

  static void counted(void* self, orbit_code code, const char* message) {
    const std::unique_ptr<Count> its(static_cast<Count*>(self));
    for (size_t i = 0; i < its->types.size() && code == ORBIT_OK; ++i) {
      its->counts[i] = its->changes.count(its->types[i], its->counts[i]);
    }
    its->done(its->ctx, code, message);
  }
};

}  // namespace

size_t Uncommitted::NameHash::operator()(const Name& name) const noexcept {
  return std::hash<std::string_view>()(name.key) ^ std::hash<const void*>()(name.type);
}

void Uncommitted::remember(std::span<const orbit_actor_ref> refs, std::span<KeyActor* const> actors) {
  order_ = server_.database_order();
  for (size_t i = 0; i < refs.size(); ++i) {
    const Name name{refs[i].type, from_c(refs[i].key)};
    if (index_.emplace(name, i).second) held_.push_back({name, actors[i], !actors[i]->value.is_none()});
  }
}

size_t Uncommitted::find(const orbit_type* type, std::string_view key) const {
  const auto found = index_.find({type, key});
  return found != index_.end() ? found->second : kNotHeld;
}

uint64_t Uncommitted::count(const orbit_type* type, uint64_t stored) const {
  const bool gone = erased(type);
  uint64_t count = gone ? 0 : stored;
  for (const Held& held : held_) {
    if (held.name.type != type) continue;
    if (held.was_there && !gone) --count;
    if (!held.actor->value.is_none()) ++count;
  }
  return count;
}

std::vector<Uncommitted::Present> Uncommitted::present(const orbit_type* type, uint64_t from_hash) const {
  const orbit_actors_v1& actors = *server_.interfaces().actors;
  std::vector<Present> out;
  for (const Held& held : held_) {
    if (held.name.type != type || held.actor->value.is_none()) continue;
    const uint64_t hash = actors.hash(to_c(held.name.key));
    if (hash >= from_hash) out.push_back({hash, held.name.key});
  }
  std::ranges::sort(out, {}, &Present::hash);
  return out;
}

void list_keys(const Session& session, const orbit_type* type, uint64_t from_hash, size_t limit,
               orbit_visit_actor visit, void (*done)(void*, uint64_t, orbit_code, const char*), void* ctx) {
  const Exec* const exec = session.exec();
  if (exec == nullptr) return actors_of(session).list(type, from_hash, limit, visit, done, ctx);
  auto* const merge = new Merge(exec->uncommitted(), type, from_hash, visit, done, ctx);
  if (exec->uncommitted().erased(type)) return Merge::done(merge, 0, ORBIT_OK, "");
  actors_of(session).list(type, from_hash, limit, &Merge::visit, &Merge::done, merge);
}

void count_keys(const Session& session, std::span<const orbit_type* const> types, uint64_t* counts,
                void (*done)(void*, orbit_code, const char*), void* ctx) {
  const Exec* const exec = session.exec();
  if (exec == nullptr) return actors_of(session).counts(types.data(), types.size(), counts, done, ctx);
  actors_of(session).counts(types.data(), types.size(), counts, &Count::counted,
                            new Count{exec->uncommitted(), types, counts, done, ctx});
}

}  // namespace orbit::resp
