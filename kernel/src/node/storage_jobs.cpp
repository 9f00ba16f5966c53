// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/storage_jobs.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "maintenance/state_json.hpp"
#include "plugin/plugin_host.hpp"
#include "state/transfer.hpp"

namespace orbit::kernel {

namespace {

namespace json = boost::json;

constexpr size_t kJobsRemembered = 16;

template <class Table>
const Table* table_of(const PluginHost& plugins, const std::string& storage, const char* id) {
  const auto provided = plugins.provided_by(storage, id);
  if (!provided) return nullptr;
  const auto* table = static_cast<const Table*>(provided->table);
  return table->struct_size >= sizeof(Table) ? table : nullptr;
}

Result<> refuse_unable(const std::string& storage, const char* what, const char* id) {
  return fail(Code::unimplemented,
              "the engine of the storage '" + storage + "' cannot " + what + ": it does not provide " + id);
}

// A snapshot for as long as this lives; none: the engine has no snapshots, or refuses one now.
class Held {
 public:
  Held(const Engine& engine, const orbit_storage_snapshot_v1* table) : self_(engine.self), table_(table) {
    ErrorOut error;
    if (table_ != nullptr && table_->create(self_, &raw, &error) != ORBIT_OK) raw = nullptr;
  }
  ~Held() {
    if (raw != nullptr) table_->release(self_, raw);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  orbit_snapshot* raw = nullptr;

 private:
  void* const self_;
  const orbit_storage_snapshot_v1* const table_;
};

}  // namespace

StorageJobs::Tools StorageJobs::tools_of(const std::string& storage) const {
  return {table_of<orbit_storage_maintenance_v1>(plugins_, storage, ORBIT_STORAGE_MAINTENANCE_V1),
          table_of<orbit_storage_checkpoint_v1>(plugins_, storage, ORBIT_STORAGE_CHECKPOINT_V1),
          table_of<orbit_storage_snapshot_v1>(plugins_, storage, ORBIT_STORAGE_SNAPSHOT_V1)};
}

Result<> StorageJobs::start(const std::string& kind, const std::string& storage, const std::string& path) {
  const auto engine = std::find_if(all_.begin(), all_.end(), [&](const Engine& one) { return one.name == storage; });
  if (engine == all_.end()) return fail(Code::not_found, "no storage of the node has the name '" + storage + "'");
  const Tools tools = tools_of(storage);
  const bool checkpoint = kind == "checkpoint";
  if (!checkpoint && kind != "check" && kind != "stats" && kind != "compact")
    return fail(Code::invalid_argument,
                "the kind of work is '" + kind + "', expected check, stats, compact or checkpoint");
  if (checkpoint != !path.empty() || (checkpoint && !path.starts_with('/')))
    return fail(Code::invalid_argument,
                checkpoint ? "a checkpoint needs an absolute path where nothing is, found '" + path + "'"
                           : "'" + kind + "' has no path, found '" + path + "'");
  if (checkpoint && tools.checkpoints == nullptr)
    return refuse_unable(storage, "make checkpoints", ORBIT_STORAGE_CHECKPOINT_V1);
  if (kind == "compact" && tools.maintenance == nullptr)
    return refuse_unable(storage, "compact", ORBIT_STORAGE_MAINTENANCE_V1);
  Job job{kind, storage, path, "running"};
  {
    const std::lock_guard lock(mutex_);
    if (stop_.load()) return fail(Code::unavailable, "the node is draining");
    if (running_)
      return fail(Code::failed_precondition, "the work '" + jobs_.back().kind + "' on the storage '" +
                                                 jobs_.back().storage + "' is running; one at a time");
    if (jobs_.size() == kJobsRemembered) jobs_.erase(jobs_.begin());
    jobs_.push_back(job);
    running_ = true;
  }
  if (thread_.joinable()) thread_.join();
  thread_ = std::thread([this, engine = *engine, tools, job = std::move(job)]() mutable {
    run(std::move(engine), tools, std::move(job));
  });
  return {};
}

void StorageJobs::run(Engine engine, Tools tools, Job job) noexcept {
  logger_.info(job.kind + " begins", {{"storage", job.storage}});
  const Result<std::string> done = work(engine, tools, job);
  const std::lock_guard lock(mutex_);
  Job& its = jobs_.back();
  its.stage = done ? "done" : "failed";
  if (done) {
    its.result = *done;
    logger_.info(job.kind + " done", {{"storage", job.storage}});
  } else {
    its.error = done.error().message;
    logger_.error(job.kind + " failed", {{"storage", job.storage}, {"reason", its.error}});
  }
  running_ = false;
}

Result<std::string> StorageJobs::work(const Engine& engine, const Tools& tools, const Job& job) {
  ErrorOut error;
  if (job.kind == "check") return check(engine, tools);
  if (job.kind == "compact") {
    const uint64_t before = engine.table->size_bytes(engine.self);
    const orbit_code code = tools.maintenance->compact(engine.self, &error);
    if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
    return json::serialize(
        json::object{{"bytes_before", before}, {"bytes_after", engine.table->size_bytes(engine.self)}});
  }
  if (job.kind == "checkpoint") {
    const orbit_code code = tools.checkpoints->checkpoint(engine.self, to_c(Bytes(job.path)), &error);
    if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
    return json::serialize(json::object{{"path", job.path}});
  }
  const Held held(engine, tools.snapshots);
  const Report report = [this](const Progress& progress) {
    const std::lock_guard lock(mutex_);
    jobs_.back().entries = progress.entries;
    jobs_.back().bytes = progress.bytes;
  };
  auto counted = state_stats(engine, report, {held.raw, &stop_, &pace_});
  if (!counted) return tl::unexpected(counted.error());
  return json::serialize(stats_json(*counted));
}

Result<std::string> StorageJobs::check(const Engine& engine, const Tools& tools) {
  const Report report = [this](const Progress& progress) {
    const std::lock_guard lock(mutex_);
    jobs_.back().entries = progress.entries;
    jobs_.back().bytes = progress.bytes;
  };
  std::optional<Error> damage;
  ErrorOut error;
  if (tools.maintenance != nullptr)
    if (const orbit_code code = tools.maintenance->verify(engine.self, &error); code != ORBIT_OK)
      damage = error.take(code);
  // Without a snapshot it is written meanwhile: what one scan counts is not what another one says.
  const Held held(engine, tools.snapshots);
  StateCheck checked = check_state(engine, report, {held.raw, &stop_, &pace_, held.raw != nullptr});
  if (stop_.load()) return fail(Code::cancelled, "the check was given up: the node is draining");
  if (damage) {
    ++checked.damaged;
    checked.damages.insert(checked.damages.begin(), damage->message);
  }
  json::object out = check_json(checked);
  out["verified"] = tools.maintenance != nullptr;
  return json::serialize(out);
}

void StorageJobs::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_.store(true);
  }
  if (thread_.joinable()) thread_.join();
}

std::string StorageJobs::json() const {
  const std::lock_guard lock(mutex_);
  json::array out;
  for (const Job& job : jobs_)
    out.push_back(json::object{{"kind", job.kind},
                               {"storage", job.storage},
                               {"path", job.path},
                               {"stage", job.stage},
                               {"entries", job.entries},
                               {"bytes", job.bytes},
                               {"result", json::parse(job.result)},
                               {"error", job.error}});
  return json::serialize(out);
}

}  // namespace orbit::kernel
