// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node_commands.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <thread>

#include "answers.hpp"
#include "text.hpp"

namespace orbit::ctl {

namespace json = boost::json;

namespace {

constexpr Column kNode[] = {{"name", "name"},
                            {"version", "version"},
                            {"state", "state"},
                            {"started", "started_at"},
                            {"uptime", "uptime_ms", Format::duration_ms},
                            {"pid", "pid"},
                            {"workers", "workers"},
                            {"memory", "memory_bytes", Format::bytes},
                            {"activations", "activations"}};
constexpr Column kListeners[] = {{"LISTENER", "plugin"}, {"ADDRESS", "address"}, {"OPEN TO", "open_to"}};
constexpr Column kWorkers[] = {
    {"WORKER", "worker", Format::number},           {"ACTIVATIONS", "activations", Format::number},
    {"MEMORY", "memory_bytes", Format::bytes},      {"TURNS", "turns_total", Format::number},
    {"MESSAGES", "messages_total", Format::number}, {"CONNECTIONS", "connections", Format::number}};
constexpr Column kPlugins[] = {{"INSTANCE", "instance"}, {"ID", "id"},     {"VERSION", "version"},
                               {"STATE", "state"},       {"FILE", "file"}, {"ERROR", "error"}};
constexpr Column kModules[] = {{"NAME", "name"},
                               {"VERSION", "version"},
                               {"GENERATION", "generation", Format::number},
                               {"STATE", "state"},
                               {"ACTIVATIONS", "activations", Format::number},
                               {"TYPES", "types"},
                               {"FILE", "file"}};
constexpr Column kStorages[] = {{"STORAGE", "name"},
                                {"USED", "used"},
                                {"WRITABLE", "writable"},
                                {"SIZE", "size_bytes", Format::bytes},
                                {"ERROR", "error"}};
constexpr Column kMigrations[] = {{"FROM", "from"},
                                  {"TO", "to"},
                                  {"STAGE", "stage"},
                                  {"ENTRIES", "entries", Format::number},
                                  {"BYTES", "bytes", Format::bytes},
                                  {"WRITTEN", "written_bytes", Format::bytes},
                                  {"ERROR", "error"}};
constexpr Column kTypes[] = {{"TYPE", "name"},
                             {"MODULE", "module"},
                             {"STORAGE", "storage"},
                             {"DURABILITY", "durability"},
                             {"ACTIVATIONS", "activations", Format::number},
                             {"METHODS", "methods"}};
constexpr Column kActivations[] = {{"TYPE", "type"},
                                   {"KEY", "key"},
                                   {"WORKER", "worker", Format::number},
                                   {"MAILBOX", "mailbox", Format::number},
                                   {"MEMORY", "memory_bytes", Format::bytes},
                                   {"IDLE", "idle_ms", Format::duration_ms},
                                   {"VERSION", "version", Format::number},
                                   {"GENERATION", "generation", Format::number},
                                   {"STATE", "state"}};
constexpr Column kActivation[] = {{"type", "type"},
                                  {"key", "key"},
                                  {"worker", "worker"},
                                  {"mailbox", "mailbox"},
                                  {"memory", "memory_bytes", Format::bytes},
                                  {"idle", "idle_ms", Format::duration_ms},
                                  {"version", "version"},
                                  {"generation", "generation"},
                                  {"state", "state"},
                                  {"turns", "turns"}};

// "Tie for 3s, waits for bank.Account/b Deposit"
std::string turn_text(const json::value& turn) {
  std::string out(view(turn.at("method").as_string()));
  if (turn.at("age_ms").is_number()) out += " for " + format_duration(turn.at("age_ms").to_number<uint64_t>());
  const char* before = ", waits for ";
  for (const json::value& wait : turn.at("waits_for").as_array()) {
    const std::string_view kind = view(wait.at("kind").as_string());
    out += before;
    before = " and ";
    if (kind == "call")
      out.append(view(wait.at("type").as_string())).append("/").append(view(wait.at("key").as_string())).append(" ")
          .append(view(wait.at("method").as_string()));
    else
      out += kind == "other" ? "something of its own" : kind;
  }
  before = ", called by ";
  for (const json::value& step : turn.at("called_by").as_array()) {
    out += before;
    before = " from ";
    out.append(view(step.at("type").as_string())).append("/").append(view(step.at("key").as_string()));
  }
  return out;
}

void print_activation(std::ostream& out, json::object activation) {
  json::array turns;
  for (const json::value& turn : activation.at("turns").as_array()) turns.emplace_back(turn_text(turn));
  activation["turns"] = std::move(turns);
  print_properties(out, kActivation, activation);
}

std::string actor_path(const char* collection, const std::string& type, const std::string& key) {
  return std::string("/v1/") + collection + "/" + encode(type) + "/" + encode(key);
}

}  // namespace

ExitCode status(const Invocation& call) {
  const std::string text = request(call, "GET", "/v1/node");
  if (call.json) {
    call.out << text << '\n';
    return kExitOk;
  }
  const json::value node = parse(Client(call.client), text);
  print_properties(call.out, kNode, node.as_object());
  call.out << '\n';
  print_table(call.out, kListeners, node.at("listeners").as_array(), terminal_width());
  return kExitOk;
}

ExitCode workers(const Invocation& call) { return show_list(call, "/v1/workers", "workers", kWorkers); }
ExitCode plugins(const Invocation& call) { return show_list(call, "/v1/plugins", "plugins", kPlugins); }
ExitCode modules(const Invocation& call) { return show_list(call, "/v1/modules", "modules", kModules); }
ExitCode storages(const Invocation& call) { return show_list(call, "/v1/storage", "storages", kStorages); }
ExitCode migrations(const Invocation& call) {
  return show_list(call, "/v1/storage/migrations", "migrations", kMigrations);
}
ExitCode types(const Invocation& call) { return show_list(call, "/v1/types", "types", kTypes); }

ExitCode module_load(const Invocation& call) {
  std::error_code error;
  const auto path = std::filesystem::absolute(call.arguments[0], error);
  if (error) throw Failure(kExitRefused, "cannot make '" + call.arguments[0] + "' absolute: " + error.message());
  const std::string body = json::serialize(json::object{{"path", path.lexically_normal().string()}});
  const std::string text = request(call, "POST", "/v1/modules", body);
  if (call.json) {
    call.out << text << '\n';
    return kExitOk;
  }
  const json::value module = parse(Client(call.client), text);
  print_table(call.out, kModules, json::array{module}, terminal_width());
  return kExitOk;
}

ExitCode module_retire(const Invocation& call) {
  request(call, "DELETE", "/v1/modules/" + encode(call.arguments[0]));
  if (!call.json) call.out << "retired " << printable(call.arguments[0]) << '\n';
  return kExitOk;
}

ExitCode activations(const Invocation& call) {
  constexpr uint64_t kPageMax = 1000;
  const auto limit = call.options["limit"].as<uint64_t>();
  std::string cursor = call.options.count("cursor") != 0 ? call.options["cursor"].as<std::string>() : "";
  json::array rows;
  do {
    std::string path = "/v1/activations?limit=" + std::to_string(std::min<uint64_t>(kPageMax, limit - rows.size()));
    if (call.options.count("type") != 0) path += "&type=" + encode(call.options["type"].as<std::string>());
    if (!cursor.empty()) path += "&cursor=" + encode(cursor);
    json::value page = request_json(call, "GET", path);
    for (auto& row : page.at("activations").as_array()) rows.push_back(std::move(row));
    const json::value& next = page.at("next_cursor");
    cursor = next.is_string() ? view(next.get_string()) : std::string_view();
  } while (!cursor.empty() && rows.size() < limit);

  if (call.json) {
    call.out << json::serialize(
                    json::object{{"activations", std::move(rows)},
                                 {"next_cursor", cursor.empty() ? json::value(nullptr) : json::value(cursor)}})
             << '\n';
    return kExitOk;
  }
  if (rows.empty())
    call.out << "no activations\n";
  else
    print_table(call.out, kActivations, rows, terminal_width());
  if (!cursor.empty())
    std::cerr << "orbitctl: there are more: --limit for more at once, or --cursor " << printable(cursor)
              << " to go on\n";
  return kExitOk;
}

ExitCode inspect(const Invocation& call) {
  const std::string text = request(call, "GET", actor_path("activations", call.arguments[0], call.arguments[1]));
  if (call.json)
    call.out << text << '\n';
  else
    print_activation(call.out, parse(Client(call.client), text).as_object());
  return kExitOk;
}

ExitCode call_actor(const Invocation& call) {
  const std::string path = actor_path("actors", call.arguments[0], call.arguments[1]) + "/" + encode(call.arguments[2]);
  const std::string body = call.arguments.size() > 3 ? call.arguments[3] : "{}";
  const std::string text = request(call, "POST", path, body);
  if (text.empty()) return kExitOk;
  if (call.json)
    call.out << text << '\n';
  else
    print_json(call.out, parse(Client(call.client), text));
  return kExitOk;
}

ExitCode deactivate(const Invocation& call) {
  request(call, "DELETE", actor_path("activations", call.arguments[0], call.arguments[1]));
  if (!call.json)
    call.out << "leaving memory: " << printable(call.arguments[0]) << ' ' << printable(call.arguments[1]) << '\n';
  return kExitOk;
}

ExitCode config(const Invocation& call) {
  const std::string text = request(call, "GET", "/v1/config");
  if (call.json)
    call.out << text << '\n';
  else
    print_json(call.out, parse(Client(call.client), text));
  return kExitOk;
}

ExitCode log_levels(const Invocation& call) {
  std::string text;
  if (call.arguments.empty()) {
    text = request(call, "GET", "/v1/log/levels");
  } else {
    json::object body;
    if (call.arguments.size() == 1)
      body["default"] = call.arguments[0];
    else
      body["loggers"] = json::object{{call.arguments[0], call.arguments[1]}};
    text = request(call, "PUT", "/v1/log/levels", json::serialize(body));
  }
  if (call.json) {
    call.out << text << '\n';
    return kExitOk;
  }
  const json::value levels = parse(Client(call.client), text);
  json::array rows{json::object{{"logger", "(default)"}, {"level", levels.at("default")}}};
  for (const auto& [logger, level] : levels.at("loggers").as_object())
    rows.push_back(json::object{{"logger", logger}, {"level", level}});
  constexpr Column kColumns[] = {{"LOGGER", "logger"}, {"LEVEL", "level"}};
  print_table(call.out, kColumns, rows, terminal_width());
  return kExitOk;
}

ExitCode metrics(const Invocation& call) {
  call.out << request(call, "GET", "/metrics");
  return kExitOk;
}

ExitCode ready(const Invocation& call) {
  using Clock = std::chrono::steady_clock;
  const double wait_seconds = call.options["wait"].as<double>();
  const auto until =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(wait_seconds));
  constexpr std::chrono::milliseconds kPause{100};
  Invocation quiet = call;  // what the node says meanwhile is no answer
  quiet.json = false;
  for (;;) {
    try {
      const std::string text = request(quiet, "GET", "/readyz");
      call.out << (call.json ? text : "ready") << '\n';
      return kExitOk;
    } catch (const Failure&) {
      if (Clock::now() + kPause > until) throw;
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace orbit::ctl
