// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin/module_host.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>

namespace orbit::kernel {
namespace {

namespace fs = std::filesystem;

Result<> check_descriptor(const Descriptor& descriptor) {
  if (std::find(descriptor.provides.begin(), descriptor.provides.end(), ORBIT_ACTOR_TYPES_V1) !=
      descriptor.provides.end())
    return {};
  std::string found;
  for (const std::string& id : descriptor.provides) found += (found.empty() ? "" : ", ") + id;
  return fail(Code::failed_precondition, descriptor.file + ": found a plugin that provides " +
                                             (found.empty() ? "nothing" : found) +
                                             ", expected an actor module, which provides " ORBIT_ACTOR_TYPES_V1);
}

std::string one_line(std::string report) {
  while (!report.empty() && report.back() == '\n') report.pop_back();
  for (size_t at = 0; (at = report.find('\n', at)) != std::string::npos; at += 2) report.replace(at, 1, "; ");
  return report;
}

}  // namespace

ModuleHost::ModuleHost(ModuleHostOptions options, const PluginSearch& search, BoundedCaller& caller,
                       ModuleTarget& target, const ExtensionRegistry& extensions, Log& log, Metrics& metrics)
    : options_(std::move(options)),
      search_(search),
      caller_(caller),
      target_(target),
      extensions_(extensions),
      log_(log),
      metrics_(metrics),
      logger_(log.logger("modules")),
      folder_(options_.data_dir + "/modules") {}

Result<> ModuleHost::check(const ModuleEntry& entry, const PluginSearch& search, Mistakes& mistakes) {
  if (auto probed = search.probe(entry.path); !probed) return tl::unexpected(probed.error());
  auto descriptor = load_library(entry.path);
  if (!descriptor) return tl::unexpected(descriptor.error());
  validate(entry.config, descriptor->options, "[module.config] of " + descriptor->id, mistakes);
  return check_descriptor(*descriptor);
}

// ---- the list ------------------------------------------------------------------------------------------------------

Result<> ModuleHost::read_list() {
  const std::string path = options_.data_dir + "/modules.toml";
  const auto text = read_text_file(path);
  if (!text && text.error().code == Code::not_found) return {};
  if (!text) return tl::unexpected(text.error());
  Mistakes mistakes(path);
  const auto tree = parse_toml(*text, mistakes);
  if (!tree) return fail(Code::data_loss, one_line(mistakes.report()));
  const Tree::Entry* modules = tree->find("module");
  if (modules == nullptr) return {};
  for (const Tree& item : modules->value.array) {
    const Tree::Entry* name = item.find("name");
    const Tree::Entry* file = item.find("file");
    const Tree::Entry* source = item.find("source");
    if (name == nullptr || file == nullptr || source == nullptr || file->value.string.find('/') != std::string::npos)
      return fail(Code::data_loss,
                  path + ":" + std::to_string(item.position.line) + ": expected name, file and source of a module");
    listed_[name->value.string] = {file->value.string, source->value.string};
  }
  return {};
}

Result<> ModuleHost::write_list(const std::map<std::string, Listed>& list) const {
  std::string text = "# Actor modules that were loaded while the node ran; written by the node.\n";
  for (const auto& [name, module] : list)
    text += "\n[[module]]\nname = " + toml_quote(name) + "\nfile = " + toml_quote(module.file) +
            "\nsource = " + toml_quote(module.source) + "\n";
  return write_file_durably(options_.data_dir + "/modules.toml", text);
}

Result<> ModuleHost::open() {
  if (auto claimed = claim_.take(options_.data_dir); !claimed) return claimed;
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return fail(Code::unavailable, "folder '" + folder_ + "' cannot be made: " + error.message());
  if (auto read = read_list(); !read) return read;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::string file = it->path().filename().string();
    const bool used =
        std::any_of(listed_.begin(), listed_.end(), [&](const auto& entry) { return entry.second.file == file; });
    std::error_code ignored;
    if (!used) fs::remove(it->path(), ignored);
  }
  return {};
}

// ---- loading -------------------------------------------------------------------------------------------------------

Result<Descriptor> ModuleHost::copy_and_load(const std::string& path) {
  if (loads_ >= kLoadsMax)
    return fail(Code::resource_exhausted, path + ": " + std::to_string(kLoadsMax) +
                                              " modules were loaded since the node "
                                              "started, which is the most; restart it");
  // Probed before it is copied, so that messages name the file that the user knows.
  if (auto probed = search_.probe(path); !probed) return probed;
  const auto now =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
  const std::string copy = folder_ + "/" + fs::path(path).stem().string() + "-" + std::to_string(now.count()) + "-" +
                           std::to_string(loads_) + ".so";
  if (auto copied = copy_file_durably(path, copy); !copied) return tl::unexpected(copied.error());
  // The file may have been replaced between the probe and the copy.
  auto good = search_.probe(copy);
  if (good) good = load_library(copy);
  if (good)
    if (auto checked = check_descriptor(*good); !checked) good = tl::unexpected(checked.error());
  if (!good) {
    std::error_code ignored;
    fs::remove(copy, ignored);
    std::string text = good.error().message;
    if (const size_t at = text.find(copy); at != std::string::npos) text.replace(at, copy.size(), path);
    return fail(good.error().code, text);
  }
  ++loads_;
  return good;
}

