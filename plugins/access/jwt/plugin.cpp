// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Callers with JSON Web Tokens that somebody else has signed, whose public keys are in a file.
#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "orbit/authenticator.hpp"
#include "orbit/ext/workers.h"
#include "orbit/password.hpp"
#include "orbit/watched_file.hpp"
#include "token.hpp"

namespace orbit::jwt {
namespace {

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

class JwtPlugin final : public AuthenticatorPlugin<JwtPlugin> {
 public:
  static constexpr const char* kMechanisms[] = {ORBIT_MECHANISM_BEARER, nullptr};
  static constexpr Option kOptions[] = {
      option_string("jwks", nullptr, "File with the issuer's public keys, a JSON Web Key Set; read again when it changes."),
      option_string("issuer", "\"\"", "What the claim iss must be; empty: anything."),
      option_strings("audiences", "[]", "One of these must be in the claim aud; none: anything may be."),
      option_string("name_claim", "\"sub\"", "Claim with the caller's name."),
      option_string("roles_claim", "\"roles\"",
                    "Claim with the caller's roles: an array of texts, or one text with spaces between; a.b is b in a."),
      option_string("role_prefix", "\"\"", "What is put before each of these roles, so that an issuer cannot hand out others."),
      option_strings("roles", "[]", "Roles that every caller with a good token has beside those of the claim."),
      option_boolean("admin", "false",
                     "Whether the claim may give the role 'admin', which may do everything; otherwise that one is left out."),
      option_integer("leeway_ms", "30000", 0, 600000, "How far the issuer's clock may be off."),
      option_boolean("needs_expiry", "true", "Whether a token without exp is refused."),
  };
  static constexpr PluginInfo kInfo{.id = "orbit.access.jwt",
                                    .version = "0.1.0",
                                    .doc = "Callers with signed JSON Web Tokens.",
                                    .provides = {ORBIT_AUTHENTICATOR_V1},
                                    .needs = {ORBIT_WORKERS_V1},
                                    .options = kOptions};

  static Result<std::unique_ptr<JwtPlugin>> create(Host host, const Config& config) {
    auto out = std::make_unique<JwtPlugin>(host, config);
    if (auto read = out->read(); !read) return tl::unexpected<Error>(read.error());
    return out;
  }
  JwtPlugin(Host host, const Config& config)
      : host_(host),
        workers_(host.require<orbit_workers_v1>(ORBIT_WORKERS_V1)),
        role_prefix_(config.string("role_prefix")),
        roles_(config.strings("roles")),
        admin_(config.boolean("admin")),
        file_(config.string("jwks"), kJwksBytesMax) {
    expected_.issuer = config.string("issuer");
    expected_.audiences = config.strings("audiences");
    expected_.name_claim = config.string("name_claim");
    expected_.roles_claim = config.string("roles_claim");
    expected_.leeway_ms = static_cast<uint64_t>(config.integer("leeway_ms"));
    expected_.needs_expiry = config.boolean("needs_expiry");
  }

  Result<Identity> authenticate(const Credentials& credentials) override {
    if (!looks_like_token(credentials.secret)) return fail(Code::not_found, "no JSON Web Token");
    const auto keys = current();
    auto claims = verify(credentials.secret, *keys, expected_, workers_->unix_ms(host_.raw()));
    if (!claims) return tl::unexpected<Error>(claims.error());
    // A jti that could not be shown on a line names nothing.
    const bool has_id = !claims->id.empty() && claims->id.size() <= ORBIT_PRINCIPAL_NAME_MAX && printable(claims->id);
    Identity out{std::move(claims->name), roles_, claims->expires_at_ms,
                 has_id ? claims->id : "sha256:" + detail::sha256_hex(credentials.secret)};
    for (const std::string& role : claims->roles)
      if (const std::string named = role_prefix_ + role; admin_ || named != ORBIT_ROLE_ADMIN) out.roles.push_back(named);
    return out;
  }
  uint64_t generation() const noexcept override { return generation_.load(std::memory_order_relaxed); }
  // Asked when a key is gone: whoever has a token of another key shows it again.
  bool holds(const Identity&) const override { return false; }
  Result<> reload(bool force) override {
    const std::lock_guard lock(mutex_);
    return force || file_.changed() ? read_again() : Result<>();
  }

 private:
  Result<> read() {
    const auto text = file_.read();
    if (!text) return tl::unexpected<Error>(text.error());
    auto parsed = parse_jwks(*text);
    if (!parsed) return fail(parsed.error().code, "'" + file_.path() + "': " + parsed.error().message);
    // With more keys than before, what was said before still holds.
    const bool all_there = keys_ != nullptr && has_all(*parsed, *keys_);
    keys_ = std::make_shared<const std::vector<Key>>(std::move(*parsed));
    if (!all_there) generation_.fetch_add(1, std::memory_order_relaxed);
    return {};
  }

  std::shared_ptr<const std::vector<Key>> current() {
    const std::lock_guard lock(mutex_);
    if (file_.changed()) static_cast<void>(read_again());
    return keys_;
  }
  Result<> read_again() {
    auto again = read();
    if (again)
      host_.log(ORBIT_LOG_INFO, "the keys were read again", {{"file", to_c(Bytes(file_.path()))}});
    else
      host_.warn("the keys were not read again, the old ones count: " + again.error().message);
    return again;
  }

  Host host_;
  const orbit_workers_v1* workers_;
  Expected expected_;
  std::string role_prefix_;
  std::vector<std::string> roles_;
  bool admin_;
  std::mutex mutex_;  // guards the next two
  WatchedFile file_;
  std::shared_ptr<const std::vector<Key>> keys_;
  std::atomic<uint64_t> generation_{0};
};

}  // namespace
}  // namespace orbit::jwt

ORBIT_PLUGIN(orbit::jwt::JwtPlugin)
