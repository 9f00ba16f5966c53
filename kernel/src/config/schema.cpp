// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "config/schema.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>

namespace orbit::kernel {
namespace {

std::string_view type_name(orbit_option_type type) {
  switch (type) {
    case ORBIT_OPTION_STRING:
      return "a string";
    case ORBIT_OPTION_INTEGER:
      return "an integer";
    case ORBIT_OPTION_NUMBER:
      return "a number";
    case ORBIT_OPTION_BOOLEAN:
      return "true or false";
    case ORBIT_OPTION_STRING_LIST:
      return "a list of strings";
    default:
      return "a value of a type that this node does not know";
  }
}

std::string number_text(double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.17g", value);
  double back = 0;
  for (int digits = 1; digits < 17; ++digits) {
    char shorter[64];
    std::snprintf(shorter, sizeof shorter, "%.*g", digits, value);
    back = std::strtod(shorter, nullptr);
    if (back == value && std::string_view(shorter).find('e') == std::string_view::npos) return shorter;
  }
  return buffer;
}

std::string bounds_text(const orbit_option& option) {
  return number_text(option.min) + " to " + number_text(option.max);
}

// Values of the environment and the command line may be any bytes; answers that show them are JSON.
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t more = byte < 0x80                   ? 0
                        : byte >= 0xc2 && byte < 0xe0 ? 1
                        : byte >= 0xe0 && byte < 0xf0 ? 2
                        : byte >= 0xf0 && byte < 0xf5 ? 3
                                                      : 4;
    if (more == 4 || i + more >= text.size()) return false;
    uint32_t point = more == 0 ? byte : byte & (0x3fu >> more);
    for (size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (point < kLeast[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += more + 1;
  }
  return true;
}

std::optional<std::string> text_fault(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return "expected text, found a NUL character";
  if (!is_utf8(text)) return "expected UTF-8, found other bytes";
  return std::nullopt;
}

// The mistake in one value, or nothing and `out` is filled in.
std::optional<std::string> read_value(const Tree& tree, const orbit_option& option, Value& out) {
  const bool bounded = option.min < option.max;
  const auto wrong_type = [&] {
    return "expected " + std::string(type_name(option.type)) + ", found " + std::string(kind_name(tree.kind));
  };
  switch (option.type) {
    case ORBIT_OPTION_STRING:
      if (tree.kind != Tree::Kind::string) return wrong_type();
      if (auto fault = text_fault(tree.string)) return fault;
      if (option.choices != nullptr) {
        std::vector<std::string_view> choices;
        for (const char* const* c = option.choices; *c != nullptr; ++c) choices.emplace_back(*c);
        if (std::find(choices.begin(), choices.end(), tree.string) == choices.end()) {
          std::string text;
          for (const std::string_view choice : choices)
            text += (text.empty() ? "'" : ", '") + std::string(choice) + "'";
          const bool secret = (option.flags & ORBIT_OPTION_SECRET) != 0;
          return "expected one of " + text + (secret ? "" : ", found '" + tree.string + "'");
        }
      }
      out.string = tree.string;
      return std::nullopt;
    case ORBIT_OPTION_INTEGER:
      if (tree.kind != Tree::Kind::integer) return wrong_type();
      if (bounded && (static_cast<double>(tree.integer) < option.min || static_cast<double>(tree.integer) > option.max))
        return "expected " + bounds_text(option) + ", found " + std::to_string(tree.integer);
      out.integer = tree.integer;
      return std::nullopt;
    case ORBIT_OPTION_NUMBER: {
      if (tree.kind != Tree::Kind::number && tree.kind != Tree::Kind::integer) return wrong_type();
      const double number = tree.kind == Tree::Kind::number ? tree.number : static_cast<double>(tree.integer);
      if (bounded && !(number >= option.min && number <= option.max))
        return "expected " + bounds_text(option) + ", found " + number_text(number);
      out.number = number;
      return std::nullopt;
    }
    case ORBIT_OPTION_BOOLEAN:
      if (tree.kind != Tree::Kind::boolean) return wrong_type();
      out.integer = tree.boolean;
      return std::nullopt;
    case ORBIT_OPTION_STRING_LIST:
      if (tree.kind != Tree::Kind::array) return wrong_type();
      for (const Tree& item : tree.array) {
        if (item.kind != Tree::Kind::string)
          return "expected a list of strings, found " + std::string(kind_name(item.kind)) + " in it";
        if (auto fault = text_fault(item.string)) return fault;
        out.list.push_back(item.string);
      }
      return std::nullopt;
    default:
      return "is declared with type " + std::to_string(option.type) + ", which this node does not know";
  }
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

struct Validation {
  std::span<const orbit_option> options;
  std::string_view where;
  Mistakes& mistakes;
  std::vector<Value> values;
  std::vector<bool> given;

  // `prefix` is "" or "tls." inside a nested table.
  void table(const Tree& tree, const std::string& prefix, std::span<const std::string_view> reserved) {
    for (const Tree::Entry& entry : tree.table) {
      const std::string key = prefix + entry.key;
      if (prefix.empty() && std::find(reserved.begin(), reserved.end(), key) != reserved.end()) continue;
      const auto exact = std::find_if(options.begin(), options.end(), [&](const auto& o) { return key == o.key; });
      if (exact != options.end()) {
        const auto index = static_cast<size_t>(exact - options.begin());
        given[index] = true;
        if (auto mistake = read_value(entry.value, *exact, values[index])) {
          mistakes.add(entry.value.position, "'" + key + "' in " + std::string(where) + ": " + *mistake);
          set_default(index);
        }
      } else if (entry.value.kind == Tree::Kind::table && is_prefix(key + ".")) {
        table(entry.value, key + ".", {});
      } else {
        unknown(entry, key, reserved);
      }
    }
  }

  void set_default(size_t index) {
    values[index] = {};
    const orbit_option& option = options[index];
    if (option.default_value == nullptr) return;
    if (const auto tree = parse_toml_value(option.default_value)) read_value(*tree, option, values[index]);
  }

  bool is_prefix(const std::string& prefix) const {
    return std::any_of(options.begin(), options.end(),
                       [&](const auto& o) { return std::string_view(o.key).starts_with(prefix); });
  }

  void unknown(const Tree::Entry& entry, const std::string& key, std::span<const std::string_view> reserved) {
    std::vector<std::string_view> known(reserved.begin(), reserved.end());
    for (const orbit_option& option : options) known.emplace_back(option.key);
    mistakes.add(entry.position, "unknown key '" + key + "' in " + std::string(where) + nearest_hint(key, known));
  }
};

}  // namespace

std::string nearest_hint(std::string_view word, std::span<const std::string_view> known) {
  if (known.empty()) return "; nothing can be set there";
  // Quadratic in the length of the word, which anyone can write.
  constexpr size_t kWordMax = 200;
  std::string_view best;
  size_t best_distance = SIZE_MAX;
  if (word.size() <= kWordMax)
    for (const std::string_view candidate : known) {
      const size_t distance = edit_distance(word, candidate);
      if (distance < best_distance) {
        best = candidate;
        best_distance = distance;
      }
    }
  // Of a short word half may be wrong, of a long one a third.
  if (best_distance <= std::min(std::max<size_t>(2, word.size() / 3), std::max<size_t>(1, word.size() / 2)))
    return "; did you mean '" + std::string(best) + "'?";
  std::string out;
  for (const std::string_view candidate : known)
    out += (out.empty() ? "; known are '" : ", '") + std::string(candidate) + "'";
  return out;
}

std::string schema_fault(std::span<const orbit_option> options) {
  for (size_t i = 0; i < options.size(); ++i) {
    const orbit_option& option = options[i];
    if (option.key == nullptr || *option.key == '\0') return "option " + std::to_string(i) + " has no key";
    const std::string name = "option '" + std::string(option.key) + "' ";
    if (option.doc == nullptr) return name + "has no doc";
    for (size_t j = 0; j < i; ++j)
      if (std::string_view(options[j].key) == option.key) return name + "is declared twice";
    if (option.type < ORBIT_OPTION_STRING || option.type > ORBIT_OPTION_STRING_LIST)
      return name + "has type " + std::to_string(option.type) + ", expected 1 to 5";
    if (option.default_value == nullptr) continue;
    const auto tree = parse_toml_value(option.default_value);
    if (!tree) return name + "has a default that is no TOML value: " + option.default_value;
    Value ignored;
    if (const auto mistake = read_value(*tree, option, ignored)) return name + "has a bad default: " + *mistake;
  }
  return {};
}

Values validate(const Tree& table, std::span<const orbit_option> options, std::string_view where, Mistakes& mistakes,
                std::span<const std::string_view> reserved) {
  Validation validation{options, where, mistakes, std::vector<Value>(options.size()),
                        std::vector<bool>(options.size())};
  validation.table(table, "", reserved);
  Values out;
  for (size_t i = 0; i < options.size(); ++i) {
    const orbit_option& option = options[i];
    if (!validation.given[i]) {
      validation.set_default(i);
      if (option.default_value == nullptr)
        mistakes.add(table.position,
                     "missing key '" + std::string(option.key) + "' in " + std::string(where) + ": " + option.doc);
    }
    Value& value = validation.values[i];
    value.key = option.key;
    value.type = option.type;
    value.secret = (option.flags & ORBIT_OPTION_SECRET) != 0;
    out.add(std::move(value));
  }
  return out;
}

const Value& Values::find(std::string_view key, orbit_option_type type) const {
  for (const Value& value : values_)
    if (value.key == key && value.type == type) return value;
  std::fprintf(stderr, "bug: config key '%.*s' is not in the schema with that type\n", static_cast<int>(key.size()),
               key.data());
  std::abort();
}

std::string Values::json() const {
  boost::json::object out;
  for (const Value& value : values_) {
    if (value.secret) {
      out[value.key] = value.string.empty() ? "(unset)" : "(set)";
      continue;
    }
    switch (value.type) {
      case ORBIT_OPTION_STRING:
        out[value.key] = value.string;
        break;
      case ORBIT_OPTION_INTEGER:
        out[value.key] = value.integer;
        break;
      case ORBIT_OPTION_NUMBER:
        out[value.key] = value.number;
        break;
      case ORBIT_OPTION_BOOLEAN:
        out[value.key] = value.integer != 0;
        break;
      default:
        out[value.key] = boost::json::value_from(value.list);
    }
  }
  return boost::json::serialize(out);
}

EdgeConfig::EdgeConfig(const Values& values, const std::string& instance) {
  lists_.reserve(values.all().size());
  for (const Value& value : values.all()) {
    auto& list = lists_.emplace_back();
    for (const std::string& item : value.list) list.push_back(to_c(Bytes(item)));
    orbit_value& out = values_.emplace_back();
    out.key = value.key.c_str();
    out.type = value.type;
    out.list_count = static_cast<uint32_t>(list.size());
    out.string = to_c(Bytes(value.string));
    out.integer = value.integer;
    out.number = value.number;
    out.list = list.data();
  }
  config_ = {sizeof(orbit_config), static_cast<uint32_t>(values_.size()), values_.data(), instance.c_str()};
}

}  // namespace orbit::kernel
