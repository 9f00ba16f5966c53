// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Reads RESP2 requests: arrays of bulk strings, and inline commands with Redis's quoting. Incremental: bytes may arrive
// split anywhere, and what was parsed is not parsed again. Zero-copy: arguments point into the caller's bytes (inline
// commands: into the parser). As in redis-server the two bytes after a length or a bulk are taken for CR LF unseen.
// Source: https://redis.io/docs/reference/protocol-spec/
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orbit::resp {

struct ParserLimits {
  uint64_t bulk_bytes_max = 512ull << 20;
  uint32_t args_max = 1024 * 1024;
  uint32_t line_bytes_max = 64 * 1024;  // inline commands, and the line of a length
};

// What a client that has not authenticated may send; redis-server's numbers.
inline constexpr uint32_t kUnauthenticatedArgsMax = 10;
inline constexpr uint64_t kUnauthenticatedBulkBytesMax = 16384;

class RequestParser {
 public:
  enum class Status {
    kIncomplete,  // more bytes are needed
    kCommand,     // args() and consumed() are set; args may be empty (an empty line, "*0"): nothing to do
    kError,       // error() is set; the stream cannot go on
  };

  explicit RequestParser(const ParserLimits& limits) noexcept : limits_(&limits) {}
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // `data` starts at the first byte of a request. After kIncomplete the next call must pass the same bytes and more, at
  // whatever address. After kCommand the next call starts a new request, consumed() bytes further on.
  Status parse(const char* data, size_t size, bool authenticated);

  // Valid until the bytes passed to parse move, or the next parse.
  std::span<const std::string_view> args() const noexcept { return {views(), count_}; }
  size_t consumed() const noexcept { return position_; }
  // Without "-ERR "; says what is wrong in redis-server's words.
  std::string_view error() const noexcept { return error_; }
  // Forgets a half-read request: the same bytes may be passed again from its start.
  void reset() noexcept { phase_ = Phase::kStart; }
  // Bytes of memory held beyond the object itself.
  size_t memory_bytes() const noexcept { return inline_text_.capacity() + more_.capacity() * sizeof(std::string_view); }

 private:
  enum class Phase : uint8_t { kStart, kBulkHeader, kBulkBody };
  static constexpr size_t kFewArgs = 24;

  std::string_view* views() noexcept { return more_.empty() ? few_.data() : more_.data(); }
  const std::string_view* views() const noexcept { return more_.empty() ? few_.data() : more_.data(); }
  void push(std::string_view arg);
  void begin() noexcept;
  void rebase(const char* data) noexcept;
  Status fail(std::string message);
  Status parse_inline(const char* data, size_t size);
  Status parse_header(const char* data, size_t size, bool authenticated);
  Status parse_bulks(const char* data, size_t size, bool authenticated);

  const ParserLimits* limits_;
  Phase phase_ = Phase::kStart;
  size_t position_ = 0;      // from the request's first byte
  size_t scanned_ = 0;       // up to where a line's end was looked for
  int64_t missing_ = 0;      // arguments still to come
  uint64_t bulk_bytes_ = 0;  // of the argument being read
  const char* base_ = nullptr;
  size_t count_ = 0;
  std::array<std::string_view, kFewArgs> few_;
  std::vector<std::string_view> more_;  // all arguments, once there are more than kFewArgs
  std::string inline_text_;
  std::string error_;
};

// Splits a line as redis-cli and redis-server do: "double quotes" with \n \r \t \b \a \xHH, 'single quotes' with \'.
// The pieces point into `storage`. False: unbalanced quotes.
bool split_quoted(std::string_view line, std::string& storage, std::vector<std::string_view>& out);

}  // namespace orbit::resp
