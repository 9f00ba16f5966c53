// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "text.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <ostream>

namespace orbit::ctl {

namespace json = boost::json;

namespace {

// Length of the UTF-8 sequence that starts with this byte, 0 when none does.
size_t sequence_length(unsigned char lead) noexcept {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; }

// Code points: close enough to columns for names and numbers.
size_t width_of(std::string_view text) noexcept {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string cut(const std::string& line, size_t width) {
  if (width == 0 || width_of(line) <= width) return line;
  size_t end = 0, columns = 0;
  while (end < line.size() && (columns < width - 1 || is_continuation(line[end]))) {
    if (!is_continuation(line[end])) ++columns;
    ++end;
  }
  return line.substr(0, end) + "\xE2\x80\xA6";
}

std::string plain(const json::value& value) {
  if (value.is_string()) return printable({value.get_string().data(), value.get_string().size()});
  if (value.is_bool()) return value.get_bool() ? "yes" : "no";
  if (value.is_null()) return {};
  if (!value.is_array()) return printable(json::serialize(value));
  std::string out;
  for (const auto& item : value.get_array()) {
    if (!out.empty()) out += ", ";
    // A list of objects shows their names: methods of a type, for one.
    const auto* name = item.is_object() ? item.get_object().if_contains("name") : nullptr;
    out += plain(name != nullptr ? *name : item);
  }
  return out;
}

void indent(std::ostream& out, size_t depth) { out << '\n' << std::string(2 * depth, ' '); }

void print_json(std::ostream& out, const json::value& value, size_t depth) {
  if (value.is_object() && !value.get_object().empty()) {
    out << '{';
    const char* comma = "";
    for (const auto& [key, member] : value.get_object()) {
      out << comma;
      indent(out, depth + 1);
      out << json::serialize(json::string(key)) << ": ";
      print_json(out, member, depth + 1);
      comma = ",";
    }
    indent(out, depth);
    out << '}';
  } else if (value.is_array() && !value.get_array().empty()) {
    out << '[';
    const char* comma = "";
    for (const auto& item : value.get_array()) {
      out << comma;
      indent(out, depth + 1);
      print_json(out, item, depth + 1);
      comma = ",";
    }
    indent(out, depth);
    out << ']';
  } else {
    out << json::serialize(value);
  }
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text.front());
    const size_t length = sequence_length(lead);
    const bool whole =
        length != 0 && length <= text.size() &&
        std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(length), is_continuation);
    // U+0080 to U+009F are control characters of their own: C2 80 to C2 9F.
    const bool control =
        lead < 0x20 || lead == 0x7F || (lead == 0xC2 && whole && static_cast<unsigned char>(text[1]) < 0xA0);
    if (whole && !control) {
      out += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    char escaped[5];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", lead);
    out += escaped;
    text.remove_prefix(1);
  }
  return out;
}

std::string format_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto amount = static_cast<double>(bytes);
  size_t unit = 0;
  while (amount >= 1024 && unit + 1 < std::size(kUnits)) {
    amount /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", amount, kUnits[unit]);
  return text;
}

std::string format_duration(uint64_t milliseconds) {
  const uint64_t seconds = milliseconds / 1000;
  const auto two = [](uint64_t a, const char* unit_a, uint64_t b, const char* unit_b) {
    return std::to_string(a) + unit_a + " " + std::to_string(b) + unit_b;
  };
  if (seconds == 0) return std::to_string(milliseconds) + "ms";
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return two(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86400) return two(seconds / 3600, "h", seconds % 3600 / 60, "m");
  return two(seconds / 86400, "d", seconds % 86400 / 3600, "h");
}

std::string member_text(const json::object& object, const Column& column) {
  const auto* value = object.if_contains(column.member);
  if (value == nullptr) return "-";
  json::error_code error;
  const auto amount = value->is_number() ? value->to_number<uint64_t>(error) : 0;
  if (value->is_number() && !error && column.format == Format::bytes) return format_bytes(amount);
  if (value->is_number() && !error && column.format == Format::duration_ms) return format_duration(amount);
  std::string text = plain(*value);
  return text.empty() ? "-" : text;
}

void print_table(std::ostream& out, std::span<const Column> columns, const json::array& rows, size_t width) {
  std::vector<std::vector<std::string>> cells(1);
  for (const Column& column : columns) cells[0].emplace_back(column.title);
  for (const auto& row : rows) {
    auto& line = cells.emplace_back();
    for (const Column& column : columns) line.push_back(member_text(row.as_object(), column));
  }
  std::vector<size_t> widths(columns.size());
  for (const auto& line : cells)
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  for (const auto& line : cells) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string space(widths[i] - width_of(line[i]), ' ');
      if (i != 0) text += "  ";
      text += columns[i].format == Format::text ? line[i] + space : space + line[i];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << cut(text, width) << '\n';
  }
}

void print_properties(std::ostream& out, std::span<const Column> columns, const json::object& object) {
  size_t width = 0;
  for (const Column& column : columns) width = std::max(width, width_of(column.title));
  for (const Column& column : columns)
    out << column.title << std::string(width - width_of(column.title) + 2, ' ') << member_text(object, column) << '\n';
}

void print_json(std::ostream& out, const json::value& value) {
  print_json(out, value, 0);
  out << '\n';
}

size_t terminal_width() noexcept {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace orbit::ctl
