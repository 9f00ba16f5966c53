// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The settings of a listener's TLS, which every protocol plugin has alike:
//
//   static constexpr auto kOptions = orbit::with_tls_options({
//       orbit::option_string("listen", "\"127.0.0.1:7007\"", "Address to listen on."),
//   });
//   ... .options = kOptions
//   options_.tls = orbit::TlsSettings(config);
#pragma once

#include <array>
#include <string>
#include <utility>

#include "ext/net.h"
#include "plugin.hpp"

namespace orbit {

namespace detail {
inline constexpr const char* kTlsVersions[] = {"1.2", "1.3", nullptr};
inline constexpr const char* kClientCertificates[] = {"none", "optional", "required", nullptr};
}  // namespace detail

inline constexpr Option kTlsOptions[] = {
    option_string("tls.certificate", "\"\"",
                  "File with the server's certificate and those between it and its root, PEM; empty: plain TCP. Read again "
                  "when it changes."),
    option_string("tls.key", "\"\"", "File with the certificate's private key, PEM."),
    option_string("tls.client_ca", "\"\"",
                  "File with the certificates of those who sign clients' certificates, PEM; empty: clients are not asked for one."),
    option_string("tls.client_certificate", "\"required\"",
                  "Whether a client must have a certificate; counts when client_ca is set.", detail::kClientCertificates),
    option_string("tls.min_version", "\"1.2\"", "Least version of TLS.", detail::kTlsVersions),
    option_integer("tls.handshake_timeout_ms", "10000", 100, 600000,
                   "A connection whose handshake takes longer is closed."),
    option_integer("tls.handshakes_max", "1000", 1, 1000000,
                   "Most handshakes at a time; further connections are closed at once."),
};

// `own`, and then the settings of TLS.
template <size_t N>
constexpr std::array<Option, N + std::size(kTlsOptions)> with_tls_options(const Option (&own)[N]) {
  std::array<Option, N + std::size(kTlsOptions)> out{};
  for (size_t i = 0; i < N; ++i) out[i] = own[i];
  for (size_t i = 0; i < std::size(kTlsOptions); ++i) out[N + i] = kTlsOptions[i];
  return out;
}

struct TlsSettings {
  std::string certificate;
  std::string key;
  std::string client_ca;
  orbit_client_certificate client_certificate = ORBIT_CLIENT_CERTIFICATE_NONE;
  std::string min_version = "1.2";
  uint64_t handshake_timeout_ms = 0;
  uint32_t handshakes_max = 0;

  TlsSettings() = default;
  // Of a plugin whose schema has kTlsOptions.
  explicit TlsSettings(const Config& config)
      : certificate(config.string("tls.certificate")),
        key(config.string("tls.key")),
        client_ca(config.string("tls.client_ca")),
        min_version(config.string("tls.min_version")),
        handshake_timeout_ms(static_cast<uint64_t>(config.integer("tls.handshake_timeout_ms"))),
        handshakes_max(static_cast<uint32_t>(config.integer("tls.handshakes_max"))) {
    const std::string client = config.string("tls.client_certificate");
    if (!client_ca.empty())
      client_certificate = client == "required"   ? ORBIT_CLIENT_CERTIFICATE_REQUIRED
                           : client == "optional" ? ORBIT_CLIENT_CERTIFICATE_OPTIONAL
                                                  : ORBIT_CLIENT_CERTIFICATE_NONE;
  }

  // False: plain TCP.
  bool enabled() const noexcept { return !certificate.empty(); }
  // Whether what is set fits together; files are not looked at.
  Result<> check() const {
    if (!enabled() && !key.empty()) return fail(Code::invalid_argument, "tls.key is set, but tls.certificate is not");
    if (!enabled() && !client_ca.empty())
      return fail(Code::invalid_argument, "tls.client_ca is set, but tls.certificate is not");
    if (enabled() && key.empty()) return fail(Code::invalid_argument, "tls.certificate is set, but tls.key is not");
    return {};
  }
  // As `listen` takes it; borrows from this and from `alpn` (null-ended; may be null).
  orbit_tls_options raw(const char* const* alpn = nullptr) const noexcept {
    return {sizeof(orbit_tls_options), client_certificate, certificate.c_str(), key.c_str(), client_ca.c_str(),
            min_version.c_str(), alpn, handshake_timeout_ms, handshakes_max, 0};
  }
};

}  // namespace orbit
