// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The C++ face of orbit.access/1 (orbit/ext/access.h): what a protocol plugin asks.
//
//   orbit::Access access_{host};                      // of the plugin; kInfo.needs has ORBIT_ACCESS_V1
//   orbit::Principal caller_ = access_.anonymous();   // of a connection
//
//   access_.authenticate({.mechanism = ORBIT_MECHANISM_PASSWORD, .name = user, .secret = password, .peer = peer},
//                        [weak = weak_from_this()](orbit::Result<orbit::Principal> who) { ... });
//   if (auto good = access_.check(caller_, {.type = "bank.Account", .key = key, .method = "Deposit"}); !good)
//     return answer(good.error());
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ext/access.h"
#include "plugin.hpp"
#include "result.hpp"

namespace orbit {

struct Credentials {
  const char* mechanism = ORBIT_MECHANISM_PASSWORD;
  Bytes name;
  Bytes secret;
  const char* peer = nullptr;
};

struct AccessRequest {
  Bytes type;
  Bytes key;
  Bytes method;
  bool read_only = false;
  const char* peer = nullptr;
};

// A counted reference to who calls; cheap to copy. Empty when made without arguments.
class Principal {
 public:
  Principal() noexcept = default;
  // Takes over a reference that the caller owns.
  Principal(const orbit_access_v1* api, const orbit_principal* owned) noexcept : api_(api), raw_(owned) {}
  Principal(const Principal& other) noexcept : api_(other.api_), raw_(other.raw_) {
    if (raw_ != nullptr) api_->retain(raw_);
  }
  Principal(Principal&& other) noexcept : api_(other.api_), raw_(std::exchange(other.raw_, nullptr)) {}
  Principal& operator=(Principal other) noexcept {
    std::swap(api_, other.api_);
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Principal() {
    if (raw_ != nullptr) api_->release(raw_);
  }

  explicit operator bool() const noexcept { return raw_ != nullptr; }
  const orbit_principal* raw() const noexcept { return raw_; }
  // Empty: anonymous. As the next, borrowed from the principal.
  std::string_view name() const noexcept { return raw_ != nullptr ? from_c(api_->identity(raw_)->name) : std::string_view(); }
  const orbit_identity& identity() const noexcept { return *api_->identity(raw_); }

 private:
  const orbit_access_v1* api_ = nullptr;
  const orbit_principal* raw_ = nullptr;
};

class Access {
 public:
  explicit Access(Host host) : host_(host.raw()), api_(host.require<orbit_access_v1>(ORBIT_ACCESS_V1)) {}

  bool enabled() const noexcept { return api_->enabled(host_) != 0; }
  Principal anonymous() const noexcept {
    const orbit_principal* const nobody = api_->anonymous(host_);
    api_->retain(nobody);
    return Principal(api_, nobody);
  }

  using Done = std::function<void(Result<Principal>)>;
  // done may be called inside this, see orbit_access_v1.authenticate.
  void authenticate(const Credentials& credentials, Done done) const {
    struct Asked {
      const orbit_access_v1* api;
      Done done;
    };
    const orbit_credentials raw{sizeof raw, 0, credentials.mechanism, to_c(credentials.name), to_c(credentials.secret),
                                credentials.peer};
    api_->authenticate(
        host_, &raw,
        [](void* ctx, const orbit_principal* who, orbit_code code, orbit_bytes message) {
          const std::unique_ptr<Asked> asked(static_cast<Asked*>(ctx));
          if (code == ORBIT_OK)
            asked->done(Principal(asked->api, who));
          else
            asked->done(fail(static_cast<Code>(code), std::string(from_c(message))));
        },
        std::make_unique<Asked>(Asked{api_, std::move(done)}).release());
  }

  Result<Principal> local(Bytes name, const std::vector<std::string>& roles) const {
    const std::vector<orbit_bytes> raw_roles = [&roles] {
      std::vector<orbit_bytes> out;
      for (const std::string& role : roles) out.push_back(to_c(Bytes(role)));
      return out;
    }();
    const orbit_identity who{sizeof who, static_cast<uint32_t>(raw_roles.size()), to_c(name), raw_roles.data(), 0, nullptr, {}};
    ErrorOut error;
    const orbit_principal* const made = api_->local(host_, &who, &error);
    if (made == nullptr) return tl::unexpected<Error>(error.take(error.code));
    return Principal(api_, made);
  }

  Result<> check(const Principal& who, const AccessRequest& request) const {
    const orbit_access_request raw = to_raw(request);
    ErrorOut error;
    const orbit_code code = api_->check(host_, who.raw(), &raw, &error);
    if (code != ORBIT_OK) return tl::unexpected<Error>(error.take(code));
    return {};
  }
  // Whether it may be taken for who it was, for what goes on without `check`.
  Result<> still(const Principal& who) const {
    ErrorOut error;
    const orbit_code code = api_->still(host_, who.raw(), &error);
    if (code != ORBIT_OK) return tl::unexpected<Error>(error.take(code));
    return {};
  }
  bool may(const Principal& who, const AccessRequest& request) const noexcept {
    const orbit_access_request raw = to_raw(request);
    return api_->may(host_, who.raw(), &raw) != 0;
  }
  Result<> check_admin(const Principal& who, const char* action, Bytes target, bool read_only, const char* peer) const {
    ErrorOut error;
    const orbit_code code =
        api_->check_admin(host_, who.raw(), action, to_c(target), read_only ? ORBIT_ACCESS_READ_ONLY : 0u, peer, &error);
    if (code != ORBIT_OK) return tl::unexpected<Error>(error.take(code));
    return {};
  }

  const orbit_access_v1* api() const noexcept { return api_; }
  const orbit_host* host() const noexcept { return host_; }

 private:
  static orbit_access_request to_raw(const AccessRequest& request) noexcept {
    return {sizeof(orbit_access_request), request.read_only ? ORBIT_ACCESS_READ_ONLY : 0u, to_c(request.type),
            to_c(request.key), to_c(request.method), request.peer};
  }

  const orbit_host* host_;
  const orbit_access_v1* api_;
};

}  // namespace orbit
