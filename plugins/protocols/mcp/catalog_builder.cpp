// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "catalog_builder.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "schema.hpp"

namespace orbit::mcp {
namespace {

namespace pb = google::protobuf;

// Of orbit/v1/options.proto and orbit/v1/mcp_options.proto. Read by number: their generated code would register itself in the
// process, which plugins must not.
constexpr int kMethodOptions = 50101;
constexpr int kIdempotent = 16;
constexpr int kDestructive = 17;
constexpr int kMcpOptions = 50110;
constexpr int kKeyField = 50103;

constexpr size_t kToolNameMax = 128;

bool matches(std::string_view pattern, std::string_view text) noexcept {
  // Where to go on when what follows the last '*' does not fit.
  size_t star = std::string_view::npos;
  size_t mark = 0;
  size_t p = 0;
  size_t t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// The fields of one option message. Looks at the bytes: whether some library of the process has registered the extension or not.
class OptionFields {
 public:
  OptionFields(const pb::MessageLite& options, int number) {
    pb::UnknownFieldSet all;
    if (!all.ParseFromString(options.SerializeAsString())) return;
    for (int i = 0; i < all.field_count(); ++i)
      if (all.field(i).number() == number && all.field(i).type() == pb::UnknownField::TYPE_LENGTH_DELIMITED)
        if (pb::UnknownFieldSet more; more.ParseFromString(all.field(i).length_delimited())) fields_.MergeFrom(more);
  }
  std::string text(int number) const {
    std::string out;
    for (int i = 0; i < fields_.field_count(); ++i)
      if (fields_.field(i).number() == number && fields_.field(i).type() == pb::UnknownField::TYPE_LENGTH_DELIMITED)
        out = fields_.field(i).length_delimited();
    return out;
  }
  std::optional<bool> flag(int number) const { return flag_of(fields_, number); }

  static std::optional<bool> flag_of(const pb::UnknownFieldSet& fields, int number) {
    std::optional<bool> out;
    for (int i = 0; i < fields.field_count(); ++i)
      if (fields.field(i).number() == number && fields.field(i).type() == pb::UnknownField::TYPE_VARINT)
        out = fields.field(i).varint() != 0;
    return out;
  }

 private:
  pb::UnknownFieldSet fields_;
};

struct McpOptions {
  explicit McpOptions(const pb::MethodDescriptor& method)
      : fields(method.options(), kMcpOptions),
        name(fields.text(1)),
        title(fields.text(2)),
        description(fields.text(3)),
        key(fields.text(4)),
        hidden(fields.flag(5).value_or(false)),
        prompt(fields.flag(6).value_or(false)),
        resource(fields.text(7)),
        mime_type(fields.text(8)),
        completion(fields.text(9)),
        input_schema(fields.text(10)),
        open_world(fields.flag(11)) {}

  OptionFields fields;
  std::string name, title, description, key;
  bool hidden;
  bool prompt;
  std::string resource, mime_type, completion, input_schema;
  std::optional<bool> open_world;
};

ReplyKind reply_kind(const pb::Descriptor& message) {
  if (message.full_name() == "orbit.mcp.v1.ToolReply") return ReplyKind::tool;
  if (message.full_name() == "orbit.mcp.v1.PromptReply") return ReplyKind::prompt;
  if (message.full_name() == "orbit.mcp.v1.ResourceReply") return ReplyKind::resource;
  return ReplyKind::message;
}

// Names that every client takes, also those that hand them to a model's API: letters, digits, '_' and '-'.
std::string tool_name(std::string_view type, std::string_view method) {
  std::string out = std::string(type) + "_" + std::string(method);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-'); }, '_');
  return out;
}

bool is_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kToolNameMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '.' || c == '/';
  });
}

bool is_context(const pb::FieldDescriptor& field) {
  return !field.is_repeated() && field.message_type() != nullptr && field.message_type()->full_name() == "orbit.mcp.v1.Context";
}

bool is_key(const pb::FieldDescriptor& field) {
  pb::UnknownFieldSet options;
  return options.ParseFromString(field.options().SerializeAsString()) && OptionFields::flag_of(options, kKeyField).value_or(false);
}

class OfferBuilder {
 public:
  OfferBuilder(Catalog* catalog, const Filter& filter) : catalog_(*catalog), filter_(filter) {}

