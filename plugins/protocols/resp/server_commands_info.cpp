// SPDX-License-Identifier: MIT OR BSD-3-Clause
// INFO, with the sections and fields that Redis clients and tools read. What has no meaning here is left out, not
// invented.
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <set>
#include <string>

#include "node_json.hpp"
#include "orbit/result.hpp"
#include "session.hpp"
#include "uncommitted.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

constexpr std::string_view kDefaultSections[] = {"server",      "clients", "memory",     "persistence", "stats",
                                                 "replication", "cpu",     "errorstats", "cluster",     "keyspace"};

// Being built: sections in order, then the sizes of the databases.
struct InfoCall {
  Session& session;
  Slot* slot = nullptr;
  std::set<std::string, std::less<>> sections;
  std::array<const orbit_type*, kDatabaseCount> databases{};
  std::array<uint64_t, kDatabaseCount> sizes{};
  std::string text;
};

class Section {
 public:
  Section(std::string& text, std::string_view title) : text_(text) {
    if (!text.empty()) text += "\r\n";
    text += "# ";
    text += title;
    text += "\r\n";
  }
  void field(std::string_view name, std::string_view value) {
    text_ += name;
    text_ += ':';
    text_ += value;
    text_ += "\r\n";
  }
  void field(std::string_view name, uint64_t value) { field(name, std::to_string(value)); }

 private:
  std::string& text_;
};

std::string human(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "K", "M", "G", "T"};
  auto amount = static_cast<double>(bytes);
  size_t unit = 0;
  while (amount >= 1024 && unit + 1 < std::size(kUnits)) {
    amount /= 1024;
    ++unit;
  }
  char out[32];
  std::snprintf(out, sizeof out, unit == 0 ? "%.0f%s" : "%.2f%s", amount, kUnits[unit]);
  return out;
}

void server_section(const Server& server, const boost::json::value& node, std::string& text) {
  const Interfaces& interfaces = server.interfaces();
  const uint64_t now_ms = interfaces.workers->unix_ms(interfaces.host);
  const uint64_t uptime_s = (std::max(now_ms, server.started_at_ms) - server.started_at_ms) / 1000;
  utsname system{};
  uname(&system);
  Section section(text, "Server");
  section.field("redis_version", kRedisVersion);
  section.field("orbit_version", json_text(node, "version"));
  section.field("orbit_node", json_text(node, "name"));
  section.field("redis_mode", "standalone");
  section.field("os", std::string(system.sysname) + " " + system.release + " " + system.machine);
  section.field("arch_bits", sizeof(void*) * 8);
  section.field("process_id", static_cast<uint64_t>(getpid()));
  section.field("run_id", server.run_id);
  section.field("tcp_port", server.port.load());
  section.field("server_time_usec", now_ms * 1000);
  section.field("uptime_in_seconds", uptime_s);
  section.field("uptime_in_days", uptime_s / 86400);
  section.field("io_threads_active", server.worker_count() > 1 ? 1 : 0);
}

void clients_section(const Server& server, const Settings& settings, std::string& text) {
  Section section(text, "Clients");
  section.field("connected_clients", server.connections.load(std::memory_order_relaxed));
  section.field("cluster_connections", 0);
  section.field("maxclients", settings.connections_max);
  section.field("blocked_clients", server.blocked_clients.load(std::memory_order_relaxed));
}

void memory_section(const boost::json::value& node, std::string& text) {
  const uint64_t used = json_number(node, "memory_bytes");
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const uint64_t peak = std::max(static_cast<uint64_t>(usage.ru_maxrss) * 1024, used);  // Linux counts the two apart
  Section section(text, "Memory");
  section.field("used_memory", used);
  section.field("used_memory_human", human(used));
  section.field("used_memory_rss", used);
  section.field("used_memory_peak", peak);
  section.field("used_memory_peak_human", human(peak));
  section.field("maxmemory", 0);
  section.field("maxmemory_human", "0B");
  section.field("maxmemory_policy", "noeviction");
}

void persistence_section(const Server& server, std::string& text) {
  Section section(text, "Persistence");
  section.field("loading", 0);
  section.field("async_loading", 0);
  section.field("rdb_bgsave_in_progress", 0);
  section.field("rdb_last_save_time", server.saved_at_s.load(std::memory_order_relaxed));
  section.field("rdb_last_bgsave_status", "ok");
  section.field("aof_enabled", server.settings().durability != "none" ? 1 : 0);
  section.field("aof_rewrite_in_progress", 0);
  ErrorOut error;
  const bool writable = server.interfaces().actors->writable(&error) == ORBIT_OK;
  section.field("aof_last_write_status", writable ? "ok" : "err");
}

// Since the start, or CONFIG RESETSTAT.
uint64_t calls_of(Server& server, uint32_t command) {
  return server.calls(command) - server.counted_from().calls[command];
}

