// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "sustained.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>

namespace orbit::bench {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr size_t kValueBytes = 100;
constexpr size_t kKeyBytes = 16;
constexpr size_t kScanEntries = 50;
constexpr const char* kHeader = "engine,second,gets,puts,durable_puts,scans,slowest_put_us,rss_bytes,disk_bytes\n";

uint64_t rss_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Files come and go meanwhile.
uint64_t disk_bytes(const std::string& directory) {
  uint64_t out = 0;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    struct stat info{};
    if (::stat(at->path().c_str(), &info) == 0) out += static_cast<uint64_t>(info.st_blocks) * 512;
  }
  return out;
}

struct Key {
  char text[kKeyBytes + 1];
  explicit Key(uint64_t number) {
    std::snprintf(text, sizeof text, "%016llu", static_cast<unsigned long long>(number));
  }
  std::string_view view() const { return {text, kKeyBytes}; }
};

// All numbers below `count` once each, in an order that looks random and takes no memory.
class Shuffled {
 public:
  explicit Shuffled(uint64_t count) : count_(count), mask_(std::bit_ceil(count) - 1) {}
  uint64_t next() {
    do {
      at_ = (at_ * 6364136223846793005ULL + 1442695040888963407ULL) & mask_;  // a full period modulo each power of two
      mixed_ = at_ ^ (at_ >> (std::bit_width(mask_) / 2));
    } while (mixed_ >= count_);
    return mixed_;
  }

 private:
  const uint64_t count_;
  const uint64_t mask_;
  uint64_t at_ = 0;
  uint64_t mixed_ = 0;
};

// Bytes that do not compress to nothing, other ones for each entry and time.
class Values {
 public:
  Values() : bytes_(1 << 20, '\0') {
    std::mt19937_64 random(1);
    for (char& c : bytes_) c = static_cast<char>(random());
  }
  std::string_view of(uint64_t n) const {
    return std::string_view(bytes_).substr(n * 0x9e3779b97f4a7c15ULL >> 45, kValueBytes);
  }

 private:
  static_assert((uint64_t{1} << 19) + kValueBytes < 1 << 20);
  std::string bytes_;
};

struct Counts {
  std::atomic<uint64_t> gets, puts, durable_puts, scans, slowest_put_us;
};

