// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Moving what one storage instance has to another while the node serves.
//
// Chunk by chunk, in the order of keys, what the source has is copied into the target. Everything below the frontier (the end
// of the last chunk) is the same in both, and stays so: the committer passes every batch that it has written to the source,
// and what of it lies below the frontier is written to the target too. A commit that meets the chunk that is being copied
// makes it be copied again; one that is met too often is copied between two commits. When the frontier has reached the end
// both are compared by checksum, range by range, in the same way. Then, between two commits, the target is synced, says that
// it is verified, the source says that it was moved, and the committer goes on with the target. What the source says decides
// which of the two counts, also after a crash at any moment; until then the source lacks nothing. Begun again after a crash,
// ranges that are equal are read and not written.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "executor/executor.hpp"
#include "maintenance/pace.hpp"
#include "state/committer.hpp"
#include "state/instance_notes.hpp"
#include "state/transfer.hpp"

namespace orbit::kernel {

class OnlineMigration final : public CommitMirror {
 public:
  enum class Stage : uint8_t { copying, verifying, done, failed };
  struct Status {
    std::string from;
    std::string to;
    Stage stage = Stage::copying;
    uint64_t entries = 0;  // seen in this stage
    uint64_t bytes = 0;
    uint64_t written_bytes = 0;  // of chunks that the target did not have
    uint64_t mirrored = 0;       // operations of commits that went to both
    std::string error;
  };

  // The committer's engine is the source. Neither may be destroyed before stop() or the end.
  // `pace` (may be null) bounds what is read a second.
  OnlineMigration(Executor& executor, Committer& committer, Engine target, ChunkLimits limits = {},
                  Pace* pace = nullptr);
  ~OnlineMigration() override;
  OnlineMigration(const OnlineMigration&) = delete;
  OnlineMigration& operator=(const OnlineMigration&) = delete;

  // Checks whether it may begin, says so in the target, and begins; the work is done on the I/O pool, chunk by chunk. Blocks
  // for a moment. [a thread that is no worker]
  Result<> start();
  // No chunk is begun any more. [any thread]
  void ask_to_stop() noexcept { stop_.store(true, std::memory_order_release); }
  bool at_rest() const;
  // The same, and returns when none is being worked on. The migration can be started again later, by another object.
  // [a thread that is no worker]
  void stop();
  Status status() const;  // [any thread]
  bool running() const noexcept { return running_.load(std::memory_order_acquire); }

  // CommitMirror
  void committed(const std::vector<orbit_write_op>& ops) noexcept override;

 private:
  void queue();
  void queue_after(uint64_t ns);
  void run() noexcept;
  uint64_t pause_ns() const noexcept;
  // One chunk, or the cut over. False: there is nothing left to do.
  Result<bool> step();
  Result<bool> copy_some();
  Result<bool> verify_some();
  Result<> cut_over();
  void advance(Chunk& chunk);
  void guard();
  bool disturbed(const Chunk& chunk) const noexcept;
  Result<> write_to_target(const std::vector<orbit_write_op>& ops);
  void end(Stage stage, std::string error);

  Executor& executor_;
  Committer& committer_;
  const Engine source_;
  const Engine target_;
  const ChunkLimits limits_;
  Pace* const pace_;
  const std::vector<Part> parts_ = all_parts();
  CopyNote note_;

  std::mutex target_mutex_;  // an engine is written by one thread at a time

  // Changed between two commits only, and read by them.
  size_t part_ = 0;
  std::string at_;             // where the next chunk of the stage begins
  std::string frontier_;       // below it commits go to both
  bool all_mirrored_ = false;  // the frontier is at the end
  bool guarding_ = false;
  std::optional<std::string> touched_;  // the least key at or behind at_ that was committed since guard()
  std::string mirror_error_;

  // Of the thread that works.
  uint32_t disturbances_ = 0;
  uint64_t read_bytes_ = 0;  // by the last step
  std::chrono::steady_clock::time_point go_on_at_{};
  uint64_t pace_round_ = 0;
  Stage working_ = Stage::copying;

  std::atomic<bool> running_{false};
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable ended_;
  bool queued_ = false;
  Status status_;
};

}  // namespace orbit::kernel
