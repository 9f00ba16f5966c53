// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Plugins that come and go while the others run.
#include <algorithm>

#include "plugin/plugin_slot.hpp"

namespace orbit::kernel {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "\n") + line;
  return out;
}

}  // namespace

Result<> PluginHost::add(PluginEntry& entry, Mistakes& mistakes, const AddSteps& steps) {
  if (added_ >= options_.added_max)
    return fail(
        Code::resource_exhausted,
        std::to_string(options_.added_max) +
            " plugins were created since the node started, also ones that failed, which is the most; restart it");
  if (entry.name.empty() || entry.id.empty()) return fail(Code::invalid_argument, joined(mistakes.messages()));
  const auto named = [&entry](const Error& error) {
    return fail(error.code, "plugin '" + entry.name + "': " + error.message);
  };
  for (const auto& slot : slots_)
    if (slot->entry.name == entry.name)
      return fail(Code::already_exists, "the name '" + entry.name + "' is taken by a plugin of this node (" +
                                            slot->entry.id + ", " + slot->state + "); choose another one");
  if (leaving(entry.name))
    return fail(Code::already_exists,
                "the name '" + entry.name + "' is taken by a plugin that is being unloaded; wait for it");

  if (entry.path.empty()) search_.forget();  // files may have come since the node started
  auto descriptor = resolve(entry);
  if (descriptor)
    if (auto single = check_twins(*descriptor); !single) descriptor = tl::unexpected(single.error());
  if (!descriptor && mistakes.empty()) return named(descriptor.error());
  if (!descriptor) {
    mistakes.add({}, descriptor.error().message);
    return fail(Code::invalid_argument, joined(mistakes.messages()));
  }
  validate_entry(entry, descriptor->options, mistakes);
  if (!mistakes.empty()) return fail(Code::invalid_argument, joined(mistakes.messages()));
  if (auto allowed = steps.allow(*descriptor); !allowed) return named(allowed.error());

  auto slot = std::make_unique<Slot>();
  slot->entry = entry;
  slot->descriptor = std::move(*descriptor);
  slot->configured = false;
  if (auto met = check_needs(*slot); !met) return named(met.error());

  auto loaded = load_resolved(*slot->descriptor);
  if (!loaded) return named(loaded.error());
  slot->descriptor = std::move(*loaded);
  validate_entry(slot->entry, slot->descriptor->options, mistakes);  // its texts are the plugin's own from here on
  if (!mistakes.empty()) return fail(Code::invalid_argument, joined(mistakes.messages()));
  entry.values = slot->entry.values;
  ++added_;
  slot->context = PluginContext::make(entry.name, log_.logger(entry.name), metrics_, extensions_);
  bool started = false;
  const Result<> good = run_added(*slot, steps, started);
  if (!good) {
    slot->context->given_up.store(true);
    logger_.error("plugin '" + entry.name + "' was not added: " + good.error().message);
    if (started) kept_.push_back(std::move(slot));
    return named(good.error());
  }
  logger_.info("plugin added", {{"instance", entry.name},
                                {"id", slot->descriptor->id},
                                {"version", slot->descriptor->version},
                                {"file", slot->descriptor->file}});
  slot->state = "running";
  const std::lock_guard lock(mutex_);
  slots_.push_back(std::move(slot));
  return {};
}

Result<> PluginHost::run_added(Slot& slot, const AddSteps& steps, bool& started) {
  const std::string& name = slot.entry.name;
  auto made = Instance::create(*slot.descriptor, slot.entry.values, *slot.context, caller_, options_.create_timeout);
  if (!made) return tl::unexpected(made.error());
  slot.instance = std::move(*made);
  created_.push_back(&slot);
  Result<> good = steps.adopt(name, *slot.descriptor);
  if (good) {
    started = true;
    good = slot.instance->start(caller_, options_.create_timeout);
    if (good) return {};
    slot.context->given_up.store(true);
    steps.drop(name, slot.context);  // before its stop, which may free what its connections use
    if (const auto stopped = slot.instance->stop(caller_, options_.stop_timeout); !stopped)
      logger_.error("plugin '" + name + "': " + stopped.error().message);
  } else if (const auto ended = slot.instance->destroy(caller_, options_.stop_timeout); !ended) {
    logger_.error("plugin '" + name + "': " + ended.error().message);
  }
  created_.pop_back();
  return good;
}

Result<> PluginHost::remove(const std::string& instance, const std::function<void(const orbit_host* host)>& drop) {
  const auto at =
      std::find_if(created_.begin(), created_.end(), [&](const Slot* slot) { return slot->entry.name == instance; });
  if (at == created_.end()) return fail(Code::not_found, "no plugin '" + instance + "' is running");
  Slot& slot = **at;
  if (slot.dropped) return tl::unexpected(*slot.dropped);
  const bool was_failed = slot.failed;
  const auto stopped = slot.instance->stop(caller_, options_.stop_timeout);
  slot.context->given_up.store(true);
  drop(slot.context);
  if (!stopped) {
    if (!was_failed) refuse(slot, stopped.error().message);
    slot.dropped = Error{Code::internal, "plugin '" + instance + "': " + stopped.error().message};
    return tl::unexpected(*slot.dropped);
  }
  created_.erase(at);
  leaving_.insert(instance);
  logger_.info("plugin removed", {{"instance", instance}, {"id", slot.descriptor->id}});
  const std::lock_guard lock(mutex_);
  const auto owner = std::find_if(slots_.begin(), slots_.end(), [&](const auto& one) { return one.get() == &slot; });
  kept_.push_back(std::move(*owner));
  slots_.erase(owner);
  return {};
}

}  // namespace orbit::kernel
