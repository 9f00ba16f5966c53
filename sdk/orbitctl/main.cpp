// SPDX-License-Identifier: MIT OR BSD-3-Clause
// orbitctl: the command line, from argv to an exit code.
#include <algorithm>
#include <boost/program_options.hpp>
#include <boost/smart_ptr/make_shared.hpp>
#include <cstdlib>
#include <iostream>

#include "commands.hpp"

namespace po = boost::program_options;
using namespace orbit::ctl;

namespace {

constexpr const char* kDefaultUrl = "http://127.0.0.1:7080";
constexpr const char* kGlobalOptions[] = {"help", "version", "url", "token", "ca", "cert", "key", "json", "timeout", "arguments"};

std::string environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

po::options_description global_options() {
  po::options_description out("Options for every command", 100);
  out.add_options()("help,h", "help, for all or for one command")("version", "the version of orbitctl")(
      "url", po::value<std::string>()->value_name("URL"),
      "the node (environment: ORBIT_URL; else http://127.0.0.1:7080)")(
      "token", po::value<std::string>()->value_name("TOKEN"), "the token of the caller (environment: ORBIT_TOKEN)")(
      "ca", po::value<std::string>()->value_name("FILE"),
      "for https: the authorities that the node's certificate may be of, PEM (environment: ORBIT_CA; else the system's)")(
      "cert", po::value<std::string>()->value_name("FILE"), "for https: a certificate to show, PEM (environment: ORBIT_CERT)")(
      "key", po::value<std::string>()->value_name("FILE"), "for https: its private key, PEM (environment: ORBIT_KEY)")(
      "json", "print the node's JSON as it is, for scripts")(
      "timeout", po::value<double>()->default_value(30, "30")->value_name("SECONDS"), "most time for one request");
  return out;
}

po::options_description command_options() {
  po::options_description out("Options of single commands", 100);
  out.add_options()("type", po::value<std::string>()->value_name("TYPE"), "only activations of this actor type")(
      "limit", po::value<uint64_t>()->default_value(100, "100")->value_name("N"), "show at most N")(
      "cursor", po::value<std::string>()->value_name("CURSOR"), "go on where the answer before ended")(
      "config", po::value<std::string>()->value_name("FILE"),
      "the node's TOML file; the node must not run. plugin load: the plugin's settings, as a TOML or JSON file or as "
      "JSON")("id", po::value<std::string>()->value_name("ID"), "the plugin's id, e.g. orbit.protocol.resp")(
      "path", po::value<std::string>()->value_name("FILE"),
      "its library on the node's machine; a relative path is made absolute here")(
      "storage", po::value<std::string>()->value_name("NAME"), "a storage instance; default: that of [storage]")(
      "from", po::value<std::string>()->value_name("FROM"),
      "query: the least value; storage: the instance, or the folder, to take from")(
      "to", po::value<std::string>()->value_name("TO"),
      "query: the first value that is too great; storage: the instance, or the folder, to fill")(
      "bytes-per-second", po::value<uint64_t>()->value_name("N"),
      "read at most N bytes a second; with --online that is the node's limit from now on, and 0 is none")(
      "keep", po::value<uint64_t>()->value_name("N"),
      "then keep the N newest backups of the folder and remove the others")(
      "number", po::value<uint64_t>()->value_name("N"), "the number of a backup; default: the newest")(
      "backup", po::value<std::string>()->value_name("FOLDER"), "check the backups in this folder instead")(
      "online", "let the running node do it, while it serves")("equals", po::value<std::string>()->value_name("VALUE"),
                                                               "only actors with this value")(
      "descending", po::bool_switch(), "the greatest value first")(
      "after", po::value<std::string>()->value_name("TOKEN"), "go on where the answer before ended")(
      "interval", po::value<double>()->default_value(2, "2")->value_name("SECONDS"), "time between two looks")(
      "once", po::bool_switch(), "look once")("by",
                                              po::value<std::string>()->default_value("calls")->value_name("MEASURE"),
                                              "what makes an actor hot: calls or time")(
      "wait", po::value<double>()->default_value(0, "0")->value_name("SECONDS"), "how long to wait for a ready node");
  return out;
}

std::string usage_of(const Command& command) {
  std::string out = std::string("orbitctl ") + command.name;
  if (*command.arguments != '\0') out.append(" ").append(command.arguments);
  return out;
}

void print_help() {
  std::cout
      << "orbitctl: see an Orbit node and act on it.\n\nusage: orbitctl [OPTIONS] COMMAND [ARGUMENTS]\n\nCommands:\n";
  size_t width = 0;
  const auto left = [](const Command& c) {
    return std::string(c.name) + (*c.arguments != '\0' ? " " : "") + c.arguments;
  };
  for (const Command& command : commands()) width = std::max(width, left(command).size());
  for (const Command& command : commands()) {
    const std::string text = left(command);
    std::cout << "  " << text << std::string(width - text.size() + 2, ' ') << command.summary << '\n';
  }
  std::cout << '\n'
            << global_options()
            << "\n`orbitctl COMMAND --help` tells more about one command.\n\n"
               "Exit codes:\n"
               "  0  done\n"
               "  1  the node answered with an error, or a file could not be read or written\n"
               "  2  the command line is wrong\n"
               "  3  no answer from a node\n";
}

void print_help(const Command& command) {
  std::cout << "usage: " << usage_of(command) << "\n\n" << command.summary << '\n';
  if (*command.doc != '\0') std::cout << command.doc << '\n';
  if (!command.options.empty()) {
    po::options_description own("Options", 100);
    const po::options_description all = command_options();
    for (const char* name : command.options) own.add(boost::make_shared<po::option_description>(all.find(name, false)));
    std::cout << '\n' << own;
  }
  std::cout << '\n' << global_options();
}

// The command that the words begin with, which are taken off. With `partial` also a first word alone ("module").
const Command& take_command(std::vector<std::string>& words) {
  for (const size_t count : {size_t{2}, size_t{1}}) {
    if (words.size() < count) continue;
    const std::string name = count == 2 ? words[0] + " " + words[1] : words[0];
    for (const Command& command : commands())
      if (name == command.name) {
        words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count));
        return command;
      }
  }
  std::string group;
  for (const Command& command : commands())
    if (std::string_view(command.name).starts_with(words[0] + " ")) group += "\n  " + usage_of(command);
  if (!group.empty()) throw Failure(kExitUsage, "'" + words[0] + "' is one of:" + group);
  throw Failure(kExitUsage, "there is no command '" + words[0] + "'; orbitctl --help lists them");
}

