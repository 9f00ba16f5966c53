// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <map>
#include <string>

#include "config/node_config.hpp"
#include "config/render.hpp"
#include "orbit/plugin.hpp"

using namespace orbit::kernel;

namespace {

constexpr const char* kColours[] = {"red", "green", nullptr};
constexpr orbit_option kOptions[] = {
    orbit::option_string("listen", nullptr, "Where to listen."),
    orbit::option_string("colour", "\"red\"", "A colour.", kColours),
    orbit::option_integer("size_bytes", "16", 1, 1024, "A size."),
    orbit::option_number("ratio", "0.5", 0, 1, "A ratio."),
    orbit::option_boolean("strict", "false", "Strictness."),
    orbit::option_strings("tags", "[\"a\", \"b\"]", "Some tags."),
    orbit::option_secret("password", "\"\"", "A password."),
    orbit::option_string("tls.certificate", "\"\"", "A file."),
    orbit::option_integer("anything", "-3", 0, 0, "An unbounded number."),
};

Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto it = values.find(name);
    return it == values.end() ? std::nullopt : std::optional<std::string>(it->second);
  };
}

struct Read {
  std::optional<NodeConfig> config;
  std::string report;
};

// Reads a file whose plugins all have kOptions.
Read read(std::string_view text, std::vector<Override> overrides = {}, Environment from = environment({})) {
  Mistakes mistakes("node.toml");
  Read out;
  out.config = read_config(text, overrides, from, mistakes);
  if (out.config)
    for (PluginEntry& entry : out.config->plugins) validate_entry(entry, kOptions, mistakes);
  out.report = mistakes.report();
  return out;
}

const std::string kPlugin = "[[plugin]]\nname = \"p\"\nid = \"x.y\"\n[plugin.config]\nlisten = \"l\"\n";

}  // namespace

TEST_CASE("an empty file gives the defaults") {
  const Read got = read("");
  CHECK(got.report.empty());
  REQUIRE(got.config);
  CHECK(got.config->node.string("name") == "orbit");
  CHECK(got.config->limits.integer("flush_delay_ms") == 1000);
  CHECK(got.config->log.strings("levels").empty());
  CHECK(got.config->plugins.empty());
}

TEST_CASE("the node's own schema has no fault") {
  for (const Section& section : config_sections()) CHECK(schema_fault(section.options) == "");
}

TEST_CASE("every kind of value is read, and what is not given has its default") {
  const Read got = read(kPlugin + "size_bytes = 1024\nratio = 1\nstrict = true\ntags = []\ntls.certificate = \"c\"\n");
  CHECK(got.report == "");
  const Values& values = got.config->plugins.at(0).values;
  CHECK(values.string("listen") == "l");
  CHECK(values.string("colour") == "red");
  CHECK(values.integer("size_bytes") == 1024);
  CHECK(values.boolean("strict"));
  CHECK(values.strings("tags").empty());
  CHECK(values.string("tls.certificate") == "c");
  CHECK(values.integer("anything") == -3);
  CHECK(values.all().size() == std::size(kOptions));
}

