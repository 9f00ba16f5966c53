// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What methods may return, seen as types.
#pragma once

#include <concepts>
#include <type_traits>

#include "../task.hpp"

namespace orbit::detail {

// What a method's return type stands for: Value is the reply without Task and Result.
template <class R>
struct MethodReturn {
  using Value = R;
  static constexpr bool kTask = false;
};
template <class T>
struct MethodReturn<tl::expected<T, Error>> {
  using Value = T;
  static constexpr bool kTask = false;
};
template <class T>
struct MethodReturn<Task<T>> {
  using Value = typename MethodReturn<T>::Value;
  static constexpr bool kTask = true;
};

template <class R>
inline constexpr bool kIsResult = false;
template <class T>
inline constexpr bool kIsResult<tl::expected<T, Error>> = true;

// Reply is void for one-way methods.
template <class R, class Reply>
concept ReturnsReply = std::same_as<typename MethodReturn<R>::Value, Reply>;

// False, but only once a template is instantiated.
template <class>
inline constexpr bool kNever = false;

}  // namespace orbit::detail
