// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/principal.hpp"

#include <algorithm>
#include <cstddef>

namespace orbit::kernel {

namespace {

bool has_control_characters(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Result<> check_word(std::string_view what, std::string_view word) {
  if (word.empty() || word.size() > ORBIT_PRINCIPAL_NAME_MAX)
    return fail(Code::invalid_argument, "the " + std::string(what) + " has " + std::to_string(word.size()) +
                                            " bytes, expected 1 to " + std::to_string(ORBIT_PRINCIPAL_NAME_MAX));
  if (has_control_characters(word))
    return fail(Code::invalid_argument, "the " + std::string(what) + " has control characters, expected text of one line");
  return {};
}

}  // namespace

Result<const Principal*> Principal::make(const orbit_identity& identity, std::string mechanism, uint32_t authenticator) {
  const std::string name(from_c(identity.name));
  if (auto good = check_word("principal's name", name); !good) return tl::unexpected(good.error());
  if (identity.role_count > ORBIT_PRINCIPAL_ROLES_MAX)
    return fail(Code::invalid_argument, "the principal '" + name + "' has " + std::to_string(identity.role_count) +
                                            " roles, expected at most " + std::to_string(ORBIT_PRINCIPAL_ROLES_MAX));
  std::vector<std::string> roles;
  for (uint32_t i = 0; i < identity.role_count; ++i) {
    if (auto good = check_word("role of '" + name + "'", from_c(identity.roles[i])); !good) return tl::unexpected(good.error());
    roles.emplace_back(from_c(identity.roles[i]));
  }
  std::string credential;
  if (identity.struct_size >= offsetof(orbit_identity, credential) + sizeof identity.credential && identity.credential.size != 0) {
    credential = from_c(identity.credential);
    if (auto good = check_word("credential's name of '" + name + "'", credential); !good) return tl::unexpected(good.error());
  }
  return new Principal(name, std::move(roles), std::move(mechanism), identity.expires_at_ms, std::move(credential), authenticator);
}

const Principal* Principal::make_anonymous(std::vector<std::string> roles) { return new Principal("", std::move(roles), "", 0, {}, kNoAuthenticator); }

Principal::Principal(std::string name, std::vector<std::string> roles, std::string mechanism, uint64_t expires_at_ms,
                     std::string credential, uint32_t authenticator)
    : name_(std::move(name)),
      roles_(std::move(roles)),
      mechanism_(std::move(mechanism)),
      credential_(std::move(credential)),
      authenticator_(authenticator) {
  std::sort(roles_.begin(), roles_.end());
  roles_.erase(std::unique(roles_.begin(), roles_.end()), roles_.end());
  admin_ = has_role(ORBIT_ROLE_ADMIN);
  roles_text_ = anonymous() ? "?" : "!";
  for (const std::string& role : roles_) {
    raw_roles_.push_back(to_c(Bytes(role)));
    roles_text_ += role;
    roles_text_ += '\0';  // which no role has
  }
  roles_hash_ = std::hash<std::string>()(roles_text_);
  identity_ = {sizeof identity_, static_cast<uint32_t>(raw_roles_.size()), to_c(Bytes(name_)), raw_roles_.data(),
               expires_at_ms, mechanism_.c_str(), to_c(Bytes(credential_))};
}

bool Principal::has_role(std::string_view role) const noexcept {
  return std::binary_search(roles_.begin(), roles_.end(), role, std::less<>());
}

}  // namespace orbit::kernel
