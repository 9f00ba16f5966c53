// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What rules are written with: text in which '*' stands for any bytes, {name} for the caller's own name, and '\' makes the byte
// behind it mean itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "orbit/result.hpp"

namespace orbit::kernel {

class Pattern {
 public:
  static constexpr size_t kBytesMax = 255;

  static Result<Pattern> parse(std::string_view text);

  // name: the caller's; without one, a pattern with {name} matches nothing.
  bool matches(std::string_view text, std::string_view name) const;
  // Matches whatever there is.
  bool matches_all() const noexcept { return parts_.size() == 2 && parts_[0].empty() && parts_[1].empty(); }
  bool uses_name() const noexcept { return uses_name_; }
  const std::string& text() const noexcept { return text_; }

 private:
  // Between two stars: literal bytes and, where is_name is set, the caller's name.
  struct Piece {
    std::string literal;
    bool is_name = false;
  };
  using Part = std::vector<Piece>;
  static std::string expand(const Part& part, std::string_view name);
  // The size of the match of `part` at the start of `text`, or npos.
  static size_t match_at(const Part& part, std::string_view text, std::string_view name) noexcept;
  static size_t size_of(const Part& part, std::string_view name) noexcept;

  std::string text_;
  std::vector<Part> parts_;  // one more than there are stars
  bool uses_name_ = false;
};

}  // namespace orbit::kernel
