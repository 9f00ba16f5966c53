// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Plugins that are added to the running ones, and removed.
#include <doctest/doctest.h>

#include <filesystem>

#include "host_fixture.hpp"
#include "old_plugin.h"
#include "orbit/ext/storage.h"
#include "orbit/plugin.hpp"

using namespace orbit::kernel;
using namespace orbit::test;
namespace fs = std::filesystem;

namespace {

const std::string kIntact = kBroken + "intact.so";

// A host with one plugin that runs, into which a test adds others.
struct RunningHost : Host {
  AddSteps steps;
  std::vector<std::string> asked;  // of the steps, in order
  orbit::Result<> allowed, adopted;

  explicit RunningHost(int64_t probe_timeout_ms = 60'000, std::vector<std::string> search_paths = {},
                       size_t added_max = PluginHostOptions().added_max)
      : Host(entry("old", "test.old", kOld, "[plugin.config]\ntext = \"first\"\n"), std::move(search_paths),
             probe_timeout_ms, added_max) {
    REQUIRE(run().empty());
    steps.allow = [this](const Descriptor& descriptor) { return asked.push_back("allow " + descriptor.id), allowed; };
    steps.adopt = [this](const std::string& instance, const Descriptor&) {
      CHECK(host->provided_by(instance, "test.thing/1").has_value());
      return asked.push_back("adopt " + instance), adopted;
    };
    steps.drop = [this](const std::string& instance, const orbit_host* its) {
      asked.push_back("drop " + instance);
      CHECK(PluginContext::of(its).given_up.load());
    };
  }
  ~RunningHost() {
    CHECK(host->stop({}));
    CHECK(host->destroy());
  }

  orbit::Result<> add(const std::string& toml) {
    Mistakes told("[[plugin]]");
    const auto table = parse_toml(toml, told);
    REQUIRE(table);
    PluginEntry made = read_plugin(*table, told);
    return host->add(made, told, steps);
  }
  orbit::Result<> add(const std::string& name, const std::string& file, const std::string& rest = "") {
    return add("name = \"" + name + "\"\nid = \"test.broken\"\npath = \"" + file + "\"\n" + rest);
  }

  void check_as_before() {
    const auto status = host->status();
    REQUIRE(status.size() == 1);
    CHECK(status[0].instance == "old");
    CHECK(status[0].state == "running");
    CHECK(host->provided("test.thing/1").empty());
    const auto provided = host->provided_by("old", OLD_PLUGIN_V1);
    REQUIRE(provided);
    CHECK(std::string(static_cast<const old_plugin_v1*>(provided->table)->text(provided->self)) == "first");
  }
};

void check_refused(const std::string& file, std::initializer_list<std::string> parts,
                   int64_t probe_timeout_ms = 60'000) {
  CAPTURE(file);
  RunningHost host(probe_timeout_ms);
  const auto added = host.add("thing", file);
  REQUIRE_FALSE(added);
  CHECK(added.error().message.starts_with("plugin 'thing': "));
  check_parts(added.error().message, parts);
  host.check_as_before();
  // Nothing of it is left in the way.
  REQUIRE(host.add("thing", kIntact));
  CHECK(host.host->status().at(1).state == "running");
  CHECK(host.host->provided("test.thing/1").size() == 1);
}

}  // namespace

TEST_CASE("a plugin that is added runs, is listed as not configured, and is stopped with the others") {
  RunningHost host;
  REQUIRE(host.add("thing", kIntact));
  const auto status = host.host->status();
  REQUIRE(status.size() == 2);
  CHECK(status[0].configured);
  CHECK(status[1].instance == "thing");
  CHECK(status[1].state == "running");
  CHECK(status[1].file == kIntact);
  CHECK_FALSE(status[1].configured);
  CHECK(host.asked == std::vector<std::string>{"allow test.broken", "adopt thing"});
  CHECK(host.host->provided("test.thing/1").size() == 1);
  REQUIRE(host.add("second", kIntact));
  CHECK(host.host->provided("test.thing/1").size() == 2);
}

