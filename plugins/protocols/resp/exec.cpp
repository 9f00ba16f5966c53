// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "exec.hpp"

#include <algorithm>
#include <utility>

#include "databases.hpp"
#include "multi_key.hpp"
#include "numbers.hpp"
#include "orbit/result.hpp"
#include "session.hpp"

namespace orbit::resp {
namespace {

// The database after a queued SELECT with a good argument.
void selected(const QueuedCommand& command, uint32_t& database) {
  if (std::string_view(command.entry->spec->name) != "select") return;
  int64_t index = 0;
  if (parse_integer(command.args[1], index) && index >= 0 && index < static_cast<int64_t>(kDatabaseCount)) {
    database = static_cast<uint32_t>(index);
  }
}

bool is_operation(const QueuedCommand& command) { return command.entry->is_operation(command.args, true); }

// Whether it is over whole databases and commits with the commands around it.
bool joins(const QueuedCommand& command) { return command.entry->session != nullptr && command.entry->session->joins; }

// Commands that name their keys, erase databases or exchange them, one after another over one hold; before them the
// watches of the transaction, if any. Which actors a key after an exchange is, is known beforehand, so that they can be
// held; that the databases are exchanged is one more actor that changes.
class HeldCommands : public HoldCall {
 public:
  HeldCommands(Session& session, std::span<const QueuedCommand> commands, std::vector<WatchedKey> watches)
      : server_(session.server()), commands_(commands), watches_(std::move(watches)), order_(server_.database_order()) {
    for (const WatchedKey& watch : watches_) refs_.push_back({watch.type, to_c(std::string_view(watch.key))});
    uint32_t database = session.database();
    Server::DatabaseOrder order = order_;
    TypeSet erased = 0;
    TypeSet exchanged = 0;
    for (const QueuedCommand& command : commands_) {
      const CommandSpec& spec = *command.entry->spec;
      writes_ |= (spec.flags & kWrite) != 0;
      if (joins(command)) {
        const DatabaseChange change = read_database_change(spec.name, command.args, database, order);
        changes_.push_back({change, order});
        erased |= change.erased;
        exchanged |= change.exchanged;
        continue;
      }
      const int other = spec.other_database != nullptr ? spec.other_database(command.args) : -1;
      for (size_t i = 0; i < command.keys.size(); ++i) {
        const uint32_t of = i != 0 && other >= 0 ? static_cast<uint32_t>(other) : database;
        refs_.push_back({server_.type(order[of]), to_c(command.args[command.keys[i]])});
      }
      selected(command, database);
    }
    if (exchanged != 0) refs_.push_back({server_.databases_type(), {}});
    for (uint32_t i = 0; i < kDatabaseCount; ++i) {
      if ((erased >> i & 1) != 0) erasable_.push_back(server_.type(i));
    }
    may_erase_ = exchanged != 0 || erased != 0;
  }

 protected:
  bool writes() const override { return writes_; }

  // False: a watched key has changed.
  bool check_watches(KeyActor* const* actors) {
    bool intact = true;
    for (size_t i = 0; i < watches_.size(); ++i) {
      if (actors[i]->expire_if_due(worker_->now_ms())) changed_[i] = 1;
      intact &= actors[i]->watch_mark() == watches_[i].mark;
    }
    for (size_t i = 0; i < watches_.size(); ++i) actors[i]->unwatch(watches_[i].mark);
    watches_done_ = true;
    return intact;
  }

  void run_commands(Session& session, Reply& reply, KeyActor* const* actors) {
    size_t at = watches_.size();
    size_t change = 0;
    std::vector<OpenKey> open;
    for (const QueuedCommand& command : commands_) {
      reply.clear_failed();
      reply.set_protocol(session.protocol());
      const CommandEntry& entry = *command.entry;
      if (joins(command)) {
        change_databases(changes_[change++], reply, actors);
      } else if (entry.kind == CommandKind::kFunction) {
        // Nobody reads the reply of a connection that is gone, and it cannot be asked any more.
        if (session.gone() && entry.session->connection) continue;
        entry.session->function(session, command.args, reply);
      } else {
        run_held(*entry.spec, command.args, command.keys, actors + at, changed_.data() + at, open, reply,
                 worker_->now_ms(), worker_->random());
        at += command.keys.size();
      }
      if (reply.failed()) worker_->count_error();
    }
  }

