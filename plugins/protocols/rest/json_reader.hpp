// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A strict JSON reader (RFC 8259) over text in memory, pulled value by value. Every function returns false after an error, which
// error() then tells.
#pragma once

#include <string>
#include <string_view>

namespace orbit::rest {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text, int nesting_max) : text_(text), nesting_max_(nesting_max) {}

  // The first character of the next value, or 0 at the end: { [ " t f n - or a digit, if it is one.
  char peek() noexcept {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  // Begins an object or array.
  bool open(char bracket);
  // Whether another element comes; takes the comma before it, or the closing bracket. `first` as open() left it.
  bool more(char closing, bool& first, bool& there);
  // A member's name and the colon.
  bool name(std::string& out);
  bool string(std::string& out);
  // A number's text as it stands.
  bool number(std::string_view& out);
  // true, false or null.
  bool literal(std::string_view word);
  // Any value.
  bool skip();
  // Nothing but space is left.
  bool end();

  bool fail(std::string what);
  const std::string& error() const noexcept { return error_; }
  size_t position() const noexcept { return at_; }

 private:
  void skip_space() noexcept {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  }
  bool unexpected(std::string_view wanted);
  bool escape(std::string& out);
  bool hex4(unsigned& out);

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  int nesting_max_;
  std::string error_;
};

}  // namespace orbit::rest
