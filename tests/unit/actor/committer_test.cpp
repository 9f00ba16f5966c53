// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "state/committer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>

#include "sim_node.hpp"

using namespace test;

namespace {

// The disk's table, which notes the bytes of the largest write.
size_t write_bytes_seen_max = 0;

const orbit_storage_v1* watched_table() {
  static const orbit_storage_v1 table = [] {
    orbit_storage_v1 out = Disk::kTable;
    out.write = [](void* self, const orbit_write_op* ops, size_t count, int sync, orbit_error* error) -> orbit_code {
      size_t bytes = 0;
      for (size_t i = 0; i < count; ++i) bytes += ops[i].key.size + ops[i].value.size;
      write_bytes_seen_max = std::max(write_bytes_seen_max, bytes);
      return Disk::kTable.write(self, ops, count, sync, error);
    };
    return out;
  }();
  return &table;
}

struct Batches {
  explicit Batches(Disk& disk) : committer(executor, Engine{"disk", watched_table(), nullptr, &disk}) { executor.start(); }

  // `text` under the one key that all batches write.
  void submit(const std::string& text, bool keep_trying, uint64_t failures_seen = 0) {
    Submission& submission = all.emplace_back();
    submission.batch.put("key", text);
    submission.sync = !keep_trying;
    submission.keep_trying = keep_trying;
    submission.failures_seen = failures_seen;
    submission.seq = all.size() - 1;
    submission.owner = this;
    submission.done = [](Submission* done) noexcept {
      auto* self = static_cast<Batches*>(done->owner);
      (done->code == ORBIT_OK ? self->stored : self->refused).push_back(done->seq);
    };
    committer.submit(&submission);
  }
  void run() {
    while (executor.step()) {
    }
  }
  void pass_ms(uint64_t ms) {
    executor.advance(ms * 1'000'000);
    committer.nudge();
    run();
  }

  SimExecutor executor{SimExecutorOptions{}};
  Committer committer;
  std::deque<Submission> all;
  std::vector<uint64_t> stored;
  std::vector<uint64_t> refused;
};

}  // namespace

TEST_CASE("what a full disk kept back goes out in order, in writes of bounded size, before anything newer") {
  constexpr size_t kBytes = 3u << 20;
  Disk disk;
  Batches batches(disk);
  disk.full = true;
  for (char c = 'a'; c < 'h'; ++c) batches.submit(std::string(kBytes, c), true);
  batches.run();
  CHECK(batches.stored.empty());
  CHECK(batches.refused.empty());
  CHECK_FALSE(batches.committer.writable());

  disk.full = false;
  disk.fail_after_writes = 1;  // it is full again after the first part of the retry
  batches.pass_ms(5000);
  CHECK(batches.stored == std::vector<uint64_t>{0, 1});
  CHECK_FALSE(batches.committer.writable());

  batches.submit("refused", false);
  batches.run();
  CHECK(batches.refused == std::vector<uint64_t>{7});

  disk.fail_after_writes = -1;
  batches.submit(std::string(10, 'h'), true);
  batches.pass_ms(5000);
  CHECK(batches.stored == std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6, 8});
  CHECK(batches.committer.writable());
  CHECK(disk.data["key"] == std::string(10, 'h'));
  CHECK(write_bytes_seen_max <= (8u << 20) + 1024);

  batches.submit("newer", false, 1);
  batches.run();
  CHECK(batches.stored.back() == 9);
  CHECK(disk.data["key"] == "newer");
}
