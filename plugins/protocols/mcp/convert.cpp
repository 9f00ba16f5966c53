// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "convert.hpp"

#include <set>
#include <utility>

#include "orbit/http/response.hpp"

namespace orbit::mcp {
namespace {

constexpr std::string_view kLevels[] = {"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"};

void copy_text(const json::object& from, std::string_view name, json::object& to) {
  if (const std::string_view text = string_or_empty(from, name); !text.empty()) to[to_json(name)] = to_json(text);
}

json::object media(std::string_view type, const json::object& from) {
  return {{"type", to_json(type)},
          {"data", to_json(string_or_empty(from, "data"))},
          {"mimeType", to_json(string_or_empty(from, "mimeType"))}};
}

json::object resource_contents(const json::object& from, std::string_view uri) {
  json::object out{{"uri", to_json(uri)}};
  copy_text(from, "mimeType", out);
  if (const auto blob = find_string(from, "blob"))
    out["blob"] = to_json(*blob);
  else
    out["text"] = to_json(string_or_empty(from, "text"));
  return out;
}

Result<json::object> content_block(const json::object& from) {
  if (const auto text = find_string(from, "text")) return json::object{{"type", "text"}, {"text", to_json(*text)}};
  if (const auto* image = find_object(from, "image")) return media("image", *image);
  if (const auto* audio = find_object(from, "audio")) return media("audio", *audio);
  if (const auto* resource = find_object(from, "resource"))
    return json::object{{"type", "resource"}, {"resource", resource_contents(*resource, string_or_empty(*resource, "uri"))}};
  if (const auto* link = find_object(from, "link")) {
    json::object out{{"type", "resource_link"}};
    for (const std::string_view name : {"uri", "name", "title", "description", "mimeType"}) copy_text(*link, name, out);
    return out;
  }
  return fail(Code::internal, "an orbit.mcp.v1.Content of the actor's reply has nothing set");
}

Result<json::array> prompt_messages(const json::object& from) {
  json::array out;
  if (const auto* messages = find_array(from, "messages"))
    for (const json::value& each : *messages) {
      const json::object* const message = each.if_object();
      const json::object* const content = message != nullptr ? find_object(*message, "content") : nullptr;
      if (content == nullptr) return fail(Code::internal, "an orbit.mcp.v1.PromptMessage of the actor's reply has no content");
      auto block = content_block(*content);
      if (!block) return tl::unexpected<Error>(block.error());
      const bool assistant = string_or_empty(*message, "role") == "ROLE_ASSISTANT";
      out.push_back(json::object{{"role", assistant ? "assistant" : "user"}, {"content", std::move(*block)}});
    }
  return out;
}

Result<json::object> object_of(std::string_view text, std::string_view name) {
  auto parsed = parse_json(text);
  if (!parsed) return fail(Code::internal, "the actor's " + std::string(name) + " is " + parsed.error().message);
  if (!parsed->is_object())
    return fail(Code::internal, "the actor's " + std::string(name) + " must be a JSON object; found " + std::string(kind_name(*parsed)));
  return std::move(parsed->get_object());
}

Result<Question> question(const json::object& from, const std::string& random) {
  Question out;
  out.id = string_or_empty(from, "id");
  if (const auto* elicitation = find_object(from, "elicitation")) {
    out.method = "elicitation/create";
    out.capability = "elicitation";
    out.params["message"] = to_json(string_or_empty(*elicitation, "message"));
    if (const std::string_view url = string_or_empty(*elicitation, "url"); !url.empty()) {
      out.params["mode"] = "url";
      out.params["url"] = to_json(url);
      out.params["elicitationId"] = random + "-" + out.id;
      return out;
    }
    auto schema = object_of(string_or_empty(*elicitation, "schemaJson"), "Elicitation.schema_json");
    if (!schema) return tl::unexpected<Error>(schema.error());
    out.params["requestedSchema"] = std::move(*schema);
    return out;
  }
  if (const auto* sampling = find_object(from, "sampling")) {
    out.method = "sampling/createMessage";
    out.capability = "sampling";
    if (const std::string_view more = string_or_empty(*sampling, "paramsJson"); !more.empty()) {
      auto params = object_of(more, "Sampling.params_json");
      if (!params) return tl::unexpected<Error>(params.error());
      out.params = std::move(*params);
    }
    auto messages = prompt_messages(*sampling);
    if (!messages) return tl::unexpected<Error>(messages.error());
    out.params["messages"] = std::move(*messages);
    copy_text(*sampling, "systemPrompt", out.params);
    if (const json::value* tokens = find(*sampling, "maxTokens")) out.params["maxTokens"] = *tokens;
    return out;
  }
  if (find_object(from, "listRoots") != nullptr) {
    out.method = "roots/list";
    out.capability = "roots";
    return out;
  }
  return fail(Code::internal, "an orbit.mcp.v1.InputRequest of the actor's reply has nothing set");
}

}  // namespace

std::optional<int> log_level(std::string_view name) noexcept {
  for (size_t i = 0; i < std::size(kLevels); ++i)
    if (name == kLevels[i]) return static_cast<int>(i);
  return std::nullopt;
}

std::string_view log_level_name(int level) noexcept {
  return kLevels[level < 0 ? 0 : std::min<size_t>(static_cast<size_t>(level), std::size(kLevels) - 1)];
}

Result<json::object> tool_result(const json::object& reply) {
  json::array content;
  if (const auto* blocks = find_array(reply, "content"))
    for (const json::value& each : *blocks) {
      auto block = content_block(each.is_object() ? each.get_object() : json::object());
      if (!block) return tl::unexpected<Error>(block.error());
      content.push_back(std::move(*block));
    }
  json::object out;
  if (const std::string_view text = string_or_empty(reply, "structuredJson"); !text.empty()) {
    auto structured = object_of(text, "ToolReply.structured_json");
    if (!structured) return tl::unexpected<Error>(structured.error());
    if (content.empty()) content.push_back(json::object{{"type", "text"}, {"text", to_json(text)}});
    out["structuredContent"] = std::move(*structured);
  }
  out["content"] = std::move(content);
  if (is_true(reply, "isError")) out["isError"] = true;
  return out;
}

Result<json::object> prompt_result(const json::object& reply) {
  auto messages = prompt_messages(reply);
  if (!messages) return tl::unexpected<Error>(messages.error());
  json::object out;
  copy_text(reply, "description", out);
  out["messages"] = std::move(*messages);
  return out;
}

Result<json::object> resource_result(const json::object& reply, std::string_view uri) {
  json::array contents;
  if (const auto* parts = find_array(reply, "contents"))
    for (const json::value& each : *parts) {
      if (!each.is_object()) continue;
      const std::string_view own = string_or_empty(each.get_object(), "uri");
      contents.push_back(resource_contents(each.get_object(), own.empty() ? uri : own));
    }
  return json::object{{"contents", std::move(contents)}};
}

json::object message_tool_result(std::string_view text, json::object reply, bool has_output_schema) {
  json::object out{{"content", json::array{json::object{{"type", "text"}, {"text", to_json(text)}}}}};
  if (has_output_schema) out["structuredContent"] = std::move(reply);
  return out;
}

json::object failed_tool_result(Code code, std::string_view message) {
  const std::string text = std::string(code_name(code)) + ": " + http::valid_utf8(message);
  return {{"content", json::array{json::object{{"type", "text"}, {"text", text}}}},
          {"isError", true},
          {"_meta", json::object{{"orbit/code", to_json(code_name(code))}}}};
}

Result<std::vector<Question>> questions_of(const json::object& inputs, const std::string& random) {
  std::vector<Question> out;
  std::set<std::string> ids;
  if (const auto* requests = find_array(inputs, "requests"))
    for (const json::value& each : *requests) {
      auto next = question(each.is_object() ? each.get_object() : json::object(), random);
      if (!next) return tl::unexpected<Error>(next.error());
      if (next->id.empty() || !ids.insert(next->id).second)
        return fail(Code::internal, "the actor's InputRequest '" + next->id + "' needs an id that no other of the reply has");
      out.push_back(std::move(*next));
    }
  return out;
}

std::string wrong_response(const json::value& result) {
  const json::object* const object = result.if_object();
  if (object == nullptr) return "must be an object; found " + std::string(kind_name(result));
  if (const json::value* action = find(*object, "action")) {
    const json::string* const name = action->if_string();
    if (name == nullptr || (*name != "accept" && *name != "decline" && *name != "cancel"))
      return "has an 'action' other than accept, decline and cancel";
    if (const json::value* content = find(*object, "content"); content != nullptr && !content->is_object())
      return "has a 'content' that is no object; found " + std::string(kind_name(*content));
    return {};
  }
  if (const json::value* roots = find(*object, "roots")) return roots->is_array() ? "" : "has 'roots' that are no array";
  if (object->contains("role") && object->contains("content")) return {};
  return "is no result of elicitation/create, sampling/createMessage or roots/list";
}

json::object input_response(std::string_view id, const json::object& result) {
  json::object out{{"id", to_json(id)}, {"json", json::serialize(result)}};
  if (const auto action = find_string(result, "action")) {
    out["action"] = to_json(*action);
    if (const auto* content = find_object(result, "content")) out["contentJson"] = json::serialize(*content);
    return out;
  }
  if (const auto* roots = find_array(result, "roots")) {
    json::array list;
    for (const json::value& each : *roots)
      if (const json::object* root = each.if_object())
        list.push_back(json::object{{"uri", to_json(string_or_empty(*root, "uri"))}, {"name", to_json(string_or_empty(*root, "name"))}});
    out["roots"] = std::move(list);
    return out;
  }
  std::string text;
  const auto add = [&text](const json::value& block) {
    if (const json::object* object = block.if_object()) text.append(string_or_empty(*object, "text"));
  };
  if (const json::value* content = find(result, "content")) {
    if (const json::array* blocks = content->if_array())
      for (const json::value& block : *blocks) add(block);
    else
      add(*content);
  }
  out["text"] = text;
  return out;
}

}  // namespace orbit::mcp
