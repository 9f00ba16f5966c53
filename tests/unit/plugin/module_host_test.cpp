// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "plugin/module_host.hpp"
#include "support/temporary_folder.hpp"

using namespace orbit::kernel;
using orbit::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

const std::string kV1 = MODULES "/module_v1.so";
const std::string kV2 = MODULES "/module_v2.so";

struct Target : ModuleTarget {
  struct Published {
    std::string name, version, file, type;
  };
  std::vector<Published> published;
  bool refuse = false;
  orbit::Result<> publish(const std::string& name, const std::string& version, const std::string& file,
                          std::span<const orbit_actor_type* const> types) override {
    if (refuse) return orbit::fail(orbit::Code::already_exists, "the type is taken");
    published.push_back({name, version, file, types[0]->name});
    return {};
  }
};

// The module host of one life of a node.
struct Life {
  std::unique_ptr<Log> log;
  Metrics metrics;
  ExtensionRegistry extensions;
  PluginSearch search{{}, ORBITD, 60'000};
  BoundedCaller caller;
  Target target;
  std::unique_ptr<ModuleHost> host;

  explicit Life(const std::string& folder, std::set<std::string> taken = {}) {
    LogOptions options;
    options.file = folder + "/log";
    log = std::move(Log::open(options).value());
    extensions.add(ORBIT_LOG_V1, log_table());
    ModuleHostOptions how;
    how.data_dir = folder + "/data";
    how.taken = std::move(taken);
    host = std::make_unique<ModuleHost>(how, search, caller, target, extensions, *log, metrics);
    opened = host->open();
  }
  ~Life() { CHECK(host->destroy()); }
  orbit::Result<> opened;
};

size_t copies(const std::string& folder) {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder + "/data/modules")) count += entry.is_regular_file();
  return count;
}

