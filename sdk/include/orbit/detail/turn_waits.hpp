// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a turn may co_await beside calls: the kernel's answers to save, read and claim. Actor authors do not need this
// header.
#pragma once

#include <coroutine>
#include <string>
#include <utility>
#include <vector>

#include "../call.hpp"

namespace orbit::detail {

// `start(done, ctx)` asks the kernel; awaiting throws CallError when the answer is an error.
template <class Start>
class KernelWait {
 public:
  explicit KernelWait(Start start) : start_(std::move(start)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    start_(&done, this);
  }
  void await_resume() const {
    if (code_ != ORBIT_OK) throw CallError(static_cast<Code>(code_), message_);
  }

 private:
  static void done(void* ctx, orbit_code code, const char* message) {
    auto* wait = static_cast<KernelWait*>(ctx);
    wait->code_ = code;
    if (code != ORBIT_OK) wait->message_ = message;
    wait->waiting_.resume();  // destroys the wait
  }
  Start start_;
  std::coroutine_handle<> waiting_;
  orbit_code code_ = ORBIT_OK;
  std::string message_;
};

struct ReadRecords {
  std::vector<std::pair<std::string, std::string>> records;  // sub-key, value
  bool more = false;
};

class ReadWait {
 public:
  ReadWait(orbit_activation* activation, std::string from, std::string to, size_t records_max, size_t bytes_max)
      : activation_(activation),
        from_(std::move(from)),
        to_(std::move(to)),
        records_max_(records_max),
        bytes_max_(bytes_max) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    host_actors.read(activation_, to_c(from_), to_c(to_), records_max_, bytes_max_, &done, this);
  }
  ReadRecords await_resume() {
    if (code_ != ORBIT_OK) throw CallError(static_cast<Code>(code_), message_);
    return std::move(out_);
  }

 private:
  static void done(void* ctx, const orbit_record* records, size_t count, int more, orbit_code code,
                   const char* message) {
    auto* wait = static_cast<ReadWait*>(ctx);
    wait->code_ = code;
    if (code != ORBIT_OK) wait->message_ = message;
    for (size_t i = 0; i < count; ++i)
      wait->out_.records.emplace_back(from_c(records[i].subkey), from_c(records[i].value));
    wait->out_.more = more != 0;
    wait->waiting_.resume();  // destroys the wait
  }
  orbit_activation* activation_;
  std::string from_;
  std::string to_;
  size_t records_max_;
  size_t bytes_max_;
  std::coroutine_handle<> waiting_;
  orbit_code code_ = ORBIT_OK;
  std::string message_;
  ReadRecords out_;
};

}  // namespace orbit::detail