TEST_CASE("every broken plugin is refused with what was found, and the running ones are as they were") {
  check_refused(kBroken + "no_symbol.so", {"found no symbol 'orbit_plugin'", "expected"});
  check_refused(kBroken + "wrong_major.so", {"found ABI major 9", "expected 1"});
  check_refused(kBroken + "short_struct.so", {"found a descriptor of 64 bytes", "expected at least 72"});
  check_refused(kBroken + "null_descriptor.so", {"returned null", "expected a descriptor"});
  check_refused(kBroken + "bad_default.so", {"option 'count'", "expected 0 to 10", "found 1000"});
  check_refused(kBroken + "entry_crashes.so", {"expected an intact ELF shared library"});
  check_refused(kBroken + "absent.so", {"found nothing", "expected"});
}

TEST_CASE("a library that hangs when it is tried is given up, and the running ones are as they were") {
  RunningHost host(1000);
  const auto added = host.add("thing", kBroken + "entry_hangs.so");
  REQUIRE_FALSE(added);
  check_parts(added.error().message, {"entry_hangs.so", "probe_timeout_ms (1000)"});
  host.check_as_before();
}

TEST_CASE("a plugin whose create or start is no good is refused, and its name is free again") {
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"missing_needs", {"needs 'orbit.teleport/1'", "expected it from the node"}},
      {"false_provides", {"provides 'test.thing/1'", "returned null"}},
      {"create_fails", {"`create` failed", "UNAVAILABLE", "the disk is on fire"}},
      {"create_throws", {"`create` threw", "thrown across the edge"}},
      {"create_gives_nothing", {"no instance", "expected one"}},
      {"create_hangs", {"`create` did not return", "plugin_create_timeout_ms (2000 ms)"}},
      {"start_fails", {"`start` failed", "the port is taken"}},
      {"start_hangs", {"`start` did not return", "plugin_create_timeout_ms (2000 ms)"}},
  };
  for (const auto& [kind, parts] : cases) {
    CAPTURE(std::string(kind));
    RunningHost host;
    const std::string file = kBroken + kind + ".so";
    for (int attempt = 0; attempt < 2; ++attempt) {
      const auto added = host.add("thing", file);
      REQUIRE_FALSE(added);
      check_parts(added.error().message, {"plugin 'thing': " + file});
      for (const std::string& part : parts) check_parts(added.error().message, {part});
      host.check_as_before();
    }
    const bool started = std::string(kind).starts_with("start");
    CHECK(std::count(host.asked.begin(), host.asked.end(), "drop thing") == (started ? 2 : 0));
    REQUIRE(host.add("thing", kIntact));
    CHECK(host.host->status().at(1).state == "running");
  }
}

TEST_CASE("what a start that failed has left open is closed before its stop") {
  RunningHost host;
  orbit_code at_drop = ORBIT_UNKNOWN;
  host.steps.adopt = [](const std::string&, const Descriptor&) { return orbit::Result<>(); };
  host.steps.drop = [&](const std::string& instance, const orbit_host* its) {
    CHECK(PluginContext::of(its).given_up.load());
    const auto provided = host.host->provided_by(instance, ORBIT_STORAGE_V1);
    REQUIRE(provided);
    orbit::ErrorOut error;
    at_drop = static_cast<const orbit_storage_v1*>(provided->table)->sync(provided->self, &error);
  };
  const auto added = host.add("name = \"storm\"\nid = \"test.throwing\"\npath = \"" + std::string(ABI_PLUGINS) +
                              "/throwing.so\"\n[config]\nwhere = \"start\"\n");
  REQUIRE_FALSE(added);
  check_parts(added.error().message, {"thrown by start"});
  CHECK(at_drop == ORBIT_OK);  // and not yet stopped
}

