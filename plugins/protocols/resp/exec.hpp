// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Running a transaction. When all its commands name their keys, one hold over these is the transaction, one batch
// commits it. When some are over whole databases or other actors, it has all keys for itself (gate.hpp) and runs in
// steps: each run of commands that name their keys, erase databases or exchange them is a hold and a batch of its own,
// each other command runs as it does alone.
#pragma once

#include <cstdint>

#include "transaction.hpp"

namespace orbit::resp {

struct Slot;

// An EXEC in steps. Commands that run as they do alone take their slots and finish them as ever; the session hands both
// on to this.
class SteppedExec {
 public:
  explicit SteppedExec(Session& session);
  SteppedExec(const SteppedExec&) = delete;
  SteppedExec& operator=(const SteppedExec&) = delete;

  void start();
  Slot* take_part();
  void finish_part(Slot* part);

 private:
  class Step;
  friend class Step;

  void run();
  bool begin_next();
  void end();

  Session& session_;
  Slot* slot_ = nullptr;
  std::vector<QueuedCommand> queue_;
  std::vector<WatchedKey> watches_;
  size_t next_ = 0;
  bool watches_broken_;
  bool failed_ = false;   // the reply is no array but what is in the slot
  bool waiting_ = false;  // for a part
  bool running_ = false;
  std::function<void()> leave_;
};

// Takes the session's queue and watches and runs them.
void run_transaction(Session& session);
// Whether the transaction must run in steps.
bool needs_steps(const TransactionState& transaction);
// How many keys the transaction holds at most.
size_t keys_held(const TransactionState& transaction);

}  // namespace orbit::resp
