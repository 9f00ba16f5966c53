// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/testkit/plugin_file.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <deque>
#include <toml++/toml.h>
#include <vector>

namespace orbit::testkit {
namespace {

int log_enabled(const orbit_host*, uint32_t level) { return level >= ORBIT_LOG_WARN ? 1 : 0; }

void log_write(const orbit_host*, uint32_t level, orbit_bytes message, const orbit_log_field* fields, size_t count) {
  std::string line = level >= ORBIT_LOG_ERROR ? "error: " : "warning: ";
  line.append(from_c(message));
  for (size_t i = 0; i < count; ++i) line.append(" ").append(fields[i].name).append("=").append(from_c(fields[i].value));
  std::fprintf(stderr, "%s\n", line.c_str());
}

constexpr orbit_log_v1 kLog{sizeof(orbit_log_v1), 0, &log_enabled, &log_write};

const void* host_extension(const orbit_host*, const char* id) {
  return std::strcmp(id, ORBIT_LOG_V1) == 0 ? &kLog : nullptr;
}

// The values of one configuration, and the strings that they point to.
class ConfigBuilder {
 public:
  Result<> add(const orbit_option& option, const Setting* setting) {
    if (setting == nullptr && option.default_value == nullptr)
      return fail(Code::invalid_argument, std::string("the option '") + option.key + "' is required and not set");
    const bool is_text = option.type == ORBIT_OPTION_STRING && setting != nullptr;
    toml::table parsed;
    if (!is_text) {
      const std::string text = setting != nullptr ? setting->value : option.default_value;
      try {
        parsed = toml::parse("v = " + text);
      } catch (const toml::parse_error& e) {
        return wrong(option, text, std::string(e.description()));
      }
    }
    orbit_value value{option.key, option.type, 0, {nullptr, 0}, 0, 0, nullptr};
    const toml::node* node = parsed.get("v");
    const std::string shown = setting != nullptr ? setting->value : option.default_value;
    switch (option.type) {
      case ORBIT_OPTION_STRING: {
        const std::string* text = is_text ? &setting->value : node->is_string() ? &node->as_string()->get() : nullptr;
        if (text == nullptr) return wrong(option, shown, "a string is expected");
        value.string = keep(*text);
        break;
      }
      case ORBIT_OPTION_INTEGER:
        if (!node->is_integer()) return wrong(option, shown, "an integer is expected");
        value.integer = node->as_integer()->get();
        if (option.min < option.max && (static_cast<double>(value.integer) < option.min ||
                                        static_cast<double>(value.integer) > option.max))
          return wrong(option, shown, "out of bounds");
        break;
      case ORBIT_OPTION_NUMBER: {
        const auto number = node->value<double>();
        if (!number) return wrong(option, shown, "a number is expected");
        value.number = *number;
        if (option.min < option.max && (*number < option.min || *number > option.max))
          return wrong(option, shown, "out of bounds");
        break;
      }
      case ORBIT_OPTION_BOOLEAN:
        if (!node->is_boolean()) return wrong(option, shown, "true or false is expected");
        value.integer = node->as_boolean()->get() ? 1 : 0;
        break;
      case ORBIT_OPTION_STRING_LIST: {
        if (!node->is_array()) return wrong(option, shown, "a list of strings is expected");
        auto& list = lists_.emplace_back();
        for (const toml::node& item : *node->as_array()) {
          if (!item.is_string()) return wrong(option, shown, "a list of strings is expected");
          list.push_back(keep(item.as_string()->get()));
        }
        value.list = list.data();
        value.list_count = static_cast<uint32_t>(list.size());
        break;
      }
      default:
        return wrong(option, shown, "the plugin declares an option type that this test kit does not know");
    }
    values_.push_back(value);
    return {};
  }

  orbit_config config() const noexcept {
    return {sizeof(orbit_config), static_cast<uint32_t>(values_.size()), values_.data(), "test"};
  }

 private:
  static tl::unexpected<Error> wrong(const orbit_option& option, const std::string& text, const std::string& why) {
    return fail(Code::invalid_argument, std::string(option.key) + " = " + text + ": " + why);
  }
  orbit_bytes keep(const std::string& text) { return to_c(strings_.emplace_back(text)); }

  std::deque<std::string> strings_;
  std::deque<std::vector<orbit_bytes>> lists_;
  std::vector<orbit_value> values_;
};

}  // namespace

Result<PluginFile> PluginFile::load(const std::filesystem::path& file) {
  const auto refuse = [&](const std::string& why) { return fail(Code::failed_precondition, file.string() + ": " + why); };
  void* library = dlopen(std::filesystem::absolute(file).c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) return refuse(dlerror());
  void* symbol = dlsym(library, ORBIT_PLUGIN_SYMBOL);
  if (symbol == nullptr) return refuse("exports no symbol " ORBIT_PLUGIN_SYMBOL);
  const orbit_plugin_descriptor* found = reinterpret_cast<orbit_plugin_entry>(symbol)();
  if (found == nullptr) return refuse("returns no descriptor");
  if (found->struct_size < sizeof(orbit_plugin_descriptor))
    return refuse("the descriptor has " + std::to_string(found->struct_size) + " bytes, expected at least " +
                  std::to_string(sizeof(orbit_plugin_descriptor)));
  if (found->abi_major != ORBIT_ABI_MAJOR)
    return refuse("built for ABI " + std::to_string(found->abi_major) + ", expected " + std::to_string(ORBIT_ABI_MAJOR));
  for (const char* const* id = found->needs; *id != nullptr; ++id)
    if (host_extension(nullptr, *id) == nullptr)
      return refuse(std::string("needs ") + *id + ", which this test kit does not offer");
  return PluginFile(found);
}

Result<std::unique_ptr<PluginInstance>> PluginFile::create(std::span<const Setting> settings) const {
  const std::span<const orbit_option> options(descriptor_->options, descriptor_->option_count);
  for (const Setting& setting : settings) {
    const bool known = std::any_of(options.begin(), options.end(), [&](const auto& o) { return setting.key == o.key; });
    if (!known) return fail(Code::invalid_argument, std::string(descriptor_->id) + " has no option '" + setting.key + "'");
  }
  ConfigBuilder builder;
  for (const orbit_option& option : options) {
    const Setting* chosen = nullptr;
    for (const Setting& setting : settings)
      if (setting.key == option.key) chosen = &setting;
    if (auto added = builder.add(option, chosen); !added) return tl::unexpected<Error>(added.error());
  }
  auto host = std::make_shared<const orbit_host>(
      orbit_host{sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR, &host_extension});
  const orbit_config config = builder.config();
  orbit_plugin_instance* made = nullptr;
  ErrorOut error;
  const orbit_code code = descriptor_->create(host.get(), &config, &made, &error);
  if (code != ORBIT_OK) return tl::unexpected<Error>(error.take(code));
  if (made == nullptr) return fail(Code::internal, "create returned ORBIT_OK and no instance");
  auto instance = std::make_unique<PluginInstance>(made, std::move(host));
  for (const char* const* id = descriptor_->provides; *id != nullptr; ++id)
    if (made->get_extension(made->self, *id) == nullptr)
      return fail(Code::failed_precondition, std::string("the descriptor provides ") + *id + ", the instance does not answer it");
  return instance;
}

}  // namespace orbit::testkit
