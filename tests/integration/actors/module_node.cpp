// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "module_node.hpp"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <cstring>

#include "orbit/plugin.hpp"

namespace test {

namespace {

const orbit_host kHost = {sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR,
                          [](const orbit_host*, const char* id) -> const void* {
                            return std::strcmp(id, ORBIT_ACTORS_V1) == 0 ? Runtime::api() : nullptr;
                          }};

// Loaded once: the code of a module stays.
const orbit_actor_types_v1* module_types() {
  static const orbit_actor_types_v1* const types = [] {
    void* library = dlopen(CALLS_MODULE, RTLD_NOW | RTLD_LOCAL);
    REQUIRE_MESSAGE(library != nullptr, dlerror());
    const auto entry = reinterpret_cast<orbit_plugin_entry>(dlsym(library, ORBIT_PLUGIN_SYMBOL));
    const orbit_config config{sizeof config, 0, nullptr, "calls"};
    static orbit_plugin_instance* instance = nullptr;  // stays, as its code does
    orbit::ErrorOut error;
    REQUIRE_MESSAGE(entry()->create(&kHost, &config, &instance, &error) == ORBIT_OK, error.message);
    return static_cast<const orbit_actor_types_v1*>(instance->get_extension(instance->self, ORBIT_ACTOR_TYPES_V1));
  }();
  return types;
}

}  // namespace

ModuleNode::ModuleNode(Disk& disk, uint64_t seed, uint32_t workers, RuntimeOptions options)
    : SimNode(disk, seed, workers, options) {
  const auto* types = module_types();
  auto published = runtime.publish_module("calls", "1", CALLS_MODULE, {types->types, types->count});
  REQUIRE_MESSAGE(published, published.error().message);
}

std::shared_ptr<JsonAnswer> ModuleNode::start(const std::string& type, const std::string& key, const std::string& method,
                                              const std::string& json, uint32_t worker, uint64_t deadline_ns,
                                              const std::map<std::string, std::string>& with) {
  auto answer = std::make_shared<JsonAnswer>();
  runtime.post(worker, [=] {
    auto* ctx = new std::shared_ptr<JsonAnswer>(answer);
    std::vector<orbit_context_entry> context;
    for (const auto& [name, value] : with) context.push_back({orbit::to_c(name), orbit::to_c(value)});
    orbit_envelope* call = Runtime::api()->start_json(
        orbit::to_c(type), orbit::to_c(key), orbit::to_c(method), orbit::to_c(json), deadline_ns, context.data(), context.size(),
        [](void* raw, orbit_code code, orbit_bytes text) {
          const std::unique_ptr<std::shared_ptr<JsonAnswer>> owned(static_cast<std::shared_ptr<JsonAnswer>*>(raw));
          JsonAnswer& to = **owned;
          CHECK_FALSE(to.arrived);
          to.arrived = true;
          to.code = code;
          to.text = orbit::from_c(text);
          to.call = nullptr;
        },
        ctx);
    if (!answer->arrived) answer->call = call;
  });
  return answer;
}

const JsonAnswer& ModuleNode::wait(const std::shared_ptr<JsonAnswer>& answer) {
  REQUIRE(run_until([&] { return answer->arrived; }));
  return *answer;
}

int64_t ModuleNode::value(const std::shared_ptr<JsonAnswer>& answer) {
  wait(answer);
  REQUIRE_MESSAGE(answer->code == ORBIT_OK, answer->text);
  return std::stoll(std::string(boost::json::parse(answer->text).at("value").as_string()));
}

void ModuleNode::await_gate(const std::string& key, int64_t count) {
  for (int i = 0; i < 100; ++i)
    if (value("calls.Gate", key, "Waiting") == count) return;
  FAIL("not ", count, " wait at gate ", key);
}

}  // namespace test
