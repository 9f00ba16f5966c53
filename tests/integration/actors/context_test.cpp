// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What travels with calls, and who may look at them.
#include <doctest/doctest.h>

#include <map>

#include "module_node.hpp"

using namespace test;

namespace {

const char* const kMeter = "calls.Meter";

// What a filter saw.
struct Seen {
  std::map<std::string, int> outgoing, incoming, ended;
  int failed = 0;
};

std::string name_of(const orbit_call_info* info) {
  return std::string(info->type) + "/" + std::string(orbit::from_c(info->key)) + "." + (info->method != nullptr ? info->method : "?");
}

const orbit_call_filter_v1 kFilter = {
    sizeof(orbit_call_filter_v1), 0,
    [](void* self, const orbit_call_info* info, orbit_envelope* call, orbit_error* error) -> orbit_code {
      ++static_cast<Seen*>(self)->outgoing[name_of(info)];
      if (orbit::from_c(info->key) == "unreachable") return orbit::to_c(orbit::Code::unavailable, "not from here", error);
      return Runtime::api()->set_context(call, {"tenant", 6}, {"acme", 4}, error);
    },
    [](void* self, const orbit_call_info* info, orbit_error* error) -> orbit_code {
      ++static_cast<Seen*>(self)->incoming[name_of(info)];
      orbit_bytes tenant{};
      CHECK(Runtime::api()->context({"tenant", 6}, &tenant) == 1);
      CHECK(orbit::from_c(tenant) == "acme");
      if (orbit::from_c(info->key) == "forbidden") return orbit::to_c(orbit::Code::permission_denied, "not for acme", error);
      return ORBIT_OK;
    },
    [](void* self, const orbit_call_info* info, orbit_code code, uint64_t) {
      ++static_cast<Seen*>(self)->ended[name_of(info)];
      static_cast<Seen*>(self)->failed += code != ORBIT_OK;
    }};

}  // namespace

TEST_CASE("a call's context reaches every hop, on any worker, and ends with the chain") {
  for (const uint32_t workers : {1u, 2u, 5u}) {
    Disk disk;
    ModuleNode node(disk, 1, workers);
    const auto call = node.start(kMeter, "a", "Context", R"({"via":"b","home":"c"})", 0, 0, {{"tenant", "acme"}, {"user", "bob"}});
    CHECK(node.wait(call).text == R"({"text":"acme alice 00-1"})");
    CHECK(node.wait(node.start(kMeter, "c", "Context")).text == R"({"text":"- - -"})");
  }
}

TEST_CASE("the context of a call is bounded, and the error names the bound") {
  Disk disk;
  ModuleNode node(disk, 2);
  const auto blunt = node.start(kMeter, "a", "Context", R"({"via":"blunt","home":"c"})");
  CHECK(node.wait(blunt).text.find("context_bytes_max") != std::string::npos);
  const auto large = node.start(kMeter, "a", "Look", "", 0, 0, {{"tenant", std::string(3000, 'x')}});
  CHECK(node.wait(large).code == ORBIT_RESOURCE_EXHAUSTED);
  CHECK(node.value(kMeter, "a", "Look") == 0);
}

TEST_CASE("an actor may check who calls before each turn") {
  Disk disk;
  ModuleNode node(disk, 3, 2);
  const auto refused = node.start(kMeter, "a", "Add", R"({"value":1})", 0, 0, {{"user", "guest"}});
  CHECK(node.wait(refused).code == ORBIT_PERMISSION_DENIED);
  CHECK(refused->text == "guests may not Add");
  CHECK(node.wait(node.start(kMeter, "a", "Look", "", 0, 0, {{"user", "guest"}})).code == ORBIT_OK);
  CHECK(node.value(kMeter, "a", "Add", R"({"value":1})") == 1);
}

TEST_CASE("a filter sees every call on its way out, in, and at its end, and may refuse") {
  for (const uint32_t workers : {1u, 4u}) {
    Disk disk;
    ModuleNode node(disk, 4, workers);
    Seen seen;
    node.runtime.set_filters({{&kFilter, &seen}});
    CHECK(node.value(kMeter, "a", "Travel", R"({"home":"b","add":2})") == 2);
    const std::map<std::string, int> both = {{"calls.Meter/a.Travel", 1}, {"calls.Meter/b.Add", 1}};
    CHECK(seen.outgoing == both);
    CHECK(seen.incoming == both);
    CHECK(seen.ended == both);
    const auto forbidden = node.start(kMeter, "a", "Travel", R"({"home":"forbidden","add":2})");
    CHECK(node.wait(forbidden).code == ORBIT_PERMISSION_DENIED);
    CHECK(forbidden->text == "not for acme");
    CHECK(seen.ended.count("calls.Meter/forbidden.Add") == 0);
    CHECK(seen.failed == 1);  // the traveller
    const auto unreachable = node.start(kMeter, "unreachable", "Look");
    CHECK(node.wait(unreachable).code == ORBIT_UNAVAILABLE);
    CHECK(seen.incoming.count("calls.Meter/unreachable.Look") == 0);
    node.runtime.set_filters({});
  }
}
