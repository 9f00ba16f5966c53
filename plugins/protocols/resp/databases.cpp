// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "databases.hpp"

#include <memory>
#include <string>
#include <utility>

#include "multi_key.hpp"
#include "numbers.hpp"
#include "session.hpp"

namespace orbit::resp {
namespace {

// Sixteen letters: 'a' is redis.db0.
std::string write_order(const Server::DatabaseOrder& order) {
  std::string out;
  for (const uint8_t type : order) out.push_back(static_cast<char>('a' + type));
  return out;
}

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

class SwapCall final : public OrderCall {
 public:
  SwapCall(Session& session, Slot* slot, uint32_t a, uint32_t b, std::function<void()> leave)
      : client_(session),
        place_(slot),
        a_(a),
        b_(b),
        order_(session.server().database_order()),
        leave_(std::move(leave)) {
    std::swap(order_[a], order_[b]);
    begin_with(session.worker(), session.worker().deadline_ns());
  }

 private:
  void use(KeyActor* const* actors) override {
    Reply reply(place_->out, client_.protocol());
    if (!check_writable(reply)) return;
    actors[0]->value.assign_string(write_order(order_));
    changed_[0] = 1;
    done_ = true;
  }
  void failed(orbit_code code, const char* message) override {
    done_ = false;
    place_->out.clear();
    Reply reply(place_->out, client_.protocol());
    write_error(reply, true, code, message);
  }
  bool writes() const override { return true; }
  // It is stored: the databases may change, and whoever watches a key of them must see it.
  void ended() override {
    Session& client = client_;
    Slot* const place = place_;
    const auto leave = std::move(leave_);
    const auto finish = [&client, place, leave] {
      client.finish(place);
      leave();
    };
    if (!done_) {
      delete this;
      return finish();
    }
    Server& server = client.server();
    const orbit_type* const first = server.database(a_);
    const orbit_type* const second = server.database(b_);
    server.set_database_order(order_);
    delete this;
    on_all_workers(
        server,
        [first, second](Worker& worker) {
          for (const auto& [id, session] : worker.sessions) {
            TransactionState& transaction = session->transaction();
            for (const WatchedKey& watch : transaction.watches) {
              transaction.watches_broken |= watch.type == first || watch.type == second;
            }
          }
        },
        [&client, place, finish] {
          Reply(place->out, client.protocol()).ok();
          finish();
        });
  }

  Session& client_;
  Slot* const place_;
  const uint32_t a_;
  const uint32_t b_;
  Server::DatabaseOrder order_;
  std::function<void()> leave_;
  bool done_ = false;
};

void swapdb(Session& session, Args args) {
  int64_t index[2];
  const char* problem = nullptr;
  if (!parse_integer(args[1], index[0])) {
    problem = "ERR invalid first DB index";
  } else if (!parse_integer(args[2], index[1])) {
    problem = "ERR invalid second DB index";
  } else if (index[0] < 0 || index[0] >= int64_t{kDatabaseCount} || index[1] < 0 ||
             index[1] >= int64_t{kDatabaseCount}) {
    problem = "ERR DB index is out of range";
  }
  if (problem != nullptr) return answer(session, [&](Reply& reply) { reply.error(problem); });
  if (index[0] == index[1]) return answer(session, [](Reply& reply) { reply.ok(); });
  Slot* const slot = session.begin_operation();
  exclusively(session, [&session, slot, a = static_cast<uint32_t>(index[0]), b = static_cast<uint32_t>(index[1])](
                           std::function<void()> leave) { new SwapCall(session, slot, a, b, std::move(leave)); });
}

constexpr SessionCommand kDatabaseCommands[] = {
    {.name = "swapdb", .operation = &swapdb},
};

}  // namespace

void load_database_order(Server& server) {
  const Interfaces& node = server.interfaces();
  node.workers->post(node.host, 0, [](void* self) { new LoadCall(static_cast<Server*>(self)->worker(0)); }, &server);
}

std::span<const SessionCommand> database_commands() { return kDatabaseCommands; }

}  // namespace orbit::resp
