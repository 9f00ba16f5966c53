// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Loads a module that was built outside the tree (argument: its file, then its actor type's name and a method that takes no
// field) and calls it, as a node would.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cstdio>
#include <string_view>

#include "fake_node.hpp"

namespace {

const char* module_file;
const char* type_name;
const char* method_name;

}  // namespace

TEST_CASE("a module built outside the tree loads and answers") {
  fake::Node node;
  void* library = dlopen(module_file, RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(library != nullptr, dlerror());
  const auto entry = reinterpret_cast<orbit_plugin_entry>(dlsym(library, ORBIT_PLUGIN_SYMBOL));
  REQUIRE((entry != nullptr));
  CHECK(entry()->abi_major == ORBIT_ABI_MAJOR);
  const orbit_config config{sizeof(orbit_config), 0, nullptr, "test"};
  orbit_plugin_instance* instance = nullptr;
  orbit::ErrorOut error;
  REQUIRE(entry()->create(node.host(), &config, &instance, &error) == ORBIT_OK);
  const auto* types = static_cast<const orbit_actor_types_v1*>(instance->get_extension(instance->self, ORBIT_ACTOR_TYPES_V1));
  REQUIRE(types != nullptr);
  for (uint32_t i = 0; i < types->count; ++i) node.add_type(types->types[i]);

  orbit_envelope* reply = nullptr;
  orbit_envelope* call = orbit::host_actors.allocate();
  call->type = orbit::host_actors.type(type_name);
  call->key = orbit::to_c("key");
  call->method = orbit_method_id(method_name, std::string_view(method_name).size());
  call->on_reply = [](void* ctx, orbit_envelope* answer) { *static_cast<orbit_envelope**>(ctx) = answer; };
  call->reply_ctx = &reply;
  orbit::host_actors.send(call, nullptr);
  node.run();
  REQUIRE(reply != nullptr);
  CHECK_MESSAGE(reply->code == ORBIT_OK, std::string(reply->message == nullptr ? "" : reply->message));
  CHECK(reply->ops != nullptr);
  orbit::host_actors.free_envelope(reply);
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: check_module FILE TYPE METHOD\n", stderr);
    return 2;
  }
  module_file = argv[1];
  type_name = argv[2];
  method_name = argv[3];
  return doctest::Context().run();
}