TEST_CASE("all mistakes are told at once, in the order of the file, each with its place") {
  const Read got = read(R"([node]
wrokers = 3
[limits]
mailbox_max = 0
io_threads = "four"
[logg]
[log]
level = "loud"
levels = ["net"]
[storage]
instance = "stroe"
[[plugin]]
name = "store"
id = "x"
[plugin.config]
listn = "127.0.0.1:1"
colour = "blue"
size_bytes = 4096
ratio = 2.5
strict = 1
tags = ["a", 2]
tls.certificat = "c"
[[plugin]]
name = "store"
[plugin.config]
listen = 5
[[plugin]]
name = "bad name"
id = "x"
required = "yes"
config = 1
[[module]]
required = false
)");
  CHECK(got.report ==
        "node.toml:2:1: unknown key 'wrokers' in [node]; did you mean 'workers'?\n"
        "node.toml:4:15: 'mailbox_max' in [limits]: expected 1 to 1000000, found 0\n"
        "node.toml:5:14: 'io_threads' in [limits]: expected an integer, found a string\n"
        "node.toml:6:2: unknown section 'logg'; did you mean 'log'?\n"
        "node.toml:8:9: 'level' in [log]: expected one of 'trace', 'debug', 'info', 'warn', 'error', found 'loud'\n"
        "node.toml:9:11: 'levels' in [log]: expected \"logger=level\", found \"net\"\n"
        "node.toml:11:12: 'instance' in [storage]: no [[plugin]] has the name 'stroe'; did you mean 'store'?\n"
        "node.toml:15:1: missing key 'listen' in [plugin.config] of 'store': Where to listen.\n"
        "node.toml:16:1: unknown key 'listn' in [plugin.config] of 'store'; did you mean 'listen'?\n"
        "node.toml:17:10: 'colour' in [plugin.config] of 'store': expected one of 'red', 'green', found 'blue'\n"
        "node.toml:18:14: 'size_bytes' in [plugin.config] of 'store': expected 1 to 1024, found 4096\n"
        "node.toml:19:9: 'ratio' in [plugin.config] of 'store': expected 0 to 1, found 2.5\n"
        "node.toml:20:10: 'strict' in [plugin.config] of 'store': expected true or false, found an integer\n"
        "node.toml:21:8: 'tags' in [plugin.config] of 'store': expected a list of strings, found an integer in it\n"
        "node.toml:22:5: unknown key 'tls.certificat' in [plugin.config] of 'store'; did you mean 'tls.certificate'?\n"
        "node.toml:23:1: missing key 'id' in [[plugin]]: What the plugin calls itself; `orbitd --describe` lists the "
        "ids.\n"
        "node.toml:24:8: the name 'store' is taken by the [[plugin]] in line 13\n"
        "node.toml:26:10: 'listen' in [plugin.config] of 'store': expected a string, found an integer\n"
        "node.toml:27:1: missing key 'listen' in [plugin.config] of 'bad name': Where to listen.\n"
        "node.toml:28:8: 'name' in [[plugin]]: expected 1 to 64 letters, digits, '_' or '-', found 'bad name'\n"
        "node.toml:30:12: 'required' in [[plugin]]: expected true or false, found a string\n"
        "node.toml:31:1: 'config' in [[plugin]]: expected a table, found an integer\n"
        "node.toml:32:1: missing key 'path' in [[module]]: File of the actor module: relative to the working "
        "directory, or "
        "without '/' in node.module_paths.\n");
}

TEST_CASE("a name is suggested only if it resembles what was written, else all are told") {
  constexpr std::string_view known[] = {"log", "limits"};
  CHECK(nearest_hint("logg", known) == "; did you mean 'log'?");
  CHECK(nearest_hint("limts", known) == "; did you mean 'limits'?");
  CHECK(nearest_hint("foo", known) == "; known are 'log', 'limits'");
  CHECK(nearest_hint("x", known) == "; known are 'log', 'limits'");
}

TEST_CASE("what is no TOML is told with its place") {
  const Read got = read("[node]\nname = \n");
  CHECK_FALSE(got.config);
  CHECK(got.report.find("node.toml:2:8: ") == 0);
}

TEST_CASE("a single table where a list of tables belongs is told") {
  CHECK(read("[plugin]\nname = \"x\"\n").report ==
        "node.toml:1:2: expected [[plugin]] with double brackets, found a table\n");
}

TEST_CASE("environment variables are put into strings, and what is not set is a mistake") {
  const auto from = environment({{"HOST", "::1"}, {"PORT", "80"}, {"EMPTY", ""}});
  const Read good = read(
      "[[plugin]]\nname = \"p\"\nid = \"x.y\"\n[plugin.config]\nlisten = \"${HOST}:${PORT}${EMPTY}\"\ntags = "
      "[\"$${HOST}\", \"$5\", \"${PORT}\"]\n",
      {}, from);
  CHECK(good.report == "");
  const Values& values = good.config->plugins.at(0).values;
  CHECK(values.string("listen") == "::1:80");
  CHECK(values.strings("tags") == std::vector<std::string>{"${HOST}", "$5", "80"});
  CHECK(read("[node]\nname = \"${NOWHERE}\"\n").report == "node.toml:2:8: environment variable 'NOWHERE' is not set\n");
  CHECK(read("[node]\nname = \"${HOST\"\n", {}, from)
            .report.find("node.toml:2:8: '${' begins the name of an environment variable") == 0);
  CHECK(read("[node]\nname = \"${}\"\n", {}, from).report.find("node.toml:2:8: '${'") == 0);
}

