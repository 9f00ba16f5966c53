// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "exec.hpp"

#include <exception>
#include <string>
#include <utility>

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

// Whether it erases or exchanges databases, which are not commands of their own here but part of the commit.
bool joins(const QueuedCommand& command) { return command.entry->session != nullptr && command.entry->session->joins; }

// Whether it is run by the session, as alone.
bool answers_later(const QueuedCommand& command) { return is_operation(command) && !joins(command); }

}  // namespace

Exec::Exec(Session& session)
    : client_(session),
      queue_(std::move(session.transaction().queue)),
      watches_(std::exchange(session.transaction().watches, {})),
      watches_broken_(std::exchange(session.transaction().watches_broken, false)),
      uncommitted_(session.server()) {
  discard_transaction(session);
  for (const QueuedCommand& command : queue_) {
    writes_ |= (command.entry->spec->flags & kWrite) != 0;
    exclusive_ |= is_operation(command);
    waits_ |= answers_later(command);
  }
}

void Exec::start() {
  slot_ = client_.begin_operation();
  if (!exclusive_) return begin_hold();
  exclusively(client_, [this](std::function<void()> leave) {
    leave_ = std::move(leave);
    begin_hold();
  });
}

void Exec::begin_hold() {
  worker_ = &client_.worker();
  try {
    name_keys();
  } catch (const std::exception&) {  // nothing has begun, but the gate may be closed
    client_.lacks(slot_);
    Session& client = client_;
    Slot* const slot = slot_;
    ended();
    return client.finish(slot);
  }
  begin(client_.worker(), &client_, slot_, client_.worker().deadline_ns());
}

// Those of the watches, then of the commands. Which actor a key is after an exchange of databases, is known beforehand;
// that they are exchanged is one more actor that changes, the last one.
void Exec::name_keys() {
  const Server& server = client_.server();
  for (const WatchedKey& watch : watches_) refs_.push_back({watch.type, to_c(std::string_view(watch.key))});
  uint32_t database = client_.database();
  Server::DatabaseOrder order = server.database_order();
  TypeSet erased = 0;
  TypeSet exchanged = 0;
  for (const QueuedCommand& command : queue_) {
    const CommandSpec& spec = *command.entry->spec;
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
      refs_.push_back({server.type(order[of]), to_c(command.args[command.keys[i]])});
    }
    selected(command, database);
  }
  if (exchanged != 0) refs_.push_back({server.databases_type(), {}});
  for (uint32_t i = 0; i < kDatabaseCount; ++i) {
    if ((erased >> i & 1) != 0) erasable_.push_back(server.type(i));
  }
  may_erase_ = exchanged != 0 || erased != 0;
  changed_.reserve(refs_.size());
  erased_.reserve(erasable_.size());
  actors_.reserve(refs_.size());
}

void Exec::use(KeyActor* const* actors) {
  actors_.assign(actors, actors + refs_.size());
  now_ms_ = worker_->now_ms();
  if (waits_) {
    keep();
    uncommitted_.remember(refs_, actors_);
  }
  Reply reply(slot_->out, client_.protocol());
  if (!check_watches() || watches_broken_) {
    reply.null_array();
    return;
  }
  if (writes_ && !check_writable(reply)) return;
  reply.array(queue_.size());
  if (waits_) client_.set_exec(this);
  goes_on_ = !run();
}

// False: a watched key has changed.
bool Exec::check_watches() {
  bool intact = true;
  for (size_t i = 0; i < watches_.size(); ++i) {
    if (actors_[i]->expire_if_due(now_ms_)) changed_[i] = 1;
    intact &= actors_[i]->watch_mark() == watches_[i].mark;
  }
  for (size_t i = 0; i < watches_.size(); ++i) actors_[i]->unwatch(watches_[i].mark);
  watches_done_ = true;
  next_key_ = watches_.size();
  return intact;
}

// Until something has to be waited for: false.
bool Exec::run() noexcept {
  running_ = true;
  while (part_ == nullptr && next_ < queue_.size()) {
    const size_t mark = slot_->out.size();
    try {
      run(queue_[next_++]);
      bound_answers();
    } catch (const std::exception&) {
      // A command that threw has not begun what it would have been waited for.
      if (part_ != nullptr) worker_->give_back(std::exchange(part_, nullptr));
      lack_memory(mark);
    }
  }
  running_ = false;
  if (part_ != nullptr) return false;
  if (too_long_) refuse_answers();
  client_.set_exec(nullptr);
  return true;
}

// In a handler: the answer of a command, which begins there, is what there was not enough of for it; the others stand.
void Exec::lack_memory(size_t mark) noexcept {
  worker_->count_error();
  try {
    slot_->out.truncate(mark);
    Reply reply(slot_->out, client_.protocol());
    write_lack(reply, std::current_exception(), false);
  } catch (const std::exception&) {
    client_.kill();  // who misses a reply would take the next one for it
  }
}

