// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "framing.hpp"

#include <doctest/doctest.h>

#include "orbit/authorization.hpp"

using namespace orbit;
using namespace orbit::grpc_wire;

TEST_CASE("messages come out as they went in, however the bytes are cut") {
  std::string bytes;
  for (const char* text : {"", "one", "two and more"}) append_message(bytes, text, false);
  for (size_t step = 1; step <= bytes.size(); ++step) {
    MessageReader reader(100);
    std::vector<std::string> seen;
    for (size_t at = 0; at < bytes.size(); at += step) {
      reader.push(std::string_view(bytes).substr(at, step));
      for (;;) {
        auto next = reader.next();
        REQUIRE(next);
        if (!*next) break;
        seen.push_back(**next);
      }
    }
    CHECK(seen == std::vector<std::string>{"", "one", "two and more"});
    CHECK(reader.held() == 0);
  }
}

TEST_CASE("a message that is too long is refused before it is all there") {
  MessageReader reader(10);
  std::string bytes;
  append_message(bytes, "eleven bytes", false);
  reader.push(std::string_view(bytes).substr(0, kPrefixBytes));
  const auto next = reader.next();
  REQUIRE_FALSE(next);
  CHECK(next.error().code == Code::resource_exhausted);
  CHECK(next.error().message == "the message has 12 bytes, at most 10 are allowed (message_bytes_max)");
}

TEST_CASE("what was compressed comes out again, and not more than is allowed") {
  const std::string text(5000, 'z');
  const auto packed = compress(text, 1);
  REQUIRE(packed);
  CHECK(packed->size() < 100);
  const auto plain = decompress(Encoding::gzip, *packed, 5000);
  REQUIRE(plain);
  CHECK(*plain == text);
  const auto bomb = decompress(Encoding::gzip, *packed, 4999);
  REQUIRE_FALSE(bomb);
  CHECK(bomb.error().code == Code::resource_exhausted);
  for (const auto& broken :
       {packed->substr(0, packed->size() - 1), *packed + "x", std::string("no gzip"), std::string()}) {
    const auto failed = decompress(Encoding::gzip, broken, 5000);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == Code::internal);
  }
  CHECK_FALSE(compress("short", 9));
}

TEST_CASE("timeouts are at most eight digits and a unit") {
  CHECK(timeout_ns("1H") == 3'600'000'000'000u);
  CHECK(timeout_ns("2M") == 120'000'000'000u);
  CHECK(timeout_ns("3S") == 3'000'000'000u);
  CHECK(timeout_ns("4m") == 4'000'000u);
  CHECK(timeout_ns("5u") == 5'000u);
  CHECK(timeout_ns("99999999n") == 99'999'999u);
  CHECK(timeout_ns("0m") == 0u);
  for (const char* wrong : {"", "1", "m", "123456789m", "1x", "-1m", "1 m", "1mm"}) CHECK_FALSE(timeout_ns(wrong));
}

TEST_CASE("messages of errors are percent-encoded, details are base64 without padding") {
  CHECK(percent_encoded("50% \n\xc3\xa9~") == "50%25 %0A%C3%A9~");
  for (const char* text : {"", "a", "ab", "abc", "abcd"}) {
    const std::string encoded = to_base64(text);
    CHECK(encoded.find('=') == std::string::npos);
    CHECK(decode_base64(encoded) == std::string(text));
  }
  CHECK(to_base64("\xff\xfe") == "//4");
  CHECK(decode_base64("//4=") == std::string("\xff\xfe"));
  CHECK_FALSE(decode_base64("//4*"));
}
