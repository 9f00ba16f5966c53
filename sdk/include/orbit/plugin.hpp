// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a plugin author writes against: a class that derives from orbit::Plugin, and one macro line.
//
//   class Echo : public orbit::Plugin {
//    public:
//     static constexpr orbit::Option kOptions[] = {
//         orbit::option_string("listen", "127.0.0.1:7007", "Address to listen on."),
//     };
//     static constexpr orbit::PluginInfo kInfo{.id = "example.echo", .version = "0.1.0", .doc = "Echoes bytes.",
//                                              .needs = {ORBIT_NET_V1}, .options = kOptions};
//     Echo(orbit::Host host, const orbit::Config& config);   // throw or use `create` to refuse
//     orbit::Result<> start() override;
//   };
//   ORBIT_PLUGIN(Echo)
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "abi.h"
#include "ext/observe.h"
#include "result.hpp"

namespace orbit {

// ---- the schema, said once -----------------------------------------------------------------------------------------

using Option = orbit_option;

// A key without default is required. Defaults are TOML text: "\"127.0.0.1:6379\"", "100", "true", "[]".
constexpr Option option_string(const char* key, const char* toml_default, const char* doc,
                               const char* const* choices = nullptr, uint32_t flags = 0) {
  return {sizeof(Option), ORBIT_OPTION_STRING, flags, 0, key, toml_default, doc, choices, 0, 0};
}
constexpr Option option_integer(const char* key, const char* toml_default, double min, double max, const char* doc) {
  return {sizeof(Option), ORBIT_OPTION_INTEGER, 0, 0, key, toml_default, doc, nullptr, min, max};
}
constexpr Option option_number(const char* key, const char* toml_default, double min, double max, const char* doc) {
  return {sizeof(Option), ORBIT_OPTION_NUMBER, 0, 0, key, toml_default, doc, nullptr, min, max};
}
constexpr Option option_boolean(const char* key, const char* toml_default, const char* doc) {
  return {sizeof(Option), ORBIT_OPTION_BOOLEAN, 0, 0, key, toml_default, doc, nullptr, 0, 0};
}
constexpr Option option_strings(const char* key, const char* toml_default, const char* doc) {
  return {sizeof(Option), ORBIT_OPTION_STRING_LIST, 0, 0, key, toml_default, doc, nullptr, 0, 0};
}
constexpr Option option_secret(const char* key, const char* toml_default, const char* doc) {
  return option_string(key, toml_default, doc, nullptr, ORBIT_OPTION_SECRET);
}

// A short list of interface ids that can be a constant.
struct Ids {
  static constexpr size_t kMax = 15;
  const char* ids[kMax + 1] = {};
  constexpr Ids() = default;
  constexpr Ids(std::initializer_list<const char*> list) {
    size_t n = 0;
    for (const char* id : list) ids[n++] = id;  // more than kMax does not compile as a constant
  }
};

struct PluginInfo {
  const char* id;
  const char* version;
  const char* doc;
  Ids provides = {};
  Ids needs = {};
  std::span<const Option> options = {};
};

// ---- the validated configuration -----------------------------------------------------------------------------------

// Reads what the schema declared; every declared key is present. Asking for an undeclared key, or as another type, is a bug
// of the plugin and throws std::logic_error. Valid during construction only: copy what you keep.
class Config {
 public:
  explicit Config(const orbit_config* raw) noexcept : raw_(raw) {}
  std::string_view instance() const noexcept { return raw_->instance; }
  std::string string(std::string_view key) const { return std::string(from_c(find(key, ORBIT_OPTION_STRING).string)); }
  int64_t integer(std::string_view key) const { return find(key, ORBIT_OPTION_INTEGER).integer; }
  double number(std::string_view key) const { return find(key, ORBIT_OPTION_NUMBER).number; }
  bool boolean(std::string_view key) const { return find(key, ORBIT_OPTION_BOOLEAN).integer != 0; }
  std::vector<std::string> strings(std::string_view key) const {
    const orbit_value& value = find(key, ORBIT_OPTION_STRING_LIST);
    std::vector<std::string> out;
    for (uint32_t i = 0; i < value.list_count; ++i) out.emplace_back(from_c(value.list[i]));
    return out;
  }

 private:
  const orbit_value& find(std::string_view key, orbit_option_type type) const {
    for (uint32_t i = 0; i < raw_->count; ++i)
      if (key == raw_->values[i].key && raw_->values[i].type == type) return raw_->values[i];
    throw std::logic_error("config key '" + std::string(key) + "' is not declared with that type in the plugin's options");
  }
  const orbit_config* raw_;
};

// ---- the host ------------------------------------------------------------------------------------------------------

// A handle to the node. Copies freely; valid until the process ends.
class Host {
 public:
  explicit Host(const orbit_host* raw) noexcept : raw_(raw) {}
  const orbit_host* raw() const noexcept { return raw_; }

  // The host's interface table of that id, or null.
  template <class Table>
  const Table* extension(const char* id) const noexcept {
    return static_cast<const Table*>(raw_->get_extension(raw_, id));
  }
  // The same for what the plugin declared in `needs`; the kernel has checked it already.
  template <class Table>
  const Table* require(const char* id) const {
    if (const auto* table = extension<Table>(id)) return table;
    throw std::runtime_error(std::string("this node has no interface ") + id);
  }

