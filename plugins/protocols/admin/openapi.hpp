// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include <string>

namespace orbit::admin {

// The OpenAPI 3.1 document of routes(), as JSON text. `with_token`: whether this node asks for a bearer token.
std::string openapi_document(bool with_token);

}  // namespace orbit::admin
