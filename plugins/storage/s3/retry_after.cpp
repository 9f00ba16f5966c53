// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "retry_after.hpp"

#include <curl/curl.h>

#include <charconv>
#include <limits>

namespace orbit::s3 {

namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

// 1*DIGIT and nothing else.
std::optional<uint64_t> number_of(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  uint64_t out = 0;
  const auto [at, wrong] = std::from_chars(text.data(), text.data() + text.size(), out);
  return wrong == std::errc::result_out_of_range ? kMost : out;
}

// All three forms begin with the name of a day; curl_getdate alone takes more than them.
std::optional<int64_t> date_of(const std::string& text) {
  if (text.empty() || text[0] < 'A' || text[0] > 'Z') return std::nullopt;
  const time_t out = curl_getdate(text.c_str(), nullptr);
  if (out < 0) return std::nullopt;
  return out;
}

uint64_t to_ms(uint64_t seconds) { return seconds > kMost / 1000 ? kMost : seconds * 1000; }

}  // namespace

std::optional<uint64_t> retry_after_ms(const HttpAnswer& answer, int64_t now_s) {
  if (const auto ms = number_of(answer.header("x-amz-retry-after"))) return ms;
  const std::string text = answer.header("retry-after");
  if (const auto seconds = number_of(text)) return to_ms(*seconds);
  const auto date = date_of(text);
  if (!date) return std::nullopt;
  const int64_t from = date_of(answer.header("date")).value_or(now_s);
  return *date > from ? to_ms(static_cast<uint64_t>(*date - from)) : 0;
}

}  // namespace orbit::s3
