// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A TOML document as plain values with positions, and the mistakes found in it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbit/result.hpp"

namespace orbit::kernel {

// Where a value stands. An override from the command line has a description instead of a line.
struct Position {
  uint32_t line = 0;
  uint32_t column = 0;
  std::string origin;  // "--set limits.mailbox_max"; empty: in the file
};

// All mistakes of a configuration, told in one report.
class Mistakes {
 public:
  explicit Mistakes(std::string file) : file_(std::move(file)) {}
  void add(const Position& position, std::string message);
  bool empty() const noexcept { return list_.empty(); }
  size_t size() const noexcept { return list_.size(); }
  // "file:line:column: message\n" for each, in the order of the file.
  std::string report() const;
  // The messages alone, in that order.
  std::vector<std::string> messages() const;

 private:
  struct Mistake {
    Position position;
    std::string message;
  };
  std::vector<const Mistake*> sorted() const;
  std::string file_;
  std::vector<Mistake> list_;
};

struct Tree {
  enum class Kind {
    string,
    integer,
    number,
    boolean,
    array,
    table,
    other,
    null
  };  // null: only in JSON, good for nothing
  struct Entry;

  Kind kind = Kind::table;
  Position position;
  std::string string;
  int64_t integer = 0;
  double number = 0;
  bool boolean = false;
  std::vector<Tree> array;
  std::vector<Entry> table;  // in the order of the file

  Entry* find(std::string_view key);
  const Entry* find(std::string_view key) const;
};

struct Tree::Entry {
  std::string key;
  Position position;  // of the key
  Tree value;
};

std::string_view kind_name(Tree::Kind kind) noexcept;  // "a string", "an integer"...

// Nesting deeper than kDepthMax and documents larger than kBytesMax are mistakes.
inline constexpr size_t kConfigDepthMax = 32;
inline constexpr size_t kConfigBytesMax = 4u << 20;

// Null when the text is no TOML; the mistake says why. Touches no file.
std::optional<Tree> parse_toml(std::string_view text, Mistakes& mistakes);
// The same tables, lists and values as a JSON object; its values have no positions.
std::optional<Tree> parse_json(std::string_view text, Mistakes& mistakes);
// One value as it would be written behind `key =`.
std::optional<Tree> parse_toml_value(std::string_view text);
// The value as TOML text.
std::string toml_text(const Tree& value);
std::string toml_quote(std::string_view text);

}  // namespace orbit::kernel
