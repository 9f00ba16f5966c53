// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What all connections of one plugin instance share: the node's interfaces, settings, the dispatch table, and the
// workers.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "gate.hpp"
#include "key_actor.hpp"
#include "orbit/access.hpp"
#include "orbit/ext/erasing.h"
#include "orbit/ext/listeners.h"
#include "orbit/ext/net.h"
#include "orbit/ext/node.h"
#include "orbit/ext/observe.h"
#include "orbit/ext/workers.h"
#include "orbit/tls.hpp"
#include "parser.hpp"
#include "pubsub.hpp"

namespace orbit::resp {

class Session;
class Worker;

inline constexpr std::string_view kRedisVersion = "7.0.15";  // whose behaviour clients may expect

struct Settings {
  std::string listen;
  std::string types = "redis";  // first word of the actor types' names; of an instance's own
  std::string password;  // empty: none asked
  std::vector<std::string> password_roles;
  TlsSettings tls;
  std::string durability;
  uint64_t flush_delay_ms = 1000;
  uint64_t key_idle_timeout_ms = 0;
  uint64_t idle_timeout_ms = 0;
  uint32_t connections_max = 0;
  ParserLimits parser;
  uint64_t request_bytes_max = 0;
  uint64_t output_bytes_max = 0;
  uint64_t output_pause_bytes = 0;
  uint64_t subscriber_output_bytes_max = 0;
  uint32_t subscriptions_max = 0;
  uint32_t pipeline_max = 0;
  uint32_t transaction_commands_max = 0;
  uint64_t transaction_bytes_max = 0;
  uint32_t command_keys_max = 0;
  uint64_t command_timeout_ms = 0;
};

struct Interfaces {
  const orbit_host* host = nullptr;
  const orbit_net_v1* net = nullptr;
  const orbit_actors_v1* actors = nullptr;
  const orbit_erasing_v1* erasing = nullptr;
  const orbit_workers_v1* workers = nullptr;
  const orbit_metrics_v1* metrics = nullptr;
  const orbit_node_v1* node = nullptr;
  const orbit_listeners_v1* listeners = nullptr;
};

// A command that the session runs. Answers at once through `reply`.
using SessionFunction = void (*)(Session& session, Args args, Reply& reply);
// One whose answer comes later: runs when earlier commands have run, and completes a slot that it takes from the
// session.
using SessionOperation = void (*)(Session& session, Args args);

// Who has both a function and an operation is an operation where there is access control.
struct SessionCommand {
  const char* name;
  SessionFunction function = nullptr;
  SessionOperation operation = nullptr;
  bool after_replies = false;  // function: only when every earlier reply has left
  bool in_multi = false;       // runs at once inside MULTI as well
  bool connection = false;     // not for a connection that is gone, when an EXEC runs
  // For commands that are over values as well: whether these arguments need the operation.
  bool (*wanted)(Args args) = nullptr;
  bool never_in_exec = false;  // inside EXEC it is the command over values, whatever the arguments
  // Operation over whole databases: inside EXEC it commits with the commands around it (exec.cpp).
  bool joins = false;
};

// kEither: over values, or an operation, as `wanted` says. kTwoDatabases: its second key may be of another database.
enum class CommandKind : uint8_t {
  kOneKey,
  kManyKeys,
  kNoKeys,
  kFunction,
  kOperation,
  kUnknown,
  kEither,
  kTwoDatabases
};

struct CommandEntry {
  const CommandSpec* spec = nullptr;
  const SessionCommand* session = nullptr;
  orbit_counter* counter = nullptr;
  CommandKind kind = CommandKind::kUnknown;
  uint32_t index = 0;

  // Whether it is an operation of the session with these arguments.
  bool is_operation(Args args, bool in_exec) const {
    if (kind == CommandKind::kOperation) return true;
    return kind == CommandKind::kEither && !(in_exec && session->never_in_exec) && session->wanted(args);
  }
};

// The commands of each file of the session's.
std::span<const SessionCommand> connection_commands();
std::span<const SessionCommand> client_commands();
std::span<const SessionCommand> config_commands();
std::span<const SessionCommand> info_commands();
std::span<const SessionCommand> command_commands();
std::span<const SessionCommand> keyspace_commands();
std::span<const SessionCommand> transaction_commands();
std::span<const SessionCommand> pubsub_commands();
std::span<const SessionCommand> actor_commands();
std::span<const SessionCommand> database_commands();
std::span<const SessionCommand> blocking_commands();
std::span<const SessionCommand> sort_commands();

class Server {
 public:
  Server(const Interfaces& interfaces, const Access& access, Settings settings);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // [main] when storage is open
  void start();
  // Closes all connections once what they asked for is answered; returns when they are gone, or after a while. [main]
  void drain() noexcept;

