// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Access control of a node: who calls, what that one may do, and the audit log of it. access_api.hpp makes `orbit.access/1` of it.
#pragma once

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "access/lockout.hpp"
#include "access/principal.hpp"
#include "access/revocations.hpp"
#include "access/rules.hpp"
#include "executor/executor.hpp"
#include "observe/log.hpp"

namespace orbit::kernel {

struct AccessOptions {
  std::vector<Rule> rules;
  std::vector<std::string> anonymous_roles;
  uint32_t authenticating_max = 64;   // that wait for an answer of an authenticator
  uint64_t remember_ms = 10'000;      // how long an answer counts without being asked again
  uint32_t remembered_max = 10'000;
  LockoutOptions lockout;
  std::string revocations_file;  // empty: they end with the node
  size_t revocations_max = 10'000;
};

struct AccessCounters {
  uint64_t authenticated = 0;
  uint64_t refused = 0;     // credentials
  uint64_t denied = 0;      // calls and actions
  uint64_t remembered = 0;  // of `authenticated`, without asking
  uint64_t locked = 0;      // credentials that were not looked at, after too many failures
};

class Access {
 public:
  // audit: where denied and administrative actions are written.
  Access(AccessOptions options, Executor& executor, Logger& audit);
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  struct Authenticator {
    std::string instance;
    const orbit_authenticator_v1* table;
    void* self;
  };
  // There are authenticators, so there is access control. Before plugins are created. [main]
  void expect_authenticators() noexcept { enabled_ = true; }
  // They are created. [main]
  void set_authenticators(std::vector<Authenticator> authenticators) { authenticators_ = std::move(authenticators); }
  Rules& rules() noexcept { return rules_; }
  // Reads who is revoked, if there is access control. [main]
  Result<> load();
  // Lets authenticators look whether what they read from is another. Errors are logged by them, and the last one is returned.
  // One thread at a time. [io]
  Result<> reload(bool force);

  // The rest as orbit/ext/access.h says. `wire`: the asking plugin's name.
  bool enabled() const noexcept { return enabled_; }
  const Principal& anonymous() const noexcept { return *anonymous_; }
  void authenticate(std::string_view wire, const orbit_credentials& credentials, orbit_authenticated done, void* ctx);
  orbit_code check(std::string_view wire, const Principal& principal, const orbit_access_request& request, orbit_error* error);
  bool may(const Principal& principal, const orbit_access_request& request) const;
  orbit_code check_admin(std::string_view wire, const Principal& principal, std::string_view action, std::string_view target,
                         bool read_only, std::string_view peer, orbit_error* error);
  orbit_code still(const Principal& principal, orbit_error* error) const;
  void reload(orbit_access_done done, void* ctx);
  void revoke(std::string_view kind, std::string_view value, uint64_t until_ms, orbit_access_done done, void* ctx);
  void take_back(std::string_view kind, std::string_view value, orbit_access_done done, void* ctx);
  std::string revocations_json() const { return revocations_.json(executor_.unix_ms()); }
  void users(int (*visit)(void* ctx, const orbit_identity* user), void* ctx) const;
  std::string rules_json(const Principal& principal) const;

  AccessCounters counters() const noexcept;  // [any thread]

 private:
  struct Asked;
  struct Task;
  using Fingerprint = std::array<unsigned char, 32>;
  struct Known {
    Fingerprint of;
    const Principal* principal;  // one reference is ours
    uint64_t until_ms;
    uint64_t stamp;
  };
  enum class Standing { good, expired, gone };

  Fingerprint fingerprint(const orbit_credentials& credentials) const;
  // Another number whenever authenticators, or who is revoked, have changed.
  uint64_t stamp() const;
  static uint64_t generation_of(const Authenticator& authenticator) {
    return authenticator.table->generation != nullptr ? authenticator.table->generation(authenticator.self) : 0;
  }
  Standing standing(const Principal& principal) const;
  bool look_again(const Principal& principal, uint64_t now_stamp) const;
  static orbit_code refuse_standing(const Principal& principal, Standing standing, orbit_error* error);
  void run(std::unique_ptr<Task> task);
  const Principal* recall(const Fingerprint& of);
  void remember(const Fingerprint& of, const Principal& principal, uint64_t stamp);
  void ask(Asked& asked) noexcept;
  void refused(const Asked& asked) noexcept;
  orbit_code refuse_call(std::string_view wire, const Principal& principal, Standing standing, const orbit_access_request& request,
                         orbit_error* error);

  const AccessOptions options_;
  Executor& executor_;
  Logger& audit_;
  Rules rules_;
  const Principal* const anonymous_;
  bool enabled_;
  std::vector<Authenticator> authenticators_;
  Lockout lockout_;
  Revocations revocations_;
  std::mutex reloading_;  // one thread at a time asks authenticators to
  std::array<unsigned char, 32> secret_;  // so that what is remembered tells nothing about passwords
  std::atomic<uint32_t> authenticating_{0};

  std::mutex mutex_;  // guards what follows
  std::list<Known> known_;  // used last first
  std::unordered_map<std::string_view, std::list<Known>::iterator> by_fingerprint_;

  std::atomic<uint64_t> authenticated_{0};
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> denied_{0};
  std::atomic<uint64_t> recalled_{0};
  std::atomic<uint64_t> locked_{0};
};

}  // namespace orbit::kernel
