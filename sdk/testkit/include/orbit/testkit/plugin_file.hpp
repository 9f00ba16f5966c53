// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A plugin in a test, without a node: loads the file, builds a configuration from the plugin's own schema, creates and
// destroys instances. The host that it sees offers orbit.log/1 only, which writes warnings and errors to standard error.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "orbit/result.hpp"
#include "orbit/plugin.hpp"

namespace orbit::testkit {

// One key of [plugin.config]. The value is text: of a string as it is, of other types as TOML.
struct Setting {
  std::string key;
  std::string value;
};

// A created instance; destroyed with this object. Not thread-safe, except what the plugin's interfaces promise.
class PluginInstance {
 public:
  PluginInstance(orbit_plugin_instance* raw, std::shared_ptr<const void> host) noexcept
      : raw_(raw), host_(std::move(host)) {}
  PluginInstance(const PluginInstance&) = delete;
  PluginInstance& operator=(const PluginInstance&) = delete;
  ~PluginInstance() { raw_->destroy(raw_->self); }
  const orbit_plugin_instance& raw() const noexcept { return *raw_; }

 private:
  orbit_plugin_instance* raw_;
  std::shared_ptr<const void> host_;
};

// A plugin's descriptor, usually of a loaded file, which stays mapped until the process ends.
class PluginFile {
 public:
  // Errors name the file, what was found and what was expected.
  static Result<PluginFile> load(const std::filesystem::path& file);
  // A plugin that is linked into the test.
  static PluginFile linked(const orbit_plugin_descriptor& descriptor) noexcept { return PluginFile(&descriptor); }

  const orbit_plugin_descriptor& descriptor() const noexcept { return *descriptor_; }
  // Defaults of the schema, replaced by `settings`; a later setting of the same key wins. Unknown keys, values of another
  // type or out of bounds, and required keys that are not set are errors.
  Result<std::unique_ptr<PluginInstance>> create(std::span<const Setting> settings) const;

 private:
  explicit PluginFile(const orbit_plugin_descriptor* descriptor) noexcept : descriptor_(descriptor) {}
  const orbit_plugin_descriptor* descriptor_;
};

}  // namespace orbit::testkit
