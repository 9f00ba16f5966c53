// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An actor module in two versions with one type that nothing calls: what the module host does with it is the test.
#include <orbit/ext/actors.h>
#include <orbit/plugin.hpp>

namespace {

const orbit_actor_type kType = {
    .struct_size = sizeof(orbit_actor_type), .durability = ORBIT_DURABILITY_NONE, .name = "test.Thing"};
const orbit_actor_type* const kTypes[] = {&kType};
const orbit_actor_types_v1 kTable = {sizeof(orbit_actor_types_v1), 1, kTypes};

class TestModule : public orbit::Plugin {
 public:
  static constexpr orbit::Option kOptions[] = {orbit::option_integer("level", "1", 1, 10, "A level.")};
  static constexpr orbit::PluginInfo kInfo{.id = "test.module",
                                           .version = MODULE_VERSION,
                                           .doc = "A module.",
                                           .provides = {ORBIT_ACTOR_TYPES_V1},
                                           .needs = {ORBIT_LOG_V1},
                                           .options = kOptions};
  TestModule(orbit::Host host, const orbit::Config& config) {
    host.info("level " + std::to_string(config.integer("level")));
  }
  const void* extension(std::string_view id) noexcept override {
    return id == ORBIT_ACTOR_TYPES_V1 ? &kTable : nullptr;
  }
};

}  // namespace

ORBIT_PLUGIN(TestModule)
