// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A plugin host without a node, and the plugins of this folder.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "plugin/plugin_host.hpp"
#include "support/temporary_folder.hpp"

namespace orbit::test {

using namespace orbit::kernel;

inline const std::string kBroken = std::string(ABI_PLUGINS) + "/broken/";
inline const std::string kOld = std::string(ABI_PLUGINS) + "/old/old_plugin.so";

// A plugin host with the interfaces that do not need a node.
struct Host {
  TemporaryFolder folder;
  std::unique_ptr<Log> log;
  Metrics metrics;
  ExtensionRegistry extensions;
  std::optional<PluginHost> host;
  NodeConfig config;
  Mistakes mistakes{"node.toml"};

  explicit Host(const std::string& toml, std::vector<std::string> search_paths = {}, int64_t probe_timeout_ms = 60'000,
                size_t added_max = PluginHostOptions().added_max) {
    LogOptions options;
    options.file = folder.path + "/log";
    log = std::move(Log::open(options).value());
    extensions.add(ORBIT_LOG_V1, log_table());
    extensions.add(ORBIT_METRICS_V1, metrics_table());
    PluginHostOptions how;
    how.search_paths = std::move(search_paths);
    how.probe_executable = ORBITD;
    how.probe_timeout_ms = probe_timeout_ms;
    how.added_max = added_max;
    how.create_timeout = std::chrono::milliseconds(2000);
    how.stop_timeout = std::chrono::milliseconds(500);
    host.emplace(how, extensions, *log, metrics);
    config = std::move(*read_config(toml, {}, [](const std::string&) { return std::nullopt; }, mistakes));
    REQUIRE_MESSAGE(mistakes.empty(), mistakes.report());
  }

  // From loading to starting; the refusals in the log.
  std::vector<std::string> run() {
    if (host->load(config, mistakes) && mistakes.empty() && host->create_others()) static_cast<void>(host->start());
    return host->refusals();
  }
};

inline std::string entry(const std::string& name, const std::string& id, const std::string& path,
                         const std::string& rest = "") {
  return "[[plugin]]\nname = \"" + name + "\"\nid = \"" + id + "\"\n" +
         (path.empty() ? "" : "path = \"" + path + "\"\n") + rest;
}

// The one line that refuses a file.
inline std::string refusal_of(const std::string& file, int64_t probe_timeout_ms = 60'000) {
  Host host(entry("thing", "test.broken", file), {}, probe_timeout_ms);
  const auto refusals = host.run();
  REQUIRE(refusals.size() == 1);
  CHECK(refusals[0].find('\n') == std::string::npos);
  CHECK(refusals[0].find("plugin 'thing'") == 0);
  const auto status = host.host->status();
  REQUIRE(status.size() == 1);
  CHECK(status[0].state == "failed");
  CHECK(!status[0].error.empty());
  return refusals[0];
}

inline void check_parts(const std::string& text, std::initializer_list<std::string> parts) {
  for (const std::string& part : parts)
    CHECK_MESSAGE(text.find(part) != std::string::npos, text << "\nlacks: " << part);
}

inline std::string read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write(const std::string& file, std::string_view bytes) { std::ofstream(file, std::ios::binary) << bytes; }

}  // namespace orbit::test
