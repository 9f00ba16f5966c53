// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "databases.hpp"

#include <memory>
#include <string>
#include <utility>

#include "blocking.hpp"
#include "multi_key.hpp"
#include "numbers.hpp"
#include "orbit/result.hpp"
#include "session.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

// False: not an order of all databases.
bool read_order(std::string_view text, Server::DatabaseOrder& order) {
  if (text.size() != order.size()) return false;
  uint32_t seen = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = static_cast<uint8_t>(text[i] - 'a');
    if (order[i] >= kDatabaseCount) return false;
    seen |= 1u << order[i];
  }
  return seen == (1u << kDatabaseCount) - 1;
}

class OrderCall : public HoldCall {
 protected:
  void begin_with(Worker& worker, uint64_t deadline_ns) {
    refs_.push_back({worker.server.databases_type(), {}});
    begin(worker, nullptr, nullptr, deadline_ns);
  }
};

// Nothing can be served without it, so it is tried until it is there.
class LoadCall final : public OrderCall {
 public:
  explicit LoadCall(Worker& worker) { begin_with(worker, 0); }

 private:
  void use(KeyActor* const* actors) override {
    const Value& kept = actors[0]->value;
    Server::DatabaseOrder order;
    loaded_ = kept.is_none() || (kept.type() == ValueType::string && read_order(kept.string().view(), order));
    if (loaded_ && !kept.is_none()) worker_->server.set_database_order(order);
  }
  bool writes() const override { return false; }
  void ended() override {
    constexpr uint64_t kAgainMs = 1000;
    Worker& worker = *worker_;
    const bool loaded = loaded_;
    delete this;
    if (loaded) return worker.server.gate.leave();
    const Interfaces& node = worker.server.interfaces();
    node.workers->after(node.host, kAgainMs, [](void* ctx) { new LoadCall(*static_cast<Worker*>(ctx)); }, &worker);
  }

  bool loaded_ = false;
};

// SWAPDB alone, within a closed gate.
class SwapCall final : public OrderCall {
 public:
  SwapCall(Session& session, Slot* slot, Args args, std::function<void()> leave)
      : client_(session), place_(slot), order_(session.server().database_order()), leave_(std::move(leave)) {
    exchanged_ = read_database_change("swapdb", args, session.database(), order_).exchanged;
    begin_with(session.worker(), session.worker().deadline_ns());
  }

 private:
  void use(KeyActor* const* actors) override {
    Reply reply(place_->out, client_.protocol());
    if (!check_writable(reply)) return;
    actors[0]->value.assign_string(write_order(order_));
    changed_[0] = 1;
    done_ = true;
    reply.ok();
  }
  void failed(orbit_code code, const char* message) override {
    done_ = false;
    place_->out.clear();
    Reply reply(place_->out, client_.protocol());
    write_error(reply, true, code, message);
  }
  bool writes() const override { return true; }
  // It is stored: the databases may change, and whoever watches a key of them must see it.
  bool lingers() override {
    if (!done_) return false;
    client_.server().set_database_order(order_);
    tell_clients(client_.server(), 0, exchanged_, [this] { end_now(); });
    return true;
  }
  void ended() override {
    Session& client = client_;
    Slot* const place = place_;
    const auto leave = std::move(leave_);
    delete this;
    client.finish(place);
    leave();
  }

  Session& client_;
  Slot* const place_;
  Server::DatabaseOrder order_;
  TypeSet exchanged_ = 0;
  std::function<void()> leave_;
  bool done_ = false;
};

void swapdb(Session& session, Args args) {
  Server::DatabaseOrder order = session.server().database_order();
  const DatabaseChange change = read_database_change("swapdb", args, session.database(), order);
  if (change.error != nullptr) return answer(session, [&](Reply& reply) { reply.error(change.error); });
  if (change.exchanged == 0) return answer(session, [](Reply& reply) { reply.ok(); });
  Slot* const slot = session.begin_operation();
  const Args kept = slot->keep(args);
  exclusively(session, [&session, slot, kept](std::function<void()> leave) {
    new SwapCall(session, slot, kept, std::move(leave));
  });
}

// FLUSHDB and FLUSHALL alone. All databases go in one batch where they lie in one storage, else one after another.
class FlushCall final : public HoldCall {
 public:
  FlushCall(Session& session, TypeSet types) : client_(session), place_(session.begin_operation()), left_(types) {
    may_erase_ = true;
    go_on(types);
  }

 private:
  // Ends at once perhaps, and this object with it.
  void go_on(TypeSet types) {
    now_ = types;
    erasable_.clear();
    for (uint32_t i = 0; i < kDatabaseCount; ++i) {
      if ((types >> i & 1) != 0) erasable_.push_back(client_.server().type(i));
    }
    begin(client_.worker(), nullptr, nullptr, 0);
  }
  void use(KeyActor* const*) override { erased_.assign(erasable_.size(), 1); }
  bool writes() const override { return true; }
  void failed(orbit_code code, const char* message) override {
    code_ = code;
    message_ = message;
  }
  bool lingers() override {
    if (code_ != ORBIT_OK) return false;
    tell_clients(client_.server(), now_, 0, [this] { end_now(); });
    return true;
  }
  void ended() override {
    Session& client = client_;
    if (code_ == ORBIT_OK) {
      left_ &= ~now_;
      if (left_ != 0) return go_on(left_ & -left_);
    } else if (code_ == ORBIT_FAILED_PRECONDITION && (now_ & (now_ - 1)) != 0) {
      code_ = ORBIT_OK;
      return go_on(left_ & -left_);
    }
    const std::unique_ptr<FlushCall> owned(this);
    finish_with(client, place_, [&](Reply& reply) {
      if (code_ == ORBIT_OK) return reply.ok();
      write_error(reply, true, code_, message_);
    });
  }

