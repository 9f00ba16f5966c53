// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A node of the runtime alone, for its tests: simulated executor, an ordered map with faults to inject as storage, and one
// native actor type, a cell with a number, sub-records and an expiry.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actor/runtime.hpp"
#include "executor/sim_executor.hpp"

namespace test {

using namespace orbit::kernel;

// What survives a crash of the node: make a new SimNode on it.
struct Disk {
  std::map<std::string, std::string> data;
  bool full = false;          // writes are refused
  int fail_after_writes = -1; // >= 0: refuses once that many more writes have passed
  uint64_t writes = 0;
  uint64_t syncs = 0;
  std::function<void()> scanned;  // called at the end of every scan
  Engine engine(bool cached = false) { return {"disk", &kTable, cached ? &kCachedTable : nullptr, this}; }
  static const orbit_storage_v1 kTable;
  static const orbit_storage_cached_v1 kCachedTable;  // answers at once, so that activation happens inside send
};

enum Method : uint32_t { kAdd = 1, kGet = 2, kFail = 3, kAddAndFail = 4, kSleep = 5, kExpireAt = 6, kSetSub = 7, kErase = 8,
                         kRelay = 9, kPost = 10 };

// What kRelay and kPost take: where to go on, "type/key" by "type/key", separated by blanks; '*' before a name: shielded. The
// last one gets `last`.
struct Route {
  std::string path;
  Method last = kGet;
  int64_t argument = 0;
};

// What the other methods take and answer.
void put_number(orbit_envelope* envelope, int64_t value);
std::optional<int64_t> number_of(const orbit_envelope* envelope);

struct Cell {
  orbit_activation* activation = nullptr;
  std::string key;
  int64_t value = 0;
  uint64_t expires_at_ms = 0;
  std::map<std::string, std::string> subs;
  std::map<std::string, std::string> changed_subs;
  bool exists = false;
  orbit_envelope* sleeping = nullptr;  // a pending turn
  std::vector<std::string> heard;      // what the calls it made were answered
  uint64_t deadline_seen_ns = 0;
};

struct Answer {
  bool arrived = false;
  orbit_code code = ORBIT_OK;
  std::string message;
  int64_t value = 0;
  orbit_envelope* call = nullptr;  // until it arrives
};

struct SimNode {
  SimNode(Disk& disk, uint64_t seed, uint32_t workers = 1, RuntimeOptions options = {}, bool cached = false);
  // With several storages.
  SimNode(std::vector<Engine> engines, Runtime::Route route, uint64_t seed, uint32_t workers, RuntimeOptions options = {});
  ~SimNode();

  // Sends from a worker; the answer fills in while the node steps.
  std::shared_ptr<Answer> send(uint32_t from_worker, const std::string& type, const std::string& key, Method method,
                               int64_t argument = 0, uint64_t deadline_ns = 0);
  // Has the first actor of the route call the second, and so on; each passes on what it is answered.
  std::shared_ptr<Answer> relay(const std::string& route, Method last, int64_t argument = 0, uint64_t deadline_ns = 0);
  // A one-way message.
  void post(const std::string& type, const std::string& key, Method method, int64_t argument);
  // Ends the pending turn of a cell.
  void wake(const std::string& type, const std::string& key);
  // No longer wants an answer that `send` or `relay` of that worker promised.
  void cancel(uint32_t worker, const std::shared_ptr<Answer>& answer);
  // Steps until the answer is there.
  const Answer& wait(const std::shared_ptr<Answer>& answer);
  const Answer& call(const std::string& type, const std::string& key, Method method, int64_t argument = 0) {
    return wait(last_ = send(0, type, key, method, argument));
  }
  // Runs function on a worker and steps until done() holds.
  void on_worker(uint32_t worker, std::function<void()> function);
  bool run_until(const std::function<bool()>& done) { return executor.run_until(done, 3'000'000); }
  // Virtual time passes.
  void pass_ms(uint64_t ms);
  // The cell object, or null when it is not in memory.
  Cell* cell(const std::string& type, const std::string& key);
  size_t in_memory() const;

  SimExecutor executor;
  Runtime runtime;

 private:
  std::shared_ptr<Answer> send_with(uint32_t from_worker, const std::string& type, const std::string& key, Method method,
                                    uint64_t deadline_ns, std::function<void(orbit_envelope*)> fill);
  std::shared_ptr<Answer> last_;
};

// Steps until the cell's turn sleeps.
Cell* asleep(SimNode& node, const std::string& type, const std::string& key);

// A kernel figure, summed over the workers (and over `labels`, when it has more).
uint64_t metric(const SimNode& node, const std::string& name);

// All cells alive, for tests that look inside; single-threaded.
std::vector<Cell*>& cells();
const orbit_actor_type* cell_type(const char* name, orbit_durability durability, uint64_t flush_delay_ms = 0);

}  // namespace test
