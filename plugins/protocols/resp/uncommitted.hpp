// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What an EXEC has changed and not committed yet, for those of its commands that look at whole databases: what is stored
// is as it was when the EXEC got its keys.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "databases.hpp"
#include "key_actor.hpp"
#include "server.hpp"

namespace orbit::resp {

class Session;

class Uncommitted {
 public:
  explicit Uncommitted(const Server& server) : server_(server) {}

  // ---- databases ----

  // Which actor type a database is now.
  const orbit_type* database(uint32_t index) const noexcept { return server_.type(order_[index]); }
  const Server::DatabaseOrder& order() const noexcept { return order_; }
  TypeSet exchanged() const noexcept { return exchanged_; }
  TypeSet erased() const noexcept { return erased_; }
  // Nothing that is stored of the type counts.
  bool erased(const orbit_type* type) const noexcept { return has(server_, erased_, type); }
  void exchange(TypeSet types, const Server::DatabaseOrder& order) noexcept {
    exchanged_ |= types;
    order_ = order;
  }
  void erase(TypeSet types) noexcept { erased_ |= types; }

  // ---- keys ----

  static constexpr size_t kNotHeld = SIZE_MAX;

  // What the EXEC holds, and the order of databases: before it changes anything. The keys are borrowed.
  void remember(std::span<const orbit_actor_ref> refs, std::span<KeyActor* const> actors);
  // The first of `refs` that is this key.
  size_t find(const orbit_type* type, std::string_view key) const;
  // How many keys there are, when so many are stored.
  uint64_t count(const orbit_type* type, uint64_t stored) const;

  struct Present {
    uint64_t hash;
    std::string_view key;
  };
  // The held keys of a type that exist now, from that hash on, in the order of their hashes.
  std::vector<Present> present(const orbit_type* type, uint64_t from_hash) const;

 private:
  struct Name {
    const orbit_type* type;
    std::string_view key;
    bool operator==(const Name&) const = default;
  };
  struct NameHash {
    size_t operator()(const Name& name) const noexcept;
  };
  struct Held {
    Name name;
    const KeyActor* actor;
    bool was_there;
  };

  const Server& server_;
  Server::DatabaseOrder order_{};
  TypeSet exchanged_ = 0;
  TypeSet erased_ = 0;
  std::vector<Held> held_;                            // each key once
  std::unordered_map<Name, size_t, NameHash> index_;  // in refs
};

// As `list` and `counts` of orbit.actors/1; for a command of an EXEC with what that has changed.
void list_keys(const Session& session, const orbit_type* type, uint64_t from_hash, size_t limit,
               orbit_visit_actor visit,
               void (*done)(void* ctx, uint64_t next_hash, orbit_code code, const char* message), void* ctx);
void count_keys(const Session& session, std::span<const orbit_type* const> types, uint64_t* counts,
                void (*done)(void* ctx, orbit_code code, const char* message), void* ctx);

}  // namespace orbit::resp
