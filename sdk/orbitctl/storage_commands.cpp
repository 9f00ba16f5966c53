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

bool is_number(std::string_view option) noexcept { return option == "number" || option == "keep"; }

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

// Begins one of a list ("migrations", "backups") that is told by two members, and waits until it has ended.
json::object begin_and_wait(const Invocation& call, const std::string& list, const json::object& told) {
  constexpr std::chrono::milliseconds kPause{200};
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

}  // namespace

ExitCode storage_migrate(const Invocation& call) {
  if (call.options.count("online") != 0) {
    if (!option(call, "config").empty()) throw Failure(kExitUsage, "give --online or --config, not both");
    return migrate_online(call);
  }
  if (option(call, "config").empty())
    throw Failure(kExitUsage, "give --config FILE of a node that is stopped, or --online to have a running one do it");
  required(call, "storage migrate", "from");
  required(call, "storage migrate", "to");
  return become_orbitd(call, "migrate", {"config", "from", "to", "type"});
}

ExitCode storage_check(const Invocation& call) {
  if (option(call, "backup").empty() || option(call, "backup").find("://") != std::string::npos)
    required(call, "storage check", "config");
  return become_orbitd(call, "check", {"config", "storage", "backup", "number"});
}

ExitCode storage_stats(const Invocation& call) {
  required(call, "storage stats", "config");
  return become_orbitd(call, "stats", {"config", "storage"});
}

ExitCode storage_backup(const Invocation& call) {
  if (call.options.count("online") != 0) {
    if (!option(call, "config").empty() || call.options.count("keep") != 0)
      throw Failure(kExitUsage, "--online goes with --storage and --to only");
    return backup_online(call);
  }
  required(call, "storage backup", "config");
  required(call, "storage backup", "to");
  return become_orbitd(call, "backup", {"config", "storage", "to", "keep"});
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
