// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "openapi.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <stdexcept>

#include "orbit/http/response.hpp"
#include "routes.hpp"
#include "schemas.hpp"
#include "version.hpp"

namespace orbit::admin {

namespace json = boost::json;

namespace {

constexpr std::string_view kDescription =
    "Shows one Orbit node and acts on it. Answers are JSON; errors are problem details (RFC 9457) whose `code` names "
    "the "
    "google.rpc.Code. HEAD works wherever GET does. A key in a path is percent-encoded bytes. Unknown query parameters "
    "and "
    "unknown members of a request are errors, so that a typing mistake does not pass in silence.";

// Every route can answer these, whatever it does.
constexpr int kErrorsOfAll[] = {400, 403, 500};

json::string_view view(std::string_view text) { return {text.data(), text.size()}; }

json::object schema_ref(std::string_view name) { return {{"$ref", "#/components/schemas/" + std::string(name)}}; }

json::object content(std::string_view media, json::value schema) {
  return {{view(media), json::object{{"schema", std::move(schema)}}}};
}

json::object parameter(const Parameter& said, const char* where) {
  json::object out{{"name", said.name}, {"in", where}, {"description", said.doc}, {"schema", json::parse(said.schema)}};
  if (std::string_view(where) == "path") out["required"] = true;
  return out;
}

const Parameter& path_parameter(std::string_view name) {
  for (const Parameter& said : path_parameters())
    if (said.name == name) return said;
  throw std::logic_error("path parameter '" + std::string(name) + "' is not described");
}

json::array parameters_of(const Route& route) {
  json::array out;
  const std::string_view path = route.path;
  for (size_t open = path.find('{'); open != std::string_view::npos; open = path.find('{', open + 1))
    out.push_back(parameter(path_parameter(path.substr(open + 1, path.find('}', open) - open - 1)), "path"));
  for (const Parameter& said : route.query) out.push_back(parameter(said, "query"));
  return out;
}

json::object responses_of(const Route& route, bool with_token) {
  json::object out;
  for (const Answer& answer : route.answers) {
    json::object response{{"description", answer.doc}};
    if (answer.media != nullptr)
      response["content"] = content(
          answer.media, answer.schema == nullptr ? json::object{{"type", "string"}} : schema_ref(answer.schema));
    out[std::to_string(answer.status)] = std::move(response);
  }
  std::set<int> errors(route.errors.begin(), route.errors.end());
  errors.insert(std::begin(kErrorsOfAll), std::end(kErrorsOfAll));
  if (with_token && !route.open) errors.insert(401);
  if (route.body != nullptr) errors.insert({413, 415});
  for (const int status : errors)
    out[std::to_string(status)] = json::object{{"$ref", "#/components/responses/" + std::to_string(status)}};
  out["default"] = json::object{{"$ref", "#/components/responses/default"}};
  return out;
}

json::object operation(const Route& route, bool with_token) {
  json::object out{{"operationId", route.operation},
                   {"tags", json::array{route.tag}},
                   {"summary", route.summary},
                   {"description", route.doc}};
  if (json::array parameters = parameters_of(route); !parameters.empty()) out["parameters"] = std::move(parameters);
  if (route.body != nullptr) {
    json::value schema = *route.body == '\0' ? json::value(json::object()) : json::value(schema_ref(route.body));
    out["requestBody"] =
        json::object{{"required", route.body_required}, {"content", content(http::kJson, std::move(schema))}};
  }
  out["responses"] = responses_of(route, with_token);
  if (with_token && route.open) out["security"] = json::array();
  return out;
}

// The error responses that some route refers to, and the one for everything else.
json::object error_responses(const json::object& paths) {
  json::object out;
  for (const auto& [path, item] : paths)
    for (const auto& [method, op] : item.as_object())
      for (const auto& [status, response] : op.at("responses").as_object()) {
        if (!response.as_object().contains("$ref")) continue;
        const bool other = status == "default";
        const auto title = other ? std::string_view("Any other error") : http::reason_phrase(std::stoi(std::string(status)));
        json::object described{{"description", view(title)}, {"content", content(http::kProblemJson, schema_ref("Problem"))}};
        if (status == "401")
          described["headers"] = json::object{
              {"WWW-Authenticate", json::object{{"description", "RFC 6750"}, {"schema", {{"type", "string"}}}}}};
        out[status] = std::move(described);
      }
  return out;
}

}  // namespace

std::string openapi_document(bool with_token) {
  json::object paths;
  for (const Route& route : routes()) {
    std::string method = route.method;
    std::transform(method.begin(), method.end(), method.begin(), [](char c) { return static_cast<char>(c | 0x20); });
    json::value& item = paths[route.path];
    if (!item.is_object()) item = json::object();
    item.as_object()[method] = operation(route, with_token);
  }
  json::object components{{"schemas", json::parse(kSchemas)}, {"responses", error_responses(paths)}};
  if (with_token)
    components["securitySchemes"] =
        json::object{{"token", json::object{{"type", "http"},
                                            {"scheme", "bearer"},
                                            {"description", "The `token` of the plugin's configuration."}}}};

  json::object document;
  document["openapi"] = "3.1.0";
  document["info"] =
      json::object{{"title", "Orbit admin API"},
                   {"version", kVersion},
                   {"description", view(kDescription)},
                   {"license", json::object{{"name", "MIT OR BSD-3-Clause"}, {"identifier", "MIT OR BSD-3-Clause"}}}};
  document["servers"] = json::array{json::object{{"url", "/"}, {"description", "This node."}}};
  document["tags"] =
      json::array{json::object{{"name", "health"}, {"description", "For probes and tools."}},
                  json::object{{"name", "node"}, {"description", "The node itself."}},
                  json::object{{"name", "plugins"}, {"description", "Plugins: load, unload."}},
                  json::object{{"name", "modules"}, {"description", "Actor modules: load, upgrade, retire."}},
                  json::object{{"name", "actors"}, {"description", "Actor types and actors."}},
                  json::object{{"name", "live"}, {"description", "What happens at this moment."}},
                  json::object{{"name", "access"}, {"description", "Who gets in."}},
                  json::object{{"name", "storage"}, {"description", "Storage instances, and moving what they have."}}};
  document["security"] = with_token ? json::array{json::object{{"token", json::array()}}} : json::array();
  document["paths"] = std::move(paths);
  document["components"] = std::move(components);
  return json::serialize(document);
}

}  // namespace orbit::admin
