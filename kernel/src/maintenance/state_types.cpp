// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/state_types.hpp"

namespace orbit::kernel {

Result<> StateTypes::publish(const std::string&, const std::string&, const std::string&,
                             std::span<const orbit_actor_type* const> types) {
  const auto descriptors = std::make_shared<Descriptors>();
  for (const orbit_actor_type* type : types) {
    if (type->state_type == nullptr || type->descriptor_set.size == 0) continue;
    if (descriptors->add(from_c(type->descriptor_set))) types_[type->name] = {descriptors, type->state_type};
  }
  return {};
}

std::optional<std::string> StateTypes::json(std::string_view type, std::string_view message) const {
  const auto known = types_.find(type);
  if (known == types_.end()) return std::nullopt;
  auto text = known->second.descriptors->to_json(known->second.state_type, message);
  return text ? std::optional(std::move(*text)) : std::nullopt;
}

}  // namespace orbit::kernel
