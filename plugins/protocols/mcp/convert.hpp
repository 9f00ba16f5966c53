// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Between the messages of orbit/v1/mcp.proto, in protobuf's JSON mapping, and the JSON of the protocol.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "message.hpp"

namespace orbit::mcp {

// The names are RFC 5424's, the least first.
std::optional<int> log_level(std::string_view name) noexcept;
std::string_view log_level_name(int level) noexcept;

// Each gives the result's members; an error says what the actor's reply has that the protocol has no place for.
Result<json::object> tool_result(const json::object& reply);
Result<json::object> prompt_result(const json::object& reply);
Result<json::object> resource_result(const json::object& reply, std::string_view uri);

// A reply of any other message.
json::object message_tool_result(std::string_view text, json::object reply, bool has_output_schema);
json::object failed_tool_result(Code code, std::string_view message);

struct Question {
  std::string id;
  std::string method;      // "elicitation/create"
  std::string capability;  // "elicitation"
  json::object params;
};
// Of a reply's `inputs`.
Result<std::vector<Question>> questions_of(const json::object& inputs, const std::string& random);

// What is wrong with a client's result for a question; empty: nothing.
std::string wrong_response(const json::value& result);
// An orbit.mcp.v1.InputResponse.
json::object input_response(std::string_view id, const json::object& result);

}  // namespace orbit::mcp