  // What was done to whole databases is stored: from here on everybody sees it.
  bool lingers() override {
    if (refused_ || (flushed_ == 0 && exchanged_ == 0)) return false;
    if (exchanged_ != 0) server_.set_database_order(order_);
    tell_clients(server_, flushed_, exchanged_, [this] { end_now(); });
    return true;
  }

  // To be called from failed().
  void refused() {
    refused_ = true;
    if (!watches_done_) unwatch_later(*worker_, std::exchange(watches_, {}));
    watches_done_ = true;
  }

  Server& server_;
  std::span<const QueuedCommand> commands_;
  std::vector<WatchedKey> watches_;
  bool writes_ = false;
  bool watches_done_ = false;

 private:
  struct Change {
    DatabaseChange change;
    Server::DatabaseOrder order;  // behind it
  };

  void change_databases(const Change& it, Reply& reply, KeyActor* const* actors) {
    const auto& [change, order] = it;
    if (change.error != nullptr) return reply.error(change.error);
    if (change.exchanged != 0) {
      actors[refs_.size() - 1]->value.assign_string(write_order(order));
      changed_.back() = 1;
      order_ = order;
      exchanged_ |= change.exchanged;
    }
    if (change.erased != 0) erase(change.erased, actors);
    reply.ok();
  }
  void erase(TypeSet types, KeyActor* const* actors) {
    flushed_ |= types;
    for (size_t i = 0; i < erasable_.size(); ++i) {
      if (has(server_, types, erasable_[i])) erased_[i] = 1;
    }
    for (size_t i = 0; i < refs_.size(); ++i) {
      if (!has(server_, types, refs_[i].type)) continue;
      if (!actors[i]->value.is_none()) actors[i]->touch();
      actors[i]->value.clear();
      changed_[i] = 1;
    }
  }

  std::vector<Change> changes_;  // of the commands that are over whole databases
  // What those that have run did.
  TypeSet flushed_ = 0;
  TypeSet exchanged_ = 0;
  Server::DatabaseOrder order_;
  bool refused_ = false;
};

struct Queue {
  std::vector<QueuedCommand> commands;
};

// A transaction that is one hold.
class WholeExec final : private Queue, public HeldCommands {
 public:
  WholeExec(Session& session, std::vector<QueuedCommand> queue, std::vector<WatchedKey> watches, bool watches_broken)
      : Queue{std::move(queue)},
        HeldCommands(session, Queue::commands, std::move(watches)),
        watches_broken_(watches_broken) {}

  void start(Session& session) {
    Slot* const slot = session.begin_operation();
    if (!refs_.empty()) {
      begin(session.worker(), &session, slot, session.worker().deadline_ns());
      return;
    }
    worker_ = &session.worker();
    session_ = &session;
    slot_ = slot;
    use(nullptr);
    delete this;
    session.finish(slot);
  }

 private:
  void use(KeyActor* const* actors) override {
    Reply reply(slot_->out, session_->protocol());
    if (!check_watches(actors) || watches_broken_) {
      reply.null_array();
      return;
    }
    if (writes_ && !check_writable(reply)) return;
    reply.array(commands_.size());
    run_commands(*session_, reply, actors);
  }
  void failed(orbit_code, const char*) override { refused(); }
  void ended() override { delete this; }

  const bool watches_broken_;
};

}  // namespace

// Part of a transaction in steps.
class SteppedExec::Step final : public HeldCommands {
 public:
  Step(SteppedExec& exec, std::span<const QueuedCommand> commands, bool first)
      : HeldCommands(exec.session_, commands, first ? std::exchange(exec.watches_, {}) : std::vector<WatchedKey>()),
        exec_(exec),
        first_(first) {}

  void start() {
    Session& session = exec_.session_;
    Slot* const part = session.begin_operation();
    if (!refs_.empty() || may_erase_) {
      begin(session.worker(), &session, part, session.worker().deadline_ns());
      return;
    }
    worker_ = &session.worker();
    session_ = &session;
    slot_ = part;
    use(nullptr);
    delete this;
    session.finish(part);
  }