  void add(const orbit_callable_type& callable, const pb::ServiceDescriptor& service,
           std::function<Result<std::string>(std::string_view)> state_json) {
    OfferedType type;
    type.state_json = std::move(state_json);
    type.name = callable.definition->name;
    type.key_kind = callable.key_kind == ORBIT_KEY_INT64   ? KeyKind::int64
                    : callable.key_kind == ORBIT_KEY_BYTES ? KeyKind::bytes
                                                           : KeyKind::string;
    if (callable.definition->state_type != nullptr) type.state_type = callable.definition->state_type;
    for (uint32_t i = 0; i < callable.definition->method_count; ++i) {
      const orbit_method& method = callable.definition->methods[i];
      const pb::MethodDescriptor* const described = service.FindMethodByName(method.name);
      if (described != nullptr) add(type, method, *described);
    }
    catalog_.types.emplace(type.name, type);
  }

 private:
  void complain(const Offer& offer, const std::string& what) {
    catalog_.complaints.push_back(offer.type + "/" + offer.method + " is not offered: " + what);
  }

  void add(const OfferedType& type, const orbit_method& method, const pb::MethodDescriptor& described) {
    const McpOptions options(described);
    if (options.hidden || described.input_type()->full_name() == "orbit.mcp.v1.CompletionRequest") return;
    Offer offer;
    offer.type = type.name;
    offer.method = method.name;
    offer.key_kind = type.key_kind;
    offer.read_only = (method.flags & ORBIT_METHOD_READ_ONLY) != 0;
    if (!filter_.lets(offer.type, offer.method, offer.read_only)) return;
    offer.reply = reply_kind(*described.output_type());
    offer.completion = options.completion;
    if (!offer.completion.empty() && described.service()->FindMethodByName(offer.completion) == nullptr)
      return complain(offer, "its completion '" + offer.completion + "' is no method of " + offer.type);
    offer.has_fixed_key = !options.key.empty();
    offer.fixed_key = options.key;
    const pb::Descriptor& request = *described.input_type();
    for (int i = 0; i < request.field_count(); ++i)
      if (is_context(*request.field(i))) {
        offer.context_field = request.field(i)->json_name();
        offer.context_alias = request.field(i)->name();
      }
    if (!offer.has_fixed_key) {
      for (int i = 0; i < request.field_count(); ++i)
        if (is_key(*request.field(i))) {
          offer.key_argument = request.field(i)->json_name();
          offer.key_is_field = true;
        }
      if (!offer.key_is_field) offer.key_argument = request.FindFieldByCamelcaseName("key") == nullptr ? "key" : "actor_key";
    }

    std::string description = options.description.empty() ? comment_of(described) : options.description;
    if (description.empty()) description = comment_of(*described.service());
    if (description.empty()) description = offer.method + " of " + offer.type;

    if (options.prompt) return add_prompt(std::move(offer), options, description, request);
    if (!options.resource.empty()) return add_resource(std::move(offer), options, description, request);
    if (offer.reply == ReplyKind::prompt) return complain(offer, "it returns a PromptReply, but is not marked as a prompt");
    if (offer.reply == ReplyKind::resource)
      return complain(offer, "it returns a ResourceReply, but is not marked as a resource");
    add_tool(std::move(offer), options, description, method, described);
  }

  void add_tool(Offer offer, const McpOptions& options, const std::string& description, const orbit_method& method,
                const pb::MethodDescriptor& described) {
    offer.name = options.name.empty() ? tool_name(offer.type, offer.method) : options.name;
    if (!is_name(offer.name))
      return complain(offer, "the name '" + offer.name + "' must be 1 to " + std::to_string(kToolNameMax) +
                                 " letters, digits, '_', '-', '.' or '/'");
    json::object input;
    if (options.input_schema.empty()) {
      input = message_schema(*described.input_type(), SchemaFor::request, &is_context);
      if (!offer.key_argument.empty()) {
        if (!offer.key_is_field) {
          json::object& properties = input["properties"].get_object();
          json::object with_key{{to_json(offer.key_argument), key_schema(offer)}};
          for (auto& property : properties) with_key.emplace(property.key(), std::move(property.value()));
          properties = std::move(with_key);
        }
        input["required"] = json::array{to_json(offer.key_argument)};
      }
    } else {
      auto parsed = parse_json(options.input_schema);
      if (!parsed) return complain(offer, "its input_schema is " + parsed.error().message);
      if (!parsed->is_object() || string_or_empty(parsed->get_object(), "type") != "object")
        return complain(offer, "its input_schema must be a JSON object with \"type\": \"object\"");
      input = std::move(parsed->get_object());
    }
    json::object listed{{"name", offer.name}};
    if (!options.title.empty()) listed["title"] = options.title;
    listed["description"] = description;
    listed["inputSchema"] = std::move(input);
    const bool has_reply = (method.flags & ORBIT_METHOD_ONE_WAY) == 0;
    if (offer.reply == ReplyKind::message && has_reply) {
      listed["outputSchema"] = message_schema(*described.output_type(), SchemaFor::reply, nullptr);
      offer.has_output_schema = true;
    }
    const OptionFields orbit(described.options(), kMethodOptions);
    json::object hints{{"readOnlyHint", offer.read_only}};
    if (!offer.read_only) {
      if (const auto destructive = orbit.flag(kDestructive)) hints["destructiveHint"] = *destructive;
      hints["idempotentHint"] = orbit.flag(kIdempotent).value_or(false);
    }
    if (options.open_world) hints["openWorldHint"] = *options.open_world;
    listed["annotations"] = std::move(hints);
    offer.listed = std::move(listed);
    insert(catalog_.tools, std::move(offer));
  }

