// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the files of handlers share.
#pragma once

#include <boost/json.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "exchange.hpp"

namespace orbit::admin::handlers {

using NodeQuery = void (*)(orbit_sink);
std::string read(NodeQuery query);
// {"workers": <what the node says>}: an object has room for more members later, an array has none.
http::Response list_response(std::string_view member, NodeQuery query);
// For the node's asynchronous answers; ctx is the exchange that was released into the call.
void done_json(void* ctx, orbit_code code, orbit_bytes text);
// As done_json for what has no answer: 204.
void done_empty(void* ctx, orbit_code code, orbit_bytes text);
// The body as a JSON object whose members are all among `known`; answers the exchange itself when it is not.
std::optional<boost::json::object> parse_body(Exchange& exchange, std::initializer_list<std::string_view> known);
inline std::string_view view(const boost::json::string& text) { return {text.data(), text.size()}; }

}  // namespace orbit::admin::handlers
