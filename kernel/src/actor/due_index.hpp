// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The index of what is due when: moments that actors asked for (orbit_writer.set_due: reminders and the like) and states that
// expire. It lies in storage, ordered by time; an actor's commit changes it together with its state. This part reads it in that
// order, a bounded window ahead, and sends ORBIT_METHOD_DUE or ORBIT_METHOD_EXPIRE when the time has come, to actors in memory
// or not. A million entries cost memory for a window of them, and nobody ever walks over all.
//
// What is known. Every entry below known_to_ is in the window, on its way, waiting for another try, or done. A commit that adds
// an entry below that border says so (added), and the border moves back to it: what lies behind is read again when its time
// comes. The actor decides whether an entry still stands, so that reading one twice is harmless.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "executor/executor.hpp"
#include "orbit/ext/actors.h"

namespace orbit::kernel {

class Runtime;
struct Store;

// Of one storage. Lives on worker 0.
class DueIndex {
 public:
  static constexpr size_t kWindow = 1024;          // entries read at once
  static constexpr size_t kInFlightMax = 1024;     // ticks whose turns have not ended
  static constexpr size_t kRetriesMax = 65'536;    // failed ticks remembered; the rest is found again by reading
  static constexpr uint64_t kRetryMinMs = 250;     // after a failed tick, doubled each time
  static constexpr uint64_t kRetryMaxMs = 60'000;

  DueIndex(Runtime& runtime, Store& store) : runtime_(runtime), store_(store) {}
  ~DueIndex();
  DueIndex(const DueIndex&) = delete;
  DueIndex& operator=(const DueIndex&) = delete;

  void start();                               // [worker 0]
  // No more ticks. [any thread]
  void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }
  // A commit with an entry for at_ms is in storage. [any worker]
  void added(uint64_t at_ms) noexcept;
  // Types came into service: entries that had nobody to go to are looked at again. [any thread]
  void types_changed();

  struct Counters {
    std::atomic<uint64_t> sent{0}, failed{0}, scans{0}, read{0};
    std::atomic<uint64_t> waiting{0};  // in the window, on their way or waiting for another try
  };
  const Counters& counters() const noexcept { return counters_; }

 private:
  struct Entry {
    std::string key;  // in storage
    uint64_t due_ms = 0;
    uint32_t failures = 0;
  };
  struct Delivery;  // a tick on its way

  void pump();
  void arm();
  void begin_scan();
  void scan();
  void scanned();
  void move_border_back(uint64_t at_ms);
  void publish_border() noexcept;
  void read_again();
  void deliver(Entry entry);
  void done(Delivery* delivery, orbit_code code);
  void check_expired(Delivery* delivery);
  void ended(Delivery* delivery, bool good, bool nobody);
  uint64_t border_ms() const noexcept;
  uint64_t next_look_ms() const noexcept;

  Runtime& runtime_;
  Store& store_;
  std::atomic<bool> stopped_{false};

  std::deque<Entry> window_;
  std::string known_to_;
  bool known_all_ = false;
  std::multimap<uint64_t, Entry> retries_;       // by the time of the next try
  std::unordered_set<std::string> taken_;        // keys on their way or in retries_
  std::unordered_set<Delivery*> in_flight_;      // owned
  uint64_t read_again_at_ms_ = UINT64_MAX;
  bool nobody_ = false;                          // an entry's type was not in service
  orbit_timer timer_ = 0;
  uint64_t timer_at_ms_ = UINT64_MAX;
  bool pumping_ = false;

  // Filled on the I/O pool between begin_scan and scanned.
  bool scanning_ = false;
  std::string scan_from_;
  std::vector<std::string> found_;
  bool scan_failed_ = false;

  // What `added` needs: entries up to this time matter now.
  std::atomic<uint64_t> border_{0};
  std::atomic<uint64_t> added_{UINT64_MAX};
  std::atomic<bool> added_posted_{false};
  Counters counters_;
};

}  // namespace orbit::kernel