  const Interfaces& interfaces() const noexcept { return interfaces_; }
  const Access& access() const noexcept { return access_; }
  // As the node's file has them; a worker's are those in force.
  const Settings& settings() const noexcept { return settings_; }
  const KeyActorTypes& key_types() const noexcept { return key_types_; }
  const orbit_type* database(uint32_t index) const noexcept { return databases_[index]; }
  // Which actor type each database is; changes only while the gate is closed.
  using DatabaseOrder = std::array<uint8_t, kDatabaseCount>;
  const orbit_type* type(uint32_t number) const noexcept { return types_[number]; }
  const DatabaseOrder& database_order() const noexcept { return order_; }
  void set_database_order(const DatabaseOrder& order) noexcept;
  // The type of the actor that keeps the order.
  const orbit_type* databases_type() const noexcept { return databases_type_; }
  // Calls of a command on all workers since the start.
  uint64_t calls(uint32_t command) const noexcept;
  // What INFO's counters stood at when CONFIG RESETSTAT came last; changes only while the gate is closed.
  struct Counted {
    std::vector<uint64_t> calls;
    uint64_t connections = 0;
    uint64_t errors = 0;
  };
  const Counted& counted_from() const noexcept { return counted_from_; }
  void reset_counters();
  // A connection was opened or has gone.
  void count_connection(bool opened);
  // The entry of a spec from find_command.
  const CommandEntry& entry(const CommandSpec* spec) const noexcept {
    return entries_[static_cast<size_t>(spec - first_spec_)];
  }
  std::span<const CommandEntry> entries() const noexcept { return entries_; }
  // Whether a reply may go to the output while the turn that wrote it is not durable.
  bool direct_replies() const noexcept { return direct_replies_; }

  uint32_t worker_count() const noexcept { return static_cast<uint32_t>(workers_.size()); }
  Worker& worker(uint32_t index) noexcept { return *workers_[index]; }
  // The worker whose thread this is.
  Worker& current_worker() noexcept { return *workers_[interfaces_.workers->current(interfaces_.host)]; }

  Gate gate{*this};
  PubSubIndex pubsub;
  std::atomic<uint64_t> connections{0};
  std::atomic<uint64_t> blocked_clients{0};
  std::atomic<uint64_t> blocking_calls{0};  // that wait, and those that do not know yet whether they have to
  std::atomic<uint64_t> waits_begun{0};
  std::atomic<bool> stopping{false};
  std::atomic<uint64_t> connections_total{0};
  std::atomic<uint64_t> errors_total{0};
  std::atomic<uint64_t> saved_at_s{0};
  orbit_counter* errors_counter = nullptr;
  orbit_counter* parse_errors_counter = nullptr;
  orbit_counter* connections_counter = nullptr;
  orbit_gauge* connections_gauge = nullptr;
  uint64_t started_at_ms = 0;
  std::string run_id;  // 40 hexadecimal digits
  std::atomic<uint16_t> port{0};  // where it listens
  std::atomic<bool> must_have_password{false};  // nothing else guards the listener

 private:
  Interfaces interfaces_;
  const Access access_;
  Settings settings_;
  KeyActorTypes key_types_;
  std::array<const orbit_type*, kDatabaseCount> types_{};
  std::array<const orbit_type*, kDatabaseCount> databases_{};
  DatabaseOrder order_{};
  const orbit_type* databases_type_ = nullptr;
  const CommandSpec* first_spec_ = nullptr;
  std::vector<CommandEntry> entries_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool direct_replies_ = false;
  Counted counted_from_;
  std::mutex drain_mutex_;
  std::condition_variable drained_;
};

}  // namespace orbit::resp