  void add_prompt(Offer offer, const McpOptions& options, const std::string& description, const pb::Descriptor& request) {
    offer.name = options.name.empty() ? tool_name(offer.type, offer.method) : options.name;
    if (offer.reply != ReplyKind::prompt) return complain(offer, "a prompt returns orbit.mcp.v1.PromptReply");
    json::array listed_arguments;
    if (!offer.key_argument.empty() && !offer.key_is_field)
      offer.arguments.push_back({offer.key_argument, "Key of the " + offer.type + ".", {}, true, false});
    add_arguments(offer, request);
    for (const Argument& argument : offer.arguments) {
      json::object entry{{"name", argument.name}};
      if (!argument.description.empty()) entry["description"] = argument.description;
      entry["required"] = argument.required;
      listed_arguments.push_back(std::move(entry));
    }
    json::object listed{{"name", offer.name}};
    if (!options.title.empty()) listed["title"] = options.title;
    listed["description"] = description;
    if (!listed_arguments.empty()) listed["arguments"] = std::move(listed_arguments);
    offer.listed = std::move(listed);
    insert(catalog_.prompts, std::move(offer));
  }

  void add_resource(Offer offer, const McpOptions& options, const std::string& description, const pb::Descriptor& request) {
    offer.name = options.name.empty() ? tool_name(offer.type, offer.method) : options.name;
    offer.mime_type = options.mime_type.empty() ? "application/json" : options.mime_type;
    auto uri = UriTemplate::parse(options.resource);
    if (!uri) return complain(offer, uri.error().message);
    offer.uri = std::move(*uri);
    if (options.resource.starts_with("orbit:")) return complain(offer, "URIs that begin with 'orbit:' are the node's own");
    if (!offer.read_only) return complain(offer, "a resource needs (orbit.v1.method) = { read_only: true }");
    if (offer.reply != ReplyKind::resource && offer.reply != ReplyKind::message)
      return complain(offer, "a resource returns orbit.mcp.v1.ResourceReply, or an ordinary message, which is shown as JSON");
    bool key_given = offer.has_fixed_key;
    for (const std::string& variable : offer.uri.variables()) {
      const bool is_key = variable == offer.key_argument;
      key_given = key_given || is_key;
      if (!is_key && request.FindFieldByName(variable) == nullptr && request.FindFieldByCamelcaseName(variable) == nullptr)
        return complain(offer, "'{" + variable + "}' is no field of " + request.full_name());
    }
    if (!key_given) return complain(offer, "say whose it is: key in its options, or {" + offer.key_argument + "} in its URI");
    add_arguments(offer, request);
    const bool is_template = !offer.uri.variables().empty();
    json::object listed{{is_template ? "uriTemplate" : "uri", offer.uri.text()}, {"name", offer.name}};
    if (!options.title.empty()) listed["title"] = options.title;
    listed["description"] = description;
    listed["mimeType"] = offer.mime_type;
    offer.listed = std::move(listed);
    insert(is_template ? catalog_.templates : catalog_.resources, std::move(offer));
  }

