// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Reads what orbit.node/1 tells.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "server.hpp"

namespace orbit::resp {

// What `function` of orbit.node/1 answers; null when the node does not have that interface.
boost::json::value node_json(const Server& server, void (*orbit_node_v1::*function)(orbit_sink));

// A field of an object: a string, "" when it is not there or something else; a number, 0 likewise.
std::string_view json_text(const boost::json::value& object, std::string_view field);
uint64_t json_number(const boost::json::value& object, std::string_view field);

}  // namespace orbit::resp
