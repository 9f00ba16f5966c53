// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "openapi.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "schemas.hpp"

namespace orbit::rest {

namespace json = boost::json;
namespace pb = google::protobuf;

namespace {

constexpr const char* kDescription =
    "Every actor of this node over HTTP and JSON. Requests and answers are protobuf messages in their JSON mapping; errors are problem "
    "details (RFC 9457) whose `code` names the google.rpc.Code. An `ETag` is the version of the actor's state: with `If-Match` a call is "
    "only carried out if the state still has it. A request with an `Idempotency-Key` is carried out once, however often it is sent.";

json::object content(const char* media, json::value schema) {
  return json::object{{media, json::object{{"schema", std::move(schema)}}}};
}

class Document {
 public:
  Document(const Catalog& catalog, bool asks_credentials, const Sees& sees)
      : catalog_(catalog), asks_credentials_(asks_credentials), sees_(sees) {}

  std::string write() {
    own_paths();
    json::array tags{json::object{{"name", "node"}, {"description", "What the node offers."}},
                     json::object{{"name", "streams"}, {"description", "Events, as they are stored."}}};
    for (const Type& type : catalog_.types()) {
      bool any = false;
      for (const Method& method : type.methods)
        if (sees_(type, &method)) {
          add_method(type, method);
          any = true;
        }
      if (type.state != nullptr && sees_(type, nullptr)) {
        add_state(type);
        any = true;
      }
      if (any)
        tags.push_back(json::object{{"name", type.wire->name}, {"description", "Actor type of module " + type.wire->module->name + "."}});
    }
    json::object document;
    document["openapi"] = "3.1.0";
    document["info"] = json::object{{"title", "Orbit actors"},
                                    {"version", std::to_string(catalog_.generation())},
                                    {"description", kDescription},
                                    {"license", json::object{{"name", "MIT OR BSD-3-Clause"}, {"identifier", "MIT OR BSD-3-Clause"}}}};
    document["servers"] = json::array{json::object{{"url", "/"}, {"description", "This node."}}};
    document["tags"] = std::move(tags);
    document["security"] =
        asks_credentials_ ? json::array{json::object{{"basic", json::array()}}, json::object{{"bearer", json::array()}}} : json::array();
    document["paths"] = std::move(paths_);
    json::object schemas = schemas_.take();
    schemas["Problem"] = problem_schema();
    json::object components{{"schemas", std::move(schemas)},
                            {"responses", json::object{{"Problem", json::object{{"description", "An error."},
                                                                                {"content", content("application/problem+json",
                                                                                                    ref("Problem"))}}}}}};
    if (asks_credentials_)
      components["securitySchemes"] = json::object{{"basic", json::object{{"type", "http"}, {"scheme", "basic"}}},
                                                   {"bearer", json::object{{"type", "http"}, {"scheme", "bearer"}}}};
    document["components"] = std::move(components);
    return json::serialize(document);
  }

 private:
  static json::object ref(std::string_view name) {
    return json::object{{"$ref", "#/components/schemas/" + std::string(name)}};
  }
  static json::object problem_schema() {
    return json::object{
        {"type", "object"},
        {"title", "Problem"},
        {"required", json::array{"type", "title", "status", "detail", "code"}},
        {"properties",
         json::object{{"type", json::object{{"type", "string"}}},
                      {"title", json::object{{"type", "string"}}},
                      {"status", json::object{{"type", "integer"}}},
                      {"detail", json::object{{"type", "string"}}},
                      {"instance", json::object{{"type", "string"}}},
                      {"code", json::object{{"type", "string"}, {"description", "The name of a google.rpc.Code."}}}}}};
  }
  static json::object parameter(std::string_view name, const char* in, bool required, json::object schema, std::string_view doc) {
    json::object out{{"name", name}, {"in", in}, {"schema", std::move(schema)}};
    if (required) out["required"] = true;
    if (!doc.empty()) out["description"] = doc;
    return out;
  }
  static json::object errors(std::initializer_list<int> statuses) {
    json::object out;
    for (const int status : statuses) out[std::to_string(status)] = json::object{{"$ref", "#/components/responses/Problem"}};
    out["default"] = json::object{{"$ref", "#/components/responses/Problem"}};
    return out;
  }

