// SPDX-License-Identifier: MIT OR BSD-3-Clause
// powercut [--cuts N] [--engine NAME] [--seed N]: writers on a real ext4, the power cut at a random moment, remounted,
// everything compared; N times. Exit code 77: this machine does not allow it, and why.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <random>
#include <string_view>
#include <thread>

#include "disk.hpp"
#include "tests/seed.hpp"
#include "workload.hpp"

namespace {

using namespace orbit::powercut;

constexpr uint64_t kDiskBytes = uint64_t{256} << 20;
// Then the disk is formatted, so that the beginning of a store's life is cut too, and histories stay short enough to
// compare.
constexpr size_t kCutsPerDisk = 10;
// A careless run must be found out within so many.
constexpr size_t kCarelessCutsMax = 10;
constexpr int kSkipped = 77;

struct Totals {
  size_t cuts = 0;
  uint64_t acknowledged = 0;
};

class Cuts {
 public:
  Cuts(Disk& disk, const Kind& kind, uint64_t seed, bool careless)
      : disk_(disk), kind_(kind), seed_(seed), careless_(careless), random_(seed) {
    void* const shared = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) throw std::runtime_error("no shared memory");
    progress_ = new (shared) Progress{};
  }
  Cuts(const Cuts&) = delete;
  Cuts& operator=(const Cuts&) = delete;
  ~Cuts() { ::munmap(progress_, sizeof(Progress)); }

  // Empty: everything was always as it must be.
  std::string run(size_t cuts, Totals& totals) {
    for (size_t done = 0; done < cuts; ++done) {
      if (done % kCutsPerDisk == 0) {
        disk_.format();
        new (progress_) Progress{};
        disk_seed_ = random_();
      }
      if (!cut_once()) return failure(done);
      ++totals.cuts;
      const bool last = done + 1 == cuts || (done + 1) % kCutsPerDisk == 0;
      if (last && !look()) return failure(done);
      if (last)
        for (const auto& count : progress_->acknowledged) totals.acknowledged += count;
    }
    return {};
  }

 private:
  std::string failure(size_t done) const {
    return "after cut " + std::to_string(done) + ": " + kind_.name + " " + progress_->failure + " (seed " +
           std::to_string(seed_) + ")";
  }

  pid_t start(bool verify_only) {
    progress_->cut = false;
    progress_->verified = false;
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    run_workload({&kind_, disk_.path(), disk_seed_, careless_, verify_only}, *progress_);
    ::_exit(0);
  }
  static bool runs(pid_t child) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
  }
  bool ended_well(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    if ((!WIFEXITED(status) || WEXITSTATUS(status) != 0) && !progress_->failed.exchange(true))
      std::snprintf(progress_->failure, sizeof progress_->failure, "ended the process with status %d", status);
    return !progress_->failed;
  }

  bool cut_once() {
    disk_.mount();
    const pid_t child = start(false);
    // Most cuts hit writers at work, some the opening before.
    if (random_() % 8 != 0)
      while (!progress_->verified && !progress_->failed && runs(child)) ::usleep(1000);
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 400'000));
    const bool alive = runs(child);
    progress_->cut = true;
    disk_.cut_power();
    // From here on it may end as it likes: Debian's RocksDB has assertions, one of which a sync that failed is against.
    ::kill(child, SIGKILL);
    const bool good =
        alive ? (::waitpid(child, nullptr, 0), !progress_->failed) : ended_well(child) && progress_->verified;
    disk_.unmount();
    return good;
  }
  bool look() {
    disk_.mount();
    const bool good = ended_well(start(true));
    disk_.unmount();
    return good;
  }

  Disk& disk_;
  const Kind& kind_;
  const uint64_t seed_;
  const bool careless_;
  std::mt19937_64 random_;
  uint64_t disk_seed_ = 0;
  Progress* progress_;
};

int cut_engine(Disk& disk, const Kind& kind, size_t cuts, uint64_t seed) {
  const auto began = std::chrono::steady_clock::now();
  Totals totals;
  const std::string wrong = Cuts(disk, kind, seed, false).run(cuts, totals);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (!wrong.empty()) {
    std::printf("%s: LOST: %s\n", kind.name, wrong.c_str());
    return 1;
  }
  Totals careless;
  const std::string found_out = Cuts(disk, kind, seed, true).run(kCarelessCutsMax, careless);
  if (found_out.empty()) {
    std::printf("%s: writing without syncs lost nothing in %zu cuts: these cuts say nothing (seed %llu)\n", kind.name,
                careless.cuts, static_cast<unsigned long long>(seed));
    return 1;
  }
  std::printf(
      "%s: %zu power cuts in %.0f s, %llu acknowledged batches, nothing lost, nothing torn; without syncs: %s\n",
      kind.name, totals.cuts, seconds, static_cast<unsigned long long>(totals.acknowledged), found_out.c_str());
  std::fflush(stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  size_t cuts = 200;
  std::string engine;
  uint64_t seed = orbit::testing::seed_of_this_run();
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (i + 1 < argc && name == "--cuts") {
      cuts = std::strtoull(argv[++i], nullptr, 10);
    } else if (i + 1 < argc && name == "--engine") {
      engine = argv[++i];
    } else if (i + 1 < argc && name == "--seed") {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: powercut [--cuts N] [--engine NAME] [--seed N]\n");
      return 2;
    }
  }
  try {
    Disk disk(kDiskBytes);
    size_t engines = 0;
    int failed = 0;
    for (const Kind& kind : kKinds) {
      if (!engine.empty() && engine != kind.name) continue;
      ++engines;
      failed |= cut_engine(disk, kind, cuts, seed);
    }
    if (engines == 0) {
      std::fprintf(stderr, "powercut: no engine '%s'; there are:", engine.c_str());
      for (const Kind& kind : kKinds) std::fprintf(stderr, " %s", kind.name);
      std::fprintf(stderr, "\n");
      return 2;
    }
    return failed;
  } catch (const CannotRun& no) {
    std::printf("skipped: %s\n", no.what());
    return kSkipped;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "powercut: %s\n", e.what());
    return 1;
  }
}
