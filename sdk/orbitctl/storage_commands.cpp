// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "storage_commands.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <thread>

#include "answers.hpp"
#include "text.hpp"

namespace orbit::ctl {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

std::string option(const Invocation& call, const char* name) {
  return call.options.count(name) != 0 ? call.options[name].as<std::string>() : std::string();
}

std::string required(const Invocation& call, const char* command, const char* name) {
  std::string value = option(call, name);
  if (value.empty()) throw Failure(kExitUsage, std::string("'") + command + "' needs --" + name);
  return value;
}

bool is_number(std::string_view option) noexcept {
  return option == "number" || option == "keep" || option == "bytes-per-second";
}
bool online(const Invocation& call) { return call.options.count("online") != 0; }

// Becomes `orbitd storage COMMAND`, which is installed beside this program.
ExitCode become_orbitd(const Invocation& call, const char* command, std::initializer_list<const char*> options) {
  std::error_code error;
  const std::string orbitd = (fs::read_symlink("/proc/self/exe", error).parent_path() / "orbitd").string();
  std::vector<std::string> words{orbitd, "storage", command};
  for (const char* name : options) {
    if (call.options.count(name) == 0) continue;
    words.push_back(std::string("--") + name);
    words.push_back(is_number(name) ? std::to_string(call.options[name].as<uint64_t>()) : option(call, name));
  }
  if (call.json) words.emplace_back("--json");
  std::vector<char*> argv;
  for (std::string& one : words) argv.push_back(one.data());
  argv.push_back(nullptr);
  std::cout.flush();
  ::execv(orbitd.c_str(), argv.data());
  throw Failure(kExitRefused, "cannot run " + orbitd + ": " + std::strerror(errno));
}

void show_progress(const json::object& migration) {
  if (::isatty(STDERR_FILENO) == 0) return;
  std::cerr << "\r\x1b[K" << std::string_view(migration.at("stage").as_string()) << " "
            << migration.at("entries").to_number<uint64_t>() << " entries, "
            << format_bytes(migration.at("bytes").to_number<uint64_t>()) << std::flush;
}

void set_pace(const Invocation& call, uint64_t bytes_per_second) {
  request(call, "PUT", "/v1/storage/pace", json::serialize(json::object{{"bytes_per_second", bytes_per_second}}));
}

// Begins one of a list ("migrations", "backups", "jobs") that is told by some members, and waits until it has ended.
json::object begin_and_wait(const Invocation& call, const std::string& list, const json::object& told) {
  constexpr std::chrono::milliseconds kPause{200};
  if (call.options.count("bytes-per-second") != 0) set_pace(call, call.options["bytes-per-second"].as<uint64_t>());
  const std::string path = "/v1/storage/" + list;
  request(call, "POST", path, json::serialize(told));
  for (;;) {
    json::object found;
    const json::value all = request_json(call, "GET", path);
    for (const json::value& one : all.at(list).as_array()) {
      const json::object& its = one.as_object();
      if (std::all_of(told.begin(), told.end(), [&its](const auto& member) { return its.at(member.key()) == member.value(); }))
        found = its;
    }
    if (found.empty()) throw Failure(kExitRefused, "the node no longer knows of it; did it start again?");
    const std::string stage(found.at("stage").as_string());
    if (stage == "done" || stage == "failed" || stage == "interrupted") {
      if (::isatty(STDERR_FILENO) != 0) std::cerr << "\r\x1b[K";
      if (call.json) call.out << json::serialize(found) << '\n';
      if (stage != "done") throw Failure(kExitRefused, "it " + stage + ": " + printable(std::string(found.at("error").as_string())));
      return found;
    }
    show_progress(found);
    std::this_thread::sleep_for(kPause);
  }
}

ExitCode migrate_online(const Invocation& call) {
  if (!option(call, "type").empty()) throw Failure(kExitUsage, "--online moves all types of an instance; --type needs --config");
  const std::string from = required(call, "storage migrate", "from");
  const std::string to = required(call, "storage migrate", "to");
  begin_and_wait(call, "migrations", json::object{{"from", from}, {"to", to}});
  if (!call.json)
    call.out << "'" << printable(to) << "' has what '" << printable(from) << "' had, and is used from now on. Name it in [storage] or "
             << "[[route]] instead of '" << printable(from) << "'.\n";
  return kExitOk;
}

ExitCode backup_online(const Invocation& call) {
  const std::string storage = required(call, "storage backup", "storage");
  const std::string to = required(call, "storage backup", "to");
  // An address of a plugin's place stays as it is.
  const std::string folder = to.find("://") != std::string::npos ? to : fs::absolute(to).lexically_normal().string();
  const json::object saved = begin_and_wait(call, "backups", json::object{{"storage", storage}, {"folder", folder}});
  if (!call.json)
    call.out << "backup " << saved.at("number").to_number<uint64_t>() << " of '" << printable(storage)
             << "': " << saved.at("entries").to_number<uint64_t>() << " entries in " << saved.at("chunks").to_number<uint64_t>()
             << " chunks; " << saved.at("new_chunks").to_number<uint64_t>() << " of them are new\n";
  return kExitOk;
}

// Has the running node do it; the answer is what came of it.
json::object work_online(const Invocation& call, const char* kind, const std::string& path = {}) {
  if (!option(call, "config").empty()) throw Failure(kExitUsage, "give --online or --config, not both");
  json::object told{{"kind", kind}, {"storage", required(call, (std::string("storage ") + kind).c_str(), "storage")}};
  if (!path.empty()) told["path"] = path;
  return begin_and_wait(call, "jobs", told).at("result").as_object();
}

std::string number(const json::object& from, const char* member) {
  return std::to_string(from.at(member).to_number<uint64_t>());
}

ExitCode check_online(const Invocation& call) {
  const json::object found = work_online(call, "check");
  const uint64_t damaged = found.at("damaged").to_number<uint64_t>();
  if (!call.json) {
    for (const json::value& damage : found.at("damages").as_array())
      call.out << "damaged: " << printable(std::string(damage.as_string())) << '\n';
    uint64_t keys = 0;
    for (const json::value& type : found.at("types").as_array())
      for (const auto& member : type.as_object())
        if (member.value().is_object()) keys += member.value().at("keys").to_number<uint64_t>();
    call.out << "'" << printable(option(call, "storage")) << "': " << keys << " keys read, " << damaged << " damaged\n";
  }
  return damaged == 0 ? kExitOk : kExitRefused;
}

ExitCode stats_online(const Invocation& call) {
  const json::object found = work_online(call, "stats");
  if (call.json) return kExitOk;
  for (const json::value& one : found.at("types").as_array()) {
    const std::string type(one.at("type").as_string());
    call.out << (type.empty() ? "(none)" : printable(type));
    for (const auto& member : one.as_object())
      if (member.value().is_object())
        call.out << "  " << std::string_view(member.key()) << " " << number(member.value().as_object(), "keys") << " ("
                 << format_bytes(member.value().at("bytes").to_number<uint64_t>()) << ")";
    call.out << '\n';
  }
  call.out << "the engine holds " << number(found, "engine_bytes") << " bytes\n";
  return kExitOk;
}

}  // namespace

