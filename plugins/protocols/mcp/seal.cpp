// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "seal.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <charconv>

namespace orbit::mcp {
namespace {

constexpr std::string_view kUrlDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::optional<std::string> decode(std::string_view text, std::string_view digits) {
  std::string out;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const size_t digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>((bits >> count) & 0xff));
  }
  // One form for one value: what is left over is less than a digit, and zero.
  if (count >= 6 || (bits & ((1u << count) - 1)) != 0) return std::nullopt;
  return out;
}

}  // namespace

std::string to_base64url(std::string_view bytes) {
  std::string out;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out.push_back(kUrlDigits[(bits >> count) & 63]);
    }
  }
  if (count > 0) out.push_back(kUrlDigits[(bits << (6 - count)) & 63]);
  return out;
}

std::optional<std::string> from_base64url(std::string_view text) { return decode(text, kUrlDigits); }

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode(text, kDigits);
}

std::string Seal::mac(std::string_view payload, std::string_view belongs_to) const {
  std::string text(belongs_to);
  text.push_back('\0');
  text.append(payload);
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string Seal::close(std::string_view state, std::string_view belongs_to, uint64_t ends_at_ms) const {
  const std::string payload = std::to_string(ends_at_ms) + "." + to_base64url(state);
  return payload + "." + to_base64url(mac(payload, belongs_to));
}

Result<std::string> Seal::open(std::string_view sealed, std::string_view belongs_to, uint64_t now_ms) const {
  const auto refuse = [](std::string_view why) { return fail(Code::invalid_argument, "requestState " + std::string(why)); };
  const size_t first = sealed.find('.');
  const size_t last = sealed.rfind('.');
  if (first == std::string_view::npos || first == last) return refuse("is none that this node gave");
  const auto sent = from_base64url(sealed.substr(last + 1));
  const std::string expected = mac(sealed.substr(0, last), belongs_to);
  if (!sent || sent->size() != expected.size() || CRYPTO_memcmp(sent->data(), expected.data(), expected.size()) != 0)
    return refuse("was changed, or belongs to another request or caller");
  uint64_t ends_at_ms = 0;
  std::from_chars(sealed.data(), sealed.data() + first, ends_at_ms);
  if (now_ms >= ends_at_ms) return refuse("is too old: begin anew");
  auto state = from_base64url(sealed.substr(first + 1, last - first - 1));
  if (!state) return refuse("is none that this node gave");
  return std::move(*state);
}

}  // namespace orbit::mcp
