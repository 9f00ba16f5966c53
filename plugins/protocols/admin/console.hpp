// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The page at /: console.html, which uses nothing but this API and needs nothing from elsewhere.
#pragma once

#include "orbit/http/message.hpp"

namespace orbit::admin {

http::Response console_page();

}  // namespace orbit::admin
