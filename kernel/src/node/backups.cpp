// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/backups.hpp"

#include <boost/json.hpp>

#include "actor/runtime.hpp"
#include "plugin/plugin_host.hpp"

namespace orbit::kernel {

namespace {

constexpr size_t kBackupsRemembered = 16;

}  // namespace

Result<> Backups::start(const std::string& storage, const std::string& folder) {
  if (!folder.starts_with('/') && !is_target_address(folder))
    return fail(Code::invalid_argument, "the folder '" + folder + "' must be an absolute path, or an address SCHEME://...");
  // Opening may wait for a network, so that is for the job.
  auto place = find_backup_place(folder, plugins_);
  if (!place) return tl::unexpected(place.error());
  const Store* source = nullptr;
  for (const auto& store : runtime_.stores())
    if (store->name() == storage) source = store.get();
  if (source == nullptr) return fail(Code::not_found, "no storage in use has the name '" + storage + "'");
  {
    const std::lock_guard lock(mutex_);
    if (running_) return fail(Code::failed_precondition, "a backup of '" + engine_.name + "' is running; one at a time");
    if (jobs_.size() == kBackupsRemembered) jobs_.erase(jobs_.begin());
    jobs_.push_back({storage, folder, "saving"});
    running_ = true;
    engine_ = source->committer.engine();
    open_place_ = std::move(*place);
  }
  if (executor_.blocking([](void* self) { static_cast<Backups*>(self)->run(); }, this)) return {};
  const std::lock_guard lock(mutex_);
  running_ = false;
  jobs_.pop_back();
  return fail(Code::resource_exhausted, "io_queue_max: the I/O pool's queue is full; try again later");
}

void Backups::run() {
  std::string folder;
  {
    const std::lock_guard lock(mutex_);
    folder = jobs_.back().folder;
  }
  const Report report = [this](const Progress& progress) {
    const std::lock_guard lock(mutex_);
    jobs_.back().entries = progress.entries;
    jobs_.back().bytes = progress.bytes;
  };
  auto place = open_place_();
  const Result<BackupResult> saved =
      place ? backup(engine_, **place, report, &stop_, &pace_) : Result<BackupResult>(tl::unexpected(place.error()));
  const std::lock_guard lock(mutex_);
  Job& job = jobs_.back();
  job.stage = saved ? "done" : "failed";
  if (saved) {
    job.result = *saved;
    job.entries = saved->entries;
    logger_.info("backup done", {{"storage", job.storage}, {"folder", folder}, {"number", std::to_string(saved->number)}});
  } else {
    job.error = saved.error().message;
    logger_.error("backup failed", {{"storage", job.storage}, {"folder", folder}, {"reason", job.error}});
  }
  running_ = false;
  ended_.notify_all();
}

void Backups::stop() {
  stop_.store(true, std::memory_order_relaxed);
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return !running_; });
}

std::string Backups::json() const {
  namespace json = boost::json;
  const std::lock_guard lock(mutex_);
  json::array out;
  for (const Job& job : jobs_)
    out.push_back(json::object{{"storage", job.storage},
                               {"folder", job.folder},
                               {"stage", job.stage},
                               {"number", job.result.number},
                               {"entries", job.entries},
                               {"bytes", job.bytes},
                               {"chunks", job.result.chunks},
                               {"new_chunks", job.result.new_chunks},
                               {"new_bytes", job.result.new_bytes},
                               {"error", job.error}});
  return json::serialize(out);
}

}  // namespace orbit::kernel
