// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Storage engines beside each other on this machine: 16-byte keys, 100-byte values. Rounds go through the engines in turn and
// the median of the rounds counts, so that what else the machine does hits all alike.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <stdexcept>
#include <thread>

#include "peers.hpp"
#include "sustained.hpp"

namespace {

using namespace orbit::bench;
namespace fs = std::filesystem;

struct Settings {
  size_t keys = 1'000'000;
  size_t gets = 1'000'000;
  size_t rounds = 3;
  double durable_seconds = 1.5;
  bool json = false;
  std::string directory = "/tmp";
  std::string workloads;  // with commas between; empty: all
  std::vector<const Kind*> kinds;
  StoreOptions store;
};

bool names(const std::string& list, const std::string& name) {
  return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

double seconds_of(const std::function<void()>& run) {
  const auto began = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

std::string key_of(size_t i) {
  char text[32];
  std::snprintf(text, sizeof text, "%016zu", i);
  return text;
}

uint64_t bytes_in(const fs::path& directory) {
  uint64_t out = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) {
      struct stat info {};
      // What lies on the device: LMDB's file is sparse.
      if (::stat(entry.path().c_str(), &info) == 0) out += static_cast<uint64_t>(info.st_blocks) * 512;
    }
  return out;
}

// What this process has caused to be written so far; 0 where the system does not count it.
double bytes_written() {
  std::ifstream counters("/proc/self/io");
  std::string name;
  for (double value = 0; counters >> name >> value;)
    if (name == "write_bytes:") return value;
  return 0;
}

class Bench {
 public:
  explicit Bench(Settings settings) : settings_(std::move(settings)) {
    values_.resize(settings_.keys * 100);
    std::mt19937_64 random(1);
    for (size_t i = 0; i + 8 <= values_.size(); i += 8) {
      const uint64_t word = random();
      std::memcpy(values_.data() + i, &word, 8);
    }
    order_.resize(settings_.keys);
    std::iota(order_.begin(), order_.end(), 0);
    std::shuffle(order_.begin(), order_.end(), random);
    // Random keys for random fill, ascending ones for the other.
    for (size_t i = 0; i < settings_.keys; ++i) keys_.push_back(key_of(i));
  }

  int run() {
    for (size_t round = 0; round < settings_.rounds; ++round)
      for (const Kind* kind : settings_.kinds) one(*kind);
    report();
    return 0;
  }

 private:
  std::string_view value(size_t i) const { return std::string_view(values_).substr(i * 100, 100); }
  void note(const Kind& kind, const char* workload, double figure) { figures_[workload][kind.name].push_back(figure); }
  std::string fresh(const Kind& kind) {
    const std::string path = settings_.directory + "/orbit-bench-storage-" + std::to_string(getpid()) + "-" + kind.name;
    fs::remove_all(path);
    fs::create_directories(path);
    return path;
  }

  bool asked(const char* workload) const { return settings_.workloads.empty() || names(settings_.workloads, workload); }

  void fill(Store& store, bool random, size_t batch) {
    Pairs pairs;
    for (size_t i = 0; i < settings_.keys;) {
      pairs.clear();
      for (size_t n = 0; n < batch && i < settings_.keys; ++n, ++i) {
        const size_t at = random ? order_[i] : i;
        pairs.emplace_back(keys_[at], value(at));
      }
      store.put(pairs, false);
    }
  }

  void one(const Kind& kind) {
    const double n = static_cast<double>(settings_.keys);
    const double raw = n * 116;
    if (asked("fill_sequential")) {
      const std::string path = fresh(kind);
      auto store = kind.open(path, settings_.store);
      note(kind, "fill_sequential_batch_1000_kps", n / seconds_of([&] { fill(*store, false, 1000); }) / 1e3);
      store.reset();
      note(kind, "size_sequential_of_raw", static_cast<double>(bytes_in(path)) / raw);
      fs::remove_all(path);
    }
    if (asked("fill_batches")) {
      const std::string path = fresh(kind);
      auto store = kind.open(path, settings_.store);
      note(kind, "fill_random_batch_1000_kps", n / seconds_of([&] { fill(*store, true, 1000); }) / 1e3);
      store.reset();
      fs::remove_all(path);
    }
    if (asked("fill_single") || asked("read")) {
      const std::string path = fresh(kind);
      auto store = kind.open(path, settings_.store);
      const double before = bytes_written();
      note(kind, "fill_random_1_kps", n / seconds_of([&] { fill(*store, true, 1); }) / 1e3);
      store->settle();
      store.reset();
      note(kind, "written_random_of_raw", (bytes_written() - before) / raw);
      note(kind, "size_random_of_raw", static_cast<double>(bytes_in(path)) / raw);
      if (asked("read")) {
        store = kind.open(path, settings_.store);
        reads(kind, *store);
        store.reset();
      }
      fs::remove_all(path);
    }
    if (!asked("durable")) return;
    for (const size_t writers : {1, 8, 64}) {
      const std::string path = fresh(kind);
      auto store = kind.open(path, settings_.store);
      durable(kind, *store, writers);
      store.reset();
      fs::remove_all(path);
    }
  }

  void reads(const Kind& kind, Store& store) {
    std::mt19937_64 random(7);
    std::vector<std::string_view> asked;
    for (size_t i = 0; i < settings_.gets; ++i) asked.push_back(keys_[random() % settings_.keys]);
    store.scan();  // warm
    const size_t bytes = settings_.keys * 116;
    note(kind, "scan_Mps", static_cast<double>(settings_.keys) / 1e6 / seconds_of([&] {
                             if (store.scan() != bytes) throw std::runtime_error("a scan misses something");
                           }));
    std::string value;
    size_t found = 0;
    const auto get_all = [&] {
      for (const auto key : asked) found += store.get(key, value) ? 1 : 0;
    };
    get_all();
    note(kind, "get_random_kps", static_cast<double>(asked.size()) / seconds_of(get_all) / 1e3);
    if (found != 2 * asked.size()) throw std::runtime_error("a get misses something");
    found = 0;
    note(kind, "multi_get_100_kps", static_cast<double>(asked.size()) / 1e3 / seconds_of([&] {
                                      std::vector<std::string_view> part;
                                      for (size_t i = 0; i < asked.size(); i += part.size()) {
                                        part.assign(asked.begin() + static_cast<ptrdiff_t>(i),
                                                    asked.begin() + static_cast<ptrdiff_t>(std::min(asked.size(), i + 100)));
                                        found += store.multi_get(part);
                                      }
                                    }));
    if (found != asked.size()) throw std::runtime_error("a multi-get misses something");
  }

  void durable(const Kind& kind, Store& store, size_t writers) {
    std::atomic<bool> done{false};
    std::atomic<uint64_t> total{0};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < writers; ++t)
      threads.emplace_back([&, t] {
        std::mt19937_64 random(t);
        uint64_t mine = 0;
        while (!done.load(std::memory_order_relaxed)) {
          const size_t at = random() % settings_.keys;
          store.put({{keys_[at], value(at)}}, true);
          ++mine;
        }
        total += mine;
      });
    const double took = seconds_of([&] {
      std::this_thread::sleep_for(std::chrono::duration<double>(settings_.durable_seconds));
      done = true;
      for (auto& thread : threads) thread.join();
    });
    note(kind, ("durable_put_" + std::to_string(writers) + "_kps").c_str(), static_cast<double>(total.load()) / took / 1e3);
  }

  static double median(std::vector<double> list) {
    std::sort(list.begin(), list.end());
    return list.size() % 2 == 1 ? list[list.size() / 2] : (list[list.size() / 2 - 1] + list[list.size() / 2]) / 2;
  }

  void report() {
    if (settings_.json) {
      std::printf("{");
      const char* comma = "";
      for (const auto& [workload, engines] : figures_) {
        std::printf("%s\n  \"%s\": {", comma, workload.c_str());
        const char* inner = "";
        for (const auto& [engine, list] : engines) {
          std::printf("%s\"%s\": %.3f", inner, engine.c_str(), median(list));
          inner = ", ";
        }
        std::printf("}");
        comma = ",";
      }
      std::printf("\n}\n");
      return;
    }
    std::printf("%-34s", "");
    for (const Kind* kind : settings_.kinds) std::printf("%20s", kind->name);
    std::printf("   cow_btree to the others; lsm to the others\n");
    for (const auto& [workload, engines] : figures_) {
      std::printf("%-34s", workload.c_str());
      std::map<std::string, double> medians;
      for (const auto& [engine, list] : engines) medians[engine] = median(list);
      for (const Kind* kind : settings_.kinds) std::printf("%20.2f", medians[kind->name]);
      std::printf("  ");
      for (const char* ours : {"cow_btree", "lsm"}) {
        for (const Kind* kind : settings_.kinds)
          if (std::string_view(ours) != kind->name)
            std::printf(" %6.2f", medians[kind->name] > 0 ? medians[ours] / medians[kind->name] : 0.0);
        std::printf("  ");
      }
      std::printf("\n");
    }
  }

  const Settings settings_;
  std::string values_;
  std::vector<size_t> order_;
  std::vector<std::string> keys_;
  std::map<std::string, std::map<std::string, std::vector<double>>> figures_;
};

// A name that is in `chosen`, between commas; without any: all that are not encrypted, or all of ours.
std::vector<const Kind*> kinds_of(const std::string& chosen, bool encrypted) {
  std::vector<const Kind*> out;
  for (const Kind& kind : kKinds) {
    const bool ours = kind.encrypted || std::string_view(kind.name) == "cow_btree" || std::string_view(kind.name) == "lsm";
    if (chosen.empty() ? (encrypted ? ours : !kind.encrypted) : names(chosen, kind.name))
      out.push_back(&kind);
  }
  return out;
}

int main_of(int argc, char** argv) {
  Settings settings;
  SustainedSettings sustained;
  bool run_long = false;
  bool encrypted = false;
  std::string engines;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto next = [&] {
      if (i + 1 >= argc) throw std::runtime_error(name + " needs a value");
      return std::string(argv[++i]);
    };
    if (name == "--keys")
      settings.keys = settings.gets = sustained.keys = std::stoul(next());
    else if (name == "--rounds")
      settings.rounds = std::stoul(next());
    else if (name == "--durable-seconds")
      settings.durable_seconds = std::stod(next());
    else if (name == "--dir")
      settings.directory = sustained.directory = next();
    else if (name == "--engines")
      engines = next();
    else if (name == "--workloads")
      settings.workloads = next();
    else if (name == "--encrypted")
      encrypted = true;
    else if (name == "--sustained") {
      sustained.minutes = std::stod(next());
      run_long = true;
    } else if (name == "--cache-mb")
      settings.store.cache_bytes = sustained.store.cache_bytes = std::stoul(next()) << 20;
    else if (name == "--threads")
      sustained.threads = std::stoul(next());
    else if (name == "--csv")
      sustained.csv = next();
    else if (name == "--json")
      settings.json = true;
    else {
      std::fprintf(stderr,
                   "usage: bench_storage [--keys N] [--rounds N] [--durable-seconds S] [--cache-mb N] [--dir PATH] [--engines a,b] [--encrypted]\n"
                   "                     [--json] [--workloads fill_sequential,fill_batches,fill_single,read,durable]\n"
                   "       bench_storage --sustained MINUTES [--keys N] [--cache-mb N] [--threads N] [--csv FILE] [--dir PATH] [--engines a,b]\n");
      return 2;
    }
  }
  if (run_long) {
    sustained.kinds = kinds_of(engines.empty() && !encrypted ? "cow_btree,lsm,rocksdb" : engines, encrypted);
    return run_sustained(sustained);
  }
  settings.kinds = kinds_of(engines, encrypted);
  return Bench(std::move(settings)).run();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return main_of(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_storage: %s\n", e.what());
    return 1;
  }
}
