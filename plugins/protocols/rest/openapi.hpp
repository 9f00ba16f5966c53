// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The OpenAPI 3.1 document of what can be called, from the descriptors.
#pragma once

#include <string>

#include "catalog.hpp"

namespace orbit::rest {

// Of what `sees` says yes to. asks_credentials: the node has access control.
std::string openapi_document(const Catalog& catalog, bool asks_credentials, const Sees& sees);

}  // namespace orbit::rest
