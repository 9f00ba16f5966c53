// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Memory of coroutine frames: per-thread free lists by size, so that the steady state does not call malloc. Bounded: a thread
// keeps at most kKeptBytesMax. A frame may be freed on another thread than the one that made it.
#pragma once

#include <cstddef>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ORBIT_FRAME_POOL_OFF 1  // reused frames would hide a use after free from the sanitizer
#endif
#endif

namespace orbit::detail {

class FramePool {
 public:
  static constexpr size_t kStepBytes = 64;
  static constexpr size_t kClasses = 16;  // frames up to 1 KiB
  static constexpr size_t kKeptBytesMax = size_t{1} << 20;

  constexpr FramePool() = default;

  void* allocate(size_t size) {
    const size_t index = (size - 1) / kStepBytes;
    if (index >= kClasses) return ::operator new(size);
    Free* head = free_[index];
    if (head == nullptr) [[unlikely]] return allocate_new(index);
    free_[index] = head->next;
    kept_bytes_ -= (index + 1) * kStepBytes;
    return head;
  }

  void release(void* memory, size_t size) noexcept {
    const size_t index = (size - 1) / kStepBytes;
    const size_t bytes = (index + 1) * kStepBytes;
    if (index >= kClasses || kept_bytes_ + bytes > kKeptBytesMax) return ::operator delete(memory);
    if (state_ != State::open) [[unlikely]] {
      if (state_ == State::closed) return ::operator delete(memory);
      open();
    }
    free_[index] = ::new (memory) Free{free_[index]};
    kept_bytes_ += bytes;
  }

  size_t kept_bytes() const noexcept { return kept_bytes_; }

  // At thread exit; later releases on this thread go straight back.
  void close() noexcept {
    state_ = State::closed;
    for (Free*& head : free_) {
      while (head != nullptr) {
        Free* next = head->next;
        ::operator delete(head);
        head = next;
      }
    }
    kept_bytes_ = 0;
  }

 private:
  struct Free {
    Free* next;
  };
  enum class State : char { fresh, open, closed };

  static void* allocate_new(size_t index) { return ::operator new((index + 1) * kStepBytes); }
  void open() noexcept;

  Free* free_[kClasses] = {};
  size_t kept_bytes_ = 0;
  State state_ = State::fresh;
};

// Trivially destroyed, so that reaching it needs no guard; FramePoolCloser does the work at thread exit.
inline thread_local constinit FramePool frame_pool;

// Constructed on a thread by its first use there.
struct FramePoolCloser {
  bool armed = false;
  ~FramePoolCloser() { frame_pool.close(); }
};
inline thread_local FramePoolCloser frame_pool_closer;

// The first frame kept on a thread arranges for close().
inline void FramePool::open() noexcept {
  frame_pool_closer.armed = true;
  state_ = State::open;
}

inline void* allocate_frame(size_t size) {
#ifdef ORBIT_FRAME_POOL_OFF
  return ::operator new(size);
#else
  return frame_pool.allocate(size);
#endif
}

inline void release_frame(void* memory, [[maybe_unused]] size_t size) noexcept {
#ifdef ORBIT_FRAME_POOL_OFF
  ::operator delete(memory);
#else
  frame_pool.release(memory, size);
#endif
}

}  // namespace orbit::detail
