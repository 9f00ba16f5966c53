// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "users.hpp"

#include <algorithm>

namespace orbit::users {

namespace {

constexpr size_t kNameBytesMax = 256;  // as orbit/ext/access.h has it

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Result<User> parse_line(std::string_view line) {
  const size_t first = line.find(':');
  const size_t last = line.rfind(':');
  if (first == std::string_view::npos || first == last)
    return fail(Code::invalid_argument, "expected NAME:SECRET:ROLE,ROLE, with both colons also without roles");
  auto secret = StoredSecret::parse(trimmed(line.substr(first + 1, last - first - 1)));
  if (!secret) return tl::unexpected(secret.error());
  User out{std::string(trimmed(line.substr(0, first))), {}, std::move(*secret)};
  if (out.name.empty() || out.name.size() > kNameBytesMax || !printable(out.name))
    return fail(Code::invalid_argument, "a name has 1 to " + std::to_string(kNameBytesMax) + " bytes without control characters");
  for (std::string_view rest = line.substr(last + 1); !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view role = trimmed(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (role.empty() && trimmed(rest).empty() && out.roles.empty()) break;  // none
    if (role.empty() || role.size() > kNameBytesMax || !printable(role))
      return fail(Code::invalid_argument, "the roles of '" + out.name + "': expected names between commas");
    out.roles.emplace_back(role);
  }
  return out;
}

}  // namespace

Result<Users> Users::parse(std::string_view text) {
  Users out;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    const auto where = [number](const std::string& what) {
      return fail(Code::invalid_argument, "line " + std::to_string(number) + ": " + what);
    };
    auto user = parse_line(line);
    if (!user) return where(user.error().message);
    if (out.users_.size() == kUsersMax) return where("more than " + std::to_string(kUsersMax) + " users");
    const bool token = user->secret.kind() == StoredSecret::Kind::token;
    const std::string& key = token ? user->secret.hash() : user->name;
    if (!(token ? out.tokens_ : out.passwords_).emplace(key, out.users_.size()).second)
      return where(token ? "this token is there already" : "'" + user->name + "' has a password already");
    out.users_.push_back(std::move(*user));
  }
  return out;
}

const User* Users::by_password(std::string_view name, std::string_view password) const {
  // What nobody is called costs as much as a wrong password, or the time would tell who exists.
  static const StoredSecret nobody = [] {
    const auto hash = hash_password("");
    return StoredSecret::parse(hash.value()).value();
  }();
  const auto found = passwords_.find(std::string(name));
  if (found == passwords_.end()) {
    static_cast<void>(nobody.matches(password));
    return nullptr;
  }
  const User& user = users_[found->second];
  return user.secret.matches(password) ? &user : nullptr;
}

const User* Users::by_token(std::string_view token) const {
  // Found by its hash: the time of looking tells something of hashes only, which nobody can aim at.
  const auto found = tokens_.find(detail::sha256_hex(token));
  return found != tokens_.end() ? &users_[found->second] : nullptr;
}

std::string Users::credential(const User& user) {
  if (user.secret.kind() == StoredSecret::Kind::token) return "sha256:" + user.secret.hash();
  // Not the stored hash: this is shown to who may see revocations.
  return "password:" + detail::sha256_hex(user.secret.hash());
}

bool Users::holds(std::string_view name, std::string_view credential, std::vector<std::string> roles) const {
  constexpr std::string_view kToken = "sha256:";
  const bool token = credential.starts_with(kToken);
  const auto& index = token ? tokens_ : passwords_;
  const auto found = index.find(std::string(token ? credential.substr(kToken.size()) : name));
  if (found == index.end()) return false;
  const User& user = users_[found->second];
  std::vector<std::string> now = user.roles;
  for (std::vector<std::string>* each : {&now, &roles}) {
    std::sort(each->begin(), each->end());
    each->erase(std::unique(each->begin(), each->end()), each->end());
  }
  return user.name == name && Users::credential(user) == credential && now == roles;
}

}  // namespace orbit::users
