// SPDX-License-Identifier: MIT OR BSD-3-Clause
// orbitd: the command line of a node.
#include <pthread.h>
#include <unistd.h>
#include <boost/json.hpp>
#include <boost/program_options.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <thread>

#include "node/check.hpp"
#include "orbit/password.hpp"
#include "plugin/durable_file.hpp"
#include "storage_command.hpp"

namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;
using namespace orbit::kernel;

constexpr int kUsage = 2;

struct CommandLine {
  po::variables_map values;
  std::vector<Override> overrides;
  bool has(const char* name) const { return values.count(name) != 0; }
  std::string text(const char* name) const { return has(name) ? values[name].as<std::string>() : std::string(); }
};

po::options_description visible_options() {
  po::options_description out("orbitd runs an Orbit node.\n\nUsage: orbitd [--config FILE] [options]\n"
                              "       orbitd storage COMMAND --help\n\nOptions");
  out.add_options()("config,c", po::value<std::string>()->value_name("FILE"),
                    "the node's configuration; default: configs/node.toml, else /etc/orbit/node.toml")(
      "set", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"),
      "change one key, e.g. limits.mailbox_max=100 or plugin.NAME.config.KEY=VALUE; may be repeated")(
      "ready-file", po::value<std::string>()->value_name("FILE"),
      "once the node is ready, write its pid and listeners there as JSON")(
      "check-config", po::value<std::string>()->value_name("FILE"),
      "print every mistake in the file and end; 0: there is none")(
      "describe", po::value<std::string>()->implicit_value("")->value_name("[ID]"),
      "print every key of the node and its plugins, or those of one plugin, and end")(
      "json", "with --describe: as JSON")("print-reference",
                                          "print a configuration file with every key and its default, and end")(
      "hash-password", "read a password from the first line of standard input and print what to store of it")(
      "hash-token", "the same for a token, which should be long and random")(
      "version", "print the version and end")("help,h", "print this and end");
  return out;
}

CommandLine parse(int argc, char** argv) {
  po::options_description all;
  all.add(visible_options());
  all.add_options()("probe-plugin", po::value<std::string>());
  CommandLine out;
  po::store(po::command_line_parser(argc, argv).options(all).positional({}).run(), out.values);
  po::notify(out.values);
  if (out.has("set")) out.overrides = out.values["set"].as<std::vector<std::string>>();
  return out;
}

NodeOptions node_options() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  NodeOptions out;
  out.version = ORBIT_VERSION;
  out.executable = self.string();
  out.executable_folder = self.parent_path().string();
  return out;
}

std::string default_config_file() {
  std::error_code error;
  return fs::exists("configs/node.toml", error) ? "configs/node.toml" : "/etc/orbit/node.toml";
}

// ---- commands that end ---------------------------------------------------------------------------------------------

int check(const CommandLine& line) {
  const std::string file = line.text("check-config");
  const auto text = read_text_file(file);
  const std::string report =
      text ? check_config(file, *text, line.overrides, node_options()) : text.error().message + "\n";
  std::cerr << report;
  if (report.empty()) std::cout << file << ": no mistakes\n";
  return report.empty() ? 0 : 1;
}

// The configuration whose search paths are described: the given file, or defaults.
std::optional<NodeConfig> config_for_description(const CommandLine& line) {
  std::string text;
  const std::string file = line.has("config") ? line.text("config") : "(defaults)";
  if (line.has("config")) {
    const auto read = read_text_file(file);
    if (!read) {
      std::cerr << read.error().message << "\n";
      return std::nullopt;
    }
    text = *read;
  }
  Mistakes mistakes(file);
  auto config = read_config(text, line.overrides, process_environment(), mistakes);
  if (config && mistakes.empty()) return config;
  std::cerr << mistakes.report();
  return std::nullopt;
}

int describe(const CommandLine& line) {
  const auto config = config_for_description(line);
  if (!config) return 1;
  const std::string id = line.text("describe");
  std::vector<std::string> refused;
  const auto plugins = describe_plugins(*config, node_options(), id, refused);
  for (const std::string& reason : refused) std::cerr << "refused: " << reason << "\n";
  if (line.has("print-reference")) {
    std::cout << reference_toml(plugins);
    return refused.empty() ? 0 : 1;
  }
  if (!id.empty() && plugins.empty()) {
    std::cerr << "no plugin has the id '" << id << "'; `orbitd --describe` lists all\n";
    return 1;
  }
  std::cout << (line.has("json") ? describe_json(id.empty(), plugins) + "\n" : describe_text(id.empty(), plugins));
  return 0;
}

