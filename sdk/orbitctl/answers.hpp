// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Asking the node, and what it says when it refuses.
#pragma once

#include <boost/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "commands.hpp"
#include "text.hpp"

namespace orbit::ctl {

inline std::string_view view(const boost::json::string& text) { return {text.data(), text.size()}; }

// Throws Failure (unreachable) for what is no JSON.
boost::json::value parse(const Client& client, const std::string& text);
// The answer's body; throws what the node's problem document says.
std::string request(const Invocation& call, const char* method, const std::string& path, std::string_view body = {});
boost::json::value request_json(const Invocation& call, const char* method, const std::string& path,
                                std::string_view body = {});
// GET of {"<member>": [...]} as a table, or as it is.
ExitCode show_list(const Invocation& call, const char* path, const char* member, std::span<const Column> columns);

}  // namespace orbit::ctl
