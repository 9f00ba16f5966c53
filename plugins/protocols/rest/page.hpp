// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The page at / to try the API in a browser: reads /openapi.json, needs nothing from elsewhere.
#pragma once

#include "orbit/http/message.hpp"

namespace orbit::rest {

http::Response page();

}  // namespace orbit::rest
