// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/exposure.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <map>

#include "net/address.hpp"

namespace orbit::kernel {

Exposure Exposure::of(const orbit_listen_options& options) {
  return {options.address != nullptr ? options.address : "", options.tls != nullptr,
          options.tls != nullptr && options.tls->client_certificate == ORBIT_CLIENT_CERTIFICATE_REQUIRED,
          (options.flags & ORBIT_LISTEN_GUARDED) != 0};
}

bool Exposure::loopback() const {
  const auto parsed = parse_address(address);
  if (!parsed) return false;
  if (parsed->raw.sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&parsed->v6.sin6_addr);
  return (ntohl(parsed->v4.sin_addr.s_addr) >> 24) == 127;
}

Result<> check_exposure(const Exposure& exposure, const ExposurePolicy& policy) {
  if (policy.access_control || policy.open_listeners || exposure.tls || exposure.guarded || exposure.loopback()) return {};
  return fail(Code::failed_precondition,
              "'" + exposure.address +
                  "' can be reached by other machines, and nothing says who may: configure access control (a plugin that "
                  "authenticates and [[rule]]s, see docs/access.md), or tls.certificate and tls.key, or the plugin's own password "
                  "or token if it has one; or listen on 127.0.0.1. access.open_listeners = true allows it as it is");
}

std::string exposure_text(const Exposure& exposure, const ExposurePolicy& policy) {
  std::string out = exposure.loopback() ? "this machine only" : "whoever reaches it";
  if (exposure.tls) out += exposure.client_certificates ? "; TLS with client certificates" : "; TLS";
  if (policy.access_control) return out + "; by the rules of access control";
  return out + (exposure.guarded ? "; by the plugin's own password or token" : "; no credentials asked, everything allowed");
}

void check_exposures(const NodeConfig& config, const ExposurePolicy& policy, Mistakes& mistakes) {
  std::map<std::string, const PluginEntry*> taken;
  for (const PluginEntry& entry : config.plugins) {
    Exposure exposure;
    for (const Value& value : entry.values.all()) {
      if (value.type != ORBIT_OPTION_STRING || value.string.empty()) continue;
      if (value.key == "listen") exposure.address = value.string;
      if (value.key == "tls.certificate") exposure.tls = true;
      exposure.guarded |= value.secret;
    }
    if (exposure.address.empty()) continue;
    const auto parsed = parse_address(exposure.address);
    if (const Result<> good = parsed ? check_exposure(exposure, policy) : tl::unexpected(parsed.error()); !good)
      mistakes.add(position_of(entry, "listen"), "'listen' of the plugin '" + entry.name + "': " + good.error().message);
    if (!parsed || exposure.address.ends_with(":0")) continue;
    if (const auto [first, fresh] = taken.emplace(exposure.address, &entry); !fresh)
      mistakes.add(position_of(entry, "listen"), "'listen' of the plugin '" + entry.name + "': " + exposure.address +
                                                     " is taken by the plugin '" + first->second->name + "' (line " +
                                                     std::to_string(first->second->position.line) + ")");
  }
}

}  // namespace orbit::kernel
