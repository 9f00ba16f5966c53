// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "typed_node.hpp"

#include <doctest/doctest.h>

#include "executor/workers_api.hpp"

namespace test {
namespace {

TypedNode* the_node = nullptr;

const void* get_extension(const orbit_host*, const char* id) {
  const std::string_view name(id);
  if (name == ORBIT_ACTORS_V1) return Runtime::api();
  if (name == ORBIT_WORKERS_V1) return workers_table();
  if (name == kExecutorExtension) return static_cast<Executor*>(&the_node->executor);
  return nullptr;
}

}  // namespace

TypedNode::TypedNode(Disk& disk, uint64_t seed, uint32_t workers, RuntimeOptions options)
    : SimNode(disk, seed, workers, options) {
  REQUIRE(the_node == nullptr);
  the_node = this;
  // The workers' table remembers the executor of the last host that called it: every node has a host of its own.
  auto* host = new orbit_host{sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR, &get_extension};
  static std::vector<std::unique_ptr<orbit_host>> hosts;
  hosts.emplace_back(host);
  REQUIRE(orbit::connect_module(host));
  runtime.start();
}

TypedNode::~TypedNode() { the_node = nullptr; }

void TypedNode::deactivate_all() {
  on_worker(0, [] {});
  for (uint32_t worker = 0; worker < executor.workers(); ++worker)
    on_worker(worker, [this, worker] {
      runtime.scheduler(worker).leave_all([](const orbit_activation&) { return true; }, ORBIT_DEACTIVATION_ASKED);
    });
  REQUIRE(run_until([this] { return runtime.activations() == 0; }));
}

size_t count_keys(const Disk& disk, char space, std::string_view text) {
  size_t count = 0;
  for (const auto& [key, value] : disk.data) count += key[0] == space && key.find(text) != std::string::npos;
  return count;
}

}  // namespace test
