// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Actors in one process, Orbit's and the peers', in turn: prints medians and ratios.
//   bench_actors [--runs N] [--json FILE] [--only TEXT] [--dir FOLDER] [--side orbit|peer]
// --only: workloads whose name contains TEXT; --dir: where databases are written (made and removed; default: the system's folder
// for temporary files, which should lie on a disk); --json: every run. Each measurement runs in a process of its own.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "sides.hpp"

namespace orbit::bench {

void die(const std::string& why) {
  std::fprintf(stderr, "bench_actors: %s\n", why.c_str());
  std::_Exit(1);
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

namespace {

using Figures = std::vector<double>;

struct Row {
  std::string name;
  const char* unit;
  double asked;          // 0: nothing is
  bool less_is_better;
  bool asked_of_ratio = false;  // `asked` is how many times the peer's figure
};

struct Workload {
  std::vector<Row> rows;  // one for each figure
  const char* peer;       // null: there is none
  std::function<Figures(const std::string& folder)> orbit_side;
  std::function<Figures(const std::string& folder)> peer_side;
};

double median(Figures values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<Workload> workloads() {
  constexpr Sending kBatches{20'000'000, 1000, 1};
  constexpr Sending kFlood{2'000'000, 1'000'000, 1};
  constexpr Sending kRandom{5'000'000, 1000, 100'000};
  constexpr Sending kRandomOfTwo{5'000'000, 1000, 50'000};
  constexpr int64_t kIdle = 1'000'000;
  constexpr int64_t kActivations = 300'000;
  // CAF gets fewer messages: rates do not depend on how many, and it takes longer.
  const auto fewer = [](Sending what) { return Sending{std::max(what.messages / 4, what.batch), what.batch, what.actors}; };
  std::vector<Workload> out;
  const auto add = [&](std::vector<Row> rows, const char* peer, std::function<Figures(const std::string&)> ours,
                       std::function<Figures(const std::string&)> theirs) {
#ifndef BENCH_CAF
    if (peer != nullptr && std::strncmp(peer, "CAF", 3) == 0) peer = nullptr;
#endif
    out.push_back({std::move(rows), peer, std::move(ours), std::move(theirs)});
  };
#ifdef BENCH_CAF
  const Side* const caf = &kCaf;
  const auto spawns = &caf_spawns;
#else
  const Side* const caf = &kOrbit;  // never asked
  const auto spawns = [](int64_t) { return 0.0; };
#endif
  add({{"one-way, 1 sender, 1 receiver, batches of 1000", "M/s", 70, false}}, "CAF",
      [=](auto&) { return Figures{kOrbit.one_way(kBatches)}; }, [=](auto&) { return Figures{caf->one_way(fewer(kBatches))}; });
  add({{"one-way flood of 1,000,000", "M/s", 10, false}}, "CAF", [=](auto&) { return Figures{kOrbit.one_way(kFlood)}; },
      [=](auto&) { return Figures{caf->one_way(fewer(kFlood))}; });
  add({{"request and reply, one in flight", "M/s", 8, false}}, "CAF",
      [=](auto&) { return Figures{kOrbit.request_reply(10'000'000)}; },
      [=](auto&) { return Figures{caf->request_reply(1'000'000)}; });
  add({{"random sends over 100,000 actors", "M/s", 10, false}}, "CAF", [=](auto&) { return Figures{kOrbit.random(kRandom, 1)}; },
      [=](auto&) { return Figures{caf->random(fewer(kRandom), 1)}; });
  add({{"random sends over 100,000 actors, 2 workers", "M/s", 18, false}}, "CAF",
      [=](auto&) { return Figures{kOrbit.random(kRandomOfTwo, 2)}; },
      [=](auto&) { return Figures{caf->random(fewer(kRandomOfTwo), 2)}; });
  const auto latency = [](const char* where, double p50, double p99) {
    return std::vector<Row>{{std::string("ping-pong one way, ") + where + ", p50", "ns", p50, true},
                            {std::string("ping-pong one way, ") + where + ", p99", "ns", p99, true},
                            {std::string("ping-pong one way, ") + where + ", p99.9", "ns", 0, true}};
  };
  add(latency("same worker", 60, 120), "CAF", [](auto&) { return kOrbit.ping_pong(4'000'000, false); },
      [=](auto&) { return caf->ping_pong(1'000'000, false); });
  add(latency("two workers", 250, 0), "CAF, two detached", [](auto&) { return kOrbit.ping_pong(1'000'000, true); },
      [=](auto&) { return caf->ping_pong(20'000, true); });
  const auto beside = [&](const char* what, int64_t calls, bool durable) {
    const std::string name = std::string(what) + ", other worker burning, p";
    add({{name + "50", "ns", 0, true}, {name + "99", "ns", 1, true, true}, {name + "99.9", "ns", 0, true}}, "Orbit, nothing burning",
        [=](auto& folder) { return orbit_calls_beside(true, calls, durable ? folder : std::string()); },
        [=](auto& folder) { return orbit_calls_beside(false, calls, durable ? folder : std::string()); });
  };
  beside("call", 2'000'000, false);
  beside("durable call", 2'000, true);
  add({{"activations from the memory engine", "M/s", 2, false}}, "CAF, spawn",
      [=](auto&) { return Figures{orbit_activations(kActivations, 100, {})}; },
      [=](auto&) { return Figures{spawns(kActivations)}; });
  add({{"activations from RocksDB in cache", "M/s", 0.25, false}}, nullptr,
      [=](auto& folder) { return Figures{orbit_activations(kActivations, 100, folder)}; }, {});
  add({{"durable turns, 1,000 actors in flight", "k/s", 10, false, true}}, "RocksDB, 1 writer, sync",
      [](auto& folder) { return Figures{orbit_durable_turns(1000, 1500, folder)}; },
      [](auto& folder) { return Figures{rocksdb_durable_puts(1500, folder)}; });
  add({{"idle activation with its actor object", "bytes", 256, true}}, "CAF", [=](auto&) { return Figures{kOrbit.idle_bytes(kIdle)}; },
      [=](auto&) { return Figures{caf->idle_bytes(kIdle)}; });
  add({{"process with 1,000,000 actors of 100 bytes of state", "MB", 600, true}}, "CAF",
      [=](auto&) { return Figures{kOrbit.resident_bytes(kIdle, 100) / 1e6}; },
      [=](auto&) { return Figures{caf->resident_bytes(kIdle, 100) / 1e6}; });
  return out;
}

// Runs it in a child process with a new folder.
Figures apart(const std::function<Figures(const std::string&)>& measure, const std::filesystem::path& dir) {
  const std::filesystem::path folder = dir / ("bench-actors-" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) die("pipe failed");
  const pid_t child = fork();
  if (child < 0) die("fork failed");
  if (child == 0) {
    const Figures figures = measure(folder.string());
    const ssize_t size = static_cast<ssize_t>(figures.size() * sizeof(double));
    std::_Exit(write(pipe_ends[1], figures.data(), static_cast<size_t>(size)) == size ? 0 : 1);
  }
  close(pipe_ends[1]);
  Figures figures(16);
  const ssize_t got = read(pipe_ends[0], figures.data(), figures.size() * sizeof(double));
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  std::filesystem::remove_all(folder);
  if (got <= 0 || status != 0) die("a measurement failed");
  figures.resize(static_cast<size_t>(got) / sizeof(double));
  return figures;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value >= 1000 ? "%.0f" : value >= 100 ? "%.1f" : "%.2f", value);
  return text;
}

// Figures of all runs, by row.
struct Table {
  explicit Table(const char* file) : json_(file != nullptr ? std::fopen(file, "w") : nullptr) {
    if (file != nullptr && json_ == nullptr) die(std::string("cannot write ") + file);
    if (json_ != nullptr) std::fprintf(json_, "{\n");
    std::printf("%-52s %-6s %9s %9s %7s %7s %7s  %s\n", "workload (median of runs)", "", "Orbit", "peer", "ratio", "asked", "reached",
                "peer");
  }
  ~Table() {
    if (json_ == nullptr) return;
    std::fprintf(json_, "\n}\n");
    std::fclose(json_);
  }
  void add(const Row& row, const char* peer, const Figures& ours, const Figures& theirs) {
    const double our_median = ours.empty() ? 0 : median(ours);
    const double their_median = theirs.empty() ? 0 : median(theirs);
    const auto ratio = [&](double a, double b) { return a == 0 || b == 0 ? std::string("-") : number(row.less_is_better ? b / a : a / b); };
    const double asked = row.asked_of_ratio ? row.asked * their_median : row.asked;
    std::printf("%-52s %-6s %9s %9s %7s %7s %7s  %s\n", row.name.c_str(), row.unit, ours.empty() ? "-" : number(our_median).c_str(),
                theirs.empty() ? "-" : number(their_median).c_str(), ratio(our_median, their_median).c_str(),
                asked == 0 ? "-" : number(asked).c_str(), ratio(our_median, asked).c_str(), theirs.empty() ? "" : peer);
    std::fflush(stdout);
    if (json_ == nullptr) return;
    std::fprintf(json_, "%s  \"%s\": {\"unit\": \"%s\", \"asked\": %g, \"orbit\": [", first_ ? "" : ",\n", row.name.c_str(), row.unit,
                 asked);
    for (size_t i = 0; i < ours.size(); ++i) std::fprintf(json_, "%s%.6g", i == 0 ? "" : ", ", ours[i]);
    std::fprintf(json_, "], \"peer\": \"%s\", \"peers\": [", theirs.empty() ? "" : peer);
    for (size_t i = 0; i < theirs.size(); ++i) std::fprintf(json_, "%s%.6g", i == 0 ? "" : ", ", theirs[i]);
    std::fprintf(json_, "]}");
    first_ = false;
  }

 private:
  std::FILE* json_;
  bool first_ = true;
};

int run(int argc, char** argv) {
  int runs = 5;
  const char* json = nullptr;
  const char* only = "";
  std::string side;
  std::filesystem::path dir = std::filesystem::temp_directory_path();
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    if (i + 1 == argc) die(option + " needs a value");
    if (option == "--runs")
      runs = std::max(1, std::atoi(argv[i + 1]));
    else if (option == "--json")
      json = argv[i + 1];
    else if (option == "--only")
      only = argv[i + 1];
    else if (option == "--dir")
      dir = argv[i + 1];
    else if (option == "--side")
      side = argv[i + 1];
    else
      die("unknown option " + option + "; --runs, --json, --only, --dir, --side");
  }
#ifndef BENCH_CAF
  std::fprintf(stderr, "bench_actors: built without CAF (Debian's libcaf-dev), whose column stays empty\n");
#endif
  Table table(json);
  const std::vector<Workload> all = workloads();
  const auto has_row = [](const Workload& workload, auto&& wanted) {
    return std::any_of(workload.rows.begin(), workload.rows.end(), wanted);
  };
  // A row's whole name means that one only, although others may begin with it.
  const auto named = [&](const Row& row) { return row.name == only; };
  const bool whole = std::any_of(all.begin(), all.end(), [&](const Workload& each) { return has_row(each, named); });
  const auto chosen = [&](const Row& row) { return whole ? named(row) : row.name.find(only) != std::string::npos; };
  for (const Workload& workload : all) {
    if (!has_row(workload, chosen)) continue;
    std::vector<Figures> ours(workload.rows.size());
    std::vector<Figures> theirs(workload.rows.size());
    const auto measure = [&](const auto& function, std::vector<Figures>& into) {
      const Figures figures = apart(function, dir);
      if (figures.size() != into.size()) die("a measurement has another number of figures");
      for (size_t i = 0; i < figures.size(); ++i) into[i].push_back(figures[i]);
    };
    for (int each = 0; each < runs; ++each) {
      if (side != "peer") measure(workload.orbit_side, ours);
      if (side != "orbit" && workload.peer != nullptr) measure(workload.peer_side, theirs);
    }
    for (size_t i = 0; i < workload.rows.size(); ++i) table.add(workload.rows[i], workload.peer, ours[i], theirs[i]);
  }
  return 0;
}

}  // namespace

}  // namespace orbit::bench

int main(int argc, char** argv) {
  try {
    return orbit::bench::run(argc, argv);
  } catch (const std::exception& error) {
    orbit::bench::die(error.what());
  }
}
