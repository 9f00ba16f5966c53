// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Plugins that come and go while the node runs.
#include <algorithm>
#include <boost/json.hpp>

#include "actor/runtime.hpp"
#include "node/backups.hpp"
#include "node/migrations.hpp"
#include "node/node.hpp"
#include "node/storage_jobs.hpp"
#include "node/storages.hpp"

namespace orbit::kernel {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kConnectionsPoll{20};
constexpr std::chrono::seconds kConnectionsMost{5};  // as long as a stopping node's connections have for their output
constexpr std::chrono::seconds kClosingMost{5};      // for workers to come to it

bool holds(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// What a node takes from its plugins once, when it starts, and why.
struct Fixed {
  const char* interface;
  const char* why;
};
constexpr Fixed kFixed[] = {
    {ORBIT_AUTHENTICATOR_V1,
     "who callers are is settled when a node starts: wires and listeners have decided by it, and workers ask the "
     "authenticators "
     "in the order of the configuration, without a lock"},
    {ORBIT_CALL_FILTER_V1,
     "every call passes the filters without a lock, so which there are is settled when a node starts"},
};

std::string toml_key(const std::string& key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return bare ? key : toml_quote(key);
}

// The entry as the configuration would have it.
std::string entry_toml(const Tree& table) {
  std::string out = "[[plugin]]\n";
  for (const Tree::Entry& entry : table.table)
    if (entry.key != "config") out += toml_key(entry.key) + " = " + toml_text(entry.value) + "\n";
  const Tree::Entry* config = table.find("config");
  if (config == nullptr || config->value.table.empty()) return out;
  out += "[plugin.config]\n";
  for (const Tree::Entry& entry : config->value.table)
    out += toml_key(entry.key) + " = " + toml_text(entry.value) + "\n";
  return out;
}

}  // namespace

Result<> Node::allow_plugin(const Descriptor& descriptor) const {
  for (const Fixed& fixed : kFixed)
    if (holds(descriptor.provides, fixed.interface))
      return fail(Code::failed_precondition, descriptor.file + ": provides " + fixed.interface +
                                                 ", which cannot be added to a running node: " + fixed.why +
                                                 "; write its [[plugin]] into the configuration and restart the node");
  return {};
}

Result<> Node::adopt_plugin(const std::string& instance, const Descriptor& descriptor) {
  if (holds(descriptor.provides, ORBIT_STORAGE_V1)) {
    const auto engine = engine_of(*plugins_, instance);
    if (!engine) return tl::unexpected(engine.error());
    std::vector<std::string> types;
    runtime_->types().each_type([&types](const orbit_type& type) {
      if (type.current.load(std::memory_order_acquire) != nullptr) types.push_back(type.name);
    });
    for (const std::string& type : types)
      if (auto good = check_place(type, runtime_->store(runtime_->route(type)).committer.engine(), {&*engine, 1});
          !good)
        return good;
  }
  if (!holds(descriptor.provides, ORBIT_ACTOR_TYPES_V1)) return {};
  const auto provided = plugins_->provided_by(instance, ORBIT_ACTOR_TYPES_V1);
  const auto* types = static_cast<const orbit_actor_types_v1*>(provided->table);
  if (types->struct_size < sizeof(orbit_actor_types_v1) || types->count == 0 || types->types == nullptr)
    return fail(Code::failed_precondition,
                descriptor.file + ": found no types in " ORBIT_ACTOR_TYPES_V1 ", expected at least one");
  if (modules_->has(instance))
    return fail(Code::already_exists, "the name '" + instance + "' is that of an actor module; choose another one");
  if (auto published = publish(instance, descriptor.version, descriptor.file, {types->types, types->count}); !published)
    return published;
  modules_->set_taken(instance, true);
  return {};
}

void Node::withdraw_types(const std::string& instance, bool hide) {
  if (auto retired = runtime_->retire_module(instance, hide); !retired) logger_.warn(retired.error().message);
  modules_->set_taken(instance, false);
}

Result<std::string> Node::load_plugin(std::string_view text) {
  Mistakes mistakes("[[plugin]]");
  auto table = parse_json(text, mistakes);
  if (!table) return fail(Code::invalid_argument, mistakes.messages().at(0));
  const std::string toml = entry_toml(*table);  // with the names of variables, not their values
  substitute_environment(*table, process_environment(), mistakes);
  PluginEntry entry = read_plugin(*table, mistakes);
  if (!entry.path.empty() && !entry.path.starts_with('/'))
    mistakes.add({},
                 "'path' in [[plugin]]: expected an absolute path on the node's machine, found '" + entry.path + "'");
  AddSteps steps;
  bool storage = false, types = false;
  steps.allow = [this](const Descriptor& descriptor) { return allow_plugin(descriptor); };
  steps.adopt = [this, &storage, &types](const std::string& instance, const Descriptor& descriptor) {
    storage = holds(descriptor.provides, ORBIT_STORAGE_V1);
    types = holds(descriptor.provides, ORBIT_ACTOR_TYPES_V1);
    return adopt_plugin(instance, descriptor);
  };
  steps.drop = [this, &types](const std::string& instance, const orbit_host* host) {
    if (types) withdraw_types(instance, true);
    close_listeners(host);
  };
  if (auto added = plugins_->add(entry, mistakes, steps); !added) return tl::unexpected(added.error());

  if (storage)
    if (const auto engine = engine_of(*plugins_, entry.name)) {
      storages_.push_back(*engine);
      migrations_->add(*engine);
      storage_jobs_->add(*engine);
    }
  watch_certificates();
  const std::string name = entry.name;
  config_.plugins.push_back(std::move(entry));
  config_changed();
  json::object out{{"plugin", json::parse(*plugin_json(name))}, {"toml", toml}};
  out["lasts"] =
      storage
          ? "until the node ends. Write `toml` into the configuration before anything is migrated to it: a node that "
            "does not find what its state was migrated to does not start"
          : "until the node ends. Write `toml` into the configuration to have it after a restart";
  return json::serialize(out);
}

namespace {

// Calls done when the instance's connections have ended. Those that take longer are closed, and the workers have
// kClosingMost to come to it.
void await_closed(const orbit_host* host, std::chrono::steady_clock::time_point until, bool closing,
                  const std::function<void(Result<>)>& done) {
  if (this_node()->state() == Node::State::draining) return done(fail(Code::unavailable, "the node is draining"));
  const uint32_t open = open_connections(host);
  if (open != 0 && std::chrono::steady_clock::now() < until)
    return this_node()->later(kConnectionsPoll,
                              [host, until, closing, done] { await_closed(host, until, closing, done); });
  if (!closing) close_listeners(host);
  if (open == 0) return done({});
  if (!closing) return await_closed(host, until + kClosingMost, true, done);
  done(fail(Code::deadline_exceeded, "the plugin is stopped, but " + std::to_string(open) +
                                         " of its connections are not closed yet: their workers are in a call that "
                                         "does not end; they close when it does"));
}

}  // namespace

void Node::unload_plugin(const std::string& name, const std::string& asks, std::function<void(Result<>)> done) {
  const std::vector<PluginStatus> all = plugins_->status();
  const auto plugin =
      std::find_if(all.begin(), all.end(), [&name](const PluginStatus& one) { return one.instance == name; });
  if (plugins_->leaving(name))
    return done(fail(Code::failed_precondition, "the plugin '" + name + "' is being unloaded"));
  if (plugin == all.end()) return done(fail(Code::not_found, "no plugin has the name '" + name + "'"));
  if (name == asks)
    return done(fail(Code::failed_precondition,
                     "the plugin '" + name + "' carries this very request; ask another one, or stop the node"));
  for (const std::string& id : plugin->provides)
    if (id != ORBIT_ACTOR_TYPES_V1)
      return done(fail(Code::failed_precondition,
                       "the plugin '" + name + "' provides " + id +
                           ", which others may be using; only one that serves a wire can be "
                           "unloaded: take its [[plugin]] out of the configuration and restart the node"));
  const orbit_host* host = nullptr;
  auto removed = plugins_->remove(name, [&](const orbit_host* its) {
    host = its;
    if (!plugin->provides.empty()) withdraw_types(name, false);  // its actors store their state and leave
  });
  if (!removed) {
    if (host != nullptr) close_listeners(host);
    return done(tl::unexpected(removed.error()));
  }
  std::erase_if(config_.plugins, [&name](const PluginEntry& entry) { return entry.name == name; });
  config_changed();
  await_closed(host, std::chrono::steady_clock::now() + kConnectionsMost, false,
               [this, name, done](const Result<>& closed) {
                 if (!closed) plugin_unloaded(name);
                 done(closed);
               });
}

void Node::plugin_unloaded(const std::string& name) { plugins_->free_name(name); }

}  // namespace orbit::kernel