ExitCode storage_compact(const Invocation& call) {
  if (!online(call)) {
    required(call, "storage compact", "config");
    return become_orbitd(call, "compact", {"config", "storage"});
  }
  const json::object found = work_online(call, "compact");
  if (!call.json)
    call.out << "'" << printable(option(call, "storage")) << "': " << number(found, "bytes_before") << " bytes before, "
             << number(found, "bytes_after") << " after\n";
  return kExitOk;
}

ExitCode storage_checkpoint(const Invocation& call) {
  const std::string path = fs::absolute(required(call, "storage checkpoint", "to")).lexically_normal().string();
  work_online(call, "checkpoint", path);
  if (!call.json)
    call.out << "a second database of '" << printable(option(call, "storage")) << "' is in " << printable(path) << '\n';
  return kExitOk;
}

ExitCode storage_pace(const Invocation& call) {
  if (call.options.count("bytes-per-second") != 0) set_pace(call, call.options["bytes-per-second"].as<uint64_t>());
  const json::value now = request_json(call, "GET", "/v1/storage/pace");
  const uint64_t limit = now.at("bytes_per_second").to_number<uint64_t>();
  if (call.json)
    call.out << json::serialize(now) << '\n';
  else
    call.out << (limit == 0 ? std::string("no limit") : format_bytes(limit) + " a second") << '\n';
  return kExitOk;
}

ExitCode storage_migrate(const Invocation& call) {
  if (online(call)) {
    if (!option(call, "config").empty()) throw Failure(kExitUsage, "give --online or --config, not both");
    return migrate_online(call);
  }
  if (option(call, "config").empty())
    throw Failure(kExitUsage, "give --config FILE of a node that is stopped, or --online to have a running one do it");
  required(call, "storage migrate", "from");
  required(call, "storage migrate", "to");
  return become_orbitd(call, "migrate", {"config", "from", "to", "type", "bytes-per-second"});
}

ExitCode storage_check(const Invocation& call) {
  if (online(call)) {
    if (!option(call, "backup").empty())
      throw Failure(kExitUsage, "--backup reads a backup and needs no running node; without --online");
    return check_online(call);
  }
  if (option(call, "backup").empty() || option(call, "backup").find("://") != std::string::npos)
    required(call, "storage check", "config");
  return become_orbitd(call, "check", {"config", "storage", "backup", "number"});
}

ExitCode storage_stats(const Invocation& call) {
  if (online(call)) return stats_online(call);
  required(call, "storage stats", "config");
  return become_orbitd(call, "stats", {"config", "storage"});
}

ExitCode storage_backup(const Invocation& call) {
  if (online(call)) {
    if (!option(call, "config").empty() || call.options.count("keep") != 0)
      throw Failure(kExitUsage, "--online goes with --storage and --to only");
    return backup_online(call);
  }
  required(call, "storage backup", "config");
  required(call, "storage backup", "to");
  return become_orbitd(call, "backup", {"config", "storage", "to", "keep", "bytes-per-second"});
}

ExitCode storage_restore(const Invocation& call) {
  required(call, "storage restore", "config");
  required(call, "storage restore", "from");
  return become_orbitd(call, "restore", {"config", "storage", "from", "number"});
}

ExitCode storage_dump(const Invocation& call) {
  required(call, "storage dump", "config");
  return become_orbitd(call, "dump", {"config", "storage", "type"});
}

}  // namespace orbit::ctl
