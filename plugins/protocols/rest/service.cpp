// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "service.hpp"

#include "handler.hpp"
#include "idempotency.hpp"
#include "orbit/authorization.hpp"

namespace orbit::rest {

namespace {

http::ServerOptions with_names(http::ServerOptions options) {
  options.name = "REST wire";
  options.metric = "orbit_rest";
  return options;
}

}  // namespace

http::Response problem_of(const Error& error, std::string_view target) {
  http::Response response = http::problem(error, target);
  if (response.status == 401) response.headers.emplace_back("WWW-Authenticate", kAuthenticateChallenge);
  return response;
}

Service::Service(Host host, Options options)
    : host_(host),
      options_(std::move(options)),
      actors_(host.require<orbit_actors_v1>(ORBIT_ACTORS_V1)),
      streams_(host.require<orbit_streams_v1>(ORBIT_STREAMS_V1)),
      access_(host),
      wire_(host.require<orbit_descriptors_v1>(ORBIT_DESCRIPTORS_V1)),
      http_(host, with_names(options_.http), *this) {}

Result<> Service::start() {
  idempotency_type_ = actors_->type(kIdempotencyType);
  if (auto started = http_.start(); !started) return started;
  host_.info("REST at " + http_.url());
  return {};
}

std::unique_ptr<http::Handler> Service::connected(Connection& connection) {
  return std::make_unique<Handler>(*this, connection);
}

std::shared_ptr<const Catalog> Service::catalog(std::shared_ptr<const Catalog> had) {
  if (had != nullptr && wire_.is_current(had->wire())) return had;
  const std::lock_guard lock(mutex_);
  if (catalog_ == nullptr || !wire_.is_current(catalog_->wire())) {
    std::vector<std::string> complaints;
    catalog_ = std::make_shared<const Catalog>(wire_.current(), complaints);
    for (const std::string& complaint : complaints) host_.warn("REST: " + complaint);
  }
  return catalog_;
}

}  // namespace orbit::rest
