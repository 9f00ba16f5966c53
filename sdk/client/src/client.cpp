// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/client/client.hpp"

#include "core.hpp"
#include "orbit/v1/actor_service.pb.h"

namespace orbit::client {

using detail::Core;

Client::Client(ClientOptions options) : core_(std::make_shared<Core>(std::move(options))) {}

Client::~Client() {
  if (core_ != nullptr) core_->close({});
}

Client::Client(Client&&) noexcept = default;

Client& Client::operator=(Client&& other) noexcept {
  if (core_ != nullptr && core_ != other.core_) core_->close({});
  core_ = std::move(other.core_);
  return *this;
}

Answer<std::string> Client::invoke(std::string_view type, std::string_view key, std::string_view method,
                                   std::string request, CallOptions options, bool repeatable) const {
  v1::InvokeRequest message;
  message.set_type(std::string(type));
  message.set_key(std::string(key));
  message.set_method(std::string(method));
  message.set_payload(std::move(request));
  const Pending<v1::InvokeReply> pending(core_->start({.path = "/orbit.v1.ActorService/Invoke",
                                                       .key = {},
                                                       .bytes = message.SerializeAsString(),
                                                       .repeatable = repeatable,
                                                       .options = std::move(options)}));
  Answer<v1::InvokeReply> reply = pending.get();
  if (!reply) return tl::unexpected<Failure>(std::move(reply.error()));
  return std::move(*reply->mutable_payload());
}

Answer<Lease> Client::hold(std::string_view type, std::string_view key, LeaseOptions options) const {
  auto held = core_->keeper.hold(std::string(type), std::string(key), options.duration);
  if (!held) return tl::unexpected<Failure>(std::move(held.error()));
  return Lease(std::move(*held));
}

CallStream Client::open_stream(CallStreamOptions options) const {
  return CallStream(detail::open_call_stream(core_, options));
}

ClientFigures Client::figures() const {
  ClientFigures out;
  out.calls = core_->calls;
  out.failures = core_->failures;
  out.attempts = core_->attempts;
  out.retries = core_->retries;
  out.retries_refused = core_->retries_refused;
  out.under_way = core_->under_way();
  for (const auto& connection : core_->pool.connections()) out.attempts_of_connection.push_back(connection->attempts);
  return out;
}

void Client::close(std::chrono::milliseconds grace) { core_->close(grace); }

std::shared_ptr<detail::Transport> Client::transport() const { return std::make_shared<detail::UnaryTransport>(core_); }

std::shared_ptr<detail::EventSource> Client::open_subscription(std::string stream,
                                                               const SubscribeOptions& options) const {
  return detail::subscribe(core_, std::move(stream), options);
}

std::chrono::steady_clock::time_point Lease::until() const { return held_->until(); }
std::optional<Failure> Lease::failure() const { return held_->failure(); }

}  // namespace orbit::client
