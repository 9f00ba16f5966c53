// SPDX-License-Identifier: MIT OR BSD-3-Clause
// JSON-RPC 2.0 messages as MCP has them: one request, notification or response; no batches; ids are strings or integers.
#pragma once

#include <string>
#include <string_view>

#include "json.hpp"

namespace orbit::mcp {

enum class Revision { v2025_06_18, v2025_11_25, v2026_07_28 };

inline constexpr std::string_view kStatelessVersion = "2026-07-28";
inline constexpr std::string_view kLatestSessionVersion = "2025-11-25";

std::string_view version_name(Revision revision) noexcept;
std::optional<Revision> revision_of(std::string_view version) noexcept;
// Whether a version has sessions: revisions before 2026-07-28, also those that this plugin does not speak.
bool is_session_version(std::string_view version) noexcept;

// Error codes of JSON-RPC and MCP.
inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternalError = -32603;
inline constexpr int kResourceNotFound = -32002;  // before 2026-07-28; then it is kInvalidParams
inline constexpr int kHeaderMismatch = -32020;
inline constexpr int kMissingCapability = -32021;
inline constexpr int kUnsupportedVersion = -32022;

struct RpcError {
  int code = kInternalError;
  std::string message;
  json::value data;  // null: none
};

struct Message {
  enum class Kind { request, notification, result, error };
  Kind kind = Kind::notification;
  json::value id;       // of all but a notification
  std::string method;   // of a request or a notification
  json::object params;  // the same; absent: empty
  json::object body;    // the result, or the error, as sent
};

// The error has the id, too, as far as it could be read.
struct MessageFailure {
  RpcError error;
  json::value id;
};
tl::expected<Message, MessageFailure> read_message(std::string_view text);

json::value make_result(const json::value& id, json::object result);
json::value make_error(const json::value& id, const RpcError& error);
json::value make_request(const json::value& id, std::string_view method, json::object params);
json::value make_notification(std::string_view method, json::object params);

}  // namespace orbit::mcp
