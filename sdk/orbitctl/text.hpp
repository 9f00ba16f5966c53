// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What people read: tables, amounts, JSON with indentation.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orbit::ctl {

enum class Format { text, number, bytes, duration_ms };

// A column of a table, or a line of a list of properties: a member of a JSON object.
struct Column {
  const char* title;
  const char* member;
  Format format = Format::text;
};

// Bytes that would move a terminal's cursor, and those that are no UTF-8, as \xNN.
std::string printable(std::string_view text);

std::string format_bytes(uint64_t bytes);            // "12.3 MiB"
std::string format_duration(uint64_t milliseconds);  // "3d 4h", "1m 5s", "250ms"

// The member as a person reads it: "-" for what is absent or empty, arrays joined with commas.
std::string member_text(const boost::json::object& object, const Column& column);

// One line per row, aligned, numbers to the right. Lines longer than `width` columns end in "…"; 0: never cut (a pipe).
void print_table(std::ostream& out, std::span<const Column> columns, const boost::json::array& rows, size_t width);
// One line per column: "title  value".
void print_properties(std::ostream& out, std::span<const Column> columns, const boost::json::object& object);
void print_json(std::ostream& out, const boost::json::value& value);

// Columns of the terminal that standard output is, 0 when it is none.
size_t terminal_width() noexcept;

}  // namespace orbit::ctl
