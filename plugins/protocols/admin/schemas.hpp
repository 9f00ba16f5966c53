// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

namespace orbit::admin {

// The JSON Schemas (2020-12) of every request, answer and error, as one JSON object: name -> schema. They say what
// orbit/ext/node.h promises; a test holds a live node's answers against them.
extern const char* const kSchemas;

}  // namespace orbit::admin