Result<> ModuleHost::run(const Descriptor& descriptor, const Tree& config) {
  if (options_.taken.contains(descriptor.id))
    return fail(Code::already_exists,
                descriptor.file + ": found the id '" + descriptor.id + "', which is the name of a [[plugin]]");
  for (const std::string& need : descriptor.needs)
    if (extensions_.find(need) == nullptr)
      return fail(Code::failed_precondition,
                  descriptor.file + ": needs '" + need + "', expected it from the node, which does not have it");
  Mistakes mistakes("[module.config]");
  const Values values = validate(config, descriptor.options, "[module.config] of " + descriptor.id, mistakes);
  if (!mistakes.empty()) return fail(Code::invalid_argument, one_line(mistakes.report()));
  const auto* context = PluginContext::make(descriptor.id, log_.logger(descriptor.id), metrics_, extensions_);
  auto instance = Instance::create(descriptor, values, *context, caller_, options_.create_timeout);
  if (!instance) return tl::unexpected(instance.error());
  auto good = instance->start(caller_, options_.create_timeout);
  if (good) {
    const auto* types = static_cast<const orbit_actor_types_v1*>(instance->extension(ORBIT_ACTOR_TYPES_V1));
    if (types->struct_size < sizeof(orbit_actor_types_v1) || types->count == 0 || types->types == nullptr)
      good = fail(Code::failed_precondition,
                  descriptor.file + ": found no types in " ORBIT_ACTOR_TYPES_V1 ", expected at least one");
    else
      good = target_.publish(descriptor.id, descriptor.version, descriptor.file, {types->types, types->count});
  }
  if (!good) {
    end(descriptor.id, *instance);
    return good;
  }
  loaded_.push_back({descriptor.id, std::move(*instance)});
  logger_.info("module loaded",
               {{"module", descriptor.id}, {"version", descriptor.version}, {"file", descriptor.file}});
  return {};
}

Result<> ModuleHost::load_configured(const ModuleEntry& entry) {
  const auto descriptor = copy_and_load(entry.path);
  if (!descriptor) return tl::unexpected(descriptor.error());
  if (configured_.contains(descriptor->id))
    return fail(Code::already_exists,
                entry.path + ": found the id '" + descriptor->id + "' of another [[module]], expected one of each");
  if (auto good = run(*descriptor, entry.config); !good) return good;
  configured_.emplace(descriptor->id, entry.config);
  return {};
}

void ModuleHost::load_listed() {
  for (const auto& [name, module] : listed_) {
    if (configured_.contains(name)) {
      logger_.warn("a [[module]] of the configuration takes the place of one that was loaded earlier",
                   {{"module", name}});
      continue;
    }
    const std::string file = folder_ + "/" + module.file;
    auto probed = search_.probe(file);
    if (probed) probed = load_library(file);
    Result<> good;
    if (!probed)
      good = tl::unexpected(probed.error());
    else if (good = check_descriptor(*probed); good)
      good = run(*probed, {});
    if (!good) logger_.error("module '" + name + "' cannot be loaded again: " + good.error().message);
  }
}

Result<std::string> ModuleHost::load(const std::string& path) {
  const auto descriptor = copy_and_load(path);
  if (!descriptor) return tl::unexpected(descriptor.error());
  const auto configured = configured_.find(descriptor->id);
  std::map<std::string, Listed> list = listed_;
  if (configured == configured_.end()) {
    // In the list before it serves: what a client has seen working is there after a crash.
    list[descriptor->id] = {fs::path(descriptor->file).filename().string(), path};
    if (auto written = write_list(list); !written) return tl::unexpected(written.error());
  } else {
    logger_.warn("upgrade of a [[module]] of the configuration, which decides again at the next start",
                 {{"module", descriptor->id}});
  }
  if (auto good = run(*descriptor, configured == configured_.end() ? Tree() : configured->second); !good) {
    if (auto restored = write_list(listed_); !restored) logger_.error(restored.error().message);
    return tl::unexpected(good.error());
  }
  listed_ = std::move(list);
  return descriptor->id;
}

bool ModuleHost::has(const std::string& name) const noexcept {
  return std::any_of(loaded_.begin(), loaded_.end(), [&](const Loaded& loaded) { return loaded.name == name; });
}

void ModuleHost::set_taken(const std::string& name, bool taken) {
  if (taken)
    options_.taken.insert(name);
  else
    options_.taken.erase(name);
}

Result<> ModuleHost::forget(const std::string& name) {
  if (!listed_.contains(name)) return {};
  std::map<std::string, Listed> list = listed_;
  list.erase(name);
  if (auto written = write_list(list); !written) return written;
  listed_ = std::move(list);
  return {};
}

bool ModuleHost::end(const std::string& name, Instance& instance) {
  Result<> good = instance.stop(caller_, options_.stop_timeout);
  if (good) good = instance.destroy(caller_, options_.stop_timeout);
  if (!good) logger_.error("module '" + name + "': " + good.error().message);
  return good.has_value();
}

bool ModuleHost::destroy() {
  bool good = true;
  for (; !loaded_.empty(); loaded_.pop_back()) good = end(loaded_.back().name, loaded_.back().instance) && good;
  return good;
}

}  // namespace orbit::kernel
