// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "config/render.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

namespace orbit::kernel {
namespace {

const char* type_word(orbit_option_type type) {
  switch (type) {
    case ORBIT_OPTION_STRING:
      return "string";
    case ORBIT_OPTION_INTEGER:
      return "integer";
    case ORBIT_OPTION_NUMBER:
      return "number";
    case ORBIT_OPTION_BOOLEAN:
      return "boolean";
    case ORBIT_OPTION_STRING_LIST:
      return "strings";
    default:
      return "unknown";
  }
}

std::string bound_text(double value) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, value == static_cast<double>(static_cast<int64_t>(value)) ? "%.0f" : "%g",
                value);
  return buffer;
}

std::string limits_text(const orbit_option& option) {
  if (option.choices != nullptr) {
    std::string out;
    for (const char* const* c = option.choices; *c != nullptr; ++c) out += (out.empty() ? "" : " | ") + std::string(*c);
    return out;
  }
  if (option.min < option.max) return bound_text(option.min) + " to " + bound_text(option.max);
  return (option.flags & ORBIT_OPTION_SECRET) != 0 ? "secret" : "";
}

std::string default_text(const orbit_option& option) {
  return option.default_value == nullptr ? "(required)" : option.default_value;
}

void append_table(std::string& out, std::span<const orbit_option> options) {
  if (options.empty()) {
    out += "  (no keys)\n";
    return;
  }
  size_t widths[4] = {};
  std::vector<std::array<std::string, 4>> rows;
  for (const orbit_option& option : options) {
    rows.push_back({option.key, type_word(option.type), default_text(option), limits_text(option)});
    for (size_t i = 0; i < 4; ++i) widths[i] = std::max(widths[i], rows.back()[i].size());
  }
  for (size_t r = 0; r < rows.size(); ++r) {
    out += "  ";
    for (size_t i = 0; i < 4; ++i) {
      out += rows[r][i];
      out.append(widths[i] - rows[r][i].size() + 2, ' ');
    }
    out += std::string(options[r].doc) + "\n";
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "nothing" : out;
}

boost::json::array options_json(std::span<const orbit_option> options) {
  namespace json = boost::json;
  json::array out;
  for (const orbit_option& option : options) {
    json::object o{{"key", option.key}, {"type", type_word(option.type)}, {"doc", option.doc}};
    o["required"] = option.default_value == nullptr;
    if (option.default_value != nullptr) o["default"] = option.default_value;
    if (option.min < option.max) {
      o["min"] = option.min;
      o["max"] = option.max;
    }
    if (option.choices != nullptr) {
      json::array choices;
      for (const char* const* c = option.choices; *c != nullptr; ++c) choices.emplace_back(*c);
      o["choices"] = std::move(choices);
    }
    if ((option.flags & ORBIT_OPTION_SECRET) != 0) o["secret"] = true;
    out.push_back(std::move(o));
  }
  return out;
}

void append_reference(std::string& out, std::span<const orbit_option> options) {
  for (const orbit_option& option : options) {
    const std::string limits = limits_text(option);
    out += "# " + std::string(option.doc) + "\n# " + type_word(option.type);
    if (!limits.empty()) out += ", " + limits;
    if (option.default_value == nullptr)
      out +=
          ", required\n" + std::string(option.key) + " = " + (option.type == ORBIT_OPTION_STRING ? "\"\"" : "0") + "\n";
    else
      out += "\n" + std::string(option.key) + " = " + option.default_value + "\n";
  }
}

}  // namespace

std::string describe_text(bool with_node, std::span<const DescribedPlugin> plugins) {
  std::string out;
  if (with_node)
    for (const Section& section : config_sections()) {
      const std::string name =
          section.repeated ? "[[" + std::string(section.name) + "]]" : "[" + std::string(section.name) + "]";
      out += name + "  " + section.doc + "\n";
      append_table(out, section.options);
      out += "\n";
    }
  for (const DescribedPlugin& plugin : plugins) {
    out += plugin.id + " " + plugin.version + "  " + plugin.doc + "\n";
    out += "  provides " + joined(plugin.provides) + "; needs " + joined(plugin.needs) + "\n";
    append_table(out, plugin.options);
    out += "\n";
  }
  return out;
}

std::string describe_json(bool with_node, std::span<const DescribedPlugin> plugins) {
  namespace json = boost::json;
  json::object out;
  if (with_node) {
    json::array sections;
    for (const Section& section : config_sections())
      sections.push_back(json::object{{"name", section.name},
                                      {"doc", section.doc},
                                      {"repeated", section.repeated},
                                      {"options", options_json(section.options)}});
    out["sections"] = std::move(sections);
  }
  json::array list;
  for (const DescribedPlugin& plugin : plugins)
    list.push_back(json::object{{"id", plugin.id},
                                {"version", plugin.version},
                                {"doc", plugin.doc},
                                {"provides", json::value_from(plugin.provides)},
                                {"needs", json::value_from(plugin.needs)},
                                {"options", options_json(plugin.options)}});
  out["plugins"] = std::move(list);
  return json::serialize(out);
}

namespace {

// The last word of the id, or, where several plugins have that, the last two.
std::string example_name(const DescribedPlugin& plugin, std::span<const DescribedPlugin> all) {
  const auto last_words = [](std::string_view id, int words) {
    size_t dot = id.size();
    while (words-- > 0 && dot != std::string_view::npos) dot = dot == 0 ? dot : id.rfind('.', dot - 1);
    return id.substr(dot == std::string_view::npos ? 0 : dot + 1);
  };
  const std::string_view one = last_words(plugin.id, 1);
  const auto same = std::count_if(all.begin(), all.end(), [&](const DescribedPlugin& other) { return last_words(other.id, 1) == one; });
  std::string name(same == 1 ? one : last_words(plugin.id, 2));
  std::replace(name.begin(), name.end(), '.', '-');
  return name;
}

}  // namespace

std::string reference_toml(std::span<const DescribedPlugin> plugins) {
  std::string out =
      "# Every key that a node understands, with its default. Generated by `orbitd --print-reference`; do not edit.\n"
      "# Strings may hold ${NAME}, the value of an environment variable; \"$${\" stands for \"${\".\n";
  for (const Section& section : config_sections()) {
    if (section.repeated) continue;
    out += "\n# " + std::string(section.doc) + "\n[" + section.name + "]\n";
    append_reference(out, section.options);
  }
  for (const Section& section : config_sections()) {
    if (!section.repeated) continue;
    out += "\n# [[" + std::string(section.name) + "]]: " + section.doc + "\n";
    for (const orbit_option& option : section.options) {
      out += "#   " + std::string(option.key) + " (" + type_word(option.type) + ", " +
             (option.default_value == nullptr ? "required" : option.default_value) + "): " + option.doc + "\n";
    }
  }
  for (const DescribedPlugin& plugin : plugins) {
    out += "\n# " + plugin.doc + "\n[[plugin]]\nname = " + toml_quote(example_name(plugin, plugins)) +
           "\nid = " + toml_quote(plugin.id) + "\n";
    if (plugin.options.empty()) continue;
    out += "[plugin.config]\n";
    append_reference(out, plugin.options);
  }
  return out;
}

}  // namespace orbit::kernel
