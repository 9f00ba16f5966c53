// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin/plugin_host.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "plugin/plugin_slot.hpp"

namespace orbit::kernel {
namespace {

constexpr const char* kBuiltIn = "(built in)";

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return a == b || std::filesystem::equivalent(a, b, error);
}

DescribedPlugin described(Descriptor descriptor) {
  return {std::move(descriptor.id),       std::move(descriptor.version), std::move(descriptor.doc),
          std::move(descriptor.provides), std::move(descriptor.needs),   std::move(descriptor.options)};
}

}  // namespace

PluginHost::PluginHost(PluginHostOptions options, const ExtensionRegistry& extensions, Log& log, Metrics& metrics)
    : options_(std::move(options)),
      extensions_(extensions),
      log_(log),
      metrics_(metrics),
      logger_(log.logger("plugins")),
      search_(options_.search_paths, options_.probe_executable, options_.probe_timeout_ms) {}

PluginHost::~PluginHost() = default;

void PluginHost::set_state(Slot& slot, const char* state) {
  const std::lock_guard lock(mutex_);
  slot.state = state;
}

void PluginHost::refuse(Slot& slot, const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    slot.state = "failed";
    slot.error = reason;
    slot.failed = true;
  }
  const std::string line = "plugin '" + slot.entry.name + "': " + reason;
  logger_.error(line);
  if (slot.entry.required) refusals_.push_back(line);
}

// ---- load ----------------------------------------------------------------------------------------------------------

