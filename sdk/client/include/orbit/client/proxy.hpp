// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the proxies that protoc-gen-orbit makes (--orbit_out=client:DIR, orbit_add_client_protos) are derived from.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "call.hpp"
#include "orbit/key.hpp"

namespace orbit::client {

namespace detail {
template <KeyKind Kind>
using KeyIn = std::conditional_t<Kind == KeyKind::int64, int64_t, std::string_view>;
}  // namespace detail

// One actor, seen from outside: a name and a way to it, nothing else; making one sends nothing. Copies are cheap. May
// be used from any thread, and outlive the client, whose end ends its calls.
template <KeyKind Kind>
class Proxy {
 public:
  using Key = detail::KeyIn<Kind>;
  Proxy(std::shared_ptr<detail::Transport> transport, Key key)
      : transport_(std::move(transport)), key_(orbit::Key<Kind>(key).bytes()) {}
  // As it is stored and sent.
  const std::string& key() const noexcept { return key_; }

 protected:
  template <class Reply, class Request>
  Pending<Reply> start(const Method& method, const Request& request, CallOptions options) const {
    return Pending<Reply>(transport_->start(method, key_, request.SerializeAsString(), std::move(options)));
  }

 private:
  std::shared_ptr<detail::Transport> transport_;
  std::string key_;
};

// The proxy of an actor type; the generated headers specialize it.
template <class Actor>
struct ProxyOf;

}  // namespace orbit::client