void stats_section(Server& server, std::string& text) {
  uint64_t commands = 0;
  for (const auto& entry : server.entries()) commands += calls_of(server, entry.index);
  Section section(text, "Stats");
  section.field("total_connections_received", server.connections_total.load() - server.counted_from().connections);
  section.field("total_commands_processed", commands);
  section.field("total_error_replies", server.errors_total.load() - server.counted_from().errors);
  section.field("evicted_keys", 0);
  section.field("pubsub_channels", server.pubsub.channels(SubscriptionKind::kChannel, {}).size());
  section.field("pubsub_patterns", server.pubsub.patterns());
  section.field("pubsubshard_channels", server.pubsub.channels(SubscriptionKind::kShard, {}).size());
}

void replication_section(const Server& server, std::string& text) {
  Section section(text, "Replication");
  section.field("role", "master");
  section.field("connected_slaves", 0);
  section.field("master_replid", server.run_id);
  section.field("master_repl_offset", 0);
}

void cpu_section(std::string& text) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    char out[48];
    std::snprintf(out, sizeof out, "%lld.%06ld", static_cast<long long>(time.tv_sec), static_cast<long>(time.tv_usec));
    return std::string(out);
  };
  Section section(text, "CPU");
  section.field("used_cpu_sys", seconds(usage.ru_stime));
  section.field("used_cpu_user", seconds(usage.ru_utime));
}

void commandstats_section(Server& server, std::string& text) {
  Section section(text, "Commandstats");
  for (const auto& entry : server.entries()) {
    if (const uint64_t calls = calls_of(server, entry.index); calls != 0) {
      section.field(std::string("cmdstat_") + entry.spec->name, "calls=" + std::to_string(calls));
    }
  }
}

void keyspace_section(const InfoCall& call, std::string& text) {
  Section section(text, "Keyspace");
  for (uint32_t i = 0; i < kDatabaseCount; ++i) {
    if (call.sizes[i] == 0) continue;
    section.field("db" + std::to_string(i), "keys=" + std::to_string(call.sizes[i]));
  }
}

void write_sections(InfoCall& call) {
  Server& server = call.session.server();
  std::string& text = call.text;
  const auto wants = [&](std::string_view name) { return call.sections.contains(name); };
  boost::json::value node;
  if (wants("server") || wants("memory")) node = node_json(server, &orbit_node_v1::node);
  if (wants("server")) server_section(server, node, text);
  if (wants("clients")) clients_section(server, call.session.settings(), text);
  if (wants("memory")) memory_section(node, text);
  if (wants("persistence")) persistence_section(server, text);
  if (wants("stats")) stats_section(server, text);
  if (wants("replication")) replication_section(server, text);
  if (wants("cpu")) cpu_section(text);
  if (wants("commandstats")) commandstats_section(server, text);
  if (wants("errorstats")) {
    Section(text, "Errorstats").field("errors_total", server.errors_total.load() - server.counted_from().errors);
  }
  if (wants("cluster")) Section(text, "Cluster").field("cluster_enabled", 0);
  if (wants("keyspace")) keyspace_section(call, text);
}

void finish(std::unique_ptr<InfoCall> call) {
  finish_with(call->session, call->slot, [&](Reply& reply) {
    write_sections(*call);
    reply.verbatim("txt", call->text);
  });
}

void count_all(std::unique_ptr<InfoCall> call) {
  for (uint32_t i = 0; i < kDatabaseCount; ++i) call->databases[i] = call->session.database_type(i);
  InfoCall& counting = *call.release();
  count_keys(
      counting.session, counting.databases, counting.sizes.data(),
      [](void* ctx, orbit_code code, const char*) {
        std::unique_ptr<InfoCall> counted(static_cast<InfoCall*>(ctx));
        if (code != ORBIT_OK) counted->sizes.fill(0);
        finish(std::move(counted));
      },
      &counting);
}

void info(Session& session, Args args) {
  auto call = std::make_unique<InfoCall>(InfoCall{session, session.begin_operation(), {}, {}, {}, {}});
  std::set<std::string, std::less<>>& sections = call->sections;
  for (const std::string_view arg : args.subspan(1)) sections.insert(lower(arg));
  const bool all = sections.contains("all") || sections.contains("everything");
  if (args.size() == 1 || all || sections.contains("default")) {
    sections.insert(std::begin(kDefaultSections), std::end(kDefaultSections));
  }
  if (all) sections.insert("commandstats");
  if (sections.contains("keyspace")) return count_all(std::move(call));
  finish(std::move(call));
}

constexpr SessionCommand kInfoCommands[] = {
    {.name = "info", .operation = &info},
};

}  // namespace

std::span<const SessionCommand> info_commands() { return kInfoCommands; }

}  // namespace orbit::resp
