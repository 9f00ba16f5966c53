// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "saver.hpp"

#include "snapshot_file.hpp"

namespace orbit::storage_memory {

Result<std::unique_ptr<Saver>> Saver::open(Engine& engine, FileSystem& files, const std::string& directory,
                                           std::chrono::milliseconds interval, std::function<void(const Error&)> failed,
                                           std::shared_ptr<const MasterKeys> keys) {
  std::unique_ptr<Saver> out(
      new Saver(engine, files, directory + "/memory.snapshot", std::move(failed), std::move(keys)));
  if (auto made = files.make_directories(directory); !made) return tl::unexpected<Error>(made.error());
  auto lock = files.lock(directory + "/LOCK");
  if (!lock) return tl::unexpected<Error>(lock.error());
  out->lock_ = std::move(*lock);
  auto read = read_snapshot(
      files, out->path_,
      [&](std::span<const orbit_write_op> ops) {
        return engine.write(WriteOps(ops.data(), ops.size()), false).map_error([&](Error error) {
          error.message = "the snapshot file " + out->path_ + " does not fit: " + error.message;
          return error;
        });
      },
      out->keys_.get());
  if (!read) return tl::unexpected<Error>(read.error());
  out->saved_ = engine.sequence();
  out->loaded_ = true;
  if (*read == SnapshotFound::by_previous_key)
    if (auto saved = out->save(); !saved) return tl::unexpected<Error>(saved.error());
  if (interval.count() > 0) out->thread_ = std::thread([saver = out.get(), interval] { saver->run(interval); });
  return out;
}

Saver::~Saver() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (loaded_) save_changes();
}

void Saver::run(std::chrono::milliseconds interval) {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, interval, [&] { return ending_; })) {
    lock.unlock();
    save_changes();
    lock.lock();
  }
}

void Saver::save_changes() {
  {
    const std::lock_guard one(saving_);
    if (engine_.sequence() == saved_) return;
  }
  if (auto saved = save(); !saved) failed_(saved.error());
}

Result<> Saver::save() {
  const std::lock_guard one(saving_);
  auto snapshot = engine_.create_snapshot();
  if (!snapshot) return tl::unexpected<Error>(snapshot.error());
  const uint64_t sequence = Engine::sequence_of(**snapshot);
  auto written = write_snapshot(
      files_, path_, [&](VisitEntry visit) { return engine_.scan(snapshot->get(), {}, {}, false, visit); },
      keys_.get());
  if (written) saved_ = sequence;
  return written;
}

}  // namespace orbit::storage_memory