TEST_CASE("what comes from outside the file must be UTF-8 without NUL") {
  const auto from = environment(
      {{"BAD", "\xff"}, {"OVERLONG", "\xc0\x80"}, {"SURROGATE", "\xed\xa0\x80"}, {"GOOD", "\xf0\x9f\x9a\x80"}});
  for (const char* name : {"BAD", "OVERLONG", "SURROGATE"})
    CHECK(read("[node]\nname = \"${" + std::string(name) + "}\"\n", {}, from).report ==
          "node.toml:2:8: 'name' in [node]: expected UTF-8, found other bytes\n");
  CHECK(read("[node]\nname = \"${GOOD}\"\n", {}, from).report == "");
  CHECK(read("[node]\nname = \"a\\u0000b\"\n").report ==
        "node.toml:2:8: 'name' in [node]: expected text, found a NUL character\n");
}

TEST_CASE("a value from the environment is not read for variables again") {
  const Read got = read("[node]\nname = \"${A}\"\n", {}, environment({{"A", "${B}"}, {"B", "no"}}));
  CHECK(got.config->node.string("name") == "${B}");
}

TEST_CASE("secrets are shown neither in the configuration in force nor in mistakes") {
  const Read got = read(kPlugin + "password = \"${PW}\"\n", {}, environment({{"PW", "hunter2"}}));
  CHECK(got.config->plugins.at(0).values.string("password") == "hunter2");
  CHECK(got.config->json().find("hunter2") == std::string::npos);
  CHECK(got.config->json().find("\"password\":\"(set)\"") != std::string::npos);
  CHECK(read(kPlugin).config->json().find("\"password\":\"(unset)\"") != std::string::npos);
  CHECK(read(kPlugin + "password = [\"hunter2\"]\n").report.find("hunter2") == std::string::npos);
  CHECK(read(kPlugin, {"plugin.p.config.passwrd=hunter2"}).report.find("hunter2") == std::string::npos);
}

TEST_CASE("keys are overridden from the command line, with TOML values or plain strings") {
  const Read got = read(kPlugin, {"limits.mailbox_max=7", "node.name=me", "plugin.p.config.listen=[::1]:0",
                                  "plugin.p.config.tls.certificate=\"c\"", "plugin.p.required=false"});
  CHECK(got.report == "");
  CHECK(got.config->limits.integer("mailbox_max") == 7);
  CHECK(got.config->node.string("name") == "me");
  CHECK(got.config->plugins.at(0).values.string("listen") == "[::1]:0");
  CHECK(got.config->plugins.at(0).values.string("tls.certificate") == "c");
  CHECK_FALSE(got.config->plugins.at(0).required);
  CHECK(read(kPlugin, {"limits.mailbx_max=7"}).report ==
        "--set limits.mailbx_max: unknown key 'mailbx_max' in [limits]; did you mean 'mailbox_max'?\n");
  CHECK(read(kPlugin, {"plugin.q.config.listen=x"}).report ==
        "--set plugin.q.config.listen: no [[plugin]] has the name 'q'\n");
  CHECK(read(kPlugin, {"limits"}).report.find("--set limits: expected key=value") == 0);
  CHECK(read(kPlugin, {"limits..x=1"}).report.find("--set limits..x: ") == 0);
}

TEST_CASE("bounds of the reader itself: size, nesting, number of plugins") {
  std::string large = "#" + std::string(kConfigBytesMax, 'x');
  CHECK(read(large).report.find("at most 4194304 are read") != std::string::npos);
  std::string deep = "a = ";
  for (int i = 0; i < 40; ++i) deep += "[";
  for (int i = 0; i < 40; ++i) deep += "]";
  CHECK(read(deep).report.find("deeper than 32") != std::string::npos);
  std::string many;
  for (int i = 0; i < 257; ++i) many += "[[module]]\npath = \"m\"\n";
  CHECK(read(many).report == "node.toml:513:1: more than 256 [[module]]\n");
}

