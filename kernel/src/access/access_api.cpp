// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/access_api.hpp"

#include "access/principal.hpp"

namespace orbit::kernel {
namespace {

// Nothing is configured that would say who may do what: everybody may do everything, from loopback (see node/listeners.cpp).
const Principal& everybody() noexcept {
  static const Principal* const principal = Principal::make_anonymous({});
  return *principal;
}

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
    .enabled = [](const orbit_host*) { return 0; },
    .anonymous = [](const orbit_host*) -> const orbit_principal* { return &everybody(); },
    .authenticate =
        [](const orbit_host*, const orbit_credentials*, orbit_authenticated done, void* ctx) {
          everybody().retain();
          done(ctx, &everybody(), ORBIT_OK, {});
        },
    .local = &local,
    .retain = [](const orbit_principal* principal) { Principal::of(principal).retain(); },
    .release = [](const orbit_principal* principal) { Principal::of(principal).release(); },
    .identity = [](const orbit_principal* principal) { return &Principal::of(principal).identity(); },
    .check = [](const orbit_host*, const orbit_principal*, const orbit_access_request*, orbit_error*) -> orbit_code {
      return ORBIT_OK;
    },
    .may = [](const orbit_host*, const orbit_principal*, const orbit_access_request*) { return 1; },
    .check_admin = [](const orbit_host*, const orbit_principal*, const char*, orbit_bytes, uint32_t, const char*,
                      orbit_error*) -> orbit_code { return ORBIT_OK; },
    .users = [](const orbit_host*, int (*)(void*, const orbit_identity*), void*) {},
    .rules = [](const orbit_host*, const orbit_principal*, orbit_sink json) { json.append(json.ctx, to_c(Bytes("[]"))); },
};

}  // namespace

const orbit_access_v1* access_table() noexcept { return &kAccessTable; }

}  // namespace orbit::kernel