void Exec::bound_answers() noexcept {
  too_long_ |= slot_->out.size() > client_.settings().output_bytes_max;
  if (too_long_) slot_->out.clear();
}

void Exec::refuse_answers() noexcept {
  slot_->out.clear();
  try {
    Reply(slot_->out, client_.protocol())
        .error("ERR the EXEC was carried out, but its answers do not fit into output_bytes_max = " +
               std::to_string(client_.settings().output_bytes_max) + " bytes");
  } catch (const std::exception&) {
    client_.kill();
  }
}

void Exec::run(const QueuedCommand& command) {
  const CommandEntry& entry = *command.entry;
  const size_t first_key = std::exchange(next_key_, next_key_ + command.keys.size());
  // Nobody reads the reply of a connection that is gone, and it cannot be asked any more.
  if (client_.gone() && entry.session != nullptr && entry.session->connection) return;
  if (answers_later(command)) return entry.session->operation(client_, command.args);
  Reply reply(slot_->out, client_.protocol());
  if (joins(command)) {
    change_databases(changes_[next_change_++], reply);
  } else if (entry.kind == CommandKind::kFunction) {
    entry.session->function(client_, command.args, reply);
  } else {
    run_held(*entry.spec, command.args, command.keys, actors_.data() + first_key, changed_.data() + first_key, open_,
             reply, now_ms_, worker_->random(), client_.settings().output_bytes_max);
  }
  if (reply.failed()) worker_->count_error();
}

void Exec::change_databases(const Change& it, Reply& reply) {
  const auto& [change, order] = it;
  if (change.error != nullptr) return reply.error(change.error);
  if (change.exchanged != 0) {
    actors_.back()->value.assign_string(write_order(order));
    changed_.back() = 1;
    uncommitted_.exchange(change.exchanged, order);
  }
  if (change.erased != 0) erase(change.erased);
  reply.ok();
}

void Exec::erase(TypeSet types) {
  uncommitted_.erase(types);
  for (size_t i = 0; i < erasable_.size(); ++i) {
    if (has(client_.server(), types, erasable_[i])) erased_[i] = 1;
  }
  for (size_t i = 0; i < refs_.size(); ++i) {
    if (!has(client_.server(), types, refs_[i].type)) continue;
    if (!actors_[i]->value.is_none()) actors_[i]->touch();
    actors_[i]->value.clear();
    changed_[i] = 1;
  }
}

Slot* Exec::take_part() {
  part_ = worker_->take_slot();
  part_->session = &client_;
  part_->part = true;
  part_->done = false;
  return part_;
}

void Exec::finish_part(Slot* part) {
  const size_t mark = slot_->out.size();
  try {
    slot_->out.append(part->out.view());
    bound_answers();
  } catch (const std::exception&) {
    lack_memory(mark);
  }
  part_ = nullptr;
  worker_->give_back(part);
  if (running_) return;
  worker_->refresh_time();
  now_ms_ = worker_->now_ms();
  if (run()) release();
}

Value* Exec::open(const orbit_type* type, std::string_view key) {
  const size_t found = uncommitted_.find(type, key);
  if (found == Uncommitted::kNotHeld) return nullptr;
  if (actors_[found]->expire_if_due(now_ms_)) changed_[found] = 1;
  return &actors_[found]->value;
}

void Exec::changed(const orbit_type* type, std::string_view key) {
  const size_t found = uncommitted_.find(type, key);
  actors_[found]->touch();
  changed_[found] = 1;
}

void Exec::failed(orbit_code, const char*) { refused_ = true; }

// What was done to whole databases is stored: from here on everybody sees it.
bool Exec::lingers() {
  if (refused_ || (uncommitted_.erased() == 0 && uncommitted_.exchanged() == 0)) return false;
  if (uncommitted_.exchanged() != 0) client_.server().set_database_order(uncommitted_.order());
  tell_clients(client_.server(), uncommitted_.erased(), uncommitted_.exchanged(), [this] { end_now(); });
  return true;
}

void Exec::ended() {
  if (!watches_done_) {
    try {
      unwatch_later(*worker_, std::move(watches_));
    } catch (const std::exception&) {  // out of memory: the keys stay in it
    }
  }
  const std::function<void()> leave = std::move(leave_);
  delete this;
  if (leave) leave();
}

void run_transaction(Session& session) {
  if (session.transaction().after_replies) session.hold_pushes();
  (new Exec(session))->start();
}

size_t keys_held(const TransactionState& transaction) {
  size_t keys = transaction.watches.size();
  for (const QueuedCommand& command : transaction.queue) keys += command.keys.size();
  return keys;
}

}  // namespace orbit::resp
