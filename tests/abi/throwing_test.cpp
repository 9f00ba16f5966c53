// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Plugins in C++ whose functions throw: it ends at the edge, names the plugin, and harms nobody else.
#include <doctest/doctest.h>

#include "host_fixture.hpp"
#include "old_plugin.h"
#include "orbit/ext/storage.h"

using namespace orbit::kernel;
using namespace orbit::test;

namespace {

const std::string kThrowing = std::string(ABI_PLUGINS) + "/throwing.so";

std::string throwing_in(const std::string& where, const std::string& rest = "") {
  return entry("storm", "test.throwing", kThrowing, rest + "[plugin.config]\nwhere = \"" + where + "\"\n");
}
std::string calm() { return entry("calm", "test.old", kOld, "[plugin.config]\ntext = \"x\"\n"); }

int calm_started(Host& host) {
  const auto provided = host.host->provided_by("calm", OLD_PLUGIN_V1);
  REQUIRE(provided);
  return static_cast<const old_plugin_v1*>(provided->table)->started(provided->self);
}

}  // namespace

TEST_CASE("a start that throws in C++ is an error that names the plugin, and the others run") {
  Host host(throwing_in("start", "required = false\n") + calm());
  CHECK(host.run().empty());
  const auto status = host.host->status();
  CHECK(status[0].state == "failed");
  check_parts(status[0].error, {"throwing.so: `start` failed with INTERNAL: thrown by start"});
  CHECK(status[1].state == "running");
  CHECK(calm_started(host) == 1);
  CHECK(host.host->stop({}));
  CHECK(calm_started(host) == 0);
  CHECK(host.host->destroy());
  host.log->close();
  check_parts(read(host.folder.path + "/log"), {"plugin 'storm': ", "thrown by start"});
}

TEST_CASE("a stop that throws in C++ is a line of the log that names the plugin, and the others are stopped") {
  Host host(calm() + throwing_in("stop"));
  CHECK(host.run().empty());
  CHECK(host.host->stop({}));
  CHECK(calm_started(host) == 0);
  CHECK(host.host->destroy());
  host.log->close();
  check_parts(read(host.folder.path + "/log"), {"storm: the plugin threw", "function=stop", "thrown by stop"});
}

TEST_CASE("an extension that throws in C++ is as one that is not there, and the log says why") {
  Host host(throwing_in("extension", "required = false\n") + calm());
  CHECK(host.run().empty());
  const auto status = host.host->status();
  CHECK(status[0].state == "failed");
  check_parts(status[0].error, {"provides 'orbit.storage/1'", "returned null, expected a table"});
  CHECK(status[1].state == "running");
  CHECK(host.host->stop({}));
  CHECK(host.host->destroy());
  host.log->close();
  check_parts(read(host.folder.path + "/log"),
              {"storm: the plugin threw", "function=extension", "thrown by extension"});
}

TEST_CASE("a create that throws in C++ is its error") {
  Host host(throwing_in("create", "required = false\n") + calm());
  CHECK(host.run().empty());
  check_parts(host.host->status()[0].error, {"throwing.so: `create` failed with INTERNAL: thrown by create"});
  CHECK(calm_started(host) == 1);
  CHECK(host.host->stop({}));
  CHECK(host.host->destroy());
}

TEST_CASE("a function of an interface that throws in C++ gives its caller an error, again and again") {
  Host host(calm() + throwing_in("get"));
  CHECK(host.run().empty());
  const auto provided = host.host->provided_by("storm", ORBIT_STORAGE_V1);
  REQUIRE(provided);
  const auto* table = static_cast<const orbit_storage_v1*>(provided->table);
  for (int i = 0; i < 3; ++i) {
    orbit::ErrorOut error;
    const orbit_sink nothing{nullptr, [](void*, orbit_bytes) {}};
    CHECK(table->get(provided->self, nullptr, orbit::to_c(orbit::Bytes("k")), nothing, &error) == ORBIT_INTERNAL);
    CHECK(std::string(error.message) == "thrown by get");
    CHECK(table->sync(provided->self, &error) == ORBIT_OK);
  }
  CHECK(host.host->stop({}));
  CHECK(host.host->destroy());
}
