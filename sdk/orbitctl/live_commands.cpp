// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "live_commands.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <thread>

#include "answers.hpp"
#include "text.hpp"

namespace orbit::ctl {

namespace json = boost::json;

namespace {

constexpr size_t kWaitingShownMax = 10;
constexpr uint64_t kHotShown = 15;
constexpr size_t kTreeDepthMax = 64;

constexpr Column kSlowTurns[] = {{"TIME", "time"},     {"WORKER", "worker", Format::number},
                                 {"TYPE", "type"},     {"KEY", "key"},
                                 {"METHOD", "method"}, {"TOOK", "duration_ms", Format::duration_ms},
                                 {"RUNS", "running"}};
constexpr Column kDeadLetters[] = {{"TIME", "time"},     {"TYPE", "type"}, {"KEY", "key"},
                                   {"METHOD", "method"}, {"CODE", "code"}, {"REASON", "reason"}};
constexpr Column kFound[] = {{"KEY", "key"}, {"VALUE", "value"}};
constexpr Column kBusyWorkers[] = {{"WORKER", "worker", Format::number}, {"ACTORS", "activations", Format::number},
                                   {"TURNS/S", "turns", Format::number}, {"QUEUED", "queued", Format::number},
                                   {"WAITING", "waiting_turns", Format::number}, {"RUNS", "runs"}};
constexpr Column kHot[] = {{"TYPE", "type"},       {"KEY", "key"},
                           {"WORKER", "worker", Format::number}, {"CALLS/S", "calls", Format::number},
                           {"TIME %", "time", Format::number},   {"LACKS %", "lacks", Format::number}};
constexpr Column kWaiting[] = {{"AGE", "age_ms", Format::duration_ms}, {"WORKER", "worker", Format::number},
                               {"ACTOR", "actor"}, {"METHOD", "method"}, {"WAITS FOR", "for"}};

std::string text_of(const json::value& value, const char* otherwise = "?") {
  return value.is_string() ? std::string(view(value.get_string())) : otherwise;
}

std::string decimal(const json::value& value) {
  if (!value.is_number()) return {};
  char text[32];
  const double number = value.to_number<double>();
  std::snprintf(text, sizeof text, number >= 1000 ? "%.0f" : "%.1f", number);
  return text;
}

std::string actor_of(const json::value& node) { return text_of(node.at("type")) + "/" + text_of(node.at("key")); }

std::string age_of(const json::value& node) {
  const json::value& age = node.at("age_ms");
  return age.is_number() ? format_duration(age.to_number<uint64_t>()) : std::string("?");
}

// What a node waits for beside other actors.
std::string other_waits(const json::value& node) {
  std::string out;
  for (const json::value& wait : node.at("waits_for").as_array()) {
    const std::string kind = text_of(wait.at("kind"));
    if (kind == "call" || kind == "hold") continue;
    out += out.empty() ? "" : ", ";
    out += kind == "other" ? "something of its own" : kind;
    if (const auto* ms = wait.as_object().if_contains("for_ms"); ms != nullptr)
      out += " for " + format_duration(ms->to_number<uint64_t>());
  }
  return out;
}

// A new connection may land on a worker that a turn burns: the next one lands on another.
std::string ask(const Invocation& call, const std::string& path) {
  constexpr std::chrono::milliseconds kShort{1000};
  constexpr int kTries = 4;
  Invocation attempt = call;
  attempt.client.timeout = std::min(call.client.timeout, kShort);
  for (int i = 1; i < kTries && attempt.client.timeout < call.client.timeout; ++i) {
    try {
      return request(attempt, "GET", path);
    } catch (const Failure& failure) {
      if (failure.code() != kExitUnreachable) throw;
    }
  }
  return request(call, "GET", path);
}

json::value ask_json(const Invocation& call, const std::string& path) {
  return parse(Client(call.client), ask(call, path));
}

std::string limit_of(const Invocation& call, uint64_t otherwise) {
  const auto& limit = call.options["limit"];
  return std::to_string(limit.defaulted() ? otherwise : limit.as<uint64_t>());
}

std::string named(const json::value& node) {
  std::string out = actor_of(node);
  const json::value& method = node.at("method");
  if (method.is_string()) return out + " " + text_of(method);
  return out + " (" + text_of(node.at("state")) + ")";
}

// Of a node: its lines, and those of everything that it waits for.
class Tree {
 public:
  Tree(std::ostream& out, const json::value& graph) : out_(out), nodes_(graph.at("nodes").as_array()) {
    edges_.resize(nodes_.size());
    shown_.resize(nodes_.size());
    std::vector<bool> waited_for(nodes_.size());
    for (const json::value& edge : graph.at("edges").as_array()) {
      const auto from = edge.at("from").to_number<size_t>();
      const auto to = edge.at("to").to_number<size_t>();
      if (from >= nodes_.size() || to >= nodes_.size())
        throw Failure(kExitUnreachable, "the node's answer has an edge without its nodes");
      edges_[from].push_back(&edge);
      waited_for[to] = true;
    }
    for (size_t i = 0; i < nodes_.size(); ++i)
      if (!waited_for[i]) show(i, 0, nullptr);
    // What is left waits in circles.
    for (size_t i = 0; i < nodes_.size(); ++i)
      if (!shown_[i]) show(i, 0, nullptr);
  }

