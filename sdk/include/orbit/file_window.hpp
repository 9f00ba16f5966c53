// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Small writes to a file through a mapping of the part that is being written, without a call of the system for each.
// After a sync the first write to a page costs a fault, which takes longer than a call.
//
// What cannot be written there (a damaged or full device, a file that was cut) ends in SIGBUS in place of an error. The
// copy is guarded: the signal takes the thread back out of it, and the caller writes the same bytes with a call, which
// says what is wrong. A SIGBUS from anywhere else goes to whoever handled it before.
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "result.hpp"

namespace orbit::detail {

// Copies into mappings of files.
class GuardedCopy {
 public:
  // False: the place could not be written; a part of it may have been. [any thread]
  [[gnu::noinline]] static bool run(char* to, Bytes data) noexcept {
    static const bool installed = install();
    if (!installed) return false;
    Guard guard{{}, to, to + data.size()};
    if (sigsetjmp(guard.back, 0) != 0) {
      current = nullptr;
      return false;
    }
    current = &guard;
    asm volatile("" ::: "memory");  // the handler sees it set during all of the copy
    std::memcpy(to, data.data(), data.size());
    asm volatile("" ::: "memory");
    current = nullptr;
    return true;
  }

 private:
  struct Guard {
    sigjmp_buf back;
    const char* begin;
    const char* end;
  };

  static bool install() noexcept {
    struct sigaction mine{};
    mine.sa_sigaction = &on_bus_error;
    mine.sa_flags = SA_SIGINFO | SA_ONSTACK;
    return ::sigaction(SIGBUS, nullptr, &previous) == 0 && ::sigaction(SIGBUS, &mine, nullptr) == 0;
  }

  static void on_bus_error(int signal, siginfo_t* info, void* context) {
    const auto* const at = static_cast<const char*>(info->si_addr);
    if (Guard* const guard = current; guard != nullptr && at >= guard->begin && at < guard->end) {
      // What a return from the handler would do, and a jump does not.
      ::pthread_sigmask(SIG_SETMASK, &static_cast<ucontext_t*>(context)->uc_sigmask, nullptr);
      siglongjmp(guard->back, 1);
    }
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
      previous.sa_sigaction(signal, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
      previous.sa_handler(signal);
    } else {
      // What faulted does so again, and ends the process as if nobody had looked.
      struct sigaction none{};
      none.sa_handler = SIG_DFL;
      ::sigaction(SIGBUS, &none, nullptr);
      if (info->si_code <= 0) ::raise(SIGBUS);  // sent by somebody: nothing faults again
    }
  }

  // initial-exec: the handler must not allocate.
  [[gnu::tls_model("initial-exec")]] inline static constinit thread_local Guard* current = nullptr;
  inline static struct sigaction previous{};
};

// The mapped part of one file; moves along with what is written. Not thread-safe.
class FileWindow {
 public:
  static constexpr uint64_t kBytes = 256 << 10;
  // A call's own cost disappears beside the copying of larger pieces.
  static constexpr size_t kPieceBytesMax = 16 << 10;

  FileWindow() = default;
  FileWindow(const FileWindow&) = delete;
  FileWindow& operator=(const FileWindow&) = delete;
  ~FileWindow() { unmap(); }

  // As a write that returned, the bytes survive the death of the process from then on, and a sync of the file syncs
  // them. False: not written, or only a part of it; a write with a call may do, or says why not.
  bool write(int fd, uint64_t offset, Bytes data) noexcept {
    if (data.size() > kPieceBytesMax) return false;
    while (!data.empty()) {
      if ((offset < offset_ || offset >= offset_ + bytes_) && !map(fd, offset)) return false;
      const Bytes part = data.substr(0, offset_ + bytes_ - offset);
      if (!GuardedCopy::run(data_ + (offset - offset_), part)) return false;
      offset += part.size();
      data.remove_prefix(part.size());
    }
    return true;
  }

 private:
  // Not beyond the file's end, where there is nothing to write to.
  bool map(int fd, uint64_t offset) noexcept {
    unmap();
    struct stat info{};
    if (::fstat(fd, &info) != 0 || offset >= static_cast<uint64_t>(info.st_size)) return false;
    const uint64_t begin = offset / kBytes * kBytes;
    const uint64_t bytes = std::min(kBytes, static_cast<uint64_t>(info.st_size) - begin);
    void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(begin));
    if (at == MAP_FAILED) {
      cannot_map_ = true;
      return false;
    }
    data_ = static_cast<char*>(at);
    offset_ = begin;
    bytes_ = bytes;
    return true;
  }
  void unmap() noexcept {
    if (bytes_ != 0) ::munmap(data_, bytes_);
    bytes_ = 0;
  }

  char* data_ = nullptr;
  uint64_t offset_ = 0;
  uint64_t bytes_ = 0;       // 0: nothing is mapped
  bool cannot_map_ = false;  // a file system that does not offer it, or want of address space: asked once
};

}  // namespace orbit::detail
