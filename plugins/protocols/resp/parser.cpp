// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "parser.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace orbit::resp {
namespace {

constexpr size_t kKeepArgs = 1024;
constexpr size_t kKeepTextBytes = 4096;

bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Strict as redis-server's string2ll: no spaces, no plus, no leading zeros.
bool parse_number(const char* from, const char* to, int64_t& out) noexcept {
  const char* digits = from;
  if (digits != to && *digits == '-') ++digits;
  if (digits == to || *digits < '0' || *digits > '9') return false;
  if (*digits == '0' && to - from > 1) return false;
  const auto [end, code] = std::from_chars(from, to, out);
  return code == std::errc() && end == to;
}

enum class Line { kPartial, kTooLong, kBad, kNumber };

// Reads "<number>\r\n" at data[position..]; moves position behind it.
Line read_number(const char* data, size_t size, size_t& position, size_t& scanned, size_t line_max, int64_t& out) {
  const char* const from = data + position;
  const char* const end = data + size;
  const char* at = from;
  int64_t value = 0;
  while (at != end && static_cast<unsigned char>(*at - '0') < 10 && at - from < 10) value = value * 10 + (*at++ - '0');
  if (end - at >= 2 && *at == '\r' && at != from && (*from != '0' || at - from == 1)) {
    out = value;
    position = static_cast<size_t>(at - data) + 2;
    return Line::kNumber;
  }
  const size_t look_from = std::max(position, scanned);
  const auto* cr = static_cast<const char*>(std::memchr(data + look_from, '\r', size - look_from));
  if (cr == nullptr) {
    scanned = size;
    return size - position > line_max ? Line::kTooLong : Line::kPartial;
  }
  scanned = static_cast<size_t>(cr - data);
  // The same verdict whether the line came whole or in parts.
  if (static_cast<size_t>(cr - from) > line_max) return Line::kTooLong;
  if (end - cr < 2) return Line::kPartial;
  if (!parse_number(from, cr, out)) return Line::kBad;
  position = scanned + 2;
  return Line::kNumber;
}

// One quoted or bare word of a line, unescaped into `word`. False: unbalanced quotes.
bool read_word(const char*& p, const char* end, std::string& word) {
  char quote = 0;
  for (;; ++p) {
    if (quote == 0) {
      if (p == end || is_space(*p) || *p == '\0') return true;
      if (*p == '"' || *p == '\'') {
        quote = *p;
      } else {
        word += *p;
      }
      continue;
    }
    if (p == end) return false;
    if (*p == quote) {
      ++p;
      return p == end || is_space(*p);
    }
    if (quote == '\'' && *p == '\\' && end - p > 1 && p[1] == '\'') {
      word += *++p;
    } else if (quote == '"' && *p == '\\' && end - p > 3 && p[1] == 'x' && hex_digit(p[2]) >= 0 &&
               hex_digit(p[3]) >= 0) {
      word += static_cast<char>(hex_digit(p[2]) * 16 + hex_digit(p[3]));
      p += 3;
    } else if (quote == '"' && *p == '\\' && end - p > 1) {
      switch (*++p) {
        case 'n': word += '\n'; break;
        case 'r': word += '\r'; break;
        case 't': word += '\t'; break;
        case 'b': word += '\b'; break;
        case 'a': word += '\a'; break;
        default: word += *p; break;
      }
    } else {
      word += *p;
    }
  }
}

}  // namespace

bool split_quoted(std::string_view line, std::string& storage, std::vector<std::string_view>& out) {
  out.clear();
  storage.clear();
  storage.reserve(line.size());  // unescaping never grows, so the pieces stay where they are
  const char* p = line.data();
  const char* const end = p + line.size();
  for (;;) {
    while (p != end && is_space(*p)) ++p;
    if (p == end || *p == '\0') return true;
    const size_t from = storage.size();
    if (!read_word(p, end, storage)) return false;
    out.emplace_back(storage.data() + from, storage.size() - from);
  }
}

void RequestParser::begin() noexcept {
  position_ = scanned_ = 0;
  count_ = 0;
  if (more_.capacity() > kKeepArgs) std::vector<std::string_view>().swap(more_);
  more_.clear();
  if (inline_text_.capacity() > kKeepTextBytes) std::string().swap(inline_text_);
}

void RequestParser::push(std::string_view arg) {
  if (count_ < kFewArgs) {
    few_[count_++] = arg;
    return;
  }
  if (count_ == kFewArgs) more_.assign(few_.begin(), few_.end());
  more_.push_back(arg);
  ++count_;
}