 private:
  void show(size_t at, size_t depth, const json::value* edge) {
    const json::value& node = nodes_[at];
    std::string line(2 * depth, ' ');
    if (edge != nullptr) {
      line += edge->at("deadlock").as_bool() ? "=> " : "-> ";
      if (edge->at("queued").as_bool()) line += text_of(edge->at("method")) + " waits in the mailbox, behind ";
    }
    line += named(node);
    std::string details;
    if (node.at("method").is_string()) details += age_of(node);
    if (node.at("worker").is_number())
      details += (details.empty() ? "worker " : ", worker ") + std::to_string(node.at("worker").to_number<uint64_t>());
    if (!details.empty()) line += " (" + details + ")";
    if (const std::string other = other_waits(node); !other.empty()) line += ", waits for " + other;
    if (edge != nullptr && edge->at("deadlock").as_bool()) line += "  DEADLOCK";
    const bool again = shown_[at];
    if (again && !edges_[at].empty()) line += "  (see above)";
    out_ << printable(line) << '\n';
    shown_[at] = true;
    if (again || depth >= kTreeDepthMax) return;
    for (const json::value* next : edges_[at]) show(next->at("to").to_number<size_t>(), depth + 1, next);
  }

  std::ostream& out_;
  const json::array& nodes_;
  std::vector<std::vector<const json::value*>> edges_;
  std::vector<bool> shown_;
};

void print_silent(std::ostream& out, const json::value& answer) {
  for (const json::value& worker : answer.at("silent_workers").as_array())
    out << "worker " << worker << " does not answer: orbitctl top shows what it runs\n";
}

json::array waiting_rows(const json::value& graph) {
  const json::array& nodes = graph.at("nodes").as_array();
  std::vector<std::string> waits_for(nodes.size());
  for (const json::value& edge : graph.at("edges").as_array()) {
    std::string& text = waits_for.at(edge.at("from").to_number<size_t>());
    const json::value& to = nodes.at(edge.at("to").to_number<size_t>());
    if (!text.empty()) text += ", ";
    text += actor_of(to) + " " + text_of(edge.at("method")) + (edge.at("deadlock").as_bool() ? " (DEADLOCK)" : "");
  }
  json::array rows;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].at("method").is_string()) continue;
    const std::string other = other_waits(nodes[i]);
    if (!other.empty()) waits_for[i] += (waits_for[i].empty() ? "" : ", ") + other;
    rows.push_back(json::object{{"age_ms", nodes[i].at("age_ms")},
                                {"worker", nodes[i].at("worker")},
                                {"actor", actor_of(nodes[i])},
                                {"method", nodes[i].at("method")},
                                {"for", waits_for[i]}});
  }
  const auto age = [](const json::value& row) {
    return row.at("age_ms").is_number() ? row.at("age_ms").to_number<uint64_t>() : 0;
  };
  std::sort(rows.begin(), rows.end(), [age](const json::value& a, const json::value& b) { return age(a) > age(b); });
  if (rows.size() > kWaitingShownMax) rows.resize(kWaitingShownMax);
  return rows;
}

