// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <stdlib.h>

#include <charconv>
#include <cstdio>
#include <iostream>
#include <random>
#include <stdexcept>
#include <vector>

#include "orbit/testkit/storage_conformance.hpp"

namespace {

constexpr const char* kUsage =
    "usage: orbit-storage-conformance PLUGIN.so [OPTION]...\n"
    "Runs the conformance suite of orbit.storage/1. ERASES what the configured engine holds.\n"
    "  --set KEY=VALUE    a key of [plugin.config]; strings as they are, other types as TOML\n"
    "  --temp KEY         sets KEY to a new directory, which is removed at the end; the first one is where the data lies\n"
    "  --volatile         the engine keeps nothing over a reopen\n"
    "  --bound KEY=VALUE  a setting that makes the engine refuse writes at about a megabyte\n"
    "  --seed NUMBER      of the random cases; otherwise a new one\n"
    "  --only TEXT        only the cases whose name contains TEXT\n"
    "  --effort PERCENT   1 to 100, of the steps of the cases with random operations and with several threads (default: 100)\n";

struct Arguments {
  std::string file;
  std::vector<orbit::testkit::Setting> settings;
  std::vector<std::string> temp_keys;
  orbit::testkit::StorageConformance suite;
};

orbit::testkit::Setting setting_of(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) throw std::runtime_error("'" + text + "' is not KEY=VALUE");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

template <typename Number>
Number number_of(const std::string& name, const std::string& text) {
  Number out = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (code != std::errc() || end != text.data() + text.size()) throw std::runtime_error(name + " " + text + " is no number");
  return out;
}

Arguments parse(int argc, char** argv) {
  Arguments out;
  out.suite.seed = std::random_device{}();
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--volatile") {
      out.suite.durable = false;
      continue;
    }
    if (!name.starts_with("--") && out.file.empty()) {
      out.file = name;
      continue;
    }
    if (++i == argc) throw std::runtime_error("'" + name + "' is unknown or lacks its value");
    const std::string value = argv[i];
    if (name == "--set") {
      out.settings.push_back(setting_of(value));
    } else if (name == "--temp") {
      out.temp_keys.push_back(value);
    } else if (name == "--bound") {
      out.suite.bound = setting_of(value);
    } else if (name == "--seed") {
      out.suite.seed = number_of<uint64_t>(name, value);
    } else if (name == "--only") {
      out.suite.only = value;
    } else if (name == "--effort") {
      out.suite.effort = number_of<uint32_t>(name, value);
      if (out.suite.effort < 1 || out.suite.effort > 100) throw std::runtime_error("--effort " + value + " is not within 1 and 100");
    } else {
      throw std::runtime_error("'" + name + "' is unknown");
    }
  }
  if (out.file.empty()) throw std::runtime_error("no plugin file was given");
  return out;
}

// New directories, removed with this object.
class TempDirectories {
 public:
  ~TempDirectories() {
    std::error_code ignored;
    for (const auto& path : paths_) std::filesystem::remove_all(path, ignored);
  }
  std::string make() {
    std::string name = (std::filesystem::temp_directory_path() / "orbit-conformance-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make the directory " + name);
    return paths_.emplace_back(name).string();
  }

 private:
  std::vector<std::filesystem::path> paths_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    Arguments arguments = parse(argc, argv);
    TempDirectories directories;
    for (const std::string& key : arguments.temp_keys) arguments.settings.push_back({key, directories.make()});
    auto file = orbit::testkit::PluginFile::load(arguments.file);
    if (!file) throw std::runtime_error(file.error().message);
    arguments.suite.open = [&](std::span<const orbit::testkit::Setting> extra) {
      std::vector<orbit::testkit::Setting> settings = arguments.settings;
      if (!extra.empty())
        for (const std::string& key : arguments.temp_keys) settings.push_back({key, directories.make()});
      settings.insert(settings.end(), extra.begin(), extra.end());
      return file->create(settings);
    };
    if (!arguments.temp_keys.empty()) {
      arguments.suite.path_key = arguments.temp_keys.front();
      arguments.suite.free_path = [&] { return directories.make() + "/checkpoint"; };
    }
    const auto report = orbit::testkit::run_storage_conformance(arguments.suite, std::cout);
    return report.failed == 0 && report.passed > 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "orbit-storage-conformance: %s\n%s", e.what(), kUsage);
    return 2;
  }
}
