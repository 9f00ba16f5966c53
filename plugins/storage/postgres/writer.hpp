// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Writes batches on a connection of its own, each in one transaction and one round trip, and exactly once.
//
// A commit whose answer is lost may or may not have happened, and may still happen while the server works on what it was
// sent. So each transaction also moves this writer's mark from one number to the next. After a loss the writer tries to move
// the mark itself: if that works the transaction has not happened and never will; if not, the mark says that it has.
#pragma once

#include <mutex>
#include <string>

#include "batch.hpp"
#include "pool.hpp"

namespace orbit::storage_postgres {

class Writer {
 public:
  Writer(Pool& pool, const Statements& statements, Events& events, bool says_durability);
  // Takes the mark away, if the server is there.
  ~Writer();

  // UNAVAILABLE: not applied. UNKNOWN: the server went away, and did not come back in time to tell whether it was applied.
  Result<FencedOutcome> write(Conditions conditions, WriteOps ops, bool sync);
  // Connects, and settles what is in doubt.
  Result<> recover();

 private:
  // What one attempt led to.
  enum class Attempt { applied, refused_by_condition, again };

  Result<> ready(Clock::time_point deadline);
  Result<> settle();
  Result<Attempt> attempt(const Batch& batch, Conditions conditions, bool sync, FencedOutcome& outcome);
  Result<Attempt> refused(const Refusal& refusal, size_t first_condition, Conditions conditions, FencedOutcome& outcome);
  void disconnect() noexcept { connection_.reset(); }

  Pool& pool_;
  Events& events_;
  const Statements& statements_;
  const bool says_durability_;
  const std::string name_;
  std::mutex mutex_;  // one at a time, also when the caller breaks that rule
  std::unique_ptr<Connection> connection_;
  bool registered_ = false;
  int64_t mark_ = 0;     // what the server has, as far as is known
  int64_t newest_ = 0;   // the greatest number ever sent
  int64_t doubtful_ = 0;  // the number of a transaction in doubt; 0: none
  bool doubtful_applied_ = false;  // what settle found
  std::minstd_rand random_;
};

}  // namespace orbit::storage_postgres
