// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Running a transaction: one hold over all the keys that its commands name, one batch that commits what they changed.
//
// Commands that are over whole databases or other actors run as they do alone, between the others, while the hold stays
// open; the gate keeps other commands away meanwhile (gate.hpp). What such a command finds stored is as it was before
// the transaction; Uncommitted adds what that has changed.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "databases.hpp"
#include "multi_key.hpp"
#include "transaction.hpp"
#include "uncommitted.hpp"

namespace orbit::resp {

class Exec final : public HoldCall {
 public:
  // Takes the session's queue and watches.
  explicit Exec(Session& session);

  void start();

  // ---- for the session, while commands run that take slots and finish them as ever ----

  Slot* take_part();
  void finish_part(Slot* part);

  // ---- for such commands ----

  const Uncommitted& uncommitted() const noexcept { return uncommitted_; }
  // The value of a key that the transaction holds, without what has expired; null: it does not hold the key.
  Value* open(const orbit_type* type, std::string_view key);
  // A value that open() has given was changed.
  void changed(const orbit_type* type, std::string_view key);

 private:
  struct Change {
    DatabaseChange change;
    Server::DatabaseOrder order;  // behind it
  };

  void begin_hold();
  void name_keys();
  void use(KeyActor* const* actors) override;
  bool writes() const override { return writes_; }
  void failed(orbit_code code, const char* message) override;
  bool lingers() override;
  void ended() override;

  bool check_watches();
  bool run() noexcept;
  void run(const QueuedCommand& command);
  void lack_memory(size_t mark) noexcept;
  void bound_answers() noexcept;
  void refuse_answers() noexcept;
  void change_databases(const Change& it, Reply& reply);
  void erase(TypeSet types);

  Session& client_;
  std::vector<QueuedCommand> queue_;
  std::vector<WatchedKey> watches_;
  const bool watches_broken_;
  bool writes_ = false;
  bool exclusive_ = false;   // runs within the closed gate
  bool waits_ = false;       // some of its commands may answer later
  bool watches_done_ = false;
  bool refused_ = false;
  std::vector<Change> changes_;  // of the commands that erase and exchange databases
  Uncommitted uncommitted_;
  std::vector<KeyActor*> actors_;  // of refs_
  // What has run: so many commands, keys and changes.
  size_t next_ = 0;
  size_t next_key_ = 0;
  size_t next_change_ = 0;
  uint64_t now_ms_ = 0;  // when the command that runs began
  Slot* part_ = nullptr;  // whose end is waited for
  bool running_ = false;
  bool too_long_ = false;  // its answers are more than a client may have waiting
  std::vector<OpenKey> open_;
  std::function<void()> leave_;
};

// Takes the session's queue and watches and runs them.
void run_transaction(Session& session);
// How many keys the transaction holds at most.
size_t keys_held(const TransactionState& transaction);

}  // namespace orbit::resp
