// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Spare state objects, a few per type and thread, for the copies that turns make before they change state.
#pragma once

#include <cstddef>
#include <memory>

namespace orbit::detail {

template <class State>
class StateBackups {
 public:
  static constexpr size_t kKept = 16;
  static constexpr size_t kKeptStateBytesMax = size_t{16} << 10;

  constexpr StateBackups() = default;

  // A copy of `state`, to be given back with release.
  State* copy_of(const State& state) {
    if (count_ == 0) [[unlikely]] return new State(state);
    std::unique_ptr<State> copy(kept_[--count_]);
    *copy = state;
    return copy.release();
  }
  void release(State* copy) noexcept {
    if (life_ == Life::fresh) [[unlikely]] open();
    if (count_ < kKept && life_ == Life::open && copy->ByteSizeLong() <= kKeptStateBytesMax)
      kept_[count_++] = copy;
    else
      delete copy;
  }
  void close() noexcept {
    life_ = Life::closed;
    while (count_ != 0) delete kept_[--count_];
  }

 private:
  enum class Life : char { fresh, open, closed };
  void open() noexcept;

  State* kept_[kKept] = {};
  size_t count_ = 0;
  Life life_ = Life::fresh;
};

// Trivially destroyed, so that reaching it needs no guard; StateBackupsCloser does the work at thread exit.
template <class State>
inline thread_local constinit StateBackups<State> state_backups;

template <class State>
struct StateBackupsCloser {
  bool armed = false;
  ~StateBackupsCloser() { state_backups<State>.close(); }
};
template <class State>
inline thread_local StateBackupsCloser<State> state_backups_closer;

// The first copy kept on a thread arranges for close().
template <class State>
void StateBackups<State>::open() noexcept {
  state_backups_closer<State>.armed = true;
  life_ = Life::open;
}

}  // namespace orbit::detail
