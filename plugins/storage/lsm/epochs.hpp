// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Epoch-based reclamation (Fraser, "Practical lock-freedom", 2004): readers of shared pointers announce themselves with
// one counter increment; what a writer has unlinked is given back when no reader is left that could have seen it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace orbit::lsm {

class Epochs {
 public:
  struct Retired {
    void* object;
    void (*drop)(void*);
  };

  Epochs() = default;
  Epochs(const Epochs&) = delete;
  Epochs& operator=(const Epochs&) = delete;
  // No reader may be left.
  ~Epochs() {
    for (auto& list : limbo_)
      while (!list.empty()) {
        const Retired last = list.back();
        list.pop_back();
        last.drop(last.object);
      }
  }

  // While it lives, nothing that could be reached when it was made is given back. [any thread]
  class Guard {
   public:
    explicit Guard(Epochs& epochs) noexcept {
      static std::atomic<unsigned> threads{0};
      thread_local const unsigned index = threads.fetch_add(1, std::memory_order_relaxed) % kSlots;
      for (;;) {
        const uint64_t epoch = epochs.epoch_.load();
        count_ = &epochs.slots_[index].readers[epoch % 3];
        count_->fetch_add(1);
        if (epochs.epoch_.load() == epoch) return;
        count_->fetch_sub(1);
      }
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { count_->fetch_sub(1, std::memory_order_release); }

   private:
    std::atomic<int64_t>* count_;
  };

  // `object` was unlinked: no reader that comes now can find it. [any thread]
  void retire(void* object, void (*drop)(void*)) {
    {
      const std::lock_guard lock(lock_);
      limbo_[epoch_.load() % 3].push_back({object, drop});
    }
    collect();
  }
  // Gives back what can be. [any thread]
  void collect() {
    std::vector<Retired> free;
    {
      const std::lock_guard lock(lock_);
      const uint64_t epoch = epoch_.load();
      for (const Slot& slot : slots_)
        if (slot.readers[(epoch + 2) % 3].load() != 0) return;
      epoch_.store(epoch + 1);
      free.swap(limbo_[(epoch + 2) % 3]);
    }
    for (const Retired& one : free) one.drop(one.object);
  }

 private:
  static constexpr unsigned kSlots = 64;
  struct alignas(64) Slot {
    std::array<std::atomic<int64_t>, 3> readers{};
  };
  std::array<Slot, kSlots> slots_;
  std::atomic<uint64_t> epoch_{3};
  std::mutex lock_;
  std::array<std::vector<Retired>, 3> limbo_;
};

}  // namespace orbit::lsm
