// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How much of a search a test makes: all of it in an ordinary build. Sanitizers slow a search down several times, and say as
// much about a part: AddressSanitizer sees every kind of access soon, ThreadSanitizer nothing at all where one thread runs.
#pragma once

#include <algorithm>
#include <cstddef>

namespace orbit::testing {

enum class Effort { all, address_sanitizer, thread_sanitizer };

#if __has_feature(thread_sanitizer)
constexpr Effort kEffort = Effort::thread_sanitizer;
#elif __has_feature(address_sanitizer)
constexpr Effort kEffort = Effort::address_sanitizer;
#else
constexpr Effort kEffort = Effort::all;
#endif

// All, a quarter, or a sixteenth; at least one.
constexpr size_t with_effort(size_t all) {
  constexpr size_t kPart = kEffort == Effort::all ? 1 : kEffort == Effort::address_sanitizer ? 4 : 16;
  return std::max<size_t>(all / kPart, 1);
}

}  // namespace orbit::testing
