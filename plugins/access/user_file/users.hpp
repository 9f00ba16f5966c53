// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A file of users: lines of NAME:SECRET:ROLE,ROLE, where the secret is stored as orbit/password.hpp says. A name may have several
// lines: a password, and tokens for its programs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "orbit/password.hpp"
#include "orbit/result.hpp"

namespace orbit::users {

inline constexpr size_t kFileBytesMax = 16 * 1024 * 1024;
inline constexpr size_t kUsersMax = 100'000;

struct User {
  std::string name;
  std::vector<std::string> roles;
  StoredSecret secret;
};

class Users {
 public:
  // Empty lines and those that begin with '#' mean nothing. The error names the line.
  static Result<Users> parse(std::string_view text);

  // Null: there is no such user, or the secret is wrong, which takes the same time. Takes long for passwords.
  const User* by_password(std::string_view name, std::string_view password) const;
  const User* by_token(std::string_view token) const;
  // What the secret itself is called: "sha256:..." of a token, "password:..." of a password.
  static std::string credential(const User& user);
  // Whether there is a line with that name, that secret and these roles, sorted. Quick.
  bool holds(std::string_view name, std::string_view credential, std::vector<std::string> roles) const;
  const std::vector<User>& all() const noexcept { return users_; }

 private:
  std::vector<User> users_;
  std::unordered_map<std::string, size_t> passwords_;  // by name
  std::unordered_map<std::string, size_t> tokens_;     // by hash
};

}  // namespace orbit::users
