// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "message.hpp"

#include <utility>

#include "orbit/http/response.hpp"

namespace orbit::mcp {
namespace {

constexpr size_t kIdBytesMax = 512;

tl::unexpected<MessageFailure> refuse(int code, std::string message, json::value id = nullptr) {
  return tl::unexpected<MessageFailure>({{code, std::move(message), nullptr}, std::move(id)});
}

bool is_id(const json::value& value) noexcept {
  if (const json::string* const text = value.if_string()) return text->size() <= kIdBytesMax;
  return value.is_int64() || value.is_uint64();
}

}  // namespace

std::string_view version_name(Revision revision) noexcept {
  switch (revision) {
    case Revision::v2025_06_18: return "2025-06-18";
    case Revision::v2025_11_25: return "2025-11-25";
    case Revision::v2026_07_28: break;
  }
  return kStatelessVersion;
}

std::optional<Revision> revision_of(std::string_view version) noexcept {
  for (const Revision each : {Revision::v2025_06_18, Revision::v2025_11_25, Revision::v2026_07_28})
    if (version == version_name(each)) return each;
  return std::nullopt;
}

bool is_session_version(std::string_view version) noexcept {
  return version == "2024-11-05" || version == "2025-03-26" || version == "2025-06-18" || version == "2025-11-25";
}

tl::expected<Message, MessageFailure> read_message(std::string_view text) {
  auto parsed = parse_json(text);
  if (!parsed) return refuse(kParseError, parsed.error().message);
  if (parsed->is_array()) return refuse(kInvalidRequest, "a batch, which MCP has not: send each message by itself");
  json::object* const object = parsed->if_object();
  if (object == nullptr)
    return refuse(kInvalidRequest, "expected a JSON-RPC message, an object; found " + std::string(kind_name(*parsed)));

  json::value id;
  const json::value* const sent_id = find(*object, "id");
  if (sent_id != nullptr) {
    // A response to a message that could not be read has a null id.
    const bool nameless_error = sent_id->is_null() && object->contains("error");
    if (!is_id(*sent_id) && !nameless_error)
      return refuse(kInvalidRequest, "'id' must be an integer or a string of at most " + std::to_string(kIdBytesMax) +
                                         " bytes; found " + std::string(kind_name(*sent_id)));
    id = *sent_id;
  }
  if (find_string(*object, "jsonrpc") != "2.0") return refuse(kInvalidRequest, "'jsonrpc' must be \"2.0\"", id);

  Message message;
  message.id = id;
  if (const json::value* const method = find(*object, "method")) {
    if (!method->is_string()) return refuse(kInvalidRequest, "'method' must be a string", id);
    message.method = from_json(method->get_string());
    message.kind = sent_id != nullptr ? Message::Kind::request : Message::Kind::notification;
    if (json::value* const params = object->if_contains("params")) {
      if (!params->is_object())
        return refuse(kInvalidParams, "'params' must be an object; found " + std::string(kind_name(*params)), id);
      message.params = std::move(params->get_object());
    }
    return message;
  }
  for (const auto& [name, kind] : {std::pair{"result", Message::Kind::result}, std::pair{"error", Message::Kind::error}}) {
    json::value* const body = object->if_contains(name);
    if (body == nullptr) continue;
    if (sent_id == nullptr) return refuse(kInvalidRequest, "a response needs the 'id' of its request");
    if (!body->is_object())
      return refuse(kInvalidRequest, "'" + std::string(name) + "' must be an object; found " + std::string(kind_name(*body)), id);
    message.kind = kind;
    message.body = std::move(body->get_object());
    return message;
  }
  return refuse(kInvalidRequest, "a message has 'method', 'result' or 'error'", id);
}

json::value make_result(const json::value& id, json::object result) {
  return json::object{{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}};
}

json::value make_error(const json::value& id, const RpcError& error) {
  // It may quote what was sent, or come from an actor: any bytes.
  json::object body{{"code", error.code}, {"message", http::valid_utf8(error.message)}};
  if (!error.data.is_null()) body["data"] = error.data;
  json::object message{{"jsonrpc", "2.0"}};
  if (!id.is_null()) message["id"] = id;
  message["error"] = std::move(body);
  return message;
}

json::value make_request(const json::value& id, std::string_view method, json::object params) {
  return json::object{{"jsonrpc", "2.0"}, {"id", id}, {"method", to_json(method)}, {"params", std::move(params)}};
}

json::value make_notification(std::string_view method, json::object params) {
  return json::object{{"jsonrpc", "2.0"}, {"method", to_json(method)}, {"params", std::move(params)}};
}

}  // namespace orbit::mcp
