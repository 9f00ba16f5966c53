// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "writer.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <random>
#include <thread>

namespace orbit::storage_postgres {
namespace {

constexpr std::chrono::milliseconds kPauseMax{100};

std::string new_writer_name() {
  std::random_device random;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "writer/";
  for (int i = 0; i < 32; ++i) out += kHex[random() % 16];
  return out;
}

constexpr const char* kReadOnly = "25006";  // a standby: libpq looks for the primary when it connects, if it is told to
constexpr const char* kDivisionByZero = "22012";
constexpr const char* kUniqueViolation = "23505";


// The server gave up for the sake of another transaction; the same may work now.
bool is_conflict(const std::string& sqlstate) { return sqlstate == "40001" || sqlstate == "40P01"; }
// Refused by a server that is going, coming, or that is not (any more) the one to write to.
bool is_passing(const std::string& sqlstate) {
  return sqlstate.starts_with("08") || sqlstate == kReadOnly || sqlstate == "57P01" || sqlstate == "57P02" || sqlstate == "57P03";
}
}  // namespace

Writer::Writer(Pool& pool, const Statements& statements, Events& events, bool says_durability)
    : pool_(pool), events_(events), statements_(statements), says_durability_(says_durability), name_(new_writer_name()),
      random_(std::random_device{}()) {}

Writer::~Writer() {
  if (!connection_ || !registered_) return;
  connection_->add("DELETE FROM " + statements_.meta + " WHERE name = '" + name_ + "'");
  if (auto gone = connection_->fly(); !gone) disconnect();  // forgotten after 30 days
}

// A connection, a registered mark, and nothing in doubt.
Result<> Writer::ready(Clock::time_point deadline) {
  while (true) {
    if (!connection_) {
      auto made = pool_.connect(deadline);
      if (!made) return tl::unexpected<Error>(made.error());
      connection_ = std::move(*made);
    }
    if (!registered_) {
      connection_->add(Statement::register_mark, {name_});
      auto done = connection_->fly();
      if (done && !*done) {
        registered_ = true;
        continue;
      }
      if (done) return tl::unexpected<Error>(error_of(**done));
    } else if (doubtful_ != 0) {
      auto settled = settle();
      if (settled) continue;
      if (!connection_->broken()) return disconnect(), settled;
    } else {
      return {};
    }
    disconnect();
    if (Clock::now() >= deadline) return fail(Code::unavailable, "the PostgreSQL server went away again and again");
  }
}

Result<> Writer::settle() {
  const int64_t barrier = ++newest_;
  uint64_t moved = 0;
  connection_->add(Statement::settle, {name_, i64_be(mark_), i64_be(barrier)});
  connection_->add(Statement::read_mark, {name_});
  std::optional<int64_t> now;
  auto done = connection_->fly([&](size_t step, const PGresult& result) {
    if (step == 0) moved = changed_rows(result);
    if (step == 1 && rows_of(result) == 1) now = i64_of(field(result, 0, 0));
  });
  if (!done) return tl::unexpected<Error>(done.error());
  if (*done) return tl::unexpected<Error>(error_of(**done));
  if (!now) {
    registered_ = false;
    mark_ = newest_ = doubtful_ = 0;
    return fail(Code::unknown, "the mark " + name_ + " was removed from the server: what became of the last batch is not known");
  }
  // Moved: the transaction has not happened and cannot any more. Otherwise the mark is at the transaction's number, or at
  // that of an earlier try to move it.
  doubtful_applied_ = moved == 0 && *now == doubtful_;
  doubtful_ = 0;
  mark_ = *now;
  events_.settled(doubtful_applied_);
  return {};
}

Result<FencedOutcome> Writer::write(Conditions conditions, WriteOps ops, bool sync) {
  const std::lock_guard one(mutex_);
  auto batch = Batch::of(conditions, ops);
  if (!batch) return tl::unexpected<Error>(batch.error());
  FencedOutcome outcome;
  const auto deadline = pool_.deadline();
  bool mine_in_doubt = false;
  for (size_t tries = 1;; ++tries) {
    if (auto is_ready = ready(deadline); !is_ready) {
      Error error = is_ready.error();
      if (mine_in_doubt)
        error = {Code::unknown, "it is not known whether the batch was applied: " + error.message};
      return tl::unexpected<Error>(std::move(error));
    }
    if (std::exchange(mine_in_doubt, false) && doubtful_applied_) return outcome;
    auto result = attempt(*batch, conditions, sync, outcome);
    mine_in_doubt = doubtful_ != 0;
    if (result && *result != Attempt::again) return outcome;
    const bool late = Clock::now() >= deadline;
    if (!result && (!mine_in_doubt || late)) {
      if (!mine_in_doubt) return tl::unexpected<Error>(result.error());
      return fail(Code::unknown, "it is not known whether the batch was applied: " + result.error().message);
    }
    if (result && late) return fail(Code::unavailable, "other transactions were in the way of the batch " + std::to_string(tries) + " times");
    if (result) {
      const auto longest = std::min<std::chrono::milliseconds>(kPauseMax, std::chrono::milliseconds(1 << std::min<size_t>(tries, 7)));
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % static_cast<unsigned>(longest.count() * 1000)));
    }
  }
}

