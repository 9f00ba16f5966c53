// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "config/node_config.hpp"

#include <sys/stat.h>
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>

#include "observe/log.hpp"

namespace orbit::kernel {
namespace {

constexpr std::string_view kConfigKey[] = {"config"};

const Section& section(std::string_view name) {
  for (const Section& s : config_sections())
    if (name == s.name) return s;
  std::abort();
}

// ---- overrides -----------------------------------------------------------------------------------------------------

// The entry of [[plugin]] with that name, or null.
Tree* named_plugin(Tree& root, std::string_view name) {
  Tree::Entry* plugins = root.find("plugin");
  if (plugins == nullptr) return nullptr;
  for (Tree& item : plugins->value.array) {
    const Tree::Entry* entry = item.find("name");
    if (entry != nullptr && entry->value.kind == Tree::Kind::string && entry->value.string == name) return &item;
  }
  return nullptr;
}

void set_origin(Tree& tree, const Position& position) {
  tree.position = position;
  for (Tree& item : tree.array) set_origin(item, position);
  for (Tree::Entry& entry : tree.table) {
    entry.position = position;
    set_origin(entry.value, position);
  }
}

void apply_override(Tree& root, const Override& text, Mistakes& mistakes) {
  const size_t equals = text.find('=');
  // The value may be a secret: only the key is shown.
  const Position position{0, 0, "--set " + text.substr(0, equals)};
  if (equals == std::string::npos || equals == 0) {
    mistakes.add(position, "expected key=value, e.g. limits.mailbox_max=100");
    return;
  }
  std::string_view key = std::string_view(text).substr(0, equals);
  const auto next_word = [&key] {
    const size_t dot = key.find('.');
    const std::string_view word = key.substr(0, dot);
    key = dot == std::string_view::npos ? std::string_view() : key.substr(dot + 1);
    return word;
  };
  Tree* at = &root;
  if (key.starts_with("plugin.")) {
    next_word();
    const std::string_view name = next_word();
    at = named_plugin(root, name);
    if (at == nullptr) {
      mistakes.add(position, "no [[plugin]] has the name '" + std::string(name) + "'");
      return;
    }
  }
  for (size_t depth = 0;; ++depth) {
    const std::string_view word = next_word();
    if (word.empty() || at->kind != Tree::Kind::table || depth > kConfigDepthMax) {
      mistakes.add(position, "the key names nothing that can be set; expected section.key or plugin.NAME.config.key");
      return;
    }
    Tree::Entry* entry = at->find(word);
    if (entry == nullptr) {
      entry = &at->table.emplace_back();
      entry->key = word;
      entry->position = position;
      entry->value.position = position;
    }
    at = &entry->value;
    if (key.empty()) break;
  }
  const std::string_view value = std::string_view(text).substr(equals + 1);
  if (auto parsed = parse_toml_value(value)) {
    *at = std::move(*parsed);
  } else {
    *at = {};
    at->kind = Tree::Kind::string;
    at->string = value;
  }
  set_origin(*at, position);
}

// ---- sections ------------------------------------------------------------------------------------------------------

Values read_section(const Tree& root, std::string_view name, Mistakes& mistakes) {
  const Section& s = section(name);
  const std::string where = "[" + std::string(name) + "]";
  const Tree::Entry* entry = root.find(name);
  if (entry != nullptr && entry->value.kind != Tree::Kind::table) {
    mistakes.add(entry->position,
                 "expected the table " + where + ", found " + std::string(kind_name(entry->value.kind)));
    entry = nullptr;
  }
  return validate(entry == nullptr ? Tree() : entry->value, s.options, where, mistakes);
}

std::vector<const Tree*> tables_of(const Tree& root, std::string_view name, Mistakes& mistakes) {
  std::vector<const Tree*> out;
  const Tree::Entry* entry = root.find(name);
  if (entry == nullptr) return out;
  const std::string where = "[[" + std::string(name) + "]]";
  if (entry->value.kind != Tree::Kind::array) {
    mistakes.add(entry->position,
                 "expected " + where + " with double brackets, found " + std::string(kind_name(entry->value.kind)));
    return out;
  }
  for (const Tree& item : entry->value.array) {
    if (item.kind != Tree::Kind::table)
      mistakes.add(item.position, "expected a table " + where + ", found " + std::string(kind_name(item.kind)));
    else if (out.size() == kConfigEntriesMax)
      return mistakes.add(item.position, "more than " + std::to_string(kConfigEntriesMax) + " " + where), out;
    else
      out.push_back(&item);
  }
  return out;
}

Tree config_of(const Tree& table, std::string_view where, Mistakes& mistakes) {
  Tree none;
  none.position = table.position;  // where a missing key is told
  const Tree::Entry* entry = table.find("config");
  if (entry == nullptr) return none;
  if (entry->value.kind == Tree::Kind::table) return entry->value;
  mistakes.add(entry->position, "'config' in " + std::string(where) + ": expected a table, found " +
                                    std::string(kind_name(entry->value.kind)));
  return none;
}

bool good_instance_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

void read_plugins(const Tree& root, NodeConfig& out, Mistakes& mistakes) {
  std::map<std::string, Position> names;
  for (const Tree* table : tables_of(root, "plugin", mistakes)) {
    PluginEntry entry = read_plugin(*table, mistakes);
    const Tree::Entry* name = table->find("name");
    if (name != nullptr && good_instance_name(entry.name))
      if (const auto [it, fresh] = names.emplace(entry.name, name->value.position); !fresh)
        mistakes.add(name->value.position, "the name '" + entry.name + "' is taken by the [[plugin]] in line " +
                                               std::to_string(it->second.line));
    out.plugins.push_back(std::move(entry));
  }
}

void read_modules(const Tree& root, NodeConfig& out, Mistakes& mistakes) {
  for (const Tree* table : tables_of(root, "module", mistakes)) {
    const Values values = validate(*table, section("module").options, "[[module]]", mistakes, kConfigKey);
    out.modules.push_back({values.string("path"), values.boolean("required"), table->position,
                           config_of(*table, "[[module]]", mistakes)});
  }
}

void read_rules(const Tree& root, NodeConfig& out, Mistakes& mistakes) {
  for (const Tree* table : tables_of(root, "rule", mistakes)) {
    Values values = validate(*table, section("rule").options, "[[rule]]", mistakes);
    if (table->find("roles") != nullptr && values.strings("roles").empty())
      mistakes.add(table->position, "'roles' in [[rule]]: expected at least one role, or \"*\"");
    if (values.strings("types").empty() && values.strings("admin").empty())
      mistakes.add(table->position, "[[rule]] is about nothing: expected 'types' or 'admin'");
    out.rules.push_back({std::move(values), table->position});
  }
}

void read_routes(const Tree& root, NodeConfig& out, Mistakes& mistakes) {
  std::vector<std::string_view> names;
  for (const PluginEntry& entry : out.plugins) names.push_back(entry.name);
  for (const Tree* table : tables_of(root, "route", mistakes)) {
    const Values values = validate(*table, section("route").options, "[[route]]", mistakes);
    const auto position = [table](std::string_view key) {
      const Tree::Entry* entry = table->find(key);
      return entry != nullptr ? entry->value.position : table->position;
    };
    const std::string& storage = values.string("storage");
    if (!storage.empty() && std::find(names.begin(), names.end(), storage) == names.end())
      mistakes.add(position("storage"), "'storage' in [[route]]: no [[plugin]] has the name '" + storage + "'" +
                                            nearest_hint(storage, names));
    if (table->find("types") != nullptr && values.strings("types").empty())
      mistakes.add(position("types"), "'types' in [[route]]: expected at least one type");
    for (const std::string& pattern : values.strings("types"))
      if (const auto added = out.routes.add(pattern, storage); !added)
        mistakes.add(position("types"), "'types' in [[route]]: " + added.error().message);
  }
}

// ---- what a schema cannot say --------------------------------------------------------------------------------------

Position position_in(const Tree& root, std::string_view table, std::string_view key) {
  if (const Tree::Entry* t = root.find(table))
    if (const Tree::Entry* k = t->value.find(key)) return k->value.position;
  return {};
}

void check_rest(const Tree& root, const NodeConfig& config, Mistakes& mistakes) {
  const Tree::Entry* log = root.find("log");
  const Tree::Entry* written = log != nullptr ? log->value.find("levels") : nullptr;
  const std::vector<std::string>& levels = config.log.strings("levels");
  for (size_t i = 0; i < levels.size(); ++i) {
    const std::string& text = levels[i];
    const size_t equals = text.find('=');
    const auto level = equals == std::string::npos
                           ? fail(Code::invalid_argument, "expected \"logger=level\", found \"" + text + "\"")
                           : parse_log_level(std::string_view(text).substr(equals + 1));
    if (level) continue;
    const bool known = written != nullptr && i < written->value.array.size();
    mistakes.add(known ? written->value.array[i].position : Position(), "'levels' in [log]: " + level.error().message);
  }
  const std::string& storage = config.storage.string("instance");
  if (storage.empty()) return;
  std::vector<std::string_view> names;
  for (const PluginEntry& entry : config.plugins) names.push_back(entry.name);
  if (std::find(names.begin(), names.end(), storage) == names.end())
    mistakes.add(position_in(root, "storage", "instance"), "'instance' in [storage]: no [[plugin]] has the name '" +
                                                               storage + "'" + nearest_hint(storage, names));
}

}  // namespace

std::optional<NodeConfig> read_config(std::string_view text, std::span<const Override> overrides,
                                      const Environment& environment, Mistakes& mistakes) {
  auto root = parse_toml(text, mistakes);
  if (!root) return std::nullopt;
  for (const Override& change : overrides) apply_override(*root, change, mistakes);
  substitute_environment(*root, environment, mistakes);

  std::vector<std::string_view> known;
  for (const Section& s : config_sections()) known.emplace_back(s.name);
  for (const Tree::Entry& entry : root->table)
    if (std::find(known.begin(), known.end(), entry.key) == known.end())
      mistakes.add(entry.position, "unknown section '" + entry.key + "'" + nearest_hint(entry.key, known));

  NodeConfig config;
  config.node = read_section(*root, "node", mistakes);
  config.limits = read_section(*root, "limits", mistakes);
  config.log = read_section(*root, "log", mistakes);
  config.storage = read_section(*root, "storage", mistakes);
  config.access = read_section(*root, "access", mistakes);
  read_rules(*root, config, mistakes);
  read_plugins(*root, config, mistakes);
  read_modules(*root, config, mistakes);
  read_routes(*root, config, mistakes);
  check_rest(*root, config, mistakes);
  return config;
}

PluginEntry read_plugin(const Tree& table, Mistakes& mistakes) {
  const Values values = validate(table, section("plugin").options, "[[plugin]]", mistakes, kConfigKey);
  PluginEntry entry;
  entry.name = values.string("name");
  entry.id = values.string("id");
  entry.path = values.string("path");
  entry.required = values.boolean("required");
  entry.position = table.position;
  const Tree::Entry* name = table.find("name");
  if (name != nullptr && name->value.kind == Tree::Kind::string && !good_instance_name(entry.name))
    mistakes.add(name->value.position,
                 "'name' in [[plugin]]: expected 1 to 64 letters, digits, '_' or '-', found '" + entry.name + "'");
  entry.config = config_of(table, "[[plugin]]", mistakes);
  return entry;
}

Position position_of(const PluginEntry& entry, std::string_view key) {
  const Tree* table = &entry.config;
  for (;;) {
    const size_t dot = key.find('.');
    const Tree::Entry* found = table->kind == Tree::Kind::table ? table->find(key.substr(0, dot)) : nullptr;
    if (found == nullptr) return entry.position;
    if (dot == std::string_view::npos) return found->value.position;
    table = &found->value;
    key.remove_prefix(dot + 1);
  }
}

void validate_entry(PluginEntry& entry, std::span<const orbit_option> options, Mistakes& mistakes) {
  entry.values = validate(entry.config, options, "[plugin.config] of '" + entry.name + "'", mistakes);
}

std::string NodeConfig::json() const {
  namespace json = boost::json;
  json::object out;
  out["node"] = json::parse(node.json());
  out["limits"] = json::parse(limits.json());
  out["log"] = json::parse(log.json());
  out["storage"] = json::parse(storage.json());
  out["access"] = json::parse(access.json());
  json::array ruled;
  for (const RuleEntry& rule : rules) ruled.push_back(json::parse(rule.values.json()));
  out["rules"] = std::move(ruled);
  json::array list;
  for (const PluginEntry& entry : plugins)
    list.push_back(json::object{{"name", entry.name},
                                {"id", entry.id},
                                {"path", entry.path},
                                {"required", entry.required},
                                {"config", json::parse(entry.values.json())}});
  out["plugins"] = std::move(list);
  json::array files;
  for (const ModuleEntry& entry : modules)
    files.push_back(json::object{{"path", entry.path}, {"required", entry.required}});
  out["modules"] = std::move(files);
  json::array routed;
  for (const TypeRoutes::Route& route : routes.all())
    routed.push_back(json::object{{"types", json::array{json::value(route.pattern)}}, {"storage", route.storage}});
  out["routes"] = std::move(routed);
  return json::serialize(out);
}

Result<std::string> read_text_file(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0)
    return fail(errno == ENOENT ? Code::not_found : Code::unavailable, "'" + path + "': " + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail(Code::invalid_argument, "'" + path + "': expected a file");
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char buffer[65536];
  while (in.read(buffer, sizeof buffer), in.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(in.gcount()));
    if (text.size() > kConfigBytesMax)
      return fail(Code::resource_exhausted,
                  "'" + path + "' has more than " + std::to_string(kConfigBytesMax) + " bytes");
  }
  if (in.bad() || (!in.eof() && in.fail())) return fail(Code::unavailable, "'" + path + "' cannot be read");
  return text;
}

}  // namespace orbit::kernel