void check_options(const Command& command, const po::parsed_options& parsed) {
  for (const auto& option : parsed.options) {
    const auto is_it = [&](const char* name) { return option.string_key == name; };
    const bool known = option.string_key.empty() ||
                       std::any_of(std::begin(kGlobalOptions), std::end(kGlobalOptions), is_it) ||
                       std::any_of(command.options.begin(), command.options.end(), is_it);
    if (!known) throw Failure(kExitUsage, "'" + std::string(command.name) + "' has no option --" + option.string_key);
  }
}

ExitCode run(int argc, char** argv) {
  po::options_description all;
  all.add(global_options()).add(command_options());
  all.add_options()("arguments", po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add("arguments", -1);
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  const auto parsed = po::command_line_parser(argc, argv).options(all).positional(positional).style(style).run();
  po::variables_map options;
  po::store(parsed, options);

  if (options.count("version") != 0) {
    std::cout << "orbitctl " ORBIT_VERSION "\n";
    return kExitOk;
  }
  std::vector<std::string> words;
  if (options.count("arguments") != 0) words = options["arguments"].as<std::vector<std::string>>();
  if (words.empty()) {
    if (options.count("help") == 0) throw Failure(kExitUsage, "a command is missing; orbitctl --help lists them");
    print_help();
    return kExitOk;
  }
  const Command& command = take_command(words);
  if (options.count("help") != 0) {
    print_help(command);
    return kExitOk;
  }
  check_options(command, parsed);
  if (words.size() < command.arguments_min || words.size() > command.arguments_max)
    throw Failure(kExitUsage, "usage: " + usage_of(command));

  const double timeout_seconds = options["timeout"].as<double>();
  if (!(timeout_seconds > 0 && timeout_seconds <= 86400))
    throw Failure(kExitUsage, "--timeout must be a number of seconds above 0 and up to 86400");
  if (!(options["wait"].as<double>() >= 0 && options["wait"].as<double>() <= 86400))
    throw Failure(kExitUsage, "--wait must be a number of seconds from 0 to 86400");
  if (!(options["interval"].as<double>() >= 0.1 && options["interval"].as<double>() <= 86400))
    throw Failure(kExitUsage, "--interval must be a number of seconds from 0.1 to 86400");
  if (const auto& by = options["by"].as<std::string>(); by != "calls" && by != "time")
    throw Failure(kExitUsage, "--by must be calls or time");
  if (options["limit"].as<uint64_t>() == 0) throw Failure(kExitUsage, "--limit must be at least 1");

  ClientOptions client;
  client.url = options.count("url") != 0 ? options["url"].as<std::string>() : environment("ORBIT_URL", kDefaultUrl);
  client.token = options.count("token") != 0 ? options["token"].as<std::string>() : environment("ORBIT_TOKEN", "");
  const auto file = [&options](const char* name, const char* variable) {
    return options.count(name) != 0 ? options[name].as<std::string>() : environment(variable, "");
  };
  client.ca = file("ca", "ORBIT_CA");
  client.certificate = file("cert", "ORBIT_CERT");
  client.key = file("key", "ORBIT_KEY");
  client.timeout = std::chrono::milliseconds(static_cast<int64_t>(timeout_seconds * 1000));
  return command.run({words, options, client, options.count("json") != 0, std::cout});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const ExitCode code = run(argc, argv);
    if (!std::cout.flush()) throw Failure(kExitRefused, "cannot write to standard output");
    return code;
  } catch (const Failure& failure) {
    std::cout.flush();
    std::cerr << "orbitctl: " << failure.what() << '\n';
    return failure.code();
  } catch (const po::error& error) {
    std::cerr << "orbitctl: " << error.what() << "; orbitctl --help tells what there is\n";
    return kExitUsage;
  } catch (const std::exception& error) {
    std::cerr << "orbitctl: " << error.what() << '\n';
    return kExitRefused;
  }
}
