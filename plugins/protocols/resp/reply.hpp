// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Writes RESP2 and RESP3 answers straight into a connection's output, without a copy between. The protocols are those
// of https://redis.io/docs/reference/protocol-spec; types that RESP2 lacks are written as Redis 7.0 writes them there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace orbit::resp {

// A place to write bytes to. The owner derives from it, sets cursor_ and end_, and gives a function that makes room.
// Not for use from two threads at once.
class ReplyBuffer {
 public:
  ReplyBuffer(const ReplyBuffer&) = delete;
  ReplyBuffer& operator=(const ReplyBuffer&) = delete;

  // At least `size` writable bytes in one piece; valid until the next reserve. What is written counts after commit.
  char* reserve(size_t size) {
    if (static_cast<size_t>(end_ - cursor_) < size) [[unlikely]] {
      refill_(*this, size);
    }
    return cursor_;
  }
  void commit(size_t size) noexcept { cursor_ += size; }

  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    cursor_ += bytes.size();
  }

 protected:
  // Called when room is short. Afterwards [cursor_, end_) holds at least `size` bytes, and what was committed is kept
  // by the owner. May throw std::bad_alloc.
  using Refill = void (*)(ReplyBuffer& self, size_t size);

  explicit ReplyBuffer(Refill refill) noexcept : refill_(refill) {}
  ~ReplyBuffer() = default;

  char* cursor_ = nullptr;
  char* end_ = nullptr;

 private:
  Refill refill_;
};

// A buffer that grows in memory: for replies that wait (EXEC), for tests and tools.
class MemoryReplyBuffer final : public ReplyBuffer {
 public:
  MemoryReplyBuffer() noexcept : ReplyBuffer(&grow) {}
  ~MemoryReplyBuffer();

  std::string_view view() const noexcept { return {begin_, static_cast<size_t>(cursor_ - begin_)}; }
  // Forgets the bytes and keeps the memory.
  void clear() noexcept { cursor_ = begin_; }

 private:
  static void grow(ReplyBuffer& self, size_t size);

  char* begin_ = nullptr;
};

// Appends replies. Aggregate headers are followed by exactly as many replies as they announce (a map: two per pair).
class Reply {
 public:
  explicit Reply(ReplyBuffer& out, int protocol = 2) noexcept : out_(out), protocol_(protocol) {}

  // 2 or 3.
  int protocol() const noexcept { return protocol_; }
  void set_protocol(int protocol) noexcept { protocol_ = protocol; }
  ReplyBuffer& buffer() noexcept { return out_; }

  void ok() { out_.append("+OK\r\n"); }
  // `text` without CR and LF.
  void simple(std::string_view text);
  // `text` starts with its code ("ERR ...", "WRONGTYPE ..."); CR and LF in it become spaces. Sets failed().
  void error(std::string_view text);
  // Two pieces, so that callers need not build a string.
  void error(std::string_view text, std::string_view more);
  // Whether an error was written since clear_failed().
  bool failed() const noexcept { return failed_; }
  void clear_failed() noexcept { failed_ = false; }

  void integer(int64_t value);
  void bulk(std::string_view bytes);
  void bulk_integer(int64_t value);
  // No value: RESP2 a null bulk string, RESP3 null.
  void null();
  // No array: RESP2 a null array, RESP3 null.
  void null_array();
  // One of very many elements is refused at once when those cannot fit, as OutputFull.
  void array(size_t count) { aggregate('*', count); }
  void map(size_t pairs) { protocol_ >= 3 ? aggregate('%', pairs) : aggregate('*', pairs * 2); }
  void set(size_t count) { aggregate(protocol_ >= 3 ? '~' : '*', count); }
  void push(size_t count) { aggregate(protocol_ >= 3 ? '>' : '*', count); }
  // RESP2: a bulk string with 17 significant digits, as Redis 7.0 writes it.
  void number(double value);
  // RESP2: 1 or 0.
  void boolean(bool value);
  // `format` has three characters, "txt" or "mkd". RESP2: a bulk string.
  void verbatim(std::string_view format, std::string_view text);
  // Bytes that are replies already.
  void raw(std::string_view bytes) { out_.append(bytes); }

  // The frequent errors, in Redis's words.
  void wrong_type() { error("WRONGTYPE Operation against a key holding the wrong kind of value"); }
  void syntax_error() { error("ERR syntax error"); }
  void not_an_integer() { error("ERR value is not an integer or out of range"); }
  void not_a_float() { error("ERR value is not a valid float"); }

 private:
  void header(char type, size_t count);
  void aggregate(char type, size_t count);

  ReplyBuffer& out_;
  int protocol_;
  bool failed_ = false;
};

}  // namespace orbit::resp
