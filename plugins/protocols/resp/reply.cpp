// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "reply.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include "numbers.hpp"

namespace orbit::resp {
namespace {

// Type character, number and line end.
constexpr size_t kHeaderBytesMax = 1 + kIntegerCharsMax + 2;
// Bulk strings up to this size are written in one reserve.
constexpr size_t kOnePieceBytesMax = 16 * 1024;

char* put_header(char* out, char type, uint64_t count) noexcept {
  *out++ = type;
  if (count < 10) {
    *out++ = static_cast<char>('0' + count);
  } else if (count < 100) {
    *out++ = static_cast<char>('0' + count / 10);
    *out++ = static_cast<char>('0' + count % 10);
  } else {
    out = std::to_chars(out, out + kIntegerCharsMax, count).ptr;
  }
  *out++ = '\r';
  *out++ = '\n';
  return out;
}

}  // namespace

MemoryReplyBuffer::~MemoryReplyBuffer() { std::free(begin_); }

void MemoryReplyBuffer::grow(ReplyBuffer& self, size_t size) {
  auto& buffer = static_cast<MemoryReplyBuffer&>(self);
  const auto used = static_cast<size_t>(buffer.cursor_ - buffer.begin_);
  const size_t capacity = std::max<size_t>(512, (used + size) * 2);
  auto* fresh = static_cast<char*>(std::realloc(buffer.begin_, capacity));
  if (fresh == nullptr) throw std::bad_alloc();
  buffer.begin_ = fresh;
  buffer.cursor_ = fresh + used;
  buffer.end_ = fresh + capacity;
}

void Reply::header(char type, size_t count) {
  char* begin = out_.reserve(kHeaderBytesMax);
  out_.commit(static_cast<size_t>(put_header(begin, type, count) - begin));
}

void Reply::aggregate(char type, size_t count) {
  constexpr size_t kVeryMany = 1 << 20;
  constexpr size_t kElementBytesMin = 3;  // "_\r\n"
  if (count >= kVeryMany) [[unlikely]] out_.reserve(count < SIZE_MAX / 4 ? count * kElementBytesMin : SIZE_MAX / 4);
  header(type, count);
}

void Reply::simple(std::string_view text) {
  char* out = out_.reserve(text.size() + 3);
  *out++ = '+';
  out = std::copy(text.begin(), text.end(), out);
  *out++ = '\r';
  *out = '\n';
  out_.commit(text.size() + 3);
}

void Reply::error(std::string_view text) { error(text, {}); }

void Reply::error(std::string_view text, std::string_view more) {
  failed_ = true;
  const auto one_line = [](char c) { return c == '\r' || c == '\n' ? ' ' : c; };
  const size_t size = text.size() + more.size() + 3;
  char* out = out_.reserve(size);
  *out++ = '-';
  out = std::transform(text.begin(), text.end(), out, one_line);
  out = std::transform(more.begin(), more.end(), out, one_line);
  *out++ = '\r';
  *out = '\n';
  out_.commit(size);
}

void Reply::integer(int64_t value) {
  char* begin = out_.reserve(kHeaderBytesMax);
  char* end = begin;
  if (value >= 0) {
    end = put_header(begin, ':', static_cast<uint64_t>(value));
  } else {
    *end++ = ':';
    end += format_integer(end, value);
    *end++ = '\r';
    *end++ = '\n';
  }
  out_.commit(static_cast<size_t>(end - begin));
}

void Reply::bulk(std::string_view bytes) {
  if (bytes.size() <= kOnePieceBytesMax) [[likely]] {
    char* begin = out_.reserve(bytes.size() + kHeaderBytesMax + 2);
    char* out = put_header(begin, '$', bytes.size());
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    out += bytes.size();
    *out++ = '\r';
    *out++ = '\n';
    out_.commit(static_cast<size_t>(out - begin));
    return;
  }
  header('$', bytes.size());
  out_.append(bytes);
  out_.append("\r\n");
}

void Reply::bulk_integer(int64_t value) {
  char text[kIntegerCharsMax];
  bulk({text, format_integer(text, value)});
}

void Reply::null() { out_.append(protocol_ >= 3 ? std::string_view("_\r\n") : std::string_view("$-1\r\n")); }

void Reply::null_array() { out_.append(protocol_ >= 3 ? std::string_view("_\r\n") : std::string_view("*-1\r\n")); }

void Reply::number(double value) {
  char text[kDoubleCharsMax];
  const size_t size = format_double(text, value);
  if (protocol_ < 3) {
    bulk({text, size});
    return;
  }
  char* out = out_.reserve(size + 3);
  *out++ = ',';
  std::memcpy(out, text, size);
  out[size] = '\r';
  out[size + 1] = '\n';
  out_.commit(size + 3);
}

void Reply::boolean(bool value) {
  if (protocol_ >= 3) {
    out_.append(value ? "#t\r\n" : "#f\r\n");
  } else {
    out_.append(value ? ":1\r\n" : ":0\r\n");
  }
}

void Reply::verbatim(std::string_view format, std::string_view text) {
  if (protocol_ < 3) {
    bulk(text);
    return;
  }
  header('=', text.size() + 4);
  out_.append(format);
  out_.append(":");
  out_.append(text);
  out_.append("\r\n");
}

}  // namespace orbit::resp