  void log(uint32_t level, std::string_view message, std::initializer_list<orbit_log_field> fields = {}) const noexcept {
    const auto* log = extension<orbit_log_v1>(ORBIT_LOG_V1);
    if (log != nullptr && log->enabled(raw_, level)) log->write(raw_, level, to_c(message), fields.begin(), fields.size());
  }
  void info(std::string_view message) const noexcept { log(ORBIT_LOG_INFO, message); }
  void warn(std::string_view message) const noexcept { log(ORBIT_LOG_WARN, message); }
  void error(std::string_view message) const noexcept { log(ORBIT_LOG_ERROR, message); }

 private:
  const orbit_host* raw_;
};

// ---- the plugin ----------------------------------------------------------------------------------------------------

// Base of every plugin class. All functions are called on the node's main thread, except extension(). An exception out
// of one ends here: of the constructor, create() and start() it becomes their error, of stop() and extension() a line
// of the log.
class Plugin {
 public:
  virtual ~Plugin() = default;
  // The table of an interface that kInfo.provides names; must live as long as the plugin. [any thread]
  virtual const void* extension(std::string_view id) { return static_cast<void>(id), nullptr; }
  virtual Result<> start() { return {}; }
  virtual void stop() {}
};

namespace detail {

// Owns the C instance of a C++ plugin object.
template <class P>
struct InstanceBox {
  orbit_plugin_instance instance;
  std::unique_ptr<Plugin> plugin;
  const orbit_host* host = nullptr;

  // For functions that have no error to give. False: it threw, and the log has it.
  template <class F>
  bool guarded(const char* name, F&& function) const noexcept {
    ErrorOut error;
    if (at_edge(&error, [&]() -> Result<> { return std::forward<F>(function)(), Result<>(); }) == ORBIT_OK) return true;
    Host(host).log(ORBIT_LOG_ERROR, "the plugin threw",
                   {{"function", to_c(std::string_view(name))}, {"exception", to_c(std::string_view(error.message))}});
    return false;
  }
};

template <class P>
concept HasCreate = requires(Host host, const Config& config) {
  { P::create(host, config) } -> std::same_as<Result<std::unique_ptr<P>>>;
};

template <class P>
orbit_code create_plugin(const orbit_host* host, const orbit_config* raw, orbit_plugin_instance** out,
                         orbit_error* error) noexcept {
  return at_edge(error, [&]() -> Result<> {
    auto box = std::make_unique<InstanceBox<P>>();
    box->host = host;
    const Config config(raw);
    if constexpr (HasCreate<P>) {
      auto made = P::create(Host(host), config);
      if (!made) return tl::unexpected<Error>(made.error());
      box->plugin = std::move(*made);
    } else {
      box->plugin = std::make_unique<P>(Host(host), config);
    }
    box->instance = {
        sizeof(orbit_plugin_instance),
        0,
        box.get(),
        [](void* self, const char* id) -> const void* {
          const auto* const box = static_cast<InstanceBox<P>*>(self);
          const void* table = nullptr;
          box->guarded("extension", [&] { table = box->plugin->extension(id); });
          return table;
        },
        [](void* self, orbit_error* e) -> orbit_code {
          return at_edge(e, [&] { return static_cast<InstanceBox<P>*>(self)->plugin->start(); });
        },
        [](void* self) {
          const auto* const box = static_cast<InstanceBox<P>*>(self);
          box->guarded("stop", [box] { box->plugin->stop(); });
        },
        [](void* self) { delete static_cast<InstanceBox<P>*>(self); },
    };
    *out = &box.release()->instance;
    return {};
  });
}

template <class P>
inline constexpr orbit_plugin_descriptor kDescriptor = {
    sizeof(orbit_plugin_descriptor),
    ORBIT_ABI_MAJOR,
    ORBIT_ABI_MINOR,
    P::kInfo.id,
    P::kInfo.version,
    P::kInfo.doc,
    P::kInfo.provides.ids,
    P::kInfo.needs.ids,
    P::kInfo.options.data(),
    static_cast<uint32_t>(P::kInfo.options.size()),
    0,
    &create_plugin<P>,
};

}  // namespace detail
}  // namespace orbit

// Exports the plugin. With ORBIT_STATIC_PLUGIN defined (to the name of the function) the same source links into one
// executable instead.
#ifdef ORBIT_STATIC_PLUGIN
#define ORBIT_PLUGIN_ENTRY_NAME ORBIT_STATIC_PLUGIN
#else
#define ORBIT_PLUGIN_ENTRY_NAME orbit_plugin
#endif
#define ORBIT_PLUGIN(Class)                                                                                       \
  extern "C" __attribute__((visibility("default"))) const orbit_plugin_descriptor* ORBIT_PLUGIN_ENTRY_NAME(void); \
  extern "C" const orbit_plugin_descriptor* ORBIT_PLUGIN_ENTRY_NAME(void) { return &::orbit::detail::kDescriptor<Class>; }
