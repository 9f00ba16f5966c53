// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/context.hpp"

#include <algorithm>
#include <memory>

namespace orbit::kernel {

void Context::drop(orbit_envelope* envelope) noexcept {
  Context* const context = of(envelope);
  if (context == nullptr) return;
  envelope->flags = static_cast<uint16_t>(envelope->flags & ~kHasContext);
  envelope->message = nullptr;
  if (context->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete context;
}

Result<> Context::set(const Context* base, orbit_envelope* envelope, std::string_view name, std::string_view value) {
  auto made = std::make_unique<Context>();
  if (base != nullptr) made->entries_ = base->entries_;
  std::erase_if(made->entries_, [name](const auto& entry) { return entry.first == name; });
  if (!value.empty()) made->entries_.emplace_back(name, value);
  size_t bytes = 0;
  for (const auto& [each, its] : made->entries_) bytes += each.size() + its.size();
  if (bytes > ORBIT_CONTEXT_BYTES_MAX)
    return fail(Code::resource_exhausted, "context_bytes_max: the context of a call would have " + std::to_string(bytes) +
                                              " bytes, at most " + std::to_string(ORBIT_CONTEXT_BYTES_MAX) + " are allowed");
  drop(envelope);
  attach(made.release(), envelope);  // also an empty one: it hides what the turn has
  return {};
}

const std::string* Context::find(std::string_view name) const noexcept {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [name](const auto& entry) { return entry.first == name; });
  return found != entries_.end() ? &found->second : nullptr;
}

}  // namespace orbit::kernel
