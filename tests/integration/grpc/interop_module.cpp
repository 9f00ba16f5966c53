// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "interop.orbit.hpp"

namespace grpc::testing {

class TestServiceActor final : public TestServiceBase<TestServiceActor> {
 public:
  Empty empty_call(const Empty&) { return {}; }
  orbit::Result<SimpleResponse> unary_call(const SimpleRequest& request) {
    if (request.response_status().code() != 0)
      return orbit::fail(static_cast<orbit::Code>(request.response_status().code()),
                         request.response_status().message());
    SimpleResponse out;
    out.mutable_payload()->set_type(request.response_type());
    out.mutable_payload()->set_body(std::string(static_cast<size_t>(request.response_size()), '\0'));
    return out;
  }
};

}  // namespace grpc::testing

ORBIT_ACTOR_MODULE("actors.grpc_interop", "1.0.0", grpc::testing::TestServiceActor)
