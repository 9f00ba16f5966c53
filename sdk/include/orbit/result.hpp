// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Errors and results as C++ code sees them: orbit::Result<T> is tl::expected<T, orbit::Error>.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "abi.h"

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#error "g++ before 13 silently miscompiles C++20 coroutines: build actors and plugins with clang++ (Debian: clang-19)"
#endif

namespace orbit {

// Borrowed bytes, as they cross the edge.
using Bytes = std::string_view;

inline orbit_bytes to_c(Bytes bytes) noexcept { return {bytes.data(), bytes.size()}; }
inline Bytes from_c(orbit_bytes bytes) noexcept { return {bytes.data, bytes.size}; }

// The frozen codes of the edge, as a type.
enum class Code : orbit_code {
  ok = ORBIT_OK,
  cancelled = ORBIT_CANCELLED,
  unknown = ORBIT_UNKNOWN,
  invalid_argument = ORBIT_INVALID_ARGUMENT,
  deadline_exceeded = ORBIT_DEADLINE_EXCEEDED,
  not_found = ORBIT_NOT_FOUND,
  already_exists = ORBIT_ALREADY_EXISTS,
  permission_denied = ORBIT_PERMISSION_DENIED,
  resource_exhausted = ORBIT_RESOURCE_EXHAUSTED,
  failed_precondition = ORBIT_FAILED_PRECONDITION,
  aborted = ORBIT_ABORTED,
  out_of_range = ORBIT_OUT_OF_RANGE,
  unimplemented = ORBIT_UNIMPLEMENTED,
  internal = ORBIT_INTERNAL,
  unavailable = ORBIT_UNAVAILABLE,
  data_loss = ORBIT_DATA_LOSS,
  unauthenticated = ORBIT_UNAUTHENTICATED,
};

// "NOT_FOUND" and so on, the names of google.rpc.Code.
constexpr std::string_view code_name(orbit_code code) noexcept {
  constexpr std::string_view kNames[] = {
      "OK",           "CANCELLED",     "UNKNOWN",           "INVALID_ARGUMENT",    "DEADLINE_EXCEEDED", "NOT_FOUND",
      "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
      "UNIMPLEMENTED", "INTERNAL",     "UNAVAILABLE",       "DATA_LOSS",           "UNAUTHENTICATED"};
  return code >= 0 && static_cast<size_t>(code) < std::size(kNames) ? kNames[code] : std::string_view("UNKNOWN");
}
constexpr std::string_view code_name(Code code) noexcept { return code_name(static_cast<orbit_code>(code)); }

// What went wrong: a code for programs and a sentence for people, which says what was found and what was expected.
struct Error {
  Code code = Code::unknown;
  std::string message;
};

template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Code code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

// Writes an error into the caller's struct at the edge and returns its code. Cuts the message, never writes past the size
// that the caller said.
inline orbit_code to_c(Code code, std::string_view message, orbit_error* out) noexcept {
  const auto raw = static_cast<orbit_code>(code);
  if (out == nullptr || out->struct_size <= offsetof(orbit_error, message)) return raw;
  out->code = raw;
  const size_t room = std::min<size_t>(out->struct_size - offsetof(orbit_error, message), ORBIT_ERROR_MESSAGE_MAX);
  const size_t size = std::min(room - 1, message.size());
  if (size != 0) std::memcpy(out->message, message.data(), size);
  out->message[size] = '\0';
  return raw;
}
inline orbit_code to_c(const Error& error, orbit_error* out) noexcept { return to_c(error.code, error.message, out); }

// An orbit_error ready to be passed to the other side. The message is empty, and its other bytes are not set: most calls succeed,
// and clearing them took longer than going through a table does.
struct ErrorOut : orbit_error {
  ErrorOut() noexcept {
    struct_size = sizeof(orbit_error);
    code = ORBIT_OK;
    message[0] = '\0';
  }
  Error take(orbit_code returned) const { return {static_cast<Code>(returned), message}; }
};

// Runs a function of the plugin at the edge: exceptions end here and become an error. `function` returns Result<>.
template <class F>
orbit_code at_edge(orbit_error* out, F&& function) noexcept {
  try {
    Result<> result = std::forward<F>(function)();
    if (result) return ORBIT_OK;
    return to_c(result.error(), out);
  } catch (const std::bad_alloc&) {
    return to_c(Code::resource_exhausted, "out of memory", out);
  } catch (const std::exception& e) {
    return to_c(Code::internal, e.what(), out);
  } catch (...) {
    return to_c(Code::internal, "an exception that is no std::exception", out);
  }
}

}  // namespace orbit
