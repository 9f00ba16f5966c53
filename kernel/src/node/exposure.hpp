// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Whom a listener is open to: loopback only, until something says who may.
#pragma once

#include <string>
#include <string_view>

#include "config/node_config.hpp"
#include "orbit/ext/net.h"
#include "orbit/result.hpp"

namespace orbit::kernel {

struct Exposure {
  std::string address;
  bool tls = false;
  bool client_certificates = false;  // each client has one
  bool guarded = false;              // by a password or token of the plugin's own

  static Exposure of(const orbit_listen_options& options);
  bool loopback() const;
};

// What a node does about it.
struct ExposurePolicy {
  bool access_control = false;
  bool open_listeners = false;  // the operator wants it so
};

Result<> check_exposure(const Exposure& exposure, const ExposurePolicy& policy);
// "this machine only; no credentials", for people.
std::string exposure_text(const Exposure& exposure, const ExposurePolicy& policy);

// Mistakes of plugins that would listen: those with the settings `listen`, perhaps those of TLS, and perhaps secrets, which are
// what their clients have to know. Their tables are validated. What is no address is a mistake, too.
void check_exposures(const NodeConfig& config, const ExposurePolicy& policy, Mistakes& mistakes);

}  // namespace orbit::kernel
