// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include "failure.hpp"
#include "orbit/v1/error_details.pb.h"

using namespace orbit::client;
using namespace std::chrono_literals;

namespace {

grpc::Status status(const std::map<std::string, std::string>& metadata, const std::string& domain = "orbit",
                    grpc::StatusCode code = grpc::StatusCode::UNAVAILABLE) {
  orbit::v1::StatusDetails details;
  orbit::v1::ErrorInfo info;
  info.set_reason("UNAVAILABLE");
  info.set_domain(domain);
  for (const auto& [name, value] : metadata) (*info.mutable_metadata())[name] = value;
  orbit::v1::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(250'000'000);
  for (const auto& [type, value] :
       {std::pair{"ErrorInfo", info.SerializeAsString()}, {"RetryInfo", retry.SerializeAsString()}}) {
    auto* any = details.add_details();
    any->set_type_url(std::string("type.googleapis.com/google.rpc.") + type);
    any->set_value(value);
  }
  return {code, "no", details.SerializeAsString()};
}

}  // namespace

TEST_CASE("a status' details are what the failure tells") {
  const Failure failure = detail::failure_of(status({{"type", "bank.Account"}, {"key", "7"}}));
  CHECK(failure.code == orbit::Code::unavailable);
  CHECK(failure.message == "no");
  CHECK(failure.reason == "UNAVAILABLE");
  CHECK(failure.domain == "orbit");
  CHECK(failure.metadata.at("key") == "7");
  CHECK(failure.retry_after == 1250ms);
}

TEST_CASE("only a node that names no actor is believed that none has run") {
  CHECK_FALSE(detail::failure_of(status({})).may_have_run);
  CHECK(detail::failure_of(status({{"type", "bank.Account"}})).may_have_run);
  CHECK(detail::failure_of(status({}, "a.proxy.example")).may_have_run);
  CHECK(detail::failure_of({grpc::StatusCode::UNAVAILABLE, "Socket closed"}).may_have_run);
  CHECK(detail::failure_of({grpc::StatusCode::UNAVAILABLE, "Socket closed", "\xff\xff"}).may_have_run);
}

TEST_CASE("time that ran out says nothing of how far the call had come, whoever tells") {
  for (const auto code : {grpc::StatusCode::DEADLINE_EXCEEDED, grpc::StatusCode::CANCELLED})
    CHECK(detail::failure_of(status({}, "orbit", code)).may_have_run);
}