void keep_most(std::atomic<uint64_t>& most, uint64_t value) {
  uint64_t seen = most.load(std::memory_order_relaxed);
  while (value > seen && !most.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

// Of 100 operations: 50 gets, 40 puts, 5 durable puts, 5 scans of 50 entries; keys drawn evenly.
void mixed_load(Store& store, const SustainedSettings& settings, const Values& values, uint64_t seed, Counts& counts,
                const std::atomic<bool>& done) {
  std::mt19937_64 random(seed);
  std::string value;
  while (!done.load(std::memory_order_relaxed)) {
    const Key key(random() % settings.keys);
    const uint64_t kind = random() % 100;
    if (kind < 50) {
      if (!store.get(key.view(), value) || value.size() != kValueBytes)
        throw std::runtime_error("a get misses something");
      counts.gets.fetch_add(1, std::memory_order_relaxed);
    } else if (kind < 95) {
      const bool durable = kind >= 90;
      const auto began = Clock::now();
      store.put({{key.view(), values.of(random())}}, durable);
      keep_most(
          counts.slowest_put_us,
          static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began).count()));
      (durable ? counts.durable_puts : counts.puts).fetch_add(1, std::memory_order_relaxed);
    } else {
      store.scan_from(key.view(), kScanEntries);
      counts.scans.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

void report(const Kind& kind, const SustainedSettings& settings, std::vector<uint64_t> totals, double load_seconds,
            uint64_t rss_before, uint64_t rss_most, uint64_t disk, uint64_t slowest_us) {
  // Windows of ten seconds, the first left out: caches fill.
  std::vector<double> windows;
  for (size_t i = 10; i + 10 <= totals.size(); i += 10) {
    double sum = 0;
    for (size_t n = i; n < i + 10; ++n) sum += static_cast<double>(totals[n]);
    windows.push_back(sum / 1e4);
  }
  std::sort(windows.begin(), windows.end());
  const double mb = 1 << 20;
  const double raw = static_cast<double>(settings.keys * (kKeyBytes + kValueBytes));
  std::printf("%-20s load %6.0f k/s", kind.name, static_cast<double>(settings.keys) / load_seconds / 1e3);
  if (!windows.empty())
    std::printf("; mixed k/s over 10 s: median %.1f, least %.1f (%.0f %% of the median), most %.1f",
                windows[windows.size() / 2], windows.front(), 100 * windows.front() / windows[windows.size() / 2],
                windows.back());
  std::printf(
      "; slowest put %.0f ms; disk %.2f of raw; memory %.0f MB above %.0f MB at the start, configured: cache %.0f MB, "
      "write buffer %.0f MB; data %.0f MB\n",
      static_cast<double>(slowest_us) / 1e3, static_cast<double>(disk) / raw,
      static_cast<double>(rss_most - rss_before) / mb, static_cast<double>(rss_before) / mb,
      static_cast<double>(settings.store.cache_bytes) / mb, static_cast<double>(settings.store.write_buffer_bytes) / mb,
      raw / mb);
  std::fflush(stdout);
}

void run_one(const Kind& kind, const SustainedSettings& settings) {
  const std::string path = settings.directory + "/orbit-bench-sustained-" + std::to_string(::getpid());
  struct Remove {
    const std::string& path;
    ~Remove() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } const remove{path};
  fs::create_directories(path);
  const Values values;
  const uint64_t rss_before = rss_bytes();
  uint64_t rss_most = rss_before;
  auto store = kind.open(path, settings.store);

  const auto began = Clock::now();
  Shuffled order(settings.keys);
  std::vector<Key> keys;
  Pairs batch;
  for (size_t done = 0; done < settings.keys; done += keys.size()) {
    keys.clear();
    batch.clear();
    for (size_t n = 0; n < 1000 && done + n < settings.keys; ++n) keys.emplace_back(order.next());
    for (size_t n = 0; n < keys.size(); ++n) batch.emplace_back(keys[n].view(), values.of(done + n));
    store->put(batch, false);
    if (done % 100'000 == 0) rss_most = std::max(rss_most, rss_bytes());
  }
  const double load_seconds = std::chrono::duration<double>(Clock::now() - began).count();

  Counts counts{};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < settings.threads; ++t)
    threads.emplace_back([&, t] { mixed_load(*store, settings, values, t + 1, counts, done); });
  std::ofstream csv;
  if (!settings.csv.empty()) csv.open(settings.csv, std::ios::app);
  std::vector<uint64_t> totals;
  std::array<uint64_t, 4> last{};
  uint64_t slowest = 0;
  const auto start = Clock::now();
  for (size_t second = 0; static_cast<double>(second) < settings.minutes * 60; ++second) {
    std::this_thread::sleep_until(start + std::chrono::seconds(second + 1));
    const std::array<uint64_t, 4> now{counts.gets.load(), counts.puts.load(), counts.durable_puts.load(),
                                      counts.scans.load()};
    const uint64_t slowest_now = counts.slowest_put_us.exchange(0);
    const uint64_t rss = rss_bytes();
    csv << kind.name << ',' << second;
    uint64_t total = 0;
    for (size_t i = 0; i < now.size(); ++i) {
      csv << ',' << now[i] - last[i];
      total += now[i] - last[i];
    }
    csv << ',' << slowest_now << ',' << rss << ',' << disk_bytes(path) << '\n';
    totals.push_back(total);
    last = now;
    rss_most = std::max(rss_most, rss);
    slowest = std::max(slowest, slowest_now);
  }
  done = true;
  for (auto& thread : threads) thread.join();
  report(kind, settings, std::move(totals), load_seconds, rss_before, rss_most, disk_bytes(path), slowest);
}

}  // namespace

int run_sustained(const SustainedSettings& settings) {
  if (!settings.csv.empty()) {
    std::ofstream csv(settings.csv);
    if (!(csv << kHeader)) {
      std::fprintf(stderr, "bench_storage: cannot write %s\n", settings.csv.c_str());
      return 1;
    }
  }
  for (const Kind* kind : settings.kinds) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        run_one(*kind, settings);
      } catch (const std::exception& e) {
        std::fprintf(stderr, "%s: %s\n", kind->name, e.what());
        std::_Exit(1);
      }
      std::_Exit(0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) return 1;
  }
  return 0;
}

}  // namespace orbit::bench
