// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin_commands.hpp"

#include <toml++/toml.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "answers.hpp"
#include "text.hpp"

namespace orbit::ctl {

namespace json = boost::json;

namespace {

constexpr Column kLoaded[] = {
    {"INSTANCE", "instance"}, {"ID", "id"}, {"VERSION", "version"}, {"STATE", "state"}, {"FILE", "file"}};

json::object object_of(const std::string& text, const std::string& where) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error) throw Failure(kExitRefused, where + " is no JSON: " + error.message());
  if (!value.is_object()) throw Failure(kExitRefused, where + " must be a JSON object of settings");
  return std::move(value.get_object());
}

// The settings as JSON: what begins with a brace is that itself, all else the name of a TOML or JSON file.
json::object settings(const std::string& given) {
  if (given.starts_with('{')) return object_of(given, "--config");
  std::ifstream file(given, std::ios::binary);
  if (!file) throw Failure(kExitRefused, "cannot read '" + given + "'; --config is a file, or JSON");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (given.ends_with(".json")) return object_of(text, "'" + given + "'");
  try {
    std::ostringstream out;
    out << toml::json_formatter{toml::parse(text, given)};
    return object_of(out.str(), "'" + given + "'");
  } catch (const toml::parse_error& error) {
    throw Failure(kExitRefused, given + ":" + std::to_string(error.source().begin.line) + ":" +
                                    std::to_string(error.source().begin.column) + ": " +
                                    std::string(error.description()));
  }
}

}  // namespace

ExitCode plugin_load(const Invocation& call) {
  if (call.options.count("id") == 0) throw Failure(kExitUsage, "'plugin load' needs --id");
  json::object entry{{"name", call.arguments[0]}, {"id", call.options["id"].as<std::string>()}};
  if (call.options.count("path") != 0) {
    std::error_code error;
    const auto& given = call.options["path"].as<std::string>();
    const auto path = std::filesystem::absolute(given, error);
    if (error) throw Failure(kExitRefused, "cannot make '" + given + "' absolute: " + error.message());
    entry["path"] = path.lexically_normal().string();
  }
  if (call.options.count("config") != 0) entry["config"] = settings(call.options["config"].as<std::string>());
  const std::string text = request(call, "POST", "/v1/plugins", json::serialize(entry));
  if (call.json) {
    call.out << text << '\n';
    return kExitOk;
  }
  const json::value loaded = parse(Client(call.client), text);
  print_table(call.out, kLoaded, json::array{loaded.at("plugin")}, terminal_width());
  call.out << "\nIt lasts " << printable(view(loaded.at("lasts").as_string())) << ":\n\n";
  std::istringstream toml{std::string(view(loaded.at("toml").as_string()))};
  for (std::string line; std::getline(toml, line);) call.out << printable(line) << '\n';
  return kExitOk;
}

ExitCode plugin_unload(const Invocation& call) {
  request(call, "DELETE", "/v1/plugins/" + encode(call.arguments[0]));
  if (!call.json) call.out << "unloaded " << printable(call.arguments[0]) << '\n';
  return kExitOk;
}

}  // namespace orbit::ctl
