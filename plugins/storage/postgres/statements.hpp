// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Every statement that runs often; each connection prepares all of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <orbit/result.hpp>
#include <string>
#include <vector>

namespace orbit::storage_postgres {

enum class Statement : uint8_t {
  get,          // head, hash -> value
  multi_get,    // heads[], hashes[] -> position from 1, value
  put,          // heads[], hashes[], tails[], values[]
  erase,        // heads[], of keys that are not cut
  erase_cut,    // head, hash
  erase_range,  // head, tail from; head, tail to
  erase_from,   // head, tail
  absent,       // head, hash, tail; fails with unique_violation
  equals,       // head, hash, value; fails with division_by_zero
  fence,        // head, hash, tail, value; fails with division_by_zero
  mark,         // writer, number before, number; fails with division_by_zero
  settle,       // writer, number before, number -> rows changed
  read_mark,    // writer -> number
  register_mark,  // writer
  scan,         // and the seven after it, see scan_statement: head, tail from; head, tail to unless open
};
inline constexpr size_t kScans = 8;
inline constexpr size_t kStatements = static_cast<size_t>(Statement::scan) + kScans;
inline constexpr int kSmallPage = 16;
inline constexpr int kLargePage = 256;

constexpr Statement scan_statement(bool open_end, bool reverse, bool large) noexcept {
  return static_cast<Statement>(static_cast<int>(Statement::scan) + (open_end ? 4 : 0) + (reverse ? 2 : 0) + (large ? 1 : 0));
}

struct Statements {
  // `table` is an identifier, checked by the caller: letters, digits, underscores.
  explicit Statements(const std::string& table);
  static const char* name(Statement statement) noexcept;
  const std::string& text(Statement statement) const noexcept { return texts[static_cast<size_t>(statement)]; }

  std::string table;  // quoted
  std::string meta;   // quoted
  std::array<std::string, kStatements> texts;
  std::vector<std::string> create;
  std::string read_format;
  std::string forget_writers;
  std::string size;
};

inline constexpr int64_t kFormat = 1;

}  // namespace orbit::storage_postgres
