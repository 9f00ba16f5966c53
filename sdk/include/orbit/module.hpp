// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What one actor module knows of its node. Each module has its own copy (modules hide their symbols), filled when the node
// creates the module's plugin instance, before any actor of it exists. Actor authors do not need this header.
#pragma once

#include <atomic>

#include "ext/actors.h"
#include "ext/workers.h"
#include "result.hpp"

namespace orbit {

// The node's actor functions, copied so that a call is one indirection. All null until connect_module.
inline constinit orbit_actors_v1 host_actors = {};
// The rest of the node; null until connect_module, the second one also on a node without orbit.workers/1.
inline constinit const orbit_host* module_host = nullptr;
inline constinit const orbit_workers_v1* host_workers = nullptr;

// Tells this module whom it lives in. Called once per module, by ORBIT_ACTOR_MODULE; a test or a benchmark that links actors
// without a module calls it itself. [main], before any actor or proxy is used
inline Result<> connect_module(const orbit_host* host) {
  const auto* actors = static_cast<const orbit_actors_v1*>(host->get_extension(host, ORBIT_ACTORS_V1));
  if (actors == nullptr) return fail(Code::failed_precondition, "this node has no interface " ORBIT_ACTORS_V1);
  if (actors->struct_size < sizeof(orbit_actors_v1)) {
    return fail(Code::failed_precondition, "the node's " ORBIT_ACTORS_V1 " has " + std::to_string(actors->struct_size) +
                                               " bytes, this module needs " + std::to_string(sizeof(orbit_actors_v1)));
  }
  host_actors = *actors;
  module_host = host;
  host_workers = static_cast<const orbit_workers_v1*>(host->get_extension(host, ORBIT_WORKERS_V1));
  return {};
}

namespace detail {

// The node's handle of the actor type that Service describes; asked for once.
template <class Service>
inline constinit std::atomic<const orbit_type*> type_handle_of{nullptr};

template <class Service>
[[gnu::cold, gnu::noinline]] const orbit_type* find_type_handle() noexcept {
  const orbit_type* type = host_actors.type(Service::kName);
  type_handle_of<Service>.store(type, std::memory_order_release);
  return type;
}

template <class Service>
const orbit_type* type_handle() noexcept {
  const orbit_type* type = type_handle_of<Service>.load(std::memory_order_acquire);
  return type != nullptr ? type : find_type_handle<Service>();
}

}  // namespace detail
}  // namespace orbit