  void add_arguments(Offer& offer, const pb::Descriptor& request) {
    for (int i = 0; i < request.field_count(); ++i) {
      const pb::FieldDescriptor& field = *request.field(i);
      if (is_context(field) || field.is_repeated() || field.message_type() != nullptr) continue;
      Argument argument{field.json_name(), comment_of(field), {}, !field.has_optional_keyword(),
                        field.type() == pb::FieldDescriptor::TYPE_BOOL};
      if (field.enum_type() != nullptr)
        for (int k = 0; k < field.enum_type()->value_count(); ++k) argument.choices.push_back(field.enum_type()->value(k)->name());
      if (argument.is_bool) argument.choices = {"false", "true"};
      offer.arguments.push_back(std::move(argument));
    }
  }

  static json::object key_schema(const Offer& offer) {
    json::object out;
    if (offer.key_kind == KeyKind::int64)
      out = {{"type", json::array{"integer", "string"}}, {"pattern", "^-?[0-9]+$"}};
    else
      out = {{"type", "string"}, {"minLength", 1}};
    out["description"] = "Which " + offer.type + ": the actor's key.";
    return out;
  }

  // By its name; resources by their URI.
  void insert(std::map<std::string, Offer, std::less<>>& offers, Offer offer) {
    const std::string name = offer.uri.text().empty() ? offer.name : offer.uri.text();
    const auto found = offers.find(name);
    if (found != offers.end())
      return complain(offer, "'" + name + "' is " + found->second.type + "/" + found->second.method + " already");
    offers.emplace(name, std::move(offer));
  }

  Catalog& catalog_;
  const Filter& filter_;
};

// Descriptors of one module.
struct Pool {
  std::shared_ptr<pb::DescriptorPool> pool = std::make_shared<pb::DescriptorPool>();
  std::string error;
};

// Turns stored states into JSON.
std::function<Result<std::string>(std::string_view)> state_reader(std::shared_ptr<pb::DescriptorPool> pool, const std::string& message) {
  if (message.empty() || pool->FindMessageTypeByName(message) == nullptr) return nullptr;
  std::shared_ptr<pb::util::TypeResolver> resolver(pb::util::NewTypeResolverForDescriptorPool("orbit", pool.get()));
  return [pool = std::move(pool), resolver = std::move(resolver), url = "orbit/" + message](std::string_view bytes) -> Result<std::string> {
    pb::util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;
    std::string out;
    const auto status = pb::util::BinaryToJsonString(resolver.get(), url, std::string(bytes), &out, options);
    if (!status.ok()) return fail(Code::data_loss, "the stored state is no " + url.substr(6) + ": " + std::string(status.message()));
    return out;
  };
}

class FirstError final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*, ErrorLocation,
                const std::string& message) override {
    if (text.empty()) text = file + ": " + element + ": " + message;
  }
  std::string text;
};

Pool read_pool(std::string_view bytes) {
  Pool out;
  pb::FileDescriptorSet set;
  if (!set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    out.error = "its descriptors cannot be read";
    return out;
  }
  for (const pb::FileDescriptorProto& file : set.file()) {
    FirstError error;
    if (out.pool->BuildFileCollectingErrors(file, &error) == nullptr && out.error.empty()) out.error = error.text;
  }
  return out;
}

}  // namespace

bool Filter::lets(std::string_view type, std::string_view method, bool method_is_read_only) const noexcept {
  if (read_only && !method_is_read_only) return false;
  const std::string name = std::string(type) + "/" + std::string(method);
  const auto fits = [&name](const std::string& pattern) { return matches(pattern, name); };
  return std::any_of(allow.begin(), allow.end(), fits) && std::none_of(deny.begin(), deny.end(), fits);
}

CatalogPtr build_catalog(uint64_t generation, const std::vector<orbit_callable_type>& types, const Filter& filter) {
  auto catalog = std::make_shared<Catalog>();
  catalog->generation = generation;
  OfferBuilder builder(catalog.get(), filter);
  // Types of one .proto share their descriptors.
  std::map<const char*, Pool> pools;
  for (const orbit_callable_type& type : types) {
    const orbit_bytes set = type.definition->descriptor_set;
    if (set.size == 0) continue;
    auto found = pools.find(set.data);
    if (found == pools.end()) found = pools.emplace(set.data, read_pool({set.data, set.size})).first;
    const pb::ServiceDescriptor* const service = found->second.pool->FindServiceByName(type.definition->name);
    if (service == nullptr)
      catalog->complaints.push_back(std::string(type.definition->name) + " is not offered: " +
                                    (found->second.error.empty() ? "its descriptors do not name it" : found->second.error));
    else
      builder.add(type, *service, state_reader(found->second.pool, type.definition->state_type != nullptr ? type.definition->state_type : ""));
  }
  return catalog;
}

}  // namespace orbit::mcp