int hash(const CommandLine& line) {
  std::string secret;
  if (!std::getline(std::cin, secret) || secret.empty()) {
    std::cerr << "expected a password or token on the first line of standard input\n";
    return 1;
  }
  if (line.has("hash-token")) return std::cout << orbit::hash_token(secret) << "\n", 0;
  const auto hashed = orbit::hash_password(secret);
  if (!hashed) return std::cerr << hashed.error().message << "\n", 1;
  return std::cout << *hashed << "\n", 0;
}

// ---- the node ------------------------------------------------------------------------------------------------------

// The node that a signal stops; null before and after.
std::mutex target_mutex;
Node* target = nullptr;

void set_target(Node* node) {
  const std::lock_guard lock(target_mutex);
  target = node;
}

// Waits for signals on a thread of its own, so that the second one ends the process whatever the node does.
void watch_signals(const sigset_t& signals) {
  std::thread([signals] {
    const auto wait = [&signals] {
      for (int number = 0;;) {
        ::sigwait(&signals, &number);
        if (number != SIGHUP) return number;
        const std::lock_guard lock(target_mutex);
        if (target != nullptr) target->reload();
      }
    };
    wait();
    {
      const std::lock_guard lock(target_mutex);
      if (target != nullptr) target->request_stop();
    }
    ::_exit(128 + wait());
  }).detach();
}

std::string ready_json(const std::vector<ListenerInfo>& listeners) {
  boost::json::array list;
  for (const ListenerInfo& listener : listeners)
    list.push_back(boost::json::object{{"plugin", listener.plugin}, {"address", listener.address}});
  return boost::json::serialize(boost::json::object{{"pid", ::getpid()}, {"listeners", std::move(list)}}) + "\n";
}

int tell_ready(const Node& node, const std::string& ready_file) {
  std::string text = "orbit " ORBIT_VERSION " is ready (pid " + std::to_string(::getpid()) + ")\n";
  for (const ListenerInfo& listener : node.listeners())
    text += "  " + listener.plugin + " listens on " + listener.address + " (open to: " +
            exposure_text(listener.exposure, node.exposure_policy()) + ")\n";
  if (node.listeners().empty()) text += "  nothing listens\n";
  std::cout << text << std::flush;
  if (ready_file.empty()) return 0;
  const auto written = write_file_durably(ready_file, ready_json(node.listeners()));
  if (written) return 0;
  std::cerr << "--ready-file: " << written.error().message << "\n";
  return 1;
}

int run(const CommandLine& line) {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread is made: all inherit it

  const std::string file = line.has("config") ? line.text("config") : default_config_file();
  const auto text = read_text_file(file);
  if (!text) {
    std::cerr << text.error().message << "\n";
    return 1;
  }
  Mistakes mistakes(file);
  auto config = read_config(*text, line.overrides, process_environment(), mistakes);
  if (!config || !mistakes.empty()) {
    std::cerr << check_config(file, *text, line.overrides, node_options());
    return 1;
  }
  auto made = Node::make(std::move(*config), node_options());
  if (!made) {
    std::cerr << made.error().message << "\n";
    return 1;
  }
  Node& node = **made;
  set_target(&node);
  watch_signals(signals);
  int code = 0;
  if (const auto started = node.start(mistakes); !started) {
    std::cerr << mistakes.report();
    node.log().logger("node").error("cannot start: " + started.error().message);
    code = 1;
  } else {
    code = tell_ready(node, line.text("ready-file"));
    if (code == 0) node.wait();
  }
  if (!node.stop()) code = 1;
  set_target(nullptr);
  if (node.abandoned_threads()) {  // they may still use anything
    node.log().close();
    std::cout << std::flush;
    ::_exit(code);
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view(argv[1]) == "storage") return storage_command(argc - 1, argv + 1, node_options());
    const CommandLine line = parse(argc, argv);
    if (line.has("probe-plugin")) ::_exit(probe_child(line.text("probe-plugin")));
    if (line.has("help")) return std::cout << visible_options() << "\n", 0;
    if (line.has("version")) return std::cout << "orbitd " ORBIT_VERSION "\n", 0;
    if (line.has("check-config")) return check(line);
    if (line.has("hash-password") || line.has("hash-token")) return hash(line);
    if (line.has("describe") || line.has("print-reference")) return describe(line);
    return run(line);
  } catch (const po::error& error) {
    std::cerr << error.what() << "\ntry --help\n";
    return kUsage;
  } catch (const std::exception& error) {
    std::cerr << "orbitd: " << error.what() << "\n";
    return 1;
  }
}
