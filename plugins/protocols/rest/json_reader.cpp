// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "json_reader.hpp"

#include <algorithm>

#include "orbit/http/response.hpp"

namespace orbit::rest {

namespace {

void append_utf8(std::string& out, unsigned code) {
  const auto byte = [&](unsigned value) { out += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0u | code >> 6);
    byte(0x80u | (code & 0x3Fu));
  } else if (code < 0x10000) {
    byte(0xE0u | code >> 12);
    byte(0x80u | (code >> 6 & 0x3Fu));
    byte(0x80u | (code & 0x3Fu));
  } else {
    byte(0xF0u | code >> 18);
    byte(0x80u | (code >> 12 & 0x3Fu));
    byte(0x80u | (code >> 6 & 0x3Fu));
    byte(0x80u | (code & 0x3Fu));
  }
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace

bool JsonReader::fail(std::string what) {
  if (error_.empty()) error_ = "at byte " + std::to_string(at_) + ": " + std::move(what);
  return false;
}

bool JsonReader::unexpected(std::string_view wanted) {
  std::string found = "the end";
  if (at_ < text_.size()) {
    const char c = text_[at_];
    found = c >= 0x20 && c < 0x7F ? "'" + std::string(1, c) + "'" : "byte " + std::to_string(static_cast<unsigned char>(c));
  }
  return fail("expected " + std::string(wanted) + ", found " + found);
}

bool JsonReader::open(char bracket) {
  if (peek() != bracket) return unexpected(bracket == '{' ? "an object" : "an array");
  if (++depth_ > nesting_max_) return fail("nested deeper than " + std::to_string(nesting_max_));
  ++at_;
  return true;
}

bool JsonReader::more(char closing, bool& first, bool& there) {
  const char next = peek();
  there = next != closing;
  if (!there) {
    ++at_;
    --depth_;
    return true;
  }
  if (!first) {
    if (next != ',') return unexpected(closing == '}' ? "',' or '}'" : "',' or ']'");
    ++at_;
    if (peek() == closing) return unexpected("another element after ','");
  }
  first = false;
  return true;
}

bool JsonReader::name(std::string& out) {
  if (peek() != '"') return unexpected("a name in quotes");
  if (!string(out)) return false;
  if (peek() != ':') return unexpected("':'");
  ++at_;
  return true;
}

bool JsonReader::hex4(unsigned& out) {
  out = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    unsigned digit = 0;
    if (is_digit(c))
      digit = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<unsigned>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<unsigned>(c - 'A' + 10);
    else
      return unexpected("four hexadecimal digits after \\u");
    out = out * 16 + digit;
  }
  return true;
}

// Behind the backslash.
bool JsonReader::escape(std::string& out) {
  if (at_ == text_.size()) return unexpected("an escape");
  const char c = text_[at_];
  constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
  if (const size_t index = kFrom.find(c); index != std::string_view::npos) {
    ++at_;
    out += kTo[index];
    return true;
  }
  if (c != 'u') return unexpected("one of \" \\ / b f n r t u after '\\'");
  ++at_;
  unsigned code = 0;
  if (!hex4(code)) return false;
  if (code >= 0xDC00 && code < 0xE000) return fail("half of a surrogate pair");
  if (code >= 0xD800 && code < 0xDC00) {
    unsigned low = 0;
    if (text_.substr(at_, 2) != "\\u") return fail("half of a surrogate pair");
    at_ += 2;
    if (!hex4(low)) return false;
    if (low < 0xDC00 || low >= 0xE000) return fail("half of a surrogate pair");
    code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
  }
  append_utf8(out, code);
  return true;
}

bool JsonReader::string(std::string& out) {
  if (peek() != '"') return unexpected("a string");
  ++at_;
  out.clear();
  const size_t begin = at_;
  bool ascii = true;
  for (;;) {
    const size_t from = at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' && static_cast<unsigned char>(text_[at_]) >= 0x20) {
      ascii = ascii && static_cast<unsigned char>(text_[at_]) < 0x80;
      ++at_;
    }
    out.append(text_, from, at_ - from);
    if (at_ == text_.size()) return unexpected("the closing '\"'");
    if (text_[at_] == '"') break;
    if (text_[at_] != '\\') return fail("a control character in a string must be escaped");
    ++at_;
    if (!escape(out)) return false;
  }
  ++at_;
  if (!ascii && !http::is_utf8(out)) {
    at_ = begin;
    return fail("the string is not UTF-8");
  }
  return true;
}

bool JsonReader::number(std::string_view& out) {
  peek();
  const size_t begin = at_;
  const auto digits = [&] {
    const size_t from = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ != from;
  };
  const auto is = [&](char c) { return at_ < text_.size() && text_[at_] == c; };
  if (is('-')) ++at_;
  if (is('0'))
    ++at_;
  else if (!digits())
    return unexpected("a number");
  if (is('.')) {
    ++at_;
    if (!digits()) return unexpected("a digit");
  }
  if (is('e') || is('E')) {
    ++at_;
    if (is('+') || is('-')) ++at_;
    if (!digits()) return unexpected("a digit");
  }
  if (at_ < text_.size() && is_digit(text_[at_])) return fail("a number does not begin with 0");
  out = text_.substr(begin, at_ - begin);
  return true;
}

bool JsonReader::literal(std::string_view word) {
  peek();
  if (text_.substr(at_, word.size()) != word) return unexpected(word);
  at_ += word.size();
  return true;
}

bool JsonReader::skip() {
  std::string text;
  std::string_view digits;
  switch (peek()) {
    case '{':
    case '[': {
      const bool object = peek() == '{';
      bool first = true, there = false;
      if (!open(object ? '{' : '[')) return false;
      for (;;) {
        if (!more(object ? '}' : ']', first, there)) return false;
        if (!there) return true;
        if (object && !name(text)) return false;
        if (!skip()) return false;
      }
    }
    case '"':
      return string(text);
    case 't':
      return literal("true");
    case 'f':
      return literal("false");
    case 'n':
      return literal("null");
    default:
      return number(digits);
  }
}

bool JsonReader::end() { return peek() == '\0' && at_ == text_.size() ? true : unexpected("nothing more"); }

}  // namespace orbit::rest
