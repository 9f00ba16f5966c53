// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/descriptors_api.hpp"

#include <algorithm>
#include <atomic>
#include <span>
#include <vector>

#include "actor/activation.hpp"
#include "actor/key_kinds.hpp"
#include "actor/runtime.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

std::atomic<uint64_t> changes{1};

bool is_callable(const TypeVersion* version) {
  if (version == nullptr || version->def->descriptor_set.size == 0) return false;
  const std::span methods(version->def->methods, version->def->method_count);
  return std::any_of(methods.begin(), methods.end(), [](const orbit_method& method) { return method.input_type != nullptr; });
}

uint64_t generation() { return changes.load(std::memory_order_acquire); }

uint64_t each(void (*visit)(void* ctx, const orbit_callable_type* type), void* ctx) {
  // Read first: what changes meanwhile makes the caller look again.
  const uint64_t seen = generation();
  std::vector<const TypeVersion*> versions;
  this_runtime()->types().each_type([&versions](const orbit_type& type) {
    if (const TypeVersion* version = type.current.load(std::memory_order_acquire); is_callable(version))
      versions.push_back(version);
  });
  for (const TypeVersion* version : versions) {
    const orbit_callable_type type{sizeof(orbit_callable_type),   key_kind_of(*version),
                                   version->type,                 version->def,
                                   version->module->name.c_str(), version->module->version.c_str(),
                                   version->module->generation};
    visit(ctx, &type);
  }
  return seen;
}

constexpr orbit_descriptors_v1 kDescriptors = {
    .struct_size = sizeof(orbit_descriptors_v1),
    .reserved = 0,
    .generation = &generation,
    .each = &each,
    .worker_of = [](const orbit_type* type, orbit_bytes key) -> uint32_t {
      return this_runtime()->worker_of(ActivationTable::mix(type, key_hash(from_c(key))));
    },
};

}  // namespace

const orbit_descriptors_v1* descriptors_table() noexcept { return &kDescriptors; }

void count_type_change() noexcept { changes.fetch_add(1, std::memory_order_acq_rel); }

}  // namespace orbit::kernel