json::array worker_rows(const json::value& top, const json::value& before, double seconds) {
  json::array rows;
  const json::array& workers = top.at("workers").as_array();
  for (size_t i = 0; i < workers.size(); ++i) {
    json::object row = workers[i].as_object();
    const json::value* then = before.is_object() && before.at("workers").as_array().size() > i
                                  ? &before.at("workers").as_array()[i]
                                  : nullptr;
    if (then != nullptr && seconds > 0)
      row["turns"] = decimal((row.at("turns_total").to_number<double>() - then->at("turns_total").to_number<double>()) / seconds);
    else
      row["turns"] = decimal(row.at("turns_per_second"));
    if (!row.at("answers").as_bool()) {
      const json::value& runs = row.at("runs");
      row["runs"] = runs.is_object() ? actor_of(runs) + " " + text_of(runs.at("method"), "(activation)") + " for " +
                                           age_of(runs) + ", and does not answer"
                                     : std::string("does not answer");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

void print_waits(std::ostream& out, const json::value& graph) {
  if (graph.at("nodes").as_array().empty()) out << "no turn waits\n";
  Tree(out, graph);
  if (const auto deadlocks = graph.at("deadlocks").to_number<uint64_t>(); deadlocks != 0)
    out << deadlocks << (deadlocks == 1 ? " deadlock" : " deadlocks")
        << ": these turns wait for each other until a deadline or a cancellation ends one\n";
  if (graph.at("truncated").as_bool()) out << "there is more: --limit N\n";
  print_silent(out, graph);
}

void print_top(std::ostream& out, const json::value& node, const json::value& top, const json::value& waits,
               const json::value& before, double seconds, size_t width) {
  out << printable(text_of(node.at("name"))) << ' ' << text_of(node.at("version")) << ": " << text_of(node.at("state"))
      << ", up " << format_duration(node.at("uptime_ms").to_number<uint64_t>()) << ", "
      << node.at("workers").to_number<uint64_t>() << " workers, "
      << format_bytes(node.at("memory_bytes").to_number<uint64_t>()) << ", "
      << node.at("activations").to_number<uint64_t>() << " actors in memory\n\n";
  print_table(out, kBusyWorkers, worker_rows(top, before, seconds), width);
  out << "\nhot actors by " << text_of(top.at("by")) << ", last "
      << format_duration(top.at("window_ms").to_number<uint64_t>()) << '\n';
  json::array hot;
  for (const json::value& each : top.at("hot").as_array()) {
    json::object row = each.as_object();
    row["calls"] = decimal(row.at("calls_per_second"));
    row["time"] = decimal(row.at("time_percent"));
    row["lacks"] = decimal(row.at("lacks_percent"));
    if (row.at("key_cut").as_bool()) row["key"] = text_of(row.at("key")) + "...";
    hot.push_back(std::move(row));
  }
  if (hot.empty())
    out << "none\n";
  else
    print_table(out, kHot, hot, width);
  out << "\nturns that wait, oldest first\n";
  const json::array waiting = waiting_rows(waits);
  if (waiting.empty())
    out << "none\n";
  else
    print_table(out, kWaiting, waiting, width);
  if (const auto deadlocks = waits.at("deadlocks").to_number<uint64_t>(); deadlocks != 0)
    out << deadlocks << (deadlocks == 1 ? " deadlock" : " deadlocks") << ": orbitctl waits\n";
}

ExitCode top(const Invocation& call) {
  using Clock = std::chrono::steady_clock;
  const double interval = call.options["interval"].as<double>();
  const bool once = call.options["once"].as<bool>();
  const std::string by = call.options["by"].as<std::string>();
  const std::string path = "/v1/top?by=" + encode(by) + "&limit=" + limit_of(call, kHotShown);
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  json::value before;
  Clock::time_point then;
  for (;;) {
    const json::value node = ask_json(call, "/v1/node");
    const json::value shown = ask_json(call, path);
    const auto now = Clock::now();
    const json::value waits = ask_json(call, "/v1/waits?limit=1000");
    std::ostringstream screen;
    if (call.json) {
      screen << json::serialize(json::object{{"node", node}, {"top", shown}, {"waits", waits}}) << '\n';
    } else {
      print_top(screen, node, shown, waits, before, std::chrono::duration<double>(now - then).count(), terminal_width());
      if (!once && !terminal) screen << '\n';
    }
    // Home, the screen, then clear what is left below: no flicker.
    if (!once && !call.json && terminal) call.out << "\x1b[H\x1b[2J";
    call.out << screen.str();
    if (!call.out.flush()) throw Failure(kExitRefused, "cannot write to standard output");
    if (once) return kExitOk;
    before = shown;
    then = now;
    std::this_thread::sleep_for(std::chrono::duration<double>(interval));
  }
}

ExitCode waits(const Invocation& call) {
  const std::string text = ask(call, "/v1/waits?limit=" + limit_of(call, 1000));
  if (call.json)
    call.out << text << '\n';
  else
    print_waits(call.out, parse(Client(call.client), text));
  return kExitOk;
}

ExitCode slow_turns(const Invocation& call) {
  const std::string text = ask(call, "/v1/slow-turns?limit=" + limit_of(call, 100));
  if (call.json) {
    call.out << text << '\n';
    return kExitOk;
  }
  const json::value answer = parse(Client(call.client), text);
  const auto bound_ms = answer.at("slow_turn_ms").to_number<uint64_t>();
  const json::array& rows = answer.at("slow_turns").as_array();
  if (bound_ms == 0)
    call.out << "turns are not watched: limits.slow_turn_ms is 0\n";
  else if (rows.empty())
    call.out << "no turn took longer than " << format_duration(bound_ms) << '\n';
  else
    print_table(call.out, kSlowTurns, rows, terminal_width());
  return kExitOk;
}

ExitCode dead_letters(const Invocation& call) {
  const std::string text = ask(call, "/v1/dead-letters?limit=" + limit_of(call, 100));
  if (call.json) {
    call.out << text << '\n';
    return kExitOk;
  }
  const json::value answer = parse(Client(call.client), text);
  if (answer.at("dead_letters").as_array().empty())
    call.out << "no dead letters\n";
  else
    print_table(call.out, kDeadLetters, answer.at("dead_letters").as_array(), terminal_width());
  print_silent(call.out, answer);
  return kExitOk;
}

ExitCode query(const Invocation& call) {
  constexpr uint64_t kPageMax = 10'000;
  const auto limit = call.options["limit"].as<uint64_t>();
  const std::string index = "/v1/types/" + encode(call.arguments[0]) + "/indexes/" + encode(call.arguments[1]);
  std::string rest;
  for (const char* name : {"equals", "from", "to"})
    if (call.options.count(name) != 0) rest += "&" + std::string(name) + "=" + encode(call.options[name].as<std::string>());
  if (call.options["descending"].as<bool>()) rest += "&order=descending";
  std::string after = call.options.count("after") != 0 ? call.options["after"].as<std::string>() : "";
  json::array rows;
  do {
    std::string path = index + "?limit=" + std::to_string(std::min<uint64_t>(kPageMax, limit - rows.size())) + rest;
    if (!after.empty()) path += "&after=" + encode(after);
    json::value page = request_json(call, "GET", path);
    for (auto& row : page.at("actors").as_array()) rows.push_back(std::move(row));
    after = text_of(page.at("next"), "");
  } while (!after.empty() && rows.size() < limit);

  if (call.json) {
    call.out << json::serialize(json::object{
                    {"actors", std::move(rows)}, {"next", after.empty() ? json::value(nullptr) : json::value(after)}})
             << '\n';
    return kExitOk;
  }
  if (rows.empty())
    call.out << "no actors\n";
  else
    print_table(call.out, kFound, rows, terminal_width());
  if (!after.empty())
    std::cerr << "orbitctl: there are more: --limit for more at once, or --after " << printable(after) << " to go on\n";
  return kExitOk;
}

}  // namespace orbit::ctl
