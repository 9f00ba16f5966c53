// SPDX-License-Identifier: MIT OR BSD-3-Clause
// gRPC over HTTP/2 as its specification has it (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md):
// messages with a prefix of five bytes, timeouts, and text in header fields. Knows no connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::grpc_wire {

enum class Encoding { identity, deflate, gzip, unknown };

Encoding encoding_of(std::string_view name) noexcept;
// Whether a list as in grpc-accept-encoding has that encoding.
bool accepts(std::string_view list, std::string_view name) noexcept;

// At most bytes_max come out; RESOURCE_EXHAUSTED when it is more, INTERNAL when it is not compressed so.
Result<std::string> decompress(Encoding encoding, std::string_view packed, size_t bytes_max);
// As gzip, at zlib's level; nothing when that makes it no smaller.
std::optional<std::string> compress(std::string_view message, int level);

inline constexpr size_t kPrefixBytes = 5;
// Appends a message with its prefix.
void append_message(std::string& out, std::string_view message, bool compressed);

// Cuts a stream of bytes into messages.
class MessageReader {
 public:
  explicit MessageReader(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}
  void set_encoding(Encoding encoding) noexcept { encoding_ = encoding; }

  void push(std::string_view bytes);
  // The next whole message, decompressed; nothing when it is not all there. After an error nothing more can be read.
  Result<std::optional<std::string>> next();
  // Bytes that are kept.
  size_t held() const noexcept { return buffer_.size() - begin_; }

 private:
  const size_t message_bytes_max_;
  Encoding encoding_ = Encoding::identity;
  std::string buffer_;
  size_t begin_ = 0;
};

// "100m" in nanoseconds; nothing when it is malformed.
std::optional<uint64_t> timeout_ns(std::string_view text) noexcept;

// Percent-encoded, as grpc-message is.
std::string percent_encoded(std::string_view text);

// RFC 4648 without padding, as header fields that end in -bin are.
std::string to_base64(std::string_view bytes);

}  // namespace orbit::grpc_wire
