// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/access_api.hpp"

#include "plugin/context.hpp"

namespace orbit::kernel {
namespace {

Access& of(const orbit_host* host) noexcept {
  return *static_cast<Access*>(const_cast<void*>(PluginContext::of(host).extensions->find(kAccessExtension)));
}
const std::string& wire(const orbit_host* host) noexcept { return PluginContext::of(host).name; }

const orbit_principal* local(const orbit_host*, const orbit_identity* identity, orbit_error* error) {
  const orbit_principal* out = nullptr;
  at_edge(error, [&]() -> Result<> {
    auto made = Principal::make(*identity, "local");
    if (!made) return tl::unexpected(made.error());
    out = *made;
    return {};
  });
  return out;
}

constexpr orbit_access_v1 kAccessTable = {
    .struct_size = sizeof(orbit_access_v1),
    .reserved = 0,
    .enabled = [](const orbit_host* host) { return of(host).enabled() ? 1 : 0; },
    .anonymous = [](const orbit_host* host) -> const orbit_principal* { return &of(host).anonymous(); },
    .authenticate = [](const orbit_host* host, const orbit_credentials* credentials, orbit_authenticated done,
                       void* ctx) { of(host).authenticate(wire(host), *credentials, done, ctx); },
    .local = &local,
    .retain = [](const orbit_principal* principal) { Principal::of(principal).retain(); },
    .release = [](const orbit_principal* principal) { Principal::of(principal).release(); },
    .identity = [](const orbit_principal* principal) { return &Principal::of(principal).identity(); },
    .check =
        [](const orbit_host* host, const orbit_principal* principal, const orbit_access_request* request, orbit_error* error) {
          return of(host).check(wire(host), Principal::of(principal), *request, error);
        },
    .may =
        [](const orbit_host* host, const orbit_principal* principal, const orbit_access_request* request) {
          return of(host).may(Principal::of(principal), *request) ? 1 : 0;
        },
    .check_admin =
        [](const orbit_host* host, const orbit_principal* principal, const char* action, orbit_bytes target, uint32_t flags,
           const char* peer, orbit_error* error) {
          return of(host).check_admin(wire(host), Principal::of(principal), action, from_c(target),
                                      (flags & ORBIT_ACCESS_READ_ONLY) != 0, peer != nullptr ? peer : "", error);
        },
    .users = [](const orbit_host* host, int (*visit)(void*, const orbit_identity*), void* ctx) { of(host).users(visit, ctx); },
    .rules =
        [](const orbit_host* host, const orbit_principal* principal, orbit_sink json) {
          json.append(json.ctx, to_c(Bytes(of(host).rules_json(Principal::of(principal)))));
        },
    .still = [](const orbit_host* host, const orbit_principal* principal,
                orbit_error* error) { return of(host).still(Principal::of(principal), error); },
    .reload = [](const orbit_host* host, orbit_access_done done, void* ctx) { of(host).reload(done, ctx); },
    .revoke = [](const orbit_host* host, const char* kind, orbit_bytes value, uint64_t until_ms, orbit_access_done done,
                 void* ctx) { of(host).revoke(kind, from_c(value), until_ms, done, ctx); },
    .take_back = [](const orbit_host* host, const char* kind, orbit_bytes value, orbit_access_done done,
                    void* ctx) { of(host).take_back(kind, from_c(value), done, ctx); },
    .revocations =
        [](const orbit_host* host, orbit_sink json) { json.append(json.ctx, to_c(Bytes(of(host).revocations_json()))); },
};

}  // namespace

const orbit_access_v1* access_table() noexcept { return &kAccessTable; }

}  // namespace orbit::kernel
