// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which actors of a worker are busiest, by turns and by time, from a sample of its turns.
//
// A sampled turn stands for all since the sample before. What turns do after the answers that they waited for is sampled in the
// same way and apart from them, so that a turn that makes calls without end is no dearer than others. Samples are about half a millisecond apart (every turn on a quiet
// worker, one in thousands on a busy one, at random distances so that no rhythm of the actors hides any of them), so that they
// cost a worker a few ten-thousandths of its time. They go into Space-Saving tables (Metwally, Agrawal, El Abbadi: "Efficient
// Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005) of kEntries each: whoever has more than 1/kEntries
// of what a table counted is in it, and what an entry may lack is known. Two windows of kWindowNs are kept; readers get both.
// Only readers allocate.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "orbit/ext/introspection.h"

struct orbit_activation;
struct orbit_type;

namespace orbit::kernel {

class HotActors {
 public:
  static constexpr size_t kEntries = ORBIT_HOT_ACTORS_MAX;
  static constexpr size_t kKeyShownMax = 128;
  static constexpr uint64_t kWindowNs = 10'000'000'000;

  // Who a sampled turn belonged to: the actor may be gone when the turn has ended.
  struct Actor {
    const orbit_type* type = nullptr;
    uint64_t hash = 0;
    uint32_t key_size = 0;  // of the whole key
    char key[kKeyShownMax];
    Actor() = default;
    explicit Actor(const orbit_activation* a) noexcept;
    std::string_view shown() const noexcept { return {key, key_size < kKeyShownMax ? key_size : kKeyShownMax}; }
  };
  struct Hot {
    Actor actor;
    uint64_t calls = 0;    // since it came into the table
    uint64_t time_ns = 0;
    uint64_t error = 0;    // of calls or time, whichever the table is by: at most so much came before that
  };
  struct Report {
    uint64_t window_ns = 0;
    uint64_t turns = 0;  // of the window, exactly
    std::vector<Hot> hot;  // most first
  };

  explicit HotActors(uint64_t seed) noexcept : random_(seed * 2 + 1) {}

  // The turn with this number is to be sampled, or the first one after it.
  uint64_t next() const noexcept { return turns_.next; }
  // A sampled turn begins, the worker's `turns`th. Returns for how many turns it stands. Others may be sampled inside it.
  uint64_t begins(uint64_t turns, uint64_t now_ns) noexcept;
  // It has run until now, or until its first wait.
  void ended(const Actor& actor, uint64_t stands_for, uint64_t began_ns, uint64_t now_ns) noexcept;
  // The same for turns that run on after an answer; answers are counted from 1 too.
  uint64_t next_answer() const noexcept { return answers_.next; }
  uint64_t runs_on(uint64_t answers, uint64_t now_ns) noexcept { return sample(answers_, answers, now_ns); }
  void ran_on(const Actor& actor, uint64_t stands_for, uint64_t began_ns, uint64_t now_ns) noexcept;
  // Now and then: keeps windows and the rate of sampling in step with the clock.
  void tick(uint64_t turns, uint64_t answers, uint64_t now_ns) noexcept;

  Report report(bool by_time, uint64_t turns, uint64_t now_ns) noexcept;

 private:
  struct Table {
    std::array<uint64_t, kEntries> hashes;  // apart: all are looked at for every sample
    std::array<uint64_t, kEntries> weights;
    std::array<Hot, kEntries> entries;
    size_t size = 0;
    void add(const Actor& actor, uint64_t calls, uint64_t time_ns, uint64_t weight) noexcept;
    const Hot* find(const Actor& actor) const noexcept;
    // Of an actor that is not in it: at most.
    uint64_t missed() const noexcept;
  };
  struct Window {
    uint64_t since_ns = 0;
    uint64_t turns_before = 0;
    Table by_calls;
    Table by_time;
  };

  // Which of the things that a worker counts are sampled.
  struct Rate {
    uint64_t next = 0;
    uint64_t mean = 1;        // from one sample to the next
    uint64_t sampled = 0;     // the worker's count at the last sample
    uint64_t sampled_ns = 0;
  };

  void roll(uint64_t turns, uint64_t now_ns) noexcept;
  uint64_t random() noexcept;
  // The worker's `count`th is sampled; returns for how many it stands.
  uint64_t sample(Rate& rate, uint64_t count, uint64_t now_ns) noexcept;
  void quieten(Rate& rate, uint64_t count, uint64_t now_ns) noexcept;

  Rate turns_;
  Rate answers_;
  uint64_t random_;
  std::array<Window, 2> windows_;
  size_t now_ = 0;  // which of them is filled
};

}  // namespace orbit::kernel
