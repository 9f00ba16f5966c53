// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "workload.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <thread>

namespace orbit::powercut {

namespace {

using Map = std::map<std::string, std::string>;

std::string prefix_of(size_t writer) { return "w" + std::to_string(writer) + "/"; }
std::string key_of(size_t writer, uint64_t n) { return prefix_of(writer) + "k" + std::to_string(100 + n); }
std::string counter_of(size_t writer) { return prefix_of(writer) + "newest"; }

// The batch with that number: a few values, some of them large, now and then an erased range, and last the number
// itself.
WriteBatch batch_of(uint64_t seed, size_t writer, uint64_t number) {
  std::seed_seq all{seed, uint64_t{writer}, number};
  std::mt19937 random(all);
  WriteBatch out;
  if (random() % 40 == 0) {
    const uint64_t from = random() % 280;
    out.erase_range(key_of(writer, from), key_of(writer, from + 20));
  }
  for (size_t i = random() % 4 + 1; i > 0; --i) {
    std::string value = std::to_string(number) + ":";
    value.resize(value.size() + (random() % 16 == 0 ? 3000 + random() % 6000 : 20 + random() % 180),
                 static_cast<char>('a' + random() % 26));
    out.put(key_of(writer, random() % 300), value);
  }
  out.put(counter_of(writer), std::to_string(number));
  return out;
}
bool synced(uint64_t number) { return number % 3 != 0; }

void apply_batch(Map& map, const WriteBatch& batch) {
  for (const orbit_write_op& op : batch.ops()) {
    const std::string key(from_c(op.key));
    if (op.kind == ORBIT_WRITE_PUT)
      map[key] = from_c(op.value);
    else
      map.erase(map.lower_bound(key), map.lower_bound(std::string(from_c(op.value))));
  }
}

// Tells whether the power is still on. While ext4 is being shut down (seen with Linux 6.18), a sync that waited for the
// journal's commit may be answered with success although that commit was aborted: of 400 cuts under a program that does
// nothing but append and fdatasync, 13 took a last acknowledged record away, each acknowledged milliseconds after the
// cut began. A power that really fails lets no such answer out. Reading is refused from before the journal is aborted,
// so that an answer after which it still works was true.
class Pulse {
 public:
  explicit Pulse(const std::string& directory)
      : file_(::open((directory + "/pulse").c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600)) {}
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;
  ~Pulse() { ::close(file_); }

  bool beats() const noexcept {
    char byte;
    return ::pread(file_, &byte, 1, 0) >= 0;
  }

 private:
  const int file_;
};

class Workload {
 public:
  Workload(const Run& run, Progress& progress) : run_(run), progress_(progress), pulse_(run.directory) {}

  void go() {
    if (!pulse_.beats()) return fail(std::string("has a disk without a pulse: ") + std::strerror(errno));
    auto opened = run_.kind->open(run_.directory);
    if (!opened) return fail("does not open: " + opened.error().message);
    storage_ = opened->storage.get();
    if (!compare()) return;
    if (const auto verified = opened->verify(); !verified) return fail("is damaged: " + verified.error().message);
    progress_.verified = true;
    if (run_.verify_only) return;
    std::array<std::thread, kWriters> threads;
    for (size_t writer = 0; writer < kWriters; ++writer)
      threads[writer] = std::thread([this, writer] { write(writer); });
    for (auto& thread : threads) thread.join();
  }

 private:
  void fail(const std::string& what) {
    if (progress_.cut || progress_.failed.exchange(true)) return;
    std::snprintf(progress_.failure, sizeof progress_.failure, "%s", what.c_str());
  }

  // Each writer's part must be what some number of its batches make, not fewer than were acknowledged.
  bool compare() {
    std::array<Map, kWriters> found;
    const auto scanned = storage_->scan(nullptr, {}, {}, false, [&](Bytes key, Bytes value) {
      const size_t writer = static_cast<size_t>(key[1] - '0');
      if (key[0] == 'w' && writer < kWriters) found[writer].emplace(key, value);
      return true;
    });
    if (!scanned) return fail("cannot be read: " + scanned.error().message), false;
    for (size_t writer = 0; writer < kWriters; ++writer) {
      const auto counter = found[writer].find(counter_of(writer));
      next_[writer] = counter == found[writer].end() ? 0 : std::stoull(counter->second);
      const uint64_t acknowledged = progress_.acknowledged[writer];
      const std::string who = "of writer " + std::to_string(writer) + " ";
      if (next_[writer] < acknowledged)
        return fail(who + std::to_string(acknowledged) + " batches were acknowledged, and " +
                    std::to_string(next_[writer]) + " are there"),
               false;
      if (next_[writer] > progress_.issued[writer])
        return fail(who + std::to_string(progress_.issued[writer]) + " batches were written, and " +
                    std::to_string(next_[writer]) + " are there"),
               false;
      Map expected;
      for (uint64_t number = 1; number <= next_[writer]; ++number)
        apply_batch(expected, batch_of(run_.seed, writer, number));
      if (expected != found[writer])
        return fail(who + std::to_string(next_[writer]) + " batches are there, but not all of what they put"), false;
    }
    return true;
  }

  void write(size_t writer) {
    // Until the disk refuses: the cut is to find writers at work.
    for (uint64_t number = next_[writer] + 1;; ++number) {
      const WriteBatch batch = batch_of(run_.seed, writer, number);
      const auto ops = batch.ops();
      const bool sync = synced(number) && !run_.careless;
      progress_.issued[writer] = number;
      const auto written = storage_->write(WriteOps(ops.data(), ops.size()), sync);
      if (!written) return fail("cannot be written to: " + written.error().message);
      if (!sync && !run_.careless) continue;
      if (!pulse_.beats()) return;
      progress_.acknowledged[writer] = number;
    }
  }

  const Run& run_;
  Progress& progress_;
  const Pulse pulse_;
  Storage* storage_ = nullptr;
  std::array<uint64_t, kWriters> next_{};
};

}  // namespace

void run_workload(const Run& run, Progress& progress) { Workload(run, progress).go(); }

}  // namespace orbit::powercut
