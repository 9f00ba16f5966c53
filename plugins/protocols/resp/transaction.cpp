// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "transaction.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "multi_key.hpp"
#include "numbers.hpp"
#include "orbit/result.hpp"
#include "session.hpp"

namespace orbit::resp {
namespace {

// Registers the session with the actors of keys, whether they exist or not.
class WatchCall final : public HoldCall {
 public:
  WatchCall(Session& session, Args keys) : database_(session.database()) {
    for (const auto key : keys) keys_.emplace_back(key);
    for (const auto& key : keys_) refs_.push_back({session.server().database(database_), to_c(std::string_view(key))});
    begin(session.worker(), &session, session.begin_operation(), session.worker().deadline_ns());
  }

 private:
  void use(KeyActor* const* actors) override {
    auto& watches = session_->transaction().watches;
    for (size_t i = 0; i < keys_.size() && !session_->gone(); ++i) {
      if (actors[i]->expire_if_due(worker_->now_ms())) changed_[i] = 1;
      const bool known = std::ranges::any_of(
          watches, [&](const WatchedKey& watch) { return watch.database == database_ && watch.key == keys_[i]; });
      if (!known) watches.push_back({database_, keys_[i], actors[i]->watch()});
    }
    Reply(slot_->out).ok();
  }
  bool writes() const override { return false; }
  void ended() override { delete this; }

  const uint32_t database_;
  std::vector<std::string> keys_;
};

// Takes watches off. Nobody waits for it; it belongs to no session.
class UnwatchCall final : public HoldCall {
 public:
  UnwatchCall(Worker& worker, std::vector<WatchedKey> watches) : watches_(std::move(watches)) {
    for (const WatchedKey& watch : watches_) {
      refs_.push_back({worker.server.database(watch.database), to_c(std::string_view(watch.key))});
    }
    begin(worker, nullptr, nullptr, 0);
  }

 private:
  void use(KeyActor* const* actors) override {
    for (size_t i = 0; i < watches_.size(); ++i) actors[i]->unwatch(watches_[i].mark);
  }
  bool writes() const override { return false; }
  void ended() override { delete this; }

  std::vector<WatchedKey> watches_;
};

class ExecCall final : public HoldCall {
 public:
  explicit ExecCall(Session& session)
      : database_(session.database()),
        queue_(std::move(session.transaction().queue)),
        watches_(std::exchange(session.transaction().watches, {})) {
    discard_transaction(session);
    for (const WatchedKey& watch : watches_) {
      refs_.push_back({session.server().database(watch.database), to_c(std::string_view(watch.key))});
    }
    uint32_t database = database_;
    for (const QueuedCommand& command : queue_) {
      writes_ |= (command.entry->spec->flags & kWrite) != 0;
      for (const uint32_t position : command.keys) {
        refs_.push_back({session.server().database(database), to_c(command.args[position])});
      }
      selected(command, database);
    }
  }
  size_t key_count() const noexcept { return refs_.size(); }
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
  // Not started: gives the watches back to their actors.
  void abandon(Session& session) {
    if (!watches_.empty()) new UnwatchCall(session.worker(), std::move(watches_));
    delete this;
  }

 private:
  // The database after a queued SELECT with a good argument.
  static void selected(const QueuedCommand& command, uint32_t& database) {
    if (std::string_view(command.entry->spec->name) != "select") return;
    int64_t index = 0;
    if (parse_integer(command.args[1], index) && index >= 0 && index < static_cast<int64_t>(kDatabaseCount)) {
      database = static_cast<uint32_t>(index);
    }
  }

  void use(KeyActor* const* actors) override {
    Reply reply(slot_->out, session_->protocol());
    bool conflict = false;
    for (size_t i = 0; i < watches_.size(); ++i) {
      if (actors[i]->expire_if_due(worker_->now_ms())) changed_[i] = 1;
      conflict |= !(actors[i]->watch_mark() == watches_[i].mark);
    }
    for (size_t i = 0; i < watches_.size(); ++i) actors[i]->unwatch(watches_[i].mark);
    watches_done_ = true;
    if (conflict) {
      reply.null_array();
      return;
    }
    if (writes_ && !check_writable()) return;
    reply.array(queue_.size());
    size_t at = watches_.size();
    std::vector<OpenKey> open;
    for (const QueuedCommand& command : queue_) {
      reply.clear_failed();
      reply.set_protocol(session_->protocol());
      const CommandEntry& entry = *command.entry;
      if (entry.kind == CommandKind::kFunction) {
        if (session_->gone()) continue;  // nobody reads the reply, and the connection cannot be asked any more
        entry.session->function(*session_, command.args, reply);
      } else {
        run_held(*entry.spec, command.args, command.keys, actors + at, changed_.data() + at, open, reply,
                 worker_->now_ms(), worker_->random());
        at += command.keys.size();
      }
      if (reply.failed()) worker_->count_error();
    }
  }
  void failed() override {
    if (!watches_done_) new UnwatchCall(*worker_, std::exchange(watches_, {}));
    watches_done_ = true;
  }
  bool writes() const override { return writes_; }
  void ended() override { delete this; }