TEST_CASE("what the node does not allow is not created, and what it does not adopt is destroyed before it starts") {
  RunningHost host;
  host.allowed = orbit::fail(orbit::Code::failed_precondition, "not while I run");
  auto added = host.add("thing", kIntact);
  REQUIRE_FALSE(added);
  CHECK(added.error().message == "plugin 'thing': not while I run");
  CHECK(host.asked == std::vector<std::string>{"allow test.broken"});
  host.check_as_before();
  host.allowed = {};
  host.adopted = orbit::fail(orbit::Code::already_exists, "its types are there");
  added = host.add("thing", kIntact);
  REQUIRE_FALSE(added);
  CHECK(added.error().code == orbit::Code::already_exists);
  CHECK(host.asked == std::vector<std::string>{"allow test.broken", "allow test.broken", "adopt thing"});
  host.check_as_before();
}

TEST_CASE("a name that is taken, an id of another file and a wrong id are refused") {
  RunningHost host;
  auto added = host.add("old", kIntact);
  REQUIRE_FALSE(added);
  CHECK(added.error().code == orbit::Code::already_exists);
  check_parts(added.error().message, {"the name 'old' is taken", "test.old, running"});
  added = host.add("name = \"thing\"\nid = \"test.other\"\npath = \"" + kIntact + "\"\n");
  REQUIRE_FALSE(added);
  check_parts(added.error().message, {"found the plugin id 'test.broken'", "expected 'test.other'"});
  host.check_as_before();
  REQUIRE(host.add("thing", kIntact));
  added = host.add("twin", kBroken + "newer_minor.so");
  REQUIRE_FALSE(added);
  check_parts(added.error().message, {"newer_minor.so", "intact.so", "expected one file for one id"});
  CHECK(host.host->status().size() == 2);
}

TEST_CASE("nothing of a plugin that is refused comes into this process") {
  TemporaryFolder folder;
  RunningHost host;
  const auto mapped = [](const std::string& file) { return read("/proc/self/maps").find(file) != std::string::npos; };
  const auto copy = [&folder](const std::string& kind) {
    const std::string file = folder.path + "/" + kind + "_copy.so";
    fs::copy(kBroken + kind + ".so", file, fs::copy_options::overwrite_existing);
    return file;
  };
  const std::string file = copy("intact");
  check_parts(host.add("name = \"thing\"\nid = \"test.other\"\npath = \"" + file + "\"\n").error().message,
              {"expected 'test.other'"});
  CHECK_FALSE(mapped(file));
  check_parts(host.add("thing", file, "[config]\ncount = 11\n").error().message, {"expected 0 to 10, found 11"});
  CHECK_FALSE(mapped(file));
  host.allowed = orbit::fail(orbit::Code::failed_precondition, "not while I run");
  check_parts(host.add("thing", file).error().message, {"not while I run"});
  CHECK_FALSE(mapped(file));
  host.allowed = {};
  const std::string needy = copy("missing_needs");
  check_parts(host.add("thing", needy).error().message, {"needs 'orbit.teleport/1'"});
  CHECK_FALSE(mapped(needy));
  REQUIRE(host.add("thing", kIntact));
  check_parts(host.add("twin", file).error().message, {"expected one file for one id"});
  CHECK_FALSE(mapped(file));
  REQUIRE(host.host->remove("thing", [](const orbit_host*) {}));
  host.host->free_name("thing");
  // It was never loaded, so another may take its path.
  copy("newer_minor");
  fs::rename(folder.path + "/newer_minor_copy.so", file);
  REQUIRE(host.add("thing", file));
  CHECK(mapped(file));
}