// A path that was loaded gives its first file's code for ever.
Result<Descriptor> PluginHost::load_once(const Descriptor& probed) {
  const std::string& file = probed.file;
  struct stat now{};
  FileMark mark;
  if (::stat(file.c_str(), &now) == 0)
    mark = {now.st_dev, now.st_ino, now.st_mtim.tv_sec * 1'000'000'000 + now.st_mtim.tv_nsec};
  const auto known = loaded_files_.find(file);
  if (known != loaded_files_.end() && known->second != mark)
    return fail(
        Code::failed_precondition,
        file +
            ": found another file than the one that was loaded from this path, expected the same; give the new one "
            "another name, or restart the node");
  auto descriptor = load_library(file);
  if (!descriptor) return descriptor;
  loaded_files_.emplace(file, mark);
  if (descriptor->id != probed.id || descriptor->provides != probed.provides || descriptor->needs != probed.needs)
    return fail(Code::failed_precondition,
                file + ": found another plugin when it was loaded than when it was tried, expected the same");
  return descriptor;
}

Result<> PluginHost::check_twins(const Descriptor& descriptor) const {
  const auto twin = std::find_if(slots_.begin(), slots_.end(), [&](const auto& other) {
    return other->descriptor && other->descriptor->id == descriptor.id &&
           !same_file(other->descriptor->file, descriptor.file);
  });
  if (twin == slots_.end()) return {};
  return fail(Code::failed_precondition, descriptor.file + ": found the id '" + descriptor.id + "' of " +
                                             (*twin)->descriptor->file + ", expected one file for one id");
}

// What the entry means, as a child process has told: nothing of a file is in this process yet.
Result<Descriptor> PluginHost::resolve(const PluginEntry& entry) {
  if (entry.path.empty()) {
    for (const orbit_plugin_descriptor* raw : options_.built_in)
      if (auto descriptor = read_descriptor(raw, kBuiltIn); descriptor && descriptor->id == entry.id) return descriptor;
    return search_.find(entry.id);
  }
  auto probed = search_.probe(entry.path);
  if (probed && probed->id != entry.id)
    return fail(Code::failed_precondition,
                entry.path + ": found the plugin id '" + probed->id + "', expected '" + entry.id + "'");
  return probed;
}

// A file's code runs here, so this is for one that nothing else refuses.
Result<Descriptor> PluginHost::load_resolved(const Descriptor& resolved) {
  return resolved.file == kBuiltIn ? Result<Descriptor>(resolved) : load_once(resolved);
}

Result<> PluginHost::load(NodeConfig& config, Mistakes& mistakes) {
  for (PluginEntry& entry : config.plugins) {
    Slot& slot = *slots_.emplace_back(std::make_unique<Slot>());
    if (entry.id.empty()) continue;  // a mistake that is told already
    auto descriptor = resolve(entry);
    slot.entry = entry;
    if (!descriptor) {
      refuse(slot, descriptor.error().message);
      continue;
    }
    if (auto single = check_twins(*descriptor); !single) {
      refuse(slot, single.error().message);
      continue;
    }
    descriptor = load_resolved(*descriptor);
    if (!descriptor) {
      refuse(slot, descriptor.error().message);
      continue;
    }
    validate_entry(entry, descriptor->options, mistakes);
    slot.entry = entry;
    slot.descriptor = std::move(*descriptor);
  }
  if (refusals_.empty()) return {};
  return fail(Code::failed_precondition, std::to_string(refusals_.size()) + " required plugins were refused");
}

std::vector<std::string> PluginHost::providers(const char* interface) const {
  std::vector<std::string> names;
  for (const auto& slot : slots_)
    if (slot->descriptor && contains(slot->descriptor->provides, interface)) names.push_back(slot->entry.name);
  return names;
}

Result<std::string> PluginHost::sole_provider(const std::string& wanted, const char* interface, std::string_view where) const {
  const std::vector<std::string> names = providers(interface);
  if (!wanted.empty()) {
    if (contains(names, wanted)) return wanted;
    return fail(Code::failed_precondition,
                std::string(where) + " names the plugin '" + wanted + "', which does not provide " + interface);
  }
  if (names.size() == 1) return names[0];
  if (names.empty())
    return fail(Code::failed_precondition, std::string("no [[plugin]] provides ") + interface + ", expected one");
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return fail(Code::failed_precondition,
              "several plugins provide " + std::string(interface) + " (" + text + "); [storage] instance chooses");
}

// ---- create and start ----------------------------------------------------------------------------------------------

Result<> PluginHost::check_needs(const Slot& slot) const {
  for (const std::string& need : slot.descriptor->needs) {
    if (extensions_.find(need) != nullptr) continue;
    const bool met = std::any_of(slots_.begin(), slots_.end(), [&](const auto& other) {
      return other.get() != &slot && !other->failed && other->descriptor && contains(other->descriptor->provides, need);
    });
    if (met) continue;
    std::string have;
    for (const std::string& id : extensions_.ids()) have += (have.empty() ? "" : ", ") + id;
    return fail(Code::failed_precondition,
                slot.descriptor->file + ": needs '" + need + "', expected it from the node (which has " +
                    (have.empty() ? "nothing" : have) + ") or from another [[plugin]], found it in neither");
  }
  return {};
}

// Depth first in the order of the file; `only` (if not null) and what it needs.
std::vector<PluginHost::Slot*> PluginHost::ordered(const std::string* only, std::vector<Slot*>& cyclic) {
  std::vector<Slot*> out;
  std::set<Slot*> done;
  std::set<Slot*> open;
  const auto visit = [&](const auto& self, Slot* slot) -> void {
    if (slot->failed || !slot->descriptor || done.contains(slot)) return;
    if (!open.insert(slot).second) {
      cyclic.push_back(slot);
      return;
    }
    for (const std::string& need : slot->descriptor->needs) {
      if (extensions_.find(need) != nullptr) continue;
      for (const auto& other : slots_)
        if (other.get() != slot && other->descriptor && contains(other->descriptor->provides, need))
          self(self, other.get());
    }
    done.insert(slot);
    out.push_back(slot);
  };
  for (const auto& slot : slots_)
    if (only == nullptr || slot->entry.name == *only) visit(visit, slot.get());
  return out;
}

Result<> PluginHost::create_first(const std::string& instance) { return create(&instance); }
Result<> PluginHost::create_others() { return create(nullptr); }

Result<> PluginHost::create(const std::string* only) {
  std::vector<Slot*> cyclic;
  const std::vector<Slot*> order = ordered(only, cyclic);
  for (Slot* slot : cyclic)
    refuse(*slot, slot->descriptor->file +
                      ": its needs lead back to itself, expected an order in which plugins can be created");
  for (Slot* slot : order) {
    if (slot->failed || slot->instance) continue;
    Result<> good = check_needs(*slot);
    if (good) {
      slot->context = PluginContext::make(slot->entry.name, log_.logger(slot->entry.name), metrics_, extensions_);
      auto made =
          Instance::create(*slot->descriptor, slot->entry.values, *slot->context, caller_, options_.create_timeout);
      if (made)
        slot->instance = std::move(*made);
      else
        good = tl::unexpected(made.error());
    }
    if (good) {
      set_state(*slot, "created");
      created_.push_back(slot);
      logger_.info("plugin created", {{"instance", slot->entry.name},
                                      {"id", slot->descriptor->id},
                                      {"version", slot->descriptor->version},
                                      {"file", slot->descriptor->file}});
      continue;
    }
    refuse(*slot, good.error().message);
    if (slot->entry.required) return good;
  }
  if (!refusals_.empty()) return fail(Code::failed_precondition, refusals_.back());
  return {};
}

std::vector<PluginHost::Provided> PluginHost::provided(const char* interface) const {
  std::vector<Provided> out;
  for (const Slot* slot : created_)
    if (!slot->failed && contains(slot->descriptor->provides, interface))
      out.push_back({slot->entry.name, slot->instance->extension(interface), slot->instance->self()});
  return out;
}

std::optional<PluginHost::Provided> PluginHost::provided_by(const std::string& instance, const char* interface) const {
  for (const Slot* slot : created_)
    if (slot->entry.name == instance && !slot->failed)
      if (const void* table = slot->instance->extension(interface))
        return Provided{instance, table, slot->instance->self()};
  return std::nullopt;
}

Result<> PluginHost::start(const std::function<void(const orbit_host* host)>& drop) {
  for (Slot* slot : created_) {
    if (auto good = slot->instance->start(caller_, options_.create_timeout); !good) {
      slot->context->given_up.store(true);
      if (drop) drop(slot->context);
      refuse(*slot, good.error().message);
      if (slot->entry.required) return good;
      continue;
    }
    set_state(*slot, "running");
  }
  return {};
}

// ---- stop ----------------------------------------------------------------------------------------------------------

bool PluginHost::stop(Slot& slot) {
  const auto good = slot.instance->stop(caller_, options_.stop_timeout);
  if (!good)
    refuse(slot, good.error().message);
  else if (!slot.failed)
    set_state(slot, "stopped");
  return good.has_value();
}

bool PluginHost::stop(std::span<const std::string> last) {
  bool good = true;
  for (auto it = created_.rbegin(); it != created_.rend(); ++it)
    if (std::find(last.begin(), last.end(), (*it)->entry.name) == last.end()) good = stop(**it) && good;
  return good;
}

bool PluginHost::destroy() {
  bool good = true;
  for (auto it = created_.rbegin(); it != created_.rend(); ++it) {
    good = stop(**it) && good;
    if (const auto ended = (*it)->instance->destroy(caller_, options_.stop_timeout); !ended) {
      refuse(**it, ended.error().message);
      good = false;
    }
  }
  created_.clear();
  for (; !kept_.empty(); kept_.pop_back())
    if (const auto ended = kept_.back()->instance->destroy(caller_, options_.stop_timeout); !ended) {
      refuse(*kept_.back(), ended.error().message);
      good = false;
    }
  return good;
}

// ---- what there is -------------------------------------------------------------------------------------------------

std::vector<PluginStatus> PluginHost::status() const {
  const std::lock_guard lock(mutex_);
  std::vector<PluginStatus> out;
  for (const auto& slot : slots_) {
    PluginStatus& status = out.emplace_back();
    status.instance = slot->entry.name;
    status.id = slot->entry.id;
    status.state = slot->state;
    status.error = slot->error;
    status.configured = slot->configured;
    status.file = slot->entry.path;
    if (!slot->descriptor) continue;
    status.version = slot->descriptor->version;
    status.file = slot->descriptor->file;
    status.provides = slot->descriptor->provides;
    status.needs = slot->descriptor->needs;
  }
  return out;
}

std::vector<DescribedPlugin> PluginHost::describe_all(const NodeConfig& config, std::vector<std::string>& refused) {
  std::map<std::string, DescribedPlugin> by_id;
  const auto add = [&](Result<Descriptor> descriptor) {
    if (!descriptor) return refused.push_back(descriptor.error().message);
    const std::string id = descriptor->id;
    by_id.emplace(id, described(std::move(*descriptor)));
  };
  for (const orbit_plugin_descriptor* raw : options_.built_in) add(read_descriptor(raw, kBuiltIn));
  for (const PluginEntry& entry : config.plugins)
    if (!entry.path.empty()) add(search_.probe(entry.path).and_then([&](auto&&) { return load_library(entry.path); }));
  for (const auto& entry : search_.all()) add(load_library(entry.second.file));
  refused.insert(refused.end(), search_.refused().begin(), search_.refused().end());
  std::vector<DescribedPlugin> out;
  for (auto& entry : by_id) out.push_back(std::move(entry.second));
  return out;
}

}  // namespace orbit::kernel