  Session& client_;
  Slot* const place_;
  TypeSet left_;
  TypeSet now_ = 0;
  orbit_code code_ = ORBIT_OK;
  std::string message_;
};

void flush(Session& session, Args args, std::string_view command) {
  Server::DatabaseOrder order = session.server().database_order();
  const DatabaseChange change = read_database_change(command, args, session.database(), order);
  if (change.error != nullptr) return answer(session, [&](Reply& reply) { reply.error(change.error); });
  new FlushCall(session, change.erased);
}
void flushdb(Session& session, Args args) { flush(session, args, "flushdb"); }
void flushall(Session& session, Args args) { flush(session, args, "flushall"); }

constexpr SessionCommand kDatabaseCommands[] = {
    {.name = "flushdb", .operation = &flushdb, .joins = true},
    {.name = "flushall", .operation = &flushall, .joins = true},
    {.name = "swapdb", .operation = &swapdb, .joins = true},
};

}  // namespace

void load_database_order(Server& server) {
  const Interfaces& node = server.interfaces();
  node.workers->post(node.host, 0, [](void* self) { new LoadCall(static_cast<Server*>(self)->worker(0)); }, &server);
}

DatabaseChange read_database_change(std::string_view command, Args args, uint32_t database,
                                    Server::DatabaseOrder& order) {
  DatabaseChange out;
  if (command != "swapdb") {
    const bool good =
        args.size() == 1 ||
        (args.size() == 2 && (equal_ignoring_case(args[1], "sync") || equal_ignoring_case(args[1], "async")));
    if (!good) {
      out.error = "ERR syntax error";
    } else {
      out.erased = command == "flushall" ? kAllTypes : TypeSet{1} << order[database];
    }
    return out;
  }
  int64_t a = 0;
  int64_t b = 0;
  if (!parse_integer(args[1], a)) {
    out.error = "ERR invalid first DB index";
  } else if (!parse_integer(args[2], b)) {
    out.error = "ERR invalid second DB index";
  } else if (a < 0 || a >= int64_t{kDatabaseCount} || b < 0 || b >= int64_t{kDatabaseCount}) {
    out.error = "ERR DB index is out of range";
  } else if (a != b) {
    std::swap(order[static_cast<size_t>(a)], order[static_cast<size_t>(b)]);
    out.exchanged = TypeSet{1} << order[static_cast<size_t>(a)] | TypeSet{1} << order[static_cast<size_t>(b)];
  }
  return out;
}

// Sixteen letters: 'a' is redis.db0.
std::string write_order(const Server::DatabaseOrder& order) {
  std::string out;
  for (const uint8_t type : order) out.push_back(static_cast<char>('a' + type));
  return out;
}

bool has(const Server& server, TypeSet types, const orbit_type* type) {
  for (uint32_t i = 0; i < kDatabaseCount; ++i) {
    if ((types >> i & 1) != 0 && server.type(i) == type) return true;
  }
  return false;
}

namespace {

// Has all that wait for keys of these types settle; then `done`, on this worker.
void settle(Server& server, TypeSet types, BlockedCall::Settling what, std::function<void()> done) {
  // Whoever is not done yet has a part of it.
  const auto until =
      std::shared_ptr<void>(nullptr, [&server, origin = server.current_worker().index, done = std::move(done)](void*) {
        const Interfaces& node = server.interfaces();
        node.workers->post(
            node.host, origin,
            [](void* ctx) {
              const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(ctx));
              (*owned)();
            },
            new std::function<void()>(done));
      });
  on_all_workers(
      server,
      [types, what, until](Worker& worker) {
        std::vector<BlockedCall*> waiting;
        for (const auto& [id, call] : worker.blocked) {
          if (has(worker.server, types, call->database())) waiting.push_back(call);
        }
        if (waiting.empty()) return;
        worker.refresh_time();
        for (BlockedCall* call : waiting) call->settle(what, until);
      },
      [] {});
}

}  // namespace

void tell_clients(Server& server, TypeSet erased, TypeSet exchanged, std::function<void()> done) {
  const auto settle_them = [&server, types = erased | exchanged, done = std::move(done)] {
    if (server.blocking_calls.load(std::memory_order_relaxed) == 0) return done();
    settle(server, types, BlockedCall::kBeKnown,
           [&server, types, done] { settle(server, types, BlockedCall::kHaveWoken, done); });
  };
  if (exchanged == 0) return settle_them();
  on_all_workers(
      server,
      [exchanged](Worker& worker) {
        for (const auto& [id, session] : worker.sessions) {
          TransactionState& transaction = session->transaction();
          for (const WatchedKey& watch : transaction.watches) {
            transaction.watches_broken |= has(worker.server, exchanged, watch.type);
          }
        }
      },
      settle_them);
}

std::span<const SessionCommand> database_commands() { return kDatabaseCommands; }

}  // namespace orbit::resp