TEST_CASE("what a probe tells of a plugin's options is what the plugin has") {
  for (const std::string& file : {kBroken + "intact.so", kOld, std::string(ABI_PLUGINS) + "/throwing.so"}) {
    CAPTURE(file);
    const auto probed = probe_library(file, ORBITD, 60'000);
    const auto loaded = load_library(file);
    REQUIRE(probed);
    REQUIRE(loaded);
    CHECK(probed->provides == loaded->provides);
    CHECK(probed->needs == loaded->needs);
    REQUIRE(probed->options.size() == loaded->options.size());
    const auto same = [](const char* a, const char* b) {
      return (a == nullptr) == (b == nullptr) && (a == nullptr || std::string(a) == b);
    };
    for (size_t i = 0; i < probed->options.size(); ++i) {
      const orbit_option &a = probed->options[i], &b = loaded->options[i];
      CHECK(same(a.key, b.key));
      CHECK(same(a.default_value, b.default_value));
      CHECK(same(a.doc, b.doc));
      CHECK(a.type == b.type);
      CHECK(a.flags == b.flags);
      CHECK(a.min == b.min);
      CHECK(a.max == b.max);
      REQUIRE((a.choices == nullptr) == (b.choices == nullptr));
      for (size_t at = 0; a.choices != nullptr; ++at) {
        CHECK(same(a.choices[at], b.choices[at]));
        if (a.choices[at] == nullptr || b.choices[at] == nullptr) break;
      }
    }
  }
}

TEST_CASE("all mistakes in an entry and its settings are told at once, with the nearest known keys") {
  RunningHost host;
  const auto added = host.add("name = \"no good\"\nid = \"test.broken\"\npth = \"x\"\npath = \"" + kIntact +
                              "\"\n[config]\ncuont = 3\ncount = 11\n");
  REQUIRE_FALSE(added);
  CHECK(added.error().code == orbit::Code::invalid_argument);
  const std::string& text = added.error().message;
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
  check_parts(text, {"unknown key 'pth' in [[plugin]]; did you mean 'path'?", "found 'no good'",
                     "unknown key 'cuont' in [plugin.config] of 'no good'; did you mean 'count'?",
                     "'count' in [plugin.config] of 'no good': expected 0 to 10, found 11"});
  CHECK(host.asked.empty());
  host.check_as_before();
  const auto nameless = host.add("path = \"/x\"\n");
  REQUIRE_FALSE(nameless);
  check_parts(nameless.error().message, {"missing key 'name'", "missing key 'id'"});
}

TEST_CASE("a file that came into the search paths after the start is found") {
  TemporaryFolder folder;
  RunningHost host(60'000, {folder.path});
  const std::string toml = "name = \"thing\"\nid = \"test.broken\"\n";
  auto added = host.add(toml);
  REQUIRE_FALSE(added);
  CHECK(added.error().code == orbit::Code::not_found);
  check_parts(added.error().message, {"found no file with the id 'test.broken'", folder.path + " (0 libraries)"});
  fs::copy(kIntact, folder.path + "/late.so");
  REQUIRE(host.add(toml));
  CHECK(host.host->status().at(1).file == folder.path + "/late.so");
}

TEST_CASE("a file that replaced a loaded one is refused, because its path gives the old code") {
  TemporaryFolder folder;
  RunningHost host;
  const std::string file = folder.path + "/thing.so";
  fs::copy(kIntact, file);
  REQUIRE(host.add("thing", file));
  REQUIRE(host.add("same", file));
  fs::copy(kBroken + "newer_minor.so", folder.path + "/new.so");
  fs::rename(folder.path + "/new.so", file);
  const auto added = host.add("new", file);
  REQUIRE_FALSE(added);
  check_parts(added.error().message, {file, "found another file than the one that was loaded from this path"});
  CHECK(host.host->status().size() == 3);
}

TEST_CASE("a plugin that is removed is stopped, dropped and forgotten, and its name is free when the node says so") {
  RunningHost host;
  REQUIRE(host.add("thing", kIntact));
  std::vector<const orbit_host*> dropped;
  const auto drop = [&](const orbit_host* its) { dropped.push_back(its); };
  REQUIRE(host.host->remove("thing", drop));
  REQUIRE(dropped.size() == 1);
  CHECK(PluginContext::of(dropped[0]).name == "thing");
  host.check_as_before();
  const auto again = host.host->remove("thing", drop);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == orbit::Code::not_found);
  CHECK(dropped.size() == 1);
  // Its connections and its actors may still be there.
  CHECK(host.host->leaving("thing"));
  const auto early = host.add("thing", kIntact);
  REQUIRE_FALSE(early);
  CHECK(early.error().code == orbit::Code::already_exists);
  check_parts(early.error().message, {"the name 'thing' is taken by a plugin that is being unloaded"});
  host.host->free_name("thing");
  REQUIRE(host.add("thing", kIntact));
  CHECK(host.host->status().at(1).state == "running");
}

TEST_CASE("a plugin that hangs when it is removed is dropped, told, and left alone") {
  RunningHost host;
  REQUIRE(host.add("hangs", kBroken + "stop_hangs.so"));
  int dropped = 0;
  const auto drop = [&](const orbit_host*) { ++dropped; };
  const auto removed = host.host->remove("hangs", drop);
  REQUIRE_FALSE(removed);
  check_parts(removed.error().message, {"plugin 'hangs'", "`stop` did not return", "stop_timeout_ms (500 ms)"});
  CHECK(dropped == 1);
  const auto again = host.host->remove("hangs", drop);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == removed.error().code);
  CHECK(again.error().message == removed.error().message);
  CHECK(dropped == 1);
  CHECK(host.host->status().at(1).state == "failed");
  CHECK(host.host->status().at(0).state == "running");
}

