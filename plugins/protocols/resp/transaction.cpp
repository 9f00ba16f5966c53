// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "transaction.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "exec.hpp"
#include "multi_key.hpp"
#include "orbit/result.hpp"
#include "session.hpp"
#include "subcommands.hpp"

namespace orbit::resp {
namespace {

// Registers the session with the actors of keys, whether they exist or not.
class WatchCall final : public HoldCall {
 public:
  WatchCall(Session& session, Args keys) : type_(session.server().database(session.database())) {
    for (const auto key : keys) keys_.emplace_back(key);
    for (const auto& key : keys_) refs_.push_back({type_, to_c(std::string_view(key))});
    begin(session.worker(), &session, session.begin_operation(), session.worker().deadline_ns());
  }

 private:
  void use(KeyActor* const* actors) override {
    auto& watches = session_->transaction().watches;
    watches.reserve(watches.size() + keys_.size());  // nothing may fail once an actor counts the watcher
    for (size_t i = 0; i < keys_.size() && !session_->gone(); ++i) {
      if (actors[i]->expire_if_due(worker_->now_ms())) changed_[i] = 1;
      const bool known = std::ranges::any_of(
          watches, [&](const WatchedKey& watch) { return watch.type == type_ && watch.key == keys_[i]; });
      if (!known) watches.push_back({type_, keys_[i], actors[i]->watch()});
    }
    Reply(slot_->out).ok();
  }
  bool writes() const override { return false; }
  void ended() override { delete this; }

  const orbit_type* const type_;
  std::vector<std::string> keys_;
};

// Takes watches off. Nobody waits for it; it belongs to no session.
class UnwatchCall final : public HoldCall {
 public:
  UnwatchCall(Worker& worker, std::vector<WatchedKey> watches) : watches_(std::move(watches)) {
    for (const WatchedKey& watch : watches_) refs_.push_back({watch.type, to_c(std::string_view(watch.key))});
    worker.began();
    begin(worker, nullptr, nullptr, 0);
  }

 private:
  void use(KeyActor* const* actors) override {
    for (size_t i = 0; i < watches_.size(); ++i) actors[i]->unwatch(watches_[i].mark);
  }
  bool writes() const override { return false; }
  void ended() override {
    Worker& worker = *worker_;
    delete this;
    worker.ran();
  }

  std::vector<WatchedKey> watches_;
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
  const uint32_t keys_max = session.settings().command_keys_max;
  if (const size_t keys = keys_held(session.transaction()); keys > keys_max) {
    discard_transaction(session);
    unwatch_all(session);
    answer(session, [&](Reply& reply) {
      reply.error("EXECABORT Transaction discarded: " + std::to_string(keys) +
                  " keys in one transaction; the bound is command_keys_max = " + std::to_string(keys_max));
    });
    return;
  }
  run_transaction(session);
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
  if (!check_subcommand(entry.spec->name, args, why)) return false;
  QueuedCommand command{&entry, nullptr, {}, {}};
  if (entry.spec->run != nullptr) {
    if (!find_keys(*entry.spec, args, settings.command_keys_max, command.keys, why)) return false;
    if (entry.kind == CommandKind::kTwoDatabases && command.keys.size() == 1) command.keys.push_back(command.keys[0]);
  }
  command.bytes = std::make_unique_for_overwrite<char[]>(bytes);
  command.args.reserve(args.size());
  char* to = command.bytes.get();
  for (const auto arg : args) {
    if (!arg.empty()) std::memcpy(to, arg.data(), arg.size());
    command.args.emplace_back(to, arg.size());
    to += arg.size();
  }
  transaction.queued_bytes += bytes;
  transaction.database = database_after(entry, args, transaction.database.value_or(session.database()));
  transaction.after_replies |= entry.session != nullptr && entry.session->after_replies;
  transaction.writes |= may_write(*entry.spec);
  transaction.queue.push_back(std::move(command));
  return true;
}

void discard_transaction(Session& session) {
  TransactionState& transaction = session.transaction();
  std::vector<QueuedCommand>().swap(transaction.queue);
  transaction.queued_bytes = 0;
  transaction.database.reset();
  transaction.failed = transaction.after_replies = transaction.writes = false;
  session.set_in_multi(false);
}

void unwatch_all(Session& session) {
  TransactionState& transaction = session.transaction();
  transaction.watches_broken = false;
  if (!transaction.watches.empty()) unwatch_later(session.worker(), std::exchange(transaction.watches, {}));
}

// A hold that waits for keys while it has others would stop who has all of them.
void unwatch_later(Worker& worker, std::vector<WatchedKey> watches) {
  if (!worker.gate_closed()) {
    new UnwatchCall(worker, std::move(watches));
    return;
  }
  auto kept = std::make_shared<std::vector<WatchedKey>>(std::move(watches));
  worker.when_open([&worker, kept] { new UnwatchCall(worker, std::move(*kept)); });
}

}  // namespace orbit::resp