TEST_CASE("a fault in a plugin's schema is found") {
  constexpr orbit_option twice[] = {orbit::option_boolean("a", "true", "x"), orbit::option_boolean("a", "true", "x")};
  CHECK(schema_fault(twice) == "option 'a' is declared twice");
  constexpr orbit_option bad_default[] = {orbit::option_integer("a", "yes please", 0, 1, "x")};
  CHECK(schema_fault(bad_default).find("default that is no TOML value") != std::string::npos);
  constexpr orbit_option bad_type[] = {{sizeof(orbit_option), 77, 0, 0, "a", "1", "x", nullptr, 0, 0}};
  CHECK(schema_fault(bad_type) == "option 'a' has type 77, expected 1 to 5");
  CHECK(schema_fault(kOptions) == "");
}

TEST_CASE("the edge sees every value with its type") {
  const Read got = read(kPlugin + "ratio = 0.25\n");
  const std::string instance = "p";
  const EdgeConfig edge(got.config->plugins.at(0).values, instance);
  const orbit::Config config(edge.get());
  CHECK(config.instance() == "p");
  CHECK(config.string("listen") == "l");
  CHECK(config.integer("size_bytes") == 16);
  CHECK(config.number("ratio") == 0.25);
  CHECK_FALSE(config.boolean("strict"));
  CHECK(config.strings("tags") == std::vector<std::string>{"a", "b"});
  CHECK_THROWS_AS(config.string("size_bytes"), std::logic_error);
}

TEST_CASE("the description of a plugin has every key, and its reference is a configuration without mistakes") {
  DescribedPlugin plugin{"x.y", "1.0", "A plugin.", {"a/1"}, {}, Options(std::begin(kOptions), std::end(kOptions))};
  const std::string text = describe_text(false, {&plugin, 1});
  for (const orbit_option& option : kOptions) CHECK(text.find(option.key) != std::string::npos);
  CHECK(read(reference_toml({&plugin, 1})).report == "");
  CHECK(describe_json(true, {&plugin, 1}).find("\"key\":\"tls.certificate\"") != std::string::npos);
}

TEST_CASE("the default configuration of the tree has no mistakes of the node's own") {
  Mistakes mistakes("configs/node.toml");
  const auto text = read_text_file(SOURCE_DIR "/configs/node.toml");
  REQUIRE(text);
  CHECK(read_config(*text, {}, environment({}), mistakes));
  CHECK(mistakes.report() == "");
}

TEST_CASE("the most specific route of a type counts, and without one there is none") {
  const Read got = read(kPlugin +
                        "[[plugin]]\nname = \"q\"\nid = \"x.y\"\n[plugin.config]\nlisten = \"l\"\n"
                        "[[route]]\ntypes = [\"bank.*\", \"shop.Cart\"]\nstorage = \"q\"\n"
                        "[[route]]\ntypes = [\"bank.audit*\", \"bank.Account\"]\nstorage = \"p\"\n");
  CHECK(got.report == "");
  const auto storage = [&got](std::string_view type) {
    const std::string* found = got.config->routes.find(type);
    return found == nullptr ? "none" : *found;
  };
  CHECK(storage("bank.Branch") == "q");
  CHECK(storage("bank.Account") == "p");
  CHECK(storage("bank.Accounts") == "q");
  CHECK(storage("bank.audit.Log") == "p");
  CHECK(storage("shop.Cart") == "q");
  CHECK(storage("shop.Carts") == "none");
  CHECK(storage("ban") == "none");
}

TEST_CASE("mistaken routes are told with their place") {
  const auto report = [](const std::string& route) { return read(kPlugin + "[[route]]\n" + route).report; };
  CHECK(report("types = [\"a\"]\nstorage = \"pp\"\n").find("no [[plugin]] has the name 'pp'; did you mean 'p'?") !=
        std::string::npos);
  CHECK(report("types = []\nstorage = \"p\"\n").find("expected at least one type") != std::string::npos);
  CHECK(report("types = [\"a*b\"]\nstorage = \"p\"\n").find("one '*' at the end") != std::string::npos);
  CHECK(report("types = [\"a\", \"a\"]\nstorage = \"p\"\n").find("bound to the storage 'p' already") != std::string::npos);
  CHECK(report("types = [\"\"]\nstorage = \"p\"\n").find("0 bytes") != std::string::npos);
  CHECK(report("storage = \"p\"\n").find("missing key 'types' in [[route]]") != std::string::npos);
}
