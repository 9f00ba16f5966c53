// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "orbit/result.hpp"

namespace orbit::grpc_wire {

// A serialized FileDescriptorSet of orbit.v1.ActorService, health and reflection; the build makes it (CMakeLists.txt).
Bytes own_descriptor_set() noexcept;

}  // namespace orbit::grpc_wire
