// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/storages.hpp"

#include <algorithm>

#include "actor/scheduler.hpp"
#include "state/instance_notes.hpp"
#include "state/record_format.hpp"
#include "state/transfer.hpp"

namespace orbit::kernel {

Result<std::vector<std::string>> storages_in_use(const NodeConfig& config, const PluginHost& host) {
  auto first = host.sole_provider(config.storage.string("instance"), ORBIT_STORAGE_V1);
  if (!first) return tl::unexpected(first.error());
  std::vector<std::string> names{*first};
  for (const TypeRoutes::Route& route : config.routes.all()) {
    auto good = host.sole_provider(route.storage, ORBIT_STORAGE_V1, "[[route]]");
    if (!good) return tl::unexpected(good.error());
    if (std::find(names.begin(), names.end(), *good) == names.end()) names.push_back(*good);
  }
  if (names.size() > kStoresMax)
    return fail(Code::invalid_argument, "[storage] and [[route]] name " + std::to_string(names.size()) +
                                            " storages, at most " + std::to_string(kStoresMax) + " are allowed");
  return names;
}

Result<Engine> engine_of(const PluginHost& host, const std::string& instance) {
  const auto storage = host.provided_by(instance, ORBIT_STORAGE_V1);
  // Also a storage with `required = false`: without it its actors have no state.
  if (!storage) return fail(Code::unavailable, "the storage '" + instance + "' was refused, see above");
  const auto* table = static_cast<const orbit_storage_v1*>(storage->table);
  if (table->struct_size < sizeof(orbit_storage_v1))
    return fail(Code::failed_precondition, "the storage '" + instance + "': found an orbit.storage/1 of " +
                                               std::to_string(table->struct_size) + " bytes, expected " +
                                               std::to_string(sizeof(orbit_storage_v1)));
  const auto cached = host.provided_by(instance, ORBIT_STORAGE_CACHED_V1);
  return Engine{instance, table, cached ? static_cast<const orbit_storage_cached_v1*>(cached->table) : nullptr, storage->self};
}

std::vector<Engine> all_engines(const PluginHost& host) {
  std::vector<Engine> out;
  for (const auto& provided : host.provided(ORBIT_STORAGE_V1))
    if (auto engine = engine_of(host, provided.instance)) out.push_back(std::move(*engine));
  return out;
}

namespace {

Result<Engine> created(PluginHost& host, const NodeConfig& config, const std::string& name) {
  const bool known = std::any_of(config.plugins.begin(), config.plugins.end(),
                                 [&name](const PluginEntry& entry) { return entry.name == name; });
  if (!known) return fail(Code::failed_precondition, "no [[plugin]] has the name '" + name + "'");
  if (auto made = host.create_first(name); !made) return tl::unexpected(made.error());
  return engine_of(host, name);
}

std::string not_complete(const Engine& engine, const CopyNote& note) {
  return "the storage '" + engine.name + "' holds a copy of '" + note.from + "' that did not end (stage " +
         std::string(stage_name(note.stage)) + "); use '" + note.from + "', or begin again what fills '" + engine.name +
         "' (orbitctl storage migrate or restore)";
}

}  // namespace

Result<Engine> engine_in_use(PluginHost& host, const NodeConfig& config, const std::string& name, Logger& logger) {
  auto engine = created(host, config, name);
  for (size_t hops = 0; engine; ++hops) {
    auto moved = read_moved_note(*engine);
    auto noted = read_copy_note(*engine);
    if (!moved || !noted) return tl::unexpected(!moved ? moved.error() : noted.error());
    if (!*moved) {
      if (!*noted || (*noted)->stage == CopyStage::adopted) return engine;
      if ((*noted)->stage != CopyStage::verified) return fail(Code::failed_precondition, not_complete(*engine, **noted));
      // The node ended between the last two writes of a migration.
      auto source = created(host, config, (*noted)->from);
      auto says = source ? read_moved_note(*source) : Result<std::optional<MovedNote>>(std::nullopt);
      if (!says) return tl::unexpected(says.error());
      if (!*says || (*says)->id != (*noted)->id) return fail(Code::failed_precondition, not_complete(*engine, **noted));
      (*noted)->stage = CopyStage::adopted;
      if (auto written = write_copy_note(*engine, **noted); !written) return tl::unexpected(written.error());
      return engine;
    }
    const std::string at = engine->name;
    engine = created(host, config, (*moved)->to);
    const std::string where = "the storage '" + at + "' was migrated to '" + (*moved)->to + "'";
    if (!engine) return fail(engine.error().code, where + ": " + engine.error().message);
    noted = read_copy_note(*engine);
    if (!noted) return tl::unexpected(noted.error());
    if (!*noted || (*noted)->id != (*moved)->id || (*noted)->stage == CopyStage::copying)
      return fail(Code::failed_precondition, where + ", which does not hold what came from it (it was emptied or replaced?)");
    if (hops > config.plugins.size()) return fail(Code::failed_precondition, where + ", and that leads back to itself");
    if ((*noted)->stage == CopyStage::verified) {
      (*noted)->stage = CopyStage::adopted;
      if (auto written = write_copy_note(*engine, **noted); !written) return tl::unexpected(written.error());
    }
    logger.warn(where + ", which is used; say so in the configuration");
  }
  return engine;
}

namespace {

// Whether what `other` holds of the type does not count: it was moved away, or is a copy of `its` that is being made.
Result<bool> does_not_count(const std::string& type, const Engine& its, const Engine& other) {
  auto moved = read_moved_note(other);
  auto whole = read_copy_note(other);
  auto one = read_copy_note(other, type);
  for (const Error* error : {moved ? nullptr : &moved.error(), whole ? nullptr : &whole.error(), one ? nullptr : &one.error()})
    if (error != nullptr) return tl::unexpected(*error);
  return *moved || (*whole && (*whole)->stage != CopyStage::adopted) ||
         (*one && (*one)->stage == CopyStage::copying && (*one)->from == its.name);
}

}  // namespace

Result<> check_place(const std::string& type, const Engine& its, std::span<const Engine> all) {
  std::string from(1, kMainSpace);
  append_type(from, type);
  const std::string to = prefix_end(from);
  for (const Engine& other : all) {
    if (other.name == its.name) continue;
    bool found = false;
    ErrorOut error;
    const orbit_code code = other.table->scan(
        other.self, nullptr, to_c(from), to_c(to), 0,
        [](void* ctx, orbit_bytes, orbit_bytes) -> int { return *static_cast<bool*>(ctx) = true, 0; }, &found, &error);
    if (code != ORBIT_OK) return tl::unexpected(at_storage(other, error.take(code)));
    if (!found) continue;
    auto ignored = does_not_count(type, its, other);
    if (!ignored) return tl::unexpected(ignored.error());
    if (!*ignored)
      return fail(Code::failed_precondition,
                  "actor type " + type + " has state in the storage '" + other.name + "', but belongs to '" + its.name +
                      "' by [storage] and [[route]]; say there that it is in '" + other.name +
                      "', or stop the node and move it: orbitctl storage migrate --config FILE --from " + other.name + " --to " +
                      its.name + " --type " + type + "; if it is no longer wanted, take the [[plugin]] '" + other.name +
                      "' out of the configuration");
  }
  return {};
}

}  // namespace orbit::kernel
