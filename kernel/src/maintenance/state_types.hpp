// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What actor modules say of their types' state, so that it can be told in their words.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "actor/descriptors.hpp"
#include "plugin/module_host.hpp"

namespace orbit::kernel {

class StateTypes final : public ModuleTarget {
 public:
  // Never refuses: a module whose descriptors are no good leaves its types unknown. [main]
  Result<> publish(const std::string& name, const std::string& version, const std::string& file,
                   std::span<const orbit_actor_type* const> types) override;
  bool knows(std::string_view type) const { return types_.find(type) != types_.end(); }
  // The state message as JSON; nothing: its type is not known, or the bytes are none.
  std::optional<std::string> json(std::string_view type, std::string_view message) const;

 private:
  struct Known {
    std::shared_ptr<const Descriptors> descriptors;  // of its module
    std::string state_type;
  };
  std::map<std::string, Known, std::less<>> types_;
};

}  // namespace orbit::kernel
