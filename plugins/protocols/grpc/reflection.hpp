// SPDX-License-Identifier: MIT OR BSD-3-Clause
// gRPC's server reflection: the services of this wire and of all actor types, with their descriptors.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "orbit/wire_types.hpp"

namespace orbit::grpc_wire {

// The services of this wire itself: a pool of their descriptors, made once.
const google::protobuf::DescriptorPool& own_services();

// Answers a serialized ServerReflectionRequest with a ServerReflectionResponse. `listed` says which actor types the caller is
// told of by list_services. Two modules may have different files of one name: the first that has what is asked for counts.
Result<std::string> reflect(const WireTypes& types, std::string_view request, const std::function<bool(const WireType&)>& listed);

}  // namespace orbit::grpc_wire
