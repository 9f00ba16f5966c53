// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What travels with calls: a few names and values, shared by all envelopes of a chain and never changed once shared. A request
// keeps it where a reply has its message.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbit/ext/actors.h"
#include "orbit/result.hpp"

namespace orbit::kernel {

// In the flags of a request: `message` is a Context.
inline constexpr uint16_t kHasContext = 0x800;

class Context {
 public:
  static Context* of(const orbit_envelope* envelope) noexcept {
    return envelope != nullptr && (envelope->flags & kHasContext) != 0 ? reinterpret_cast<Context*>(envelope->message) : nullptr;
  }
  // `envelope` has none.
  static void share(Context* context, orbit_envelope* envelope) noexcept {
    context->references_.fetch_add(1, std::memory_order_relaxed);
    attach(context, envelope);
  }
  static void drop(orbit_envelope* envelope) noexcept;
  // Gives `envelope` what `base` (may be null) has, and this.
  static Result<> set(const Context* base, orbit_envelope* envelope, std::string_view name, std::string_view value);

  // Null when there is no such name.
  const std::string* find(std::string_view name) const noexcept;

 private:
  static void attach(Context* context, orbit_envelope* envelope) noexcept {
    envelope->message = reinterpret_cast<char*>(context);
    envelope->flags |= kHasContext;
  }
  std::atomic<uint32_t> references_{1};
  std::vector<std::pair<std::string, std::string>> entries_;
};

}  // namespace orbit::kernel
