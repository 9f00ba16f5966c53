// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "framing.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace orbit::grpc_wire {

namespace {

constexpr int kWindowBits = 15;
constexpr int kGzip = 16;  // added to kWindowBits

struct Inflate {
  z_stream stream{};
  bool ready;
  explicit Inflate(int window_bits) { ready = inflateInit2(&stream, window_bits) == Z_OK; }
  ~Inflate() {
    if (ready) inflateEnd(&stream);
  }
  Inflate(const Inflate&) = delete;
  Inflate& operator=(const Inflate&) = delete;
};

struct Deflate {
  z_stream stream{};
  bool ready;
  explicit Deflate(int level) {
    constexpr int kMemory = 8;
    ready = deflateInit2(&stream, level, Z_DEFLATED, kWindowBits + kGzip, kMemory, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~Deflate() {
    if (ready) deflateEnd(&stream);
  }
  Deflate(const Deflate&) = delete;
  Deflate& operator=(const Deflate&) = delete;
};

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Error too_long(uint64_t bytes, size_t bytes_max) {
  return {Code::resource_exhausted, "the message has " + std::to_string(bytes) + " bytes, at most " +
                                        std::to_string(bytes_max) + " are allowed (message_bytes_max)"};
}

}  // namespace

Encoding encoding_of(std::string_view name) noexcept {
  if (name.empty() || name == "identity") return Encoding::identity;
  if (name == "gzip") return Encoding::gzip;
  return name == "deflate" ? Encoding::deflate : Encoding::unknown;
}

bool accepts(std::string_view list, std::string_view name) noexcept {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (trimmed(list.substr(0, comma)) == name) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

Result<std::string> decompress(Encoding encoding, std::string_view packed, size_t bytes_max) {
  Inflate inflater(encoding == Encoding::gzip ? kWindowBits + kGzip : kWindowBits);
  if (!inflater.ready) return fail(Code::internal, "zlib has no memory");
  z_stream& stream = inflater.stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));  // zlib does not write there
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  for (size_t room = std::max<size_t>(packed.size() * 4, 256);; room *= 2) {
    // One byte more than allowed, to see that there is more.
    const size_t begin = out.size();
    out.resize(std::min(begin + room, bytes_max + 1));
    if (out.size() == begin) return tl::unexpected<Error>(too_long(out.size(), bytes_max));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + begin);
    stream.avail_out = static_cast<uInt>(out.size() - begin);
    const int step = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > bytes_max) return tl::unexpected<Error>(too_long(out.size(), bytes_max));
    if (step == Z_STREAM_END && stream.avail_in == 0) return out;
    if (step != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0))
      return fail(Code::internal, "the message is not compressed as grpc-encoding says");
  }
}

std::optional<std::string> compress(std::string_view message, int level) {
  if (message.size() > std::numeric_limits<uInt>::max()) return std::nullopt;
  Deflate deflater(level);
  if (!deflater.ready) return std::nullopt;
  z_stream& stream = deflater.stream;
  std::string out(message.size(), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));  // zlib does not write there
  stream.avail_in = static_cast<uInt>(message.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return std::nullopt;
  out.resize(stream.total_out);
  return out;
}

void append_message(std::string& out, std::string_view message, bool compressed) {
  const auto size = static_cast<uint32_t>(message.size());
  const char prefix[kPrefixBytes] = {static_cast<char>(compressed ? 1 : 0), static_cast<char>(size >> 24),
                                     static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                                     static_cast<char>(size)};
  out.reserve(out.size() + kPrefixBytes + message.size());
  out.append(prefix, kPrefixBytes);
  out.append(message);
}

void MessageReader::push(std::string_view bytes) {
  if (begin_ == buffer_.size()) {
    buffer_.clear();
    begin_ = 0;
  } else if (begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_.append(bytes);
}

Result<std::optional<std::string>> MessageReader::next() {
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  if (rest.size() < kPrefixBytes) return std::optional<std::string>();
  uint32_t size = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) size = size << 8 | static_cast<unsigned char>(rest[i]);
  const auto flag = static_cast<unsigned char>(rest[0]);
  if (flag > 1)
    return fail(Code::internal,
                "a message begins with 0 or 1, which says whether it is compressed; found " + std::to_string(flag));
  if (size > message_bytes_max_) return tl::unexpected<Error>(too_long(size, message_bytes_max_));
  if (flag == 1 && encoding_ == Encoding::identity)
    return fail(Code::internal, "a message is marked as compressed, and grpc-encoding does not say how");
  if (rest.size() - kPrefixBytes < size) return std::optional<std::string>();
  const std::string_view body = rest.substr(kPrefixBytes, size);
  begin_ += kPrefixBytes + size;
  if (flag == 0) return std::optional<std::string>(body);
  auto plain = decompress(encoding_, body, message_bytes_max_);
  if (!plain) return tl::unexpected<Error>(plain.error());
  return std::optional<std::string>(std::move(*plain));
}

std::optional<uint64_t> timeout_ns(std::string_view text) noexcept {
  constexpr size_t kDigitsMax = 8;
  if (text.size() < 2 || text.size() > kDigitsMax + 1) return std::nullopt;
  uint64_t number = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  switch (text.back()) {
    case 'H':
      return number * 3'600'000'000'000;
    case 'M':
      return number * 60'000'000'000;
    case 'S':
      return number * 1'000'000'000;
    case 'm':
      return number * 1'000'000;
    case 'u':
      return number * 1'000;
    case 'n':
      return number;
    default:
      return std::nullopt;
  }
}

std::string percent_encoded(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7E && byte != '%') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15u];
    }
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  uint32_t bits = 0;
  int held = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    held += 8;
    while (held >= 6) {
      held -= 6;
      out += kLetters[(bits >> held) & 63u];
    }
  }
  if (held != 0) out += kLetters[(bits << (6 - held)) & 63u];
  return out;
}

}  // namespace orbit::grpc_wire