  const uint32_t database_;
  std::vector<QueuedCommand> queue_;
  std::vector<WatchedKey> watches_;
  bool writes_ = false;
  bool watches_done_ = false;
};

void multi(Session& session, Args, Reply& reply) {
  if (session.in_multi()) {
    reply.error("ERR MULTI calls can not be nested");
    return;
  }
  session.set_in_multi(true);
  reply.ok();
}

void discard(Session& session, Args, Reply& reply) {
  if (!session.in_multi()) {
    reply.error("ERR DISCARD without MULTI");
    return;
  }
  discard_transaction(session);
  unwatch_all(session);
  reply.ok();
}

void exec(Session& session, Args) {
  if (!session.in_multi()) {
    answer(session, [](Reply& reply) { reply.error("ERR EXEC without MULTI"); });
    return;
  }
  if (session.transaction().failed) {
    discard_transaction(session);
    unwatch_all(session);
    answer(session, [](Reply& reply) { reply.error("EXECABORT Transaction discarded because of previous errors."); });
    return;
  }
  auto* call = new ExecCall(session);
  const uint32_t keys_max = session.settings().command_keys_max;
  if (const size_t keys = call->key_count(); keys > keys_max) {
    call->abandon(session);
    answer(session, [&](Reply& reply) {
      reply.error("EXECABORT Transaction discarded: " + std::to_string(keys) +
                  " keys in one transaction; the bound is command_keys_max = " + std::to_string(keys_max));
    });
    return;
  }
  call->start(session);
}

void watch(Session& session, Args args) {
  if (session.in_multi()) {
    answer(session, [](Reply& reply) { reply.error("ERR WATCH inside MULTI is not allowed"); });
    return;
  }
  const Args keys = args.subspan(1);
  const uint32_t keys_max = session.settings().command_keys_max;
  if (session.transaction().watches.size() + keys.size() > keys_max) {
    answer(session, [&](Reply& reply) {
      reply.error("ERR too many watched keys; the bound is command_keys_max = " + std::to_string(keys_max));
    });
    return;
  }
  for (const auto key : keys) {
    if (key.size() <= ORBIT_ACTOR_KEY_MAX) continue;
    answer(session, [&](Reply& reply) { reply.error(key_too_long(key.size())); });
    return;
  }
  new WatchCall(session, keys);
}

void unwatch(Session& session, Args, Reply& reply) {
  unwatch_all(session);
  reply.ok();
}

constexpr SessionCommand kTransactionCommands[] = {
    {.name = "multi", .function = &multi, .in_multi = true},
    {.name = "exec", .operation = &exec, .in_multi = true},
    {.name = "discard", .function = &discard, .in_multi = true},
    {.name = "watch", .operation = &watch, .in_multi = true},
    {.name = "unwatch", .function = &unwatch},
};

}  // namespace

std::span<const SessionCommand> transaction_commands() { return kTransactionCommands; }

bool queue_command(Session& session, const CommandEntry& entry, Args args, std::string& why) {
  TransactionState& transaction = session.transaction();
  const Settings& settings = session.settings();
  if (transaction.queue.size() >= settings.transaction_commands_max) {
    why = "ERR too many commands in one transaction; the bound is transaction_commands_max = " +
          std::to_string(settings.transaction_commands_max);
    return false;
  }
  size_t bytes = 0;
  for (const auto arg : args) bytes += arg.size();
  if (transaction.queued_bytes + bytes > settings.transaction_bytes_max) {
    why = "ERR too many bytes queued in one transaction; the bound is transaction_bytes_max = " +
          std::to_string(settings.transaction_bytes_max);
    return false;
  }
  QueuedCommand command{&entry, nullptr, {}, {}};
  if (entry.spec->run != nullptr && !find_keys(*entry.spec, args, settings.command_keys_max, command.keys, why))
    return false;
  command.bytes = std::make_unique_for_overwrite<char[]>(bytes);
  command.args.reserve(args.size());
  char* to = command.bytes.get();
  for (const auto arg : args) {
    if (!arg.empty()) std::memcpy(to, arg.data(), arg.size());
    command.args.emplace_back(to, arg.size());
    to += arg.size();
  }
  transaction.queued_bytes += bytes;
  transaction.queue.push_back(std::move(command));
  return true;
}

void discard_transaction(Session& session) {
  TransactionState& transaction = session.transaction();
  std::vector<QueuedCommand>().swap(transaction.queue);
  transaction.queued_bytes = 0;
  transaction.failed = false;
  session.set_in_multi(false);
}

void unwatch_all(Session& session) {
  auto& watches = session.transaction().watches;
  if (!watches.empty()) new UnwatchCall(session.worker(), std::exchange(watches, {}));
}

}  // namespace orbit::resp