void RequestParser::rebase(const char* data) noexcept {
  if (data == base_) return;
  std::string_view* const all = views();
  for (size_t i = 0; i < count_; ++i) {
    const auto offset = reinterpret_cast<uintptr_t>(all[i].data()) - reinterpret_cast<uintptr_t>(base_);
    all[i] = {data + offset, all[i].size()};
  }
}

RequestParser::Status RequestParser::fail(std::string message) {
  error_ = std::move(message);
  return Status::kError;
}

RequestParser::Status RequestParser::parse(const char* data, size_t size, bool authenticated) {
  if (phase_ == Phase::kStart) {
    if (size == 0) return Status::kIncomplete;
    begin();
    base_ = data;
    if (*data != '*') return parse_inline(data, size);
    const Status status = parse_header(data, size, authenticated);
    if (status != Status::kCommand || missing_ == 0) return status;
  } else {
    rebase(data);
    base_ = data;
  }
  return parse_bulks(data, size, authenticated);
}

RequestParser::Status RequestParser::parse_inline(const char* data, size_t size) {
  const auto* newline = static_cast<const char*>(std::memchr(data, '\n', size));
  if (newline == nullptr) {
    if (size > limits_->line_bytes_max) return fail("Protocol error: too big inline request");
    return Status::kIncomplete;
  }
  const auto length = static_cast<size_t>(newline - data);
  if (length > limits_->line_bytes_max) return fail("Protocol error: too big inline request");
  std::string_view line(data, length);
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::vector<std::string_view> words;
  if (!split_quoted(line, inline_text_, words)) return fail("Protocol error: unbalanced quotes in request");
  for (const std::string_view word : words) push(word);
  position_ = length + 1;
  return Status::kCommand;
}

// kCommand: the header is complete, and missing_ says how many bulks follow.
RequestParser::Status RequestParser::parse_header(const char* data, size_t size, bool authenticated) {
  size_t position = 1;
  int64_t count = 0;
  size_t scanned = 0;
  switch (read_number(data, size, position, scanned, limits_->line_bytes_max, count)) {
    case Line::kPartial: return Status::kIncomplete;
    case Line::kTooLong: return fail("Protocol error: too big mbulk count string");
    case Line::kBad: return fail("Protocol error: invalid multibulk length");
    case Line::kNumber: break;
  }
  if (count > static_cast<int64_t>(limits_->args_max)) return fail("Protocol error: invalid multibulk length");
  if (!authenticated && count > kUnauthenticatedArgsMax)
    return fail("Protocol error: unauthenticated multibulk length");
  position_ = position;
  scanned_ = position;
  missing_ = std::max<int64_t>(count, 0);
  phase_ = missing_ == 0 ? Phase::kStart : Phase::kBulkHeader;
  return Status::kCommand;
}

RequestParser::Status RequestParser::parse_bulks(const char* data, size_t size, bool authenticated) {
  for (;;) {
    if (phase_ == Phase::kBulkHeader) {
      if (position_ == size) return Status::kIncomplete;
      if (data[position_] != '$') {
        return fail(std::string("Protocol error: expected '$', got '") + data[position_] + "'");
      }
      size_t position = position_ + 1;
      int64_t length = 0;
      switch (read_number(data, size, position, scanned_, limits_->line_bytes_max, length)) {
        case Line::kPartial: return Status::kIncomplete;
        case Line::kTooLong: return fail("Protocol error: too big bulk count string");
        case Line::kBad: return fail("Protocol error: invalid bulk length");
        case Line::kNumber: break;
      }
      if (length < 0 || static_cast<uint64_t>(length) > limits_->bulk_bytes_max) {
        return fail("Protocol error: invalid bulk length");
      }
      bulk_bytes_ = static_cast<uint64_t>(length);
      if (!authenticated && bulk_bytes_ > kUnauthenticatedBulkBytesMax) {
        return fail("Protocol error: unauthenticated bulk length");
      }
      position_ = position;
      phase_ = Phase::kBulkBody;
    }
    if (size - position_ < bulk_bytes_ + 2) return Status::kIncomplete;
    push({data + position_, bulk_bytes_});
    position_ += bulk_bytes_ + 2;
    scanned_ = position_;
    if (--missing_ == 0) {
      phase_ = Phase::kStart;
      return Status::kCommand;
    }
    phase_ = Phase::kBulkHeader;
  }
}

}  // namespace orbit::resp
