// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a plugin that authenticates callers is written as (orbit.authenticator/1, orbit/ext/access.h):
//
//   class Users final : public orbit::AuthenticatorPlugin<Users> {
//    public:
//     static constexpr const char* kMechanisms[] = {ORBIT_MECHANISM_PASSWORD, nullptr};
//     static constexpr orbit::PluginInfo kInfo{.id = "example.users", ..., .provides = {ORBIT_AUTHENTICATOR_V1}};
//     orbit::Result<orbit::Identity> authenticate(const orbit::Credentials& credentials) override;
//   };
//   ORBIT_PLUGIN(Users)
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "access.hpp"
#include "ext/access.h"
#include "plugin.hpp"
#include "result.hpp"

namespace orbit {

struct Identity {
  std::string name;
  std::vector<std::string> roles;
  uint64_t expires_at_ms = 0;  // Unix time; 0: never
  std::string credential;      // what the credentials themselves are called, see orbit_identity
};

template <class P>
class AuthenticatorPlugin : public Plugin {
 public:
  // Who has these credentials. NOT_FOUND: nobody that this plugin knows, and the next one is asked; any other error: nobody else
  // is. May take its time; several threads may be in it at once. [io]
  virtual Result<Identity> authenticate(const Credentials& credentials) = 0;
  // Another number whenever what was said before may no longer hold. [any thread]
  virtual uint64_t generation() const noexcept { return 0; }
  // Whether the same credentials would still be answered so. Quick. [any thread]
  virtual bool holds(const Identity& who) const { return static_cast<void>(who), true; }
  // Reads again what it reads from, if that is another; with `force` in any case. [io]
  virtual Result<> reload(bool force) { return static_cast<void>(force), Result<>(); }
  // Its users, for listings; visit returns false to stop. [any thread]
  virtual void users(const std::function<bool(const Identity&)>& visit) { static_cast<void>(visit); }

  const void* extension(std::string_view id) noexcept override { return id == ORBIT_AUTHENTICATOR_V1 ? &kTable : nullptr; }

 private:
  // `self` is what the instance carries: the box that ORBIT_PLUGIN made around P.
  static AuthenticatorPlugin& of(void* self) noexcept {
    return static_cast<AuthenticatorPlugin&>(*static_cast<detail::InstanceBox<P>*>(self)->plugin);
  }
  // Calls use with the identity as it crosses the edge.
  template <class F>
  static auto as_raw(const Identity& who, F&& use) {
    std::vector<orbit_bytes> roles;
    for (const std::string& role : who.roles) roles.push_back(to_c(Bytes(role)));
    const orbit_identity raw{sizeof raw, static_cast<uint32_t>(roles.size()), to_c(Bytes(who.name)), roles.data(),
                             who.expires_at_ms, nullptr, to_c(Bytes(who.credential))};
    return use(&raw);
  }

  static orbit_code authenticate_raw(void* self, const orbit_credentials* credentials, orbit_identified found, void* ctx,
                                     orbit_error* error) {
    return at_edge(error, [&]() -> Result<> {
      const auto who = of(self).authenticate({.mechanism = credentials->mechanism,
                                              .name = from_c(credentials->name),
                                              .secret = from_c(credentials->secret),
                                              .peer = credentials->peer});
      if (!who) return tl::unexpected<Error>(who.error());
      as_raw(*who, [&](const orbit_identity* raw) { found(ctx, raw); });
      return {};
    });
  }
  static uint64_t generation_raw(void* self) { return of(self).generation(); }
  static void users_raw(void* self, int (*visit)(void*, const orbit_identity*), void* ctx) {
    at_edge(nullptr, [&]() -> Result<> {
      of(self).users([&](const Identity& who) {
        return as_raw(who, [&](const orbit_identity* raw) { return visit(ctx, raw) != 0; });
      });
      return {};
    });
  }

  static int holds_raw(void* self, const orbit_identity* raw) {
    bool good = false;
    at_edge(nullptr, [&]() -> Result<> {
      Identity who{std::string(from_c(raw->name)), {}, raw->expires_at_ms, std::string(from_c(raw->credential))};
      for (uint32_t i = 0; i < raw->role_count; ++i) who.roles.emplace_back(from_c(raw->roles[i]));
      good = of(self).holds(who);
      return {};
    });
    return good ? 1 : 0;
  }
  static orbit_code reload_raw(void* self, int force, orbit_error* error) {
    return at_edge(error, [&] { return of(self).reload(force != 0); });
  }

  static constexpr orbit_authenticator_v1 kTable = {
      sizeof(orbit_authenticator_v1), 0, P::kMechanisms, &authenticate_raw, &generation_raw, &users_raw, &holds_raw, &reload_raw};
};

}  // namespace orbit
