// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

namespace orbit::admin {

inline constexpr const char* kVersion = "0.1.0";  // of the plugin and of its API

}  // namespace orbit::admin