std::string log_of(const std::string& folder) {
  std::ifstream in(folder + "/log");
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("a module loaded at run time is there after a restart, also when its file is gone") {
  TemporaryFolder folder;
  const std::string file = folder.path + "/mine.so";
  fs::copy(kV1, file);
  {
    Life first(folder.path);
    REQUIRE(first.opened);
    const auto name = first.host->load(file);
    REQUIRE_MESSAGE(name, name.error().message);
    CHECK(*name == "test.module");
    CHECK(first.host->has("test.module"));
    REQUIRE(first.target.published.size() == 1);
    CHECK(first.target.published[0].type == "test.Thing");
    CHECK(first.target.published[0].version == "1.0.0");
    CHECK(first.target.published[0].file.find(folder.path + "/data/modules/mine-") == 0);
  }
  fs::remove(file);
  Life second(folder.path);
  REQUIRE(second.opened);
  second.host->load_listed();
  REQUIRE(second.target.published.size() == 1);
  CHECK(second.target.published[0].version == "1.0.0");
  CHECK(copies(folder.path) == 1);
}

TEST_CASE("a new version under the path of the old one is loaded as a new version, and is the one after a restart") {
  TemporaryFolder folder;
  const std::string file = folder.path + "/mine.so";
  fs::copy(kV1, file);
  {
    Life life(folder.path);
    REQUIRE(life.host->load(file));
    fs::remove(file);
    fs::copy(kV2, file);
    REQUIRE(life.host->load(file));
    REQUIRE(life.target.published.size() == 2);
    CHECK(life.target.published[1].version == "2.0.0");
    CHECK(life.target.published[1].name == life.target.published[0].name);
    CHECK(life.target.published[1].file != life.target.published[0].file);
  }
  Life next(folder.path);
  next.host->load_listed();
  REQUIRE(next.target.published.size() == 1);
  CHECK(next.target.published[0].version == "2.0.0");
  CHECK(copies(folder.path) == 1);  // the copy of the replaced version was removed
}

TEST_CASE("a forgotten module is not there after a restart") {
  TemporaryFolder folder;
  {
    Life life(folder.path);
    REQUIRE(life.host->load(kV1));
    REQUIRE(life.host->forget("test.module"));
  }
  Life next(folder.path);
  next.host->load_listed();
  CHECK(next.target.published.empty());
  CHECK(copies(folder.path) == 0);
}

TEST_CASE("a module of the configuration gets its configuration, is not listed, and decides at the next start") {
  TemporaryFolder folder;
  Mistakes mistakes("node.toml");
  const auto config = read_config("[[module]]\npath = \"" + kV1 + "\"\n[module.config]\nlevel = 7\n", {},
                                  process_environment(), mistakes);
  REQUIRE_MESSAGE(mistakes.empty(), mistakes.report());
  {
    Life life(folder.path);
    REQUIRE(life.host->load_configured(config->modules[0]));
    REQUIRE(life.host->load(kV2));  // an upgrade keeps the configuration
    CHECK(life.target.published.size() == 2);
    const auto twice = life.host->load_configured(config->modules[0]);
    REQUIRE_FALSE(twice);
    CHECK(twice.error().message.find("expected one of each") != std::string::npos);
  }
  CHECK(log_of(folder.path).find("test.module: level 7") != log_of(folder.path).rfind("test.module: level 7"));
  Life next(folder.path);
  REQUIRE(next.host->load_configured(config->modules[0]));
  next.host->load_listed();
  REQUIRE(next.target.published.size() == 1);
  CHECK(next.target.published[0].version == "1.0.0");
}

TEST_CASE("a module that is refused leaves nothing behind") {
  TemporaryFolder folder;
  std::ofstream(folder.path + "/junk.so") << "junk";
  {
    Life life(folder.path, {"test.module"});
    const auto junk = life.host->load(folder.path + "/junk.so");
    REQUIRE_FALSE(junk);
    CHECK(junk.error().message.find(folder.path + "/junk.so: found a file that does not begin as an ELF image") == 0);
    const auto plugin = life.host->load(BROKEN "/intact.so");
    REQUIRE_FALSE(plugin);
    CHECK(plugin.error().message.find("expected an actor module, which provides orbit.actor_types/1") !=
          std::string::npos);
    const auto taken = life.host->load(kV1);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().message.find("which is the name of a [[plugin]]") != std::string::npos);
    CHECK_FALSE(life.host->has("test.module"));
  }
  {
    Life life(folder.path);
    life.target.refuse = true;
    const auto refused = life.host->load(kV1);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "the type is taken");
  }
  Life next(folder.path);
  next.host->load_listed();
  CHECK(next.target.published.empty());
  CHECK(copies(folder.path) == 0);
}

TEST_CASE("bad keys in [module.config] are refused with the nearest known one") {
  TemporaryFolder folder;
  Life life(folder.path);
  Mistakes mistakes("node.toml");
  const auto config = read_config("[[module]]\npath = \"" + kV1 + "\"\n[module.config]\nlevl = 7\n", {},
                                  process_environment(), mistakes);
  const auto refused = life.host->load_configured(config->modules[0]);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("unknown key 'levl'") != std::string::npos);
  CHECK(refused.error().message.find("did you mean 'level'?") != std::string::npos);
  const PluginSearch search({}, ORBITD, 60'000);
  CHECK(ModuleHost::check(config->modules[0], search, mistakes));
  CHECK(mistakes.report().find("node.toml:4:1: unknown key 'levl'") == 0);
}

TEST_CASE("a data_dir belongs to one node at a time") {
  TemporaryFolder folder;
  Life first(folder.path);
  CHECK(first.opened);
  Life second(folder.path);
  REQUIRE_FALSE(second.opened);
  CHECK(second.opened.error().message.find("is in use by another node") != std::string::npos);
}

TEST_CASE("a damaged list of modules is told with its place and stops the start") {
  TemporaryFolder folder;
  fs::create_directories(folder.path + "/data");
  std::ofstream(folder.path + "/data/modules.toml") << "[[module]]\nname = \"x\"\n";
  Life life(folder.path);
  REQUIRE_FALSE(life.opened);
  CHECK(life.opened.error().message.find("/data/modules.toml:1: expected name, file and source") != std::string::npos);
}