TEST_CASE("creates that failed count among those that a node can do, refusals before them do not") {
  RunningHost host(60'000, {}, 3);
  host.allowed = orbit::fail(orbit::Code::failed_precondition, "not while I run");
  for (int i = 0; i < 4; ++i) CHECK(host.add("no", kIntact).error().message == "plugin 'no': not while I run");
  host.allowed = {};
  for (const char* name : {"a", "b"})
    check_parts(host.add(name, kBroken + "create_fails.so").error().message, {"the disk is on fire"});
  REQUIRE(host.add("thing", kIntact));
  const auto more = host.add("more", kIntact);
  REQUIRE_FALSE(more);
  CHECK(more.error().code == orbit::Code::resource_exhausted);
  check_parts(more.error().message, {"3 plugins were created since the node started, also ones that failed"});
  CHECK(host.host->status().size() == 2);
}

TEST_CASE("settings come as JSON, too, and what no setting can be is told") {
  Mistakes mistakes("x");
  const auto tree =
      parse_json(R"({"name":"a","config":{"n":5,"f":1.5,"b":true,"tls":{"key":"k"},"list":["x","y"]}})", mistakes);
  REQUIRE(tree);
  CHECK(mistakes.empty());
  CHECK(
      toml_text(*tree) ==
      R"({ "name" = "a", "config" = { "n" = 5, "f" = 1.5, "b" = true, "tls" = { "key" = "k" }, "list" = ["x", "y"] } })");
  const auto odd = parse_json(R"({"none":null,"big":18446744073709551615})", mistakes);
  REQUIRE(odd);
  CHECK(mistakes.empty());
  const orbit_option options[] = {orbit::option_string("none", "\"\"", "d"),
                                  orbit::option_integer("big", "1", 0, 0, "d")};
  validate(*odd, options, "[x]", mistakes);
  REQUIRE(mistakes.size() == 2);
  CHECK(mistakes.messages()[0] == "'none' in [x]: expected a string, found null");
  CHECK(mistakes.messages()[1] == "'big' in [x]: expected an integer, found a number");
  for (const char* text : {"", "{", "[]", "5", "{\"a\":1}x"}) {
    Mistakes told("x");
    CHECK_FALSE(parse_json(text, told));
    CHECK(told.size() == 1);
  }
  Mistakes deep("x");
  CHECK_FALSE(parse_json(std::string(40, '[') + std::string(40, ']'), deep));
}