// An error with doubtful_ set: it may have been applied; without: it was not.
Result<Writer::Attempt> Writer::attempt(const Batch& batch, Conditions conditions, bool sync, FencedOutcome& outcome) {
  const int64_t next = ++newest_;
  // Where a server makes every transaction serializable, it does so for this one too.
  connection_->add("BEGIN ISOLATION LEVEL READ COMMITTED");
  size_t first_condition = 2;
  if (!sync && says_durability_) {
    connection_->add("SET LOCAL synchronous_commit = off");
    ++first_condition;
  }
  connection_->add(Statement::mark, {name_, i64_be(mark_), i64_be(next)});
  batch.queue(*connection_);
  connection_->add("COMMIT");
  auto done = connection_->fly();
  if (!done) {
    doubtful_ = next;
    disconnect();
    return tl::unexpected<Error>(done.error());
  }
  if (!*done) {
    mark_ = next;
    return Attempt::applied;
  }
  const Refusal& refusal = **done;
  // Whether or not a transaction was open.
  connection_->add("ROLLBACK");
  if (auto back = connection_->fly(); !back || *back) disconnect();
  if (is_passing(refusal.sqlstate)) {
    if (refusal.sqlstate != kReadOnly) doubtful_ = next;  // looked up rather than argued about
    disconnect();
    return tl::unexpected<Error>(error_of(refusal));
  }
  return refused(refusal, first_condition, conditions, outcome);
}

Result<Writer::Attempt> Writer::refused(const Refusal& refusal, size_t first_condition, Conditions conditions,
                                        FencedOutcome& outcome) {
  if (is_conflict(refusal.sqlstate)) {
    events_.retried(refusal.sqlstate);
    return Attempt::again;
  }
  if (refusal.step + 1 == first_condition && refusal.sqlstate == kDivisionByZero) {
    registered_ = false;  // somebody removed the mark
    mark_ = newest_ = 0;
    return Attempt::again;
  }
  const size_t index = refusal.step - first_condition;
  if (refusal.step >= first_condition && index < conditions.size()) {
    const Condition one = conditions[index];
    if (refusal.sqlstate == (one.kind == ConditionKind::absent ? kUniqueViolation : kDivisionByZero)) {
      outcome.failed = index;
      // As of now, for the message.
      if (!connection_) return Attempt::refused_by_condition;
      const RowKey key(one.key);
      connection_->add(Statement::get, {key.head(), key.hash()});
      auto read = connection_->fly([&](size_t, const PGresult& result) {
        if (rows_of(result) == 1) outcome.found = field(result, 0, 0);
      });
      if (!read) disconnect();
      return Attempt::refused_by_condition;
    }
  }
  return tl::unexpected<Error>(error_of(refusal));
}

Result<> Writer::recover() {
  const std::lock_guard one(mutex_);
  return ready(pool_.deadline());
}

}  // namespace orbit::storage_postgres
