// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/revocations.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "orbit/ext/access.h"
#include "plugin/durable_file.hpp"

namespace orbit::kernel {

namespace {

constexpr std::string_view kFirstLine = "orbit revocations 1\n";
constexpr std::string_view kLastWord = "sha256 ";

std::string sha256(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < size; ++i) out += {kHex[digest[i] >> 4], kHex[digest[i] & 15]};
  return out;
}

Result<> check(std::string_view kind, std::string_view value) {
  if (kind != ORBIT_REVOKE_USER && kind != ORBIT_REVOKE_TOKEN)
    return fail(Code::invalid_argument,
                "found '" + std::string(kind.substr(0, 40)) + "' to revoke, expected user or token");
  const bool one_line = std::none_of(value.begin(), value.end(),
                                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (value.empty() || value.size() > ORBIT_PRINCIPAL_NAME_MAX || !one_line)
    return fail(Code::invalid_argument, "a " + std::string(kind) + " to revoke has 1 to " +
                                            std::to_string(ORBIT_PRINCIPAL_NAME_MAX) +
                                            " bytes without control characters");
  return {};
}

}  // namespace

std::string Revocations::text() const {
  std::string out(kFirstLine);
  for (const auto& [key, until_ms] : until_ms_)
    out += key.first + " " + std::to_string(until_ms) + " " + key.second + "\n";
  return out + std::string(kLastWord) + sha256(out) + "\n";
}

Result<> Revocations::parse(std::string_view text) {
  const auto damaged = [&](const std::string& found) {
    return fail(Code::data_loss, "'" + file_ + "': " + found +
                                     "; who was revoked is not known. Put back a copy of it, or remove it and "
                                     "revoke again");
  };
  if (!text.starts_with(kFirstLine)) return damaged("it does not begin with 'orbit revocations 1'");
  const size_t last = text.rfind(kLastWord);
  if (last == std::string_view::npos ||
      text.substr(last) != std::string(kLastWord) + sha256(text.substr(0, last)) + "\n")
    return damaged("its checksum is wrong");
  text = text.substr(kFirstLine.size(), last - kFirstLine.size());
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t first = line.find(' ');
    const size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    uint64_t until_ms = 0;
    if (second == std::string_view::npos) return damaged("a line is none of KIND UNTIL_MS VALUE");
    const auto [end, error] = std::from_chars(line.data() + first + 1, line.data() + second, until_ms);
    if (error != std::errc() || end != line.data() + second) return damaged("a line has no time");
    until_ms_[{std::string(line.substr(0, first)), std::string(line.substr(second + 1))}] = until_ms;
  }
  return {};
}

Result<> Revocations::load() {
  std::error_code error;
  if (file_.empty() || !std::filesystem::exists(file_, error)) return {};
  std::ifstream in(file_, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad() || !in) return fail(Code::unavailable, "'" + file_ + "' cannot be read");
  const std::lock_guard lock(mutex_);
  epoch_.fetch_add(1, std::memory_order_release);
  return parse(text);
}

Result<> Revocations::save() {
  if (file_.empty()) return {};
  std::string all;
  {
    const std::lock_guard lock(mutex_);
    all = text();
  }
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(file_).parent_path(),
                                      error);  // what is wrong with it, writing tells
  if (auto written = write_file_durably(file_, all); !written)
    return fail(written.error().code, "it counts now, but not over a restart: " + written.error().message);
  return {};
}

Result<> Revocations::add(std::string_view kind, std::string_view value, uint64_t until_ms, uint64_t now_ms) {
  if (auto good = check(kind, value); !good) return good;
  if (until_ms != 0 && until_ms <= now_ms) return fail(Code::invalid_argument, "until_ms is in the past");
  const std::lock_guard saving(saving_);
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(until_ms_, [now_ms](const auto& entry) { return entry.second != 0 && entry.second <= now_ms; });
    const Key key{std::string(kind), std::string(value)};
    if (until_ms_.size() >= count_max_ && !until_ms_.contains(key))
      return fail(Code::resource_exhausted,
                  "there are " + std::to_string(count_max_) + " revocations (access.revocations_max): take some back");
    until_ms_[key] = until_ms;
    epoch_.fetch_add(1, std::memory_order_release);
  }
  return save();
}

Result<> Revocations::take_back(std::string_view kind, std::string_view value, uint64_t now_ms) {
  const std::lock_guard saving(saving_);
  {
    const std::lock_guard lock(mutex_);
    const auto found = until_ms_.find({std::string(kind), std::string(value)});
    if (found == until_ms_.end() || (found->second != 0 && found->second <= now_ms))
      return fail(Code::not_found, "no " + std::string(kind) + " '" + std::string(value) + "' is revoked");
    until_ms_.erase(found);
    epoch_.fetch_add(1, std::memory_order_release);
  }
  return save();
}

bool Revocations::has(std::string_view user, std::string_view credential, uint64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  if (until_ms_.empty()) return false;
  const auto counts = [&](const char* kind, std::string_view value) {
    if (value.empty()) return false;
    const auto found = until_ms_.find({kind, std::string(value)});
    return found != until_ms_.end() && (found->second == 0 || found->second > now_ms);
  };
  return counts(ORBIT_REVOKE_USER, user) || counts(ORBIT_REVOKE_TOKEN, credential);
}

std::string Revocations::json(uint64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  boost::json::array all;
  for (const auto& [key, until_ms] : until_ms_)
    if (until_ms == 0 || until_ms > now_ms)
      all.push_back(boost::json::object{{"kind", key.first}, {"value", key.second}, {"until_ms", until_ms}});
  return boost::json::serialize(boost::json::object{{"revocations", std::move(all)}});
}

}  // namespace orbit::kernel