 private:
  void use(KeyActor* const* actors) override {
    Reply reply(slot_->out, session_->protocol());
    if (first_) {
      if (!check_watches(actors) || exec_.watches_broken_) {
        exec_.failed_ = true;
        reply.null_array();
        return;
      }
      bool any_write = false;
      for (const QueuedCommand& command : exec_.queue_) any_write |= (command.entry->spec->flags & kWrite) != 0;
      if (any_write && !check_writable(reply)) {
        exec_.failed_ = true;
        return;
      }
      reply.array(exec_.queue_.size());
    }
    run_commands(*session_, reply, actors);
  }
  void failed(orbit_code code, const char* message) override {
    refused();
    exec_.failed_ = exec_.failed_ || first_;
    if (first_) return;
    // As many errors as there are commands, so that the array keeps its length.
    slot_->out.clear();
    for (size_t i = 0; i < commands_.size(); ++i) {
      Reply reply(slot_->out, session_->protocol());
      write_error(reply, writes_, code, message != nullptr ? message : "");
    }
  }
  void ended() override { delete this; }

  SteppedExec& exec_;
  const bool first_;
};

SteppedExec::SteppedExec(Session& session)
    : session_(session),
      queue_(std::move(session.transaction().queue)),
      watches_(std::exchange(session.transaction().watches, {})),
      watches_broken_(std::exchange(session.transaction().watches_broken, false)) {
  discard_transaction(session);
}

void SteppedExec::start() {
  slot_ = session_.begin_operation();
  exclusively(session_, [this](std::function<void()> leave) {
    leave_ = std::move(leave);
    session_.set_exec(this);
    run();
  });
}

Slot* SteppedExec::take_part() {
  Slot* const part = session_.worker().take_slot();
  part->session = &session_;
  part->part = true;
  part->done = false;
  waiting_ = true;
  return part;
}

void SteppedExec::finish_part(Slot* part) {
  slot_->out.append(part->out.view());
  session_.worker().give_back(part);
  waiting_ = false;
  if (!running_) run();
}

// Until something has to be waited for.
void SteppedExec::run() {
  running_ = true;
  while (!waiting_ && begin_next()) {
  }
  running_ = false;
  if (!waiting_) end();
}

bool SteppedExec::begin_next() {
  const bool first = slot_->out.empty();
  if (failed_ || (!first && next_ == queue_.size())) return false;
  size_t last = next_;
  while (last < queue_.size() && (!is_operation(queue_[last]) || joins(queue_[last]))) ++last;
  if (first || last != next_) {
    const std::span<const QueuedCommand> commands(queue_.data() + next_, last - next_);
    next_ = last;
    (new Step(*this, commands, first))->start();
    return true;
  }
  const QueuedCommand& command = queue_[next_++];
  if (!session_.gone() || !command.entry->session->connection) {
    command.entry->session->operation(session_, command.args);
  }
  return true;
}

void SteppedExec::end() {
  Session& session = session_;
  Slot* const slot = slot_;
  const std::function<void()> leave = std::move(leave_);
  session.set_exec(nullptr);
  delete this;
  session.finish(slot);
  leave();
}

void run_transaction(Session& session) {
  TransactionState& transaction = session.transaction();
  if (transaction.after_replies) session.hold_pushes();
  if (needs_steps(transaction)) {
    (new SteppedExec(session))->start();
    return;
  }
  auto queue = std::move(transaction.queue);
  auto watches = std::exchange(transaction.watches, {});
  const bool broken = std::exchange(transaction.watches_broken, false);
  discard_transaction(session);
  (new WholeExec(session, std::move(queue), std::move(watches), broken))->start(session);
}

bool needs_steps(const TransactionState& transaction) { return std::ranges::any_of(transaction.queue, &is_operation); }

size_t keys_held(const TransactionState& transaction) {
  size_t keys = transaction.watches.size();
  for (const QueuedCommand& command : transaction.queue) keys += command.keys.size();
  return keys;
}

}  // namespace orbit::resp
