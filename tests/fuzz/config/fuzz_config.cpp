// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Any text, read as a configuration: no crash, and a configuration without mistakes keeps what the schema promises. The
// first byte chooses whether the rest is a file, or a file and a --set behind its first NUL.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/node_config.hpp"
#include "orbit/plugin.hpp"

namespace {

using namespace orbit::kernel;

constexpr const char* kChoices[] = {"a", "b", nullptr};
constexpr orbit_option kOptions[] = {
    orbit::option_string("listen", "\"x\"", "x", kChoices),
    orbit::option_integer("size", "1", 1, 9, "x"),
    orbit::option_number("ratio", "0.5", 0, 1, "x"),
    orbit::option_boolean("strict", "true", "x"),
    orbit::option_strings("tags", "[]", "x"),
    orbit::option_secret("tls.key", "\"\"", "x"),
};

void must(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<Override> overrides;
  if (data[0] % 2 == 1) {
    const size_t end = text.find('\0');
    if (end != std::string_view::npos) {
      overrides.emplace_back(text.substr(end + 1));
      text = text.substr(0, end);
    }
  }
  Mistakes mistakes("fuzz.toml");
  const Environment environment = [](const std::string& name) -> std::optional<std::string> {
    return name == "A" ? std::optional<std::string>("value") : std::nullopt;
  };
  auto config = read_config(text, overrides, environment, mistakes);
  if (!config) {
    must(!mistakes.empty());
    return 0;
  }
  for (PluginEntry& entry : config->plugins) {
    validate_entry(entry, kOptions, mistakes);
    must(entry.values.all().size() == std::size(kOptions));
    const EdgeConfig edge(entry.values, entry.name);
    must(edge.get()->count == std::size(kOptions));
  }
  must(config->json().front() == '{');
  must(mistakes.report().empty() == mistakes.empty());
  if (!mistakes.empty()) return 0;
  const int64_t mailbox = config->limits.integer("mailbox_max");
  must(mailbox >= 1 && mailbox <= 1000000);
  for (const PluginEntry& entry : config->plugins) {
    must(!entry.name.empty());
    const int64_t bounded = entry.values.integer("size");
    must(bounded >= 1 && bounded <= 9);
  }
  return 0;
}