  void add(std::string path, std::string_view method, json::object operation) {
    json::value& item = paths_[path];
    if (!item.is_object()) item = json::object();
    std::string verb(method);
    std::transform(verb.begin(), verb.end(), verb.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    item.as_object()[verb] = std::move(operation);
  }

  void own_paths() {
    json::object types{{"operationId", "listTypes"}, {"tags", json::array{"node"}}, {"summary", "The actor types and their methods"}};
    types["responses"] = errors({400});
    types["responses"].as_object()["200"] = json::object{
        {"description", "The types."},
        {"content",
         content("application/json",
                 json::object{{"type", "object"},
                              {"required", json::array{"types"}},
                              {"properties", json::object{{"types", json::object{{"type", "array"},
                                                                                 {"items", json::object{{"type", "object"}}}}}}}})}};
    add("/v1/actors", "GET", std::move(types));

    json::object stream{{"operationId", "observeStream"},
                        {"tags", json::array{"streams"}},
                        {"summary", "Events of a stream, as server-sent events or over a WebSocket"}};
    stream["parameters"] = json::array{
        parameter("stream", "path", true, json::object{{"type", "string"}}, "The message's full name, `/` and the stream's name."),
        parameter("from", "query", false, json::object{{"type", "string"}, {"pattern", "^(new|[0-9]+)$"}, {"default", "new"}},
                  "The position to begin with; 1 is the oldest."),
        parameter("Last-Event-ID", "header", false, json::object{{"type", "string"}}, "Continue behind this position.")};
    stream["responses"] = errors({400});
    stream["responses"].as_object()["200"] =
        json::object{{"description", "The events."}, {"content", content("text/event-stream", json::object{{"type", "string"}})}};
    add("/v1/streams/{stream}", "GET", std::move(stream));
  }

  static json::object key_schema(const Type& type) {
    json::object out{{"type", "string"}};
    if (type.wire->key_kind == ORBIT_KEY_INT64) out["pattern"] = "^(0|-?[1-9][0-9]*)$";
    return out;
  }
  static json::object etag_header() {
    return json::object{{"ETag", json::object{{"description", "The version of the state."}, {"schema", json::object{{"type", "string"}}}}}};
  }

  json::object operation(const Type& type, const Method& method, std::string id, std::string_view summary, bool reads) {
    json::object out{{"operationId", std::move(id)}, {"tags", json::array{type.wire->name}}, {"summary", summary}};
    json::object answers = errors({400, 404});
    answers["200"] = json::object{{"description", "The answer."},
                                  {"headers", etag_header()},
                                  {"content", content("application/json", schemas_.ref(method.output->descriptor))}};
    out["responses"] = std::move(answers);
    out["parameters"] = json::array{
        parameter("If-Match", "header", false, json::object{{"type", "string"}}, "Only if the state has this version."),
    };
    if (reads) out["parameters"].as_array().push_back(
        parameter("If-None-Match", "header", false, json::object{{"type", "string"}}, "304 if the state still has this version."));
    if (!reads) out["parameters"].as_array().push_back(
        parameter("Idempotency-Key", "header", false, json::object{{"type", "string"}}, "Carried out once under this key."));
    return out;
  }

  // What a query can say: values, lists of them, and fields of messages by their path.
  void add_query(const pb::Descriptor* message, const std::string& prefix, const std::vector<std::string>& taken,
                 json::array& parameters, int depth) {
    constexpr int kDepthMax = 3;
    for (int i = 0; i < message->field_count(); ++i) {
      const auto* field = message->field(i);
      const std::string name = prefix + field->json_name();
      const bool is_taken = std::find(taken.begin(), taken.end(), prefix + field->name()) != taken.end();
      if (is_taken || field->is_map()) continue;
      if (const auto* inner = field->message_type(); inner != nullptr && !inner->full_name().starts_with("google.protobuf.")) {
        if (!field->is_repeated() && depth < kDepthMax) add_query(inner, name + ".", taken, parameters, depth + 1);
        continue;
      }
      parameters.push_back(parameter(name, "query", false, schemas_.of_field(field), {}));
    }
  }

  void add_method(const Type& type, const Method& method) {
    const std::string name(method.wire->name()), path = "/v1/actors/" + type.wire->name + "/{key}/" + name;
    const json::object key = parameter("key", "path", true, key_schema(type), "The actor's key.");
    json::object post = operation(type, method, type.wire->name + "." + name, name, false);
    post["parameters"].as_array().push_back(key);
    post["requestBody"] =
        json::object{{"required", false}, {"content", content("application/json", schemas_.ref(method.input->descriptor))}};
    add(path, "POST", std::move(post));
    if (method.wire->read_only()) {
      json::object get = operation(type, method, type.wire->name + "." + name + ".get", name, true);
      get["parameters"].as_array().push_back(key);
      add_query(method.input->descriptor, {}, {}, get["parameters"].as_array(), 0);
      add(path, "GET", std::move(get));
    }
    for (size_t i = 0; i < method.rules.size(); ++i) add_rule(type, method, method.rules[i], i);
  }

  void add_rule(const Type& type, const Method& method, const HttpRule& rule, size_t number) {
    const std::string name(method.wire->name());
    json::object one =
        operation(type, method, type.wire->name + "." + name + ".rule" + std::to_string(number + 1), name, method.wire->read_only());
    json::array& parameters = one["parameters"].as_array();
    std::vector<std::string> taken;
    std::string path;
    for (size_t i = 0; i < rule.parts.size(); ++i) {
      path += '/';
      const auto variable = std::find_if(rule.variables.begin(), rule.variables.end(),
                                         [i](const PathVariable& v) { return i >= v.begin && i < v.end; });
      if (rule.parts[i].kind == PathPart::Kind::literal) {
        path += rule.parts[i].literal;
        continue;
      }
      std::string parameter_name = variable != rule.variables.end() ? variable->field : "part" + std::to_string(i + 1);
      if (variable != rule.variables.end() && variable->end - variable->begin > 1) parameter_name += "." + std::to_string(i - variable->begin + 1);
      path += "{" + parameter_name + "}";
      parameters.push_back(parameter(parameter_name, "path", true, json::object{{"type", "string"}}, {}));
    }
    if (!rule.verb.empty()) path += ":" + rule.verb;
    for (const PathVariable& variable : rule.variables) taken.push_back(variable.field);
    if (rule.body == "*") {
      one["requestBody"] =
          json::object{{"required", false}, {"content", content("application/json", schemas_.ref(method.input->descriptor))}};
    } else {
      if (!rule.body.empty()) {
        const auto* field = method.input->descriptor->FindFieldByName(rule.body);
        one["requestBody"] = json::object{{"required", true}, {"content", content("application/json", schemas_.of_field(field))}};
        taken.push_back(rule.body);
      }
      add_query(method.input->descriptor, {}, taken, parameters, 0);
    }
    if (!rule.response_body.empty())
      one["responses"].as_object()["200"].as_object()["content"] =
          content("application/json", schemas_.of_field(method.output->descriptor->FindFieldByName(rule.response_body)));
    add(std::move(path), rule.method, std::move(one));
  }

  void add_state(const Type& type) {
    json::object get{{"operationId", type.wire->name + ".state"}, {"tags", json::array{type.wire->name}}, {"summary", "The state"}};
    get["parameters"] = json::array{
        parameter("key", "path", true, key_schema(type), "The actor's key."),
        parameter("If-None-Match", "header", false, json::object{{"type", "string"}}, "304 if the state still has this version.")};
    json::object answers = errors({400, 404});
    answers["200"] = json::object{{"description", "The state as completed calls left it."},
                                  {"headers", etag_header()},
                                  {"content", content("application/json", schemas_.ref(type.state->descriptor))}};
    get["responses"] = std::move(answers);
    add("/v1/actors/" + type.wire->name + "/{key}/state", "GET", std::move(get));
  }

  const Catalog& catalog_;
  bool asks_credentials_;
  const Sees& sees_;
  Schemas schemas_;
  json::object paths_;
};

}  // namespace

std::string openapi_document(const Catalog& catalog, bool asks_credentials, const Sees& sees) {
  return Document(catalog, asks_credentials, sees).write();
}

}  // namespace orbit::rest
