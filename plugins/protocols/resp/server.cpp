// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "server.hpp"

#include <chrono>
#include <cstdio>
#include <utility>

#include "blocking.hpp"
#include "databases.hpp"
#include "session.hpp"

namespace orbit::resp {
namespace {

orbit_durability durability_of(const std::string& name) {
  if (name == "sync") return ORBIT_DURABILITY_SYNC;
  return name == "none" ? ORBIT_DURABILITY_NONE : ORBIT_DURABILITY_ASYNC;
}

const SessionCommand* find_session_command(std::string_view name) {
  for (const auto commands : {connection_commands(), client_commands(), config_commands(), info_commands(),
                              command_commands(), keyspace_commands(), transaction_commands(), pubsub_commands(),
                              actor_commands(), database_commands(), blocking_commands(), sort_commands()}) {
    for (const SessionCommand& command : commands) {
      if (name == command.name) return &command;
    }
  }
  return nullptr;
}

CommandKind kind_of(const CommandEntry& entry, bool access_control) {
  const CommandSpec& spec = *entry.spec;
  if (spec.other_database != nullptr) return CommandKind::kTwoDatabases;
  if (spec.run != nullptr && entry.session != nullptr) return CommandKind::kEither;
  if (spec.run == nullptr) {
    if (entry.session == nullptr) return CommandKind::kUnknown;
    const bool operation = entry.session->function == nullptr || (access_control && entry.session->operation != nullptr);
    return operation ? CommandKind::kOperation : CommandKind::kFunction;
  }
  if (spec.key_positions != nullptr) return CommandKind::kManyKeys;
  if (spec.first_key == 0) return CommandKind::kNoKeys;
  return spec.first_key == spec.last_key ? CommandKind::kOneKey : CommandKind::kManyKeys;
}

}  // namespace

Server::Server(const Interfaces& interfaces, const Access& access, Settings settings)
    : interfaces_(interfaces),
      access_(access),
      settings_(std::move(settings)),
      key_types_({interfaces.host, interfaces.workers, interfaces.actors, this, &wake_blocked}, settings_.types,
                 durability_of(settings_.durability), settings_.flush_delay_ms, settings_.key_idle_timeout_ms),
      direct_replies_(settings_.durability != "sync") {
  const auto table = command_table();
  first_spec_ = table.data();
  entries_.resize(table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    CommandEntry& entry = entries_[i];
    entry.spec = &table[i];
    entry.index = static_cast<uint32_t>(i);
    entry.session = find_session_command(table[i].name);
    entry.kind = kind_of(entry, access_.enabled());
  }
}

Server::~Server() = default;

void Server::start() {
  const auto& [host, net, actors, erasing, workers, metrics, node, listeners] = interfaces_;
  for (uint32_t i = 0; i < kDatabaseCount; ++i) types_[i] = actors->type(key_types_.name(i));
  databases_type_ = actors->type(key_types_.order_name());
  DatabaseOrder order;
  for (uint32_t i = 0; i < kDatabaseCount; ++i) order[i] = static_cast<uint8_t>(i);
  set_database_order(order);
  // Of the usual one as before there could be several.
  const std::string own = settings_.types == Settings().types ? "" : "types=\"" + settings_.types + "\"";
  for (CommandEntry& entry : entries_) {
    const std::string label = std::string("command=\"") + entry.spec->name + "\"" + (own.empty() ? "" : ",") + own;
    entry.counter =
        metrics->counter(host, "orbit_resp_commands_total", label.c_str(), "Redis commands received, by name.");
  }
  errors_counter =
      metrics->counter(host, "orbit_resp_error_replies_total", own.c_str(), "Error replies sent to Redis clients.");
  parse_errors_counter = metrics->counter(host, "orbit_resp_parse_errors_total", own.c_str(),
                                          "Connections closed because they broke the protocol.");
  connections_counter =
      metrics->counter(host, "orbit_resp_connections_total", own.c_str(), "Connections of Redis clients accepted.");
  connections_gauge =
      metrics->gauge(host, "orbit_resp_connections", own.c_str(), "Connections of Redis clients open now.");
  started_at_ms = workers->unix_ms(host);
  saved_at_s = started_at_ms / 1000;
  char digits[41];
  uint64_t seed = workers->monotonic_ns(host) ^ (started_at_ms << 20);
  for (int i = 0; i < 40; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    std::snprintf(digits + i, 2, "%x", static_cast<unsigned>(seed >> 60));
  }
  run_id = digits;
  const uint32_t count = workers->count(host);
  pubsub.resize(count);
  for (uint32_t i = 0; i < count; ++i) workers_.push_back(std::make_unique<Worker>(*this, i, seed + i));
  counted_from_.calls.resize(entries_.size());
  load_database_order(*this);
}

void Server::set_database_order(const DatabaseOrder& order) noexcept {
  order_ = order;
  for (uint32_t i = 0; i < kDatabaseCount; ++i) databases_[i] = types_[order[i]];
}

uint64_t Server::calls(uint32_t command) const noexcept {
  uint64_t calls = 0;
  for (const auto& worker : workers_) calls += worker->calls(command);
  return calls;
}

void Server::reset_counters() {
  for (uint32_t i = 0; i < counted_from_.calls.size(); ++i) counted_from_.calls[i] = calls(i);
  counted_from_.connections = connections_total;
  counted_from_.errors = errors_total;
}

void Server::count_connection(bool opened) {
  uint64_t open;
  if (opened) {
    open = connections.fetch_add(1) + 1;
  } else {
    open = connections.fetch_sub(1) - 1;
    if (open == 0 && stopping) {
      const std::lock_guard lock(drain_mutex_);
      drained_.notify_all();
    }
  }
  interfaces_.metrics->set(connections_gauge, static_cast<int64_t>(open));
}

void Server::drain() noexcept {
  // Shorter than what the node waits for a plugin; connections that are left then are closed by the kernel.
  constexpr std::chrono::seconds kLongest{5};
  stopping = true;
  for (uint32_t i = 0; i < worker_count(); ++i) {
    interfaces_.workers->post(
        interfaces_.host, i,
        [](void* self) {
          std::vector<Session*> all;
          for (const auto& [id, session] : static_cast<Server*>(self)->current_worker().sessions)
            all.push_back(session);
          for (Session* session : all) session->drain();
        },
        this);
  }
  std::unique_lock lock(drain_mutex_);
  drained_.wait_for(lock, kLongest, [&] { return connections == 0; });
}

}  // namespace orbit::resp
