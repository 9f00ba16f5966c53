// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include "catalog_builder.hpp"
#include "fixture.orbit.hpp"

using namespace orbit;
using namespace orbit::mcp;

namespace {

orbit_method method(const char* name, uint32_t flags = 0) {
  orbit_method out{};
  out.struct_size = sizeof out;
  out.name = name;
  out.flags = flags;
  return out;
}

CatalogPtr fixture_catalog(const Filter& filter = {}) {
  static const std::vector<orbit_method> methods = {
      method("SimpleText", ORBIT_METHOD_READ_ONLY), method("Sampling"),     method("JsonSchema"),
      method("PromptWithArguments"),                method("CompleteArgument"), method("StaticText", ORBIT_METHOD_READ_ONLY),
      method("TemplateData", ORBIT_METHOD_READ_ONLY), method("Watched"),    method("NotThere")};
  orbit_actor_type type{};
  type.struct_size = sizeof type;
  type.name = "fixture.Fixture";
  type.methods = methods.data();
  type.method_count = static_cast<uint32_t>(methods.size());
  type.descriptor_set = fixture::FixtureService::descriptor_set();
  orbit_callable_type callable{};
  callable.struct_size = sizeof callable;
  callable.key_kind = ORBIT_KEY_STRING;
  callable.definition = &type;
  return build_catalog(7, {callable}, filter);
}

}  // namespace

TEST_CASE("a method becomes a tool with the comment before it, a schema without what the wire fills in, and hints") {
  const CatalogPtr catalog = fixture_catalog();
  const Offer* const simple = catalog->tool("test_simple_text");
  REQUIRE(simple != nullptr);
  CHECK(simple->listed.at("description") == "Tests simple text content response");
  CHECK(simple->listed.at("inputSchema") == json::object{{"type", "object"}, {"properties", json::object()}, {"additionalProperties", false}});
  CHECK(simple->listed.at("annotations") == json::object{{"readOnlyHint", true}});
  CHECK_FALSE(simple->listed.contains("outputSchema"));
  CHECK(simple->context_field == "context");
  const Offer* const sampling = catalog->tool("test_sampling");
  REQUIRE(sampling != nullptr);
  CHECK(sampling->listed.at("inputSchema").as_object().at("properties") ==
        json::object{{"prompt", {{"type", "string"}, {"description", "The prompt to send to the model."}}}});
  CHECK(sampling->listed.at("annotations") == json::object{{"readOnlyHint", false}, {"idempotentHint", false}});
  const Offer* const person = catalog->tool("json_schema_2020_12_tool");
  REQUIRE(person != nullptr);
  CHECK(person->listed.at("inputSchema").as_object().contains("allOf"));
  CHECK(person->listed.at("outputSchema").as_object().at("properties").as_object().contains("contactMethod"));
}

TEST_CASE("prompts, resources and templates are what their options say, and completion is no tool") {
  const CatalogPtr catalog = fixture_catalog();
  const Offer* const prompt = catalog->prompt("test_prompt_with_arguments");
  REQUIRE(prompt != nullptr);
  CHECK(prompt->completion == "CompleteArgument");
  CHECK(prompt->listed.at("arguments").as_array().at(0) ==
        json::object{{"name", "arg1"}, {"description", "First test argument"}, {"required", true}});
  CHECK(catalog->resources.contains("test://static-text"));
  CHECK(catalog->templates.contains("test://template/{id}/data"));
  CHECK(catalog->tools.size() == 3);
  // Watched is not said to be read-only here.
  REQUIRE(catalog->complaints.size() == 1);
  CHECK(catalog->complaints[0].find("fixture.Fixture/Watched") != std::string::npos);
}

TEST_CASE("an operator decides what is offered") {
  CHECK(fixture_catalog({.allow = {"bank.*"}})->tools.empty());
  CHECK(fixture_catalog({.allow = {"fixture.*/S*"}})->tools.size() == 2);
  CHECK(fixture_catalog({.deny = {"*/Sampling"}})->tools.size() == 2);
  CHECK(fixture_catalog({.read_only = true})->tools.size() == 1);
}

TEST_CASE("descriptors that cannot be read are complained about, and nothing else is lost") {
  orbit_actor_type type{};
  type.struct_size = sizeof type;
  type.name = "broken.Type";
  type.descriptor_set = {"\xff\xff", 2};
  orbit_callable_type callable{};
  callable.struct_size = sizeof callable;
  callable.definition = &type;
  const CatalogPtr catalog = build_catalog(1, {callable}, {});
  REQUIRE(catalog->complaints.size() == 1);
  CHECK(catalog->tools.empty());
}
