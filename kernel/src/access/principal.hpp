// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Who calls, as the kernel keeps it: an identity that owns its texts and is counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "orbit/ext/access.h"
#include "orbit/result.hpp"

// The tag of the C interface.
struct orbit_principal {};

namespace orbit::kernel {

class Principal final : public orbit_principal {
 public:
  // Refuses a name or roles that are too many, too long, or hold what cannot be logged on one line. One reference is the
  // caller's.
  static Result<const Principal*> make(const orbit_identity& identity, std::string mechanism,
                                       uint32_t authenticator = kNoAuthenticator);
  // Without a name.
  static const Principal* make_anonymous(std::vector<std::string> roles);

  static const Principal& of(const orbit_principal* principal) noexcept { return *static_cast<const Principal*>(principal); }

  void retain() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const orbit_identity& identity() const noexcept { return identity_; }
  const std::string& name() const noexcept { return name_; }
  bool anonymous() const noexcept { return name_.empty(); }
  const std::vector<std::string>& roles() const noexcept { return roles_; }  // sorted, each once
  bool has_role(std::string_view role) const noexcept;
  bool admin() const noexcept { return admin_; }
  // What rules see of it but for the name: the same for two principals exactly if their roles are, and if both or none have a
  // name.
  const std::string& roles_text() const noexcept { return roles_text_; }
  uint64_t roles_hash() const noexcept { return roles_hash_; }
  std::string_view credential() const noexcept { return credential_; }

  // Which authenticator knows it, and what had not changed when that was looked at last: anything (Access::stamp), and that
  // authenticator (its generation).
  static constexpr uint32_t kNoAuthenticator = UINT32_MAX;
  uint32_t authenticator() const noexcept { return authenticator_; }
  uint64_t looked_at() const noexcept { return looked_at_.load(std::memory_order_relaxed); }
  uint64_t generation() const noexcept { return generation_.load(std::memory_order_relaxed); }
  void set_looked_at(uint64_t stamp, uint64_t generation) const noexcept {
    generation_.store(generation, std::memory_order_relaxed);
    looked_at_.store(stamp, std::memory_order_relaxed);
  }
  bool expired(uint64_t unix_ms) const noexcept { return identity_.expires_at_ms != 0 && unix_ms >= identity_.expires_at_ms; }

 private:
  Principal(std::string name, std::vector<std::string> roles, std::string mechanism, uint64_t expires_at_ms, std::string credential,
            uint32_t authenticator);
  ~Principal() = default;

  mutable std::atomic<uint32_t> references_{1};
  const std::string name_;
  std::vector<std::string> roles_;
  const std::string mechanism_;
  const std::string credential_;
  const uint32_t authenticator_;
  mutable std::atomic<uint64_t> looked_at_{0};
  mutable std::atomic<uint64_t> generation_{0};
  std::vector<orbit_bytes> raw_roles_;
  orbit_identity identity_{};
  std::string roles_text_;
  uint64_t roles_hash_ = 0;
  bool admin_ = false;
};

}  // namespace orbit::kernel
