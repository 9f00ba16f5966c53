// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The place of one reply in a connection's order. Slots come from the worker's free list; a slot whose command runs
// inside send() never leaves it.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "key_actor.hpp"
#include "output_buffer.hpp"

namespace orbit::resp {

class Session;

struct Slot {
  Slot* next = nullptr;
  Session* session = nullptr;
  Command command;
  OutputBuffer out;        // the reply, unless it went straight to the worker's batch
  size_t batch_mark = 0;   // where in the batch the reply begins
  size_t counted_bytes = 0;  // of its session's waiting bytes
  bool in_send = false;    // send() has not returned
  bool retained = false;   // the kernel queued the command: arguments are copies, the reply goes to `out`
  bool done = false;       // the reply is complete
  bool discard = false;    // CLIENT REPLY OFF or SKIP
  bool unexecuted = false; // counted in the session's number of commands that have not run yet
  bool part = false;       // of the reply of an EXEC

  Slot() = default;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  // Copies the borrowed arguments; the reply goes to `out` from now on. [the sender's worker, inside send]
  void retain() noexcept {
    try {
      command.args = keep(command.args);
    } catch (const std::bad_alloc&) {
      command.args = {};  // the turn will say so
    }
    command.out = &out;
    retained = true;
  }
  // A copy of the arguments that lives until the slot is recycled or this is called again.
  Args keep(Args args) {
    size_t bytes = 0;
    for (const auto& arg : args) bytes += arg.size();
    char* to = few_bytes_.data();
    if (bytes > few_bytes_.size()) {
      many_bytes_ = std::make_unique_for_overwrite<char[]>(bytes);
      to = many_bytes_.get();
    }
    std::string_view* views = few_views_.data();
    if (args.size() > few_views_.size()) {
      many_views_.resize(args.size());
      views = many_views_.data();
    }
    for (size_t i = 0; i < args.size(); ++i) {
      if (!args[i].empty()) std::memcpy(to, args[i].data(), args[i].size());
      views[i] = {to, args[i].size()};
      to += args[i].size();
    }
    return {views, args.size()};
  }
  // Ready for another command; gives big memory back.
  void recycle() {
    out.clear();
    many_bytes_.reset();
    if (many_views_.capacity() > kKeepViews) std::vector<std::string_view>().swap(many_views_);
    session = nullptr;
    next = nullptr;
    counted_bytes = 0;
    retained = done = discard = unexecuted = in_send = part = false;
  }

 private:
  static constexpr size_t kKeepViews = 256;
  std::array<char, 192> few_bytes_;
  std::array<std::string_view, 6> few_views_;
  std::unique_ptr<char[]> many_bytes_;
  std::vector<std::string_view> many_views_;
};

}  // namespace orbit::resp
