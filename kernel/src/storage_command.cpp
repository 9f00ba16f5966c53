// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "storage_command.hpp"

#include <unistd.h>

#include <boost/json.hpp>
#include <boost/program_options.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "actor/runtime.hpp"
#include "executor/workers_api.hpp"
#include "maintenance/backup.hpp"
#include "maintenance/dump.hpp"
#include "maintenance/offline_migration.hpp"
#include "maintenance/state_check.hpp"
#include "maintenance/state_json.hpp"
#include "node/storages.hpp"
#include "orbit/ext/storage_maintenance.h"

namespace orbit::kernel {

namespace {

namespace json = boost::json;
namespace po = boost::program_options;

constexpr int kWrongCommandLine = 2;

// Shown on a terminal only.
Report progress_line() {
  if (::isatty(STDERR_FILENO) == 0) return [](const Progress&) {};
  auto next = std::make_shared<std::chrono::steady_clock::time_point>();
  return [next](const Progress& progress) {
    const auto now = std::chrono::steady_clock::now();
    if (now < *next) return;
    *next = now + std::chrono::milliseconds(100);
    std::fprintf(stderr, "\r\x1b[K%.*s %llu entries, %.1f MiB", static_cast<int>(progress.stage.size()), progress.stage.data(),
                 static_cast<unsigned long long>(progress.entries), static_cast<double>(progress.bytes) / (1 << 20));
  };
}
void end_progress_line() {
  if (::isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\x1b[K");
}

// The storage plugins of a configuration, and nothing else of a node.
class Instances {
 public:
  static Result<std::unique_ptr<Instances>> open(const std::string& file, const std::vector<Override>& overrides,
                                                 const NodeOptions& options) {
    auto text = read_text_file(file);
    if (!text) return tl::unexpected(text.error());
    Mistakes mistakes(file);
    auto config = read_config(*text, overrides, process_environment(), mistakes);
    if (!config || !mistakes.empty()) return fail(Code::invalid_argument, mistakes.report());
    auto how = log_options(*config);
    if (!how) return tl::unexpected(how.error());
    how->file.clear();
    how->level = LogLevel::warn;
    auto log = Log::open(*how);
    if (!log) return tl::unexpected(log.error());
    std::unique_ptr<Instances> out(new Instances(std::move(*config), options, std::move(*log)));
    auto loaded = out->host_.load(out->config_, mistakes);
    if (!mistakes.empty()) return fail(Code::invalid_argument, mistakes.report());
    if (!loaded) return tl::unexpected(loaded.error());
    return out;
  }
  ~Instances() {
    if (modules_) static_cast<void>(modules_->destroy());
    static_cast<void>(host_.destroy());
    std::error_code ignored;
    if (!modules_folder_.empty()) std::filesystem::remove_all(modules_folder_, ignored);
  }

  // Empty: that of [storage].
  Result<Engine> engine(const std::string& wanted) {
    auto name = host_.sole_provider(wanted.empty() ? config_.storage.string("instance") : wanted, ORBIT_STORAGE_V1,
                                    wanted.empty() ? "[storage]" : "the command line");
    if (!name) return tl::unexpected(name.error());
    if (auto created = host_.create_first(*name); !created) return tl::unexpected(created.error());
    return engine_of(host_, *name);
  }

  // Of the configured modules and of plugins' types; one that cannot be loaded is warned of, and its state stays bytes.
  const StateTypes& state_types(const NodeOptions& options) {
    char folder[] = "/tmp/orbitd-dump-XXXXXX";
    if (config_.modules.empty() || ::mkdtemp(folder) == nullptr) return state_types_;
    extensions_.add(ORBIT_ACTORS_V1, Runtime::api());
    extensions_.add(ORBIT_WORKERS_V1, workers_table());
    // Copied from there and loaded, as a node does: that one's own folder is not touched.
    modules_folder_ = folder;
    modules_ =
        std::make_unique<ModuleHost>(ModuleHostOptions{folder, std::chrono::seconds(60), std::chrono::seconds(30), {}},
                                     host_.search(), host_.caller(), state_types_, extensions_, *log_, metrics_);
    Result<> opened = modules_->open();
    for (const ModuleEntry& entry : config_.modules) {
      if (opened) opened = modules_->load_configured(resolved(entry, config_, options));
      if (!opened)
        std::cerr << "orbitd storage: the module " << entry.path << ": " << opened.error().message
                  << "; its state is told as bytes\n";
      opened = {};
    }
    return state_types_;
  }

  const void* table(const std::string& name, const char* id, size_t bytes) const {
    const auto provided = host_.provided_by(name, id);
    if (!provided || *static_cast<const uint32_t*>(provided->table) < bytes) return nullptr;
    return provided->table;
  }

  Result<std::unique_ptr<BackupPlace>> place(const std::string& address) {
    for (const std::string& name : host_.providers(ORBIT_BACKUP_TARGET_V1))
      if (auto created = host_.create_first(name); !created) return tl::unexpected(created.error());
    auto open = find_backup_place(address, host_);
    if (!open) return tl::unexpected(open.error());
    return (*open)();
  }

 private:
  Instances(NodeConfig config, const NodeOptions& options, std::unique_ptr<Log> log)
      : config_(std::move(config)), log_(std::move(log)), host_(plugin_host_options(config_, options), with_tables(), *log_, metrics_) {}

  const ExtensionRegistry& with_tables() {
    extensions_.add(ORBIT_LOG_V1, log_table());
    extensions_.add(ORBIT_METRICS_V1, metrics_table());
    return extensions_;
  }

  NodeConfig config_;
  std::unique_ptr<Log> log_;
  Metrics metrics_;
  ExtensionRegistry extensions_;
  PluginHost host_;
  StateTypes state_types_;
  std::string modules_folder_;  // empty: none are loaded
  std::unique_ptr<ModuleHost> modules_;
};

struct Line {
  po::variables_map values;
  std::string text(const char* name) const { return values.count(name) != 0 ? values[name].as<std::string>() : std::string(); }
  uint64_t number() const { return values.count("number") != 0 ? values["number"].as<uint64_t>() : 0; }
  uint64_t bytes_per_second() const {
    return values.count("bytes-per-second") != 0 ? values["bytes-per-second"].as<uint64_t>() : 0;
  }
  bool json() const { return values.count("json") != 0; }
  std::vector<Override> overrides() const {
    return values.count("set") != 0 ? values["set"].as<std::vector<std::string>>() : std::vector<std::string>();
  }
};

struct Work {
  const Line& line;
  const NodeOptions& options;
  Report report;
  std::unique_ptr<Instances> instances = nullptr;

  Result<Engine> engine(const char* option) {
    if (auto opened = open(); !opened) return tl::unexpected(opened.error());
    return instances->engine(line.text(option));
  }
  // What the engine of an instance that was asked for provides beside; null: it does not.
  template <class Table>
  const Table* table(const std::string& name, const char* id) const {
    return static_cast<const Table*>(instances->table(name, id, sizeof(Table)));
  }
  // Of backups; a folder needs no configuration.
  Result<std::unique_ptr<BackupPlace>> place(const char* option) {
    const std::string address = line.text(option);
    if (!is_target_address(address)) return std::make_unique<FolderPlace>(address);
    if (auto opened = open(); !opened) return tl::unexpected(opened.error());
    return instances->place(address);
  }

 private:
  Result<> open() {
    if (instances) return {};
    if (line.text("config").empty()) return fail(Code::invalid_argument, "--config is missing");
    auto opened = Instances::open(line.text("config"), line.overrides(), options);
    if (!opened) return tl::unexpected(opened.error());
    instances = std::move(*opened);
    return {};
  }
};

int refused(const Error& error) {
  end_progress_line();
  std::cerr << "orbitd storage: " << error.message << (error.message.ends_with('\n') ? "" : "\n");
  return 1;
}

// ---- the commands --------------------------------------------------------------------------------------------------

int migrate(Work& context) {
  const auto from = context.engine("from");
  const auto to = from ? context.engine("to") : from;
  if (!to) return refused(to.error());
  const std::string type = context.line.text("type");
  Pace pace(context.line.bytes_per_second());
  const auto* bulk = context.table<orbit_storage_bulk_load_v1>(to->name, ORBIT_STORAGE_BULK_LOAD_V1);
  const auto moved = type.empty() ? migrate_offline(*from, *to, context.report, &pace, bulk)
                                  : migrate_type_offline(*from, *to, type, context.report, &pace);
  if (!moved) return refused(moved.error());
  end_progress_line();
  if (context.line.json()) {
    std::cout << json::serialize(json::object{{"from", from->name},
                                              {"to", to->name},
                                              {"type", type},
                                              {"entries", moved->entries},
                                              {"bytes", moved->bytes},
                                              {"chunks", moved->chunks},
                                              {"written_chunks", moved->written_chunks}})
              << "\n";
    return 0;
  }
  std::cout << moved->entries << " entries (" << moved->bytes << " bytes) " << (type.empty() ? "" : "of " + type + " ")
            << "were moved from '" << from->name << "' to '" << to->name << "' and verified; " << moved->written_chunks << " of "
            << moved->chunks << " chunks were written. "
            << (type.empty() ? "Name '" + to->name + "' in [storage] or [[route]] instead of '" + from->name + "'.\n" : "\n");
  return 0;
}

void print_stats(const StateStats& stats) {
  std::printf("%-32s %12s %14s %12s %12s %12s\n", "TYPE", "ACTORS", "BYTES", "SUB-RECORDS", "DUE", "INDEXED");
  for (const auto& [type, amounts] : stats.types) {
    uint64_t bytes = 0;
    for (const Amount& amount : amounts) bytes += amount.bytes;
    const auto keys = [&amounts](KeyKind kind) { return static_cast<unsigned long long>(amounts[static_cast<size_t>(kind)].keys); };
    std::printf("%-32s %12llu %14llu %12llu %12llu %12llu\n", type.empty() ? "(none)" : type.c_str(), keys(KeyKind::main),
                static_cast<unsigned long long>(bytes), keys(KeyKind::sub), keys(KeyKind::due), keys(KeyKind::index));
  }
  std::printf("the engine holds %llu bytes\n", static_cast<unsigned long long>(stats.engine_bytes));
}

int check_saved(Work& context) {
  const auto place = context.place("backup");
  if (!place) return refused(place.error());
  const auto manifest = check_backup(**place, context.line.number(), context.report);
  if (!manifest) return refused(manifest.error());
  end_progress_line();
  if (context.line.json())
    std::cout << json::serialize(json::object{{"source", manifest->source},
                                              {"created", manifest->created},
                                              {"chunks", manifest->chunks.size()},
                                              {"entries", manifest->entries()},
                                              {"bytes", manifest->bytes()}})
              << "\n";
  else
    std::cout << "the backup of '" << manifest->source << "' of " << manifest->created << " is whole: " << manifest->chunks.size()
              << " chunks, " << manifest->entries() << " entries\n";
  return 0;
}

int check(Work& context) {
  if (!context.line.text("backup").empty()) return check_saved(context);
  const auto engine = context.engine("storage");
  if (!engine) return refused(engine.error());
  // The engine first: it also reads what no key leads to.
  const auto* tools = context.table<orbit_storage_maintenance_v1>(engine->name, ORBIT_STORAGE_MAINTENANCE_V1);
  ErrorOut error;
  const orbit_code verified = tools != nullptr ? tools->verify(engine->self, &error) : ORBIT_OK;
  StateCheck checked = check_state(*engine, context.report);
  if (verified != ORBIT_OK) {
    ++checked.damaged;
    checked.damages.insert(checked.damages.begin(), error.take(verified).message);
  }
  end_progress_line();
  if (context.line.json()) {
    json::object out = check_json(checked);
    out["storage"] = engine->name;
    out["verified"] = tools != nullptr;
    std::cout << json::serialize(out) << "\n";
    return checked.damaged == 0 ? 0 : 1;
  }
  for (const std::string& damage : checked.damages) std::cout << "damaged: " << damage << "\n";
  if (checked.damaged > checked.damages.size())
    std::cout << "... and " << checked.damaged - checked.damages.size() << " more\n";
  uint64_t keys = 0;
  for (const auto& [type, amounts] : checked.stats.types)
    for (const Amount& amount : amounts) keys += amount.keys;
  std::cout << "'" << engine->name << "': " << keys << " keys read, " << checked.damaged << " damaged";
  if (checked.orphans != 0) std::cout << ", " << checked.orphans << " sub-records without a main record";
  std::cout << "\n";
  return checked.damaged == 0 ? 0 : 1;
}

int stats(Work& context) {
  const auto engine = context.engine("storage");
  if (!engine) return refused(engine.error());
  const auto counted = state_stats(*engine, context.report);
  if (!counted) return refused(counted.error());
  end_progress_line();
  if (context.line.json())
    std::cout << json::serialize(stats_json(*counted)) << "\n";
  else
    print_stats(*counted);
  return 0;
}

int save(Work& context) {
  const auto engine = context.engine("storage");
  if (!engine) return refused(engine.error());
  const auto place = context.place("to");
  if (!place) return refused(place.error());
  Pace pace(context.line.bytes_per_second());
  const auto saved = backup(*engine, **place, context.report, nullptr, &pace);
  if (!saved) return refused(saved.error());
  PruneResult pruned;
  if (context.line.values.count("keep") != 0) {
    auto done = prune_backups(**place, context.line.values["keep"].as<uint64_t>());
    if (!done) return refused(done.error());
    pruned = *done;
  }
  end_progress_line();
  if (context.line.json())
    std::cout << json::serialize(json::object{{"removed_backups", pruned.backups},
                                              {"removed_chunks", pruned.chunks},
                                              {"number", saved->number},
                                              {"entries", saved->entries},
                                              {"chunks", saved->chunks},
                                              {"new_chunks", saved->new_chunks},
                                              {"new_bytes", saved->new_bytes}})
              << "\n";
  else
    std::cout << "backup " << saved->number << " of '" << engine->name << "': " << saved->entries << " entries in " << saved->chunks
              << " chunks; " << saved->new_chunks << " of them (" << saved->new_bytes << " bytes) are new; " << pruned.backups
              << " older backups and " << pruned.chunks << " chunks were removed\n";
  return 0;
}

int restore_saved(Work& context) {
  const auto engine = context.engine("storage");
  if (!engine) return refused(engine.error());
  const auto place = context.place("from");
  if (!place) return refused(place.error());
  const auto restored = restore(**place, context.line.number(), *engine, context.report,
                                context.table<orbit_storage_bulk_load_v1>(engine->name, ORBIT_STORAGE_BULK_LOAD_V1));
  if (!restored) return refused(restored.error());
  end_progress_line();
  if (context.line.json())
    std::cout << json::serialize(json::object{{"storage", engine->name},
                                              {"created", restored->created},
                                              {"entries", restored->entries()}})
              << "\n";
  else
    std::cout << "'" << engine->name << "' has the backup of " << restored->created << ": " << restored->entries()
              << " entries, verified\n";
  return 0;
}

int compact(Work& context) {
  const auto engine = context.engine("storage");
  if (!engine) return refused(engine.error());
  const auto* tools = context.table<orbit_storage_maintenance_v1>(engine->name, ORBIT_STORAGE_MAINTENANCE_V1);
  if (tools == nullptr)
    return refused({Code::unimplemented, "the engine of the storage '" + engine->name +
                                             "' cannot compact: it does not provide " ORBIT_STORAGE_MAINTENANCE_V1});
  const uint64_t before = engine->table->size_bytes(engine->self);
  ErrorOut error;
  if (const orbit_code code = tools->compact(engine->self, &error); code != ORBIT_OK) return refused(error.take(code));
  const uint64_t after = engine->table->size_bytes(engine->self);
  if (context.line.json())
    std::cout << json::serialize(
                     json::object{{"storage", engine->name}, {"bytes_before", before}, {"bytes_after", after}})
              << "\n";
  else
    std::cout << "'" << engine->name << "': " << before << " bytes before, " << after << " after\n";
  return 0;
}

int dump(Work& context) {
  const auto engine = context.engine("storage");
  if (!engine) return refused(engine.error());
  const auto dumped = dump_state(
      *engine, {context.line.text("type"), context.line.json(), &context.instances->state_types(context.options)},
      std::cout);
  if (!dumped) return refused(dumped.error());
  return 0;
}

struct Known {
  const char* name;
  int (*run)(Work&);
  std::vector<const char*> needs;
};
const Known kKnown[] = {{"migrate", migrate, {"config", "from", "to"}},
                        {"check", check, {}},
                        {"stats", stats, {"config"}},
                        {"backup", save, {"config", "to"}},
                        {"restore", restore_saved, {"config", "from"}},
                        {"dump", dump, {"config"}},
                        {"compact", compact, {"config"}}};

}  // namespace

int storage_command(int argc, char** argv, const NodeOptions& options) {
  po::options_description known(
      "orbitd storage works on the storage instances of a node that is stopped.\n\n"
      "Usage: orbitd storage migrate|check|stats|compact|backup|restore|dump --config FILE [options]\n\nOptions");
  const auto text = [] { return po::value<std::string>(); };
  known.add_options()("config,c", text()->value_name("FILE"), "the node's configuration")(
      "set", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"), "change one key; may be repeated")(
      "storage", text()->value_name("NAME"), "the instance; default: that of [storage]")(
      "from", text()->value_name("NAME"), "the instance, or the folder or address of backups, to take from")(
      "to", text()->value_name("NAME"), "the instance, or the folder or address of backups, to fill")(
      "type", text()->value_name("TYPE"), "only actors of this type")("number", po::value<uint64_t>()->value_name("N"),
                                                                      "the number of a backup; default: the newest")(
      "keep", po::value<uint64_t>()->value_name("N"), "backup: then keep the N newest there and remove the others")(
      "bytes-per-second", po::value<uint64_t>()->value_name("N"), "migrate, backup: read at most N bytes a second")(
      "backup", text()->value_name("FOLDER"), "check: the backups in this folder or at this address")(
      "json", "answer in JSON")("help,h", "print this and end");
  try {
    Line line;
    const std::string name = argc > 1 ? argv[1] : "";
    po::store(po::command_line_parser(argc > 1 ? argc - 1 : argc, argc > 1 ? argv + 1 : argv).options(known).positional({}).run(),
              line.values);
    if (line.values.count("help") != 0) return std::cout << known << "\n", 0;
    for (const Known& command : kKnown) {
      if (name != command.name) continue;
      for (const char* need : command.needs)
        if (line.text(need).empty()) throw po::error("'" + name + "' needs --" + need);
      Work context{line, options, progress_line()};
      const int code = command.run(context);
      std::cout << std::flush;
      return std::cout.good() ? code : 1;
    }
    throw po::error("'" + name + "' is none of migrate, check, stats, compact, backup, restore, dump");
  } catch (const po::error& error) {
    std::cerr << "orbitd storage: " << error.what() << "\ntry --help\n";
    return kWrongCommandLine;
  }
}

}  // namespace orbit::kernel
