// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Makes a shared library with actors in it a module that a node loads:
//
//   ORBIT_ACTOR_MODULE("bank", "1.0.0", AccountActor, TellerActor)
//
// once, in one source file of a target made by orbit_add_actor_module. The module is the plugin "actors.bank" and provides
// orbit.actor_types/1.
#pragma once

#include <array>

#include "actor.hpp"
#include "plugin.hpp"

namespace orbit {

template <class... Impls>
class ActorModule : public Plugin {
 public:
  static_assert(sizeof...(Impls) != 0, "ORBIT_ACTOR_MODULE needs at least one actor class");

  ActorModule(Host host, const Config&) {
    if (Result<> connected = connect_module(host.raw()); !connected) throw std::runtime_error(connected.error().message);
  }
  const void* extension(std::string_view id) noexcept override { return id == ORBIT_ACTOR_TYPES_V1 ? &table_ : nullptr; }

 private:
  const std::array<const orbit_actor_type*, sizeof...(Impls)> types_ = {detail::actor_type<Impls>()...};
  const orbit_actor_types_v1 table_ = {sizeof(orbit_actor_types_v1), sizeof...(Impls), types_.data()};
};

}  // namespace orbit

#define ORBIT_ACTOR_MODULE(module_name, module_version, ...)                                                      \
  namespace {                                                                                                     \
  class OrbitActorModule final : public ::orbit::ActorModule<__VA_ARGS__> {                                       \
   public:                                                                                                        \
    static constexpr ::orbit::PluginInfo kInfo{.id = "actors." module_name,                                       \
                                               .version = module_version,                                         \
                                               .doc = "Actor module " module_name ".",                            \
                                               .provides = {ORBIT_ACTOR_TYPES_V1},                                \
                                               .needs = {ORBIT_ACTORS_V1}};                                       \
    using ActorModule::ActorModule;                                                                               \
  };                                                                                                              \
  }                                                                                                               \
  ORBIT_PLUGIN(OrbitActorModule)
