// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the connections of one worker share: the reply batch, free lists, time, randomness, statistics.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "output_buffer.hpp"
#include "pubsub.hpp"
#include "server.hpp"
#include "slot.hpp"

namespace orbit::resp {

class BlockedCall;
class MultiKeyCall;

class Worker {
 public:
  Worker(Server& owner, uint32_t index, uint64_t seed);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Reads the clocks; once per step is enough.
  void refresh_time() noexcept;
  uint64_t now_ms() const noexcept { return now_ms_; }
  // When a call that begins now must have ended; 0: never.
  uint64_t deadline_ns() const noexcept { return deadline_ns_; }
  uint64_t random() noexcept;  // splitmix64

  // The slot for the next command; stays here unless taken.
  Slot* spare() { return spare_ != nullptr ? spare_ : (spare_ = make_slot()); }
  Slot* take_slot() {
    Slot* slot = spare();
    spare_ = nullptr;
    return slot;
  }
  void give_back(Slot* slot) noexcept;

  MultiKeyCall* take_call();
  void give_back(MultiKeyCall* call) noexcept;

  // Counts a command; commands of one name in a row cost one increment each.
  void count(const CommandEntry& entry) noexcept {
    if (&entry != counted_) {
      flush_count();
      counted_ = &entry;
    }
    ++counted_times_;
  }
  // The command that was counted last comes again.
  void uncount() noexcept { --counted_times_; }
  void flush_count() noexcept;
  void count_error() noexcept;
  uint64_t calls(uint32_t command) const noexcept { return calls_[command].load(std::memory_order_relaxed); }

  // Commands of the connections here that have begun and have not taken effect: what a closed gate waits for.
  void began(uint32_t count = 1) noexcept { unexecuted_ += count; }
  void ran() noexcept {
    if (--unexecuted_ == 0 && tells_quiet_) [[unlikely]] tell_quiet();
  }
  bool gate_closed() const noexcept { return gates_ > 0; }
  void close_gate();
  void open_gate();
  // Now, or once the gate is open: for what takes keys without being a command.
  void when_open(std::function<void()> body);

  // CLIENT PAUSE: until then, or longer if that was said before; all commands, or those that may write.
  void pause(uint64_t until_ns, bool all);
  void unpause();
  // What a new connection must wait for.
  void admit(Session& session);

  Server& server;
  Settings settings;           // as CONFIG SET has left them; the same on every worker
  const uint32_t index;
  OutputBuffer batch;          // replies of the connection whose bytes are being handled
  Session* active = nullptr;   // that connection
  LocalSubscriptions subscriptions;
  std::unordered_map<uint64_t, Session*> sessions;
  std::unordered_map<uint64_t, BlockedCall*> blocked;  // by the session's id

 private:
  static constexpr size_t kKeepSlots = 4096;
  static constexpr size_t kKeepCalls = 64;

  Slot* make_slot();
  void tell_quiet() noexcept;
  void arm_pause();

  uint32_t unexecuted_ = 0;
  bool tells_quiet_ = false;
  int32_t gates_ = 1;  // that are closed; orders to close and to open may come in any order
  std::vector<std::function<void()>> when_open_;
  uint64_t paused_until_ns_ = 0;  // 0: not paused
  bool all_paused_ = false;
  orbit_timer pause_timer_ = 0;
  Slot* spare_ = nullptr;
  Slot* free_ = nullptr;
  size_t free_count_ = 0;
  std::vector<MultiKeyCall*> calls_free_;
  uint64_t now_ms_ = 0;
  uint64_t deadline_ns_ = 0;
  uint64_t random_state_;
  const CommandEntry* counted_ = nullptr;
  uint64_t counted_times_ = 0;
  std::unique_ptr<std::atomic<uint64_t>[]> calls_;
};

// Runs `part` on every worker, then `done` on the calling one. `part` of different workers may run at the same time.
void on_all_workers(Server& server, std::function<void(Worker&)> part, std::function<void()> done);

}  // namespace orbit::resp
