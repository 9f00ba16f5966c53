// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/access_config.hpp"

#include <algorithm>

namespace orbit::kernel {

AccessOptions access_options(const NodeConfig& config, Mistakes& mistakes) {
  AccessOptions out;
  out.anonymous_roles = config.access.strings("anonymous_roles");
  out.authenticating_max = static_cast<uint32_t>(config.access.integer("authenticating_max"));
  out.remember_ms = static_cast<uint64_t>(config.access.integer("remember_ms"));
  out.remembered_max = static_cast<uint32_t>(config.access.integer("remembered_max"));
  out.lockout.name_failures = static_cast<uint32_t>(config.access.integer("lockout_name_failures"));
  out.lockout.address_failures = static_cast<uint32_t>(config.access.integer("lockout_address_failures"));
  out.lockout.first_ms = static_cast<uint64_t>(config.access.integer("lockout_ms"));
  out.lockout.most_ms = std::max(out.lockout.first_ms, static_cast<uint64_t>(config.access.integer("lockout_ms_max")));
  out.lockout.entries_max = static_cast<size_t>(config.access.integer("lockout_entries_max"));
  out.revocations_file = config.node.string("data_dir") + "/revocations";
  out.revocations_max = static_cast<size_t>(config.access.integer("revocations_max"));
  for (const RuleEntry& entry : config.rules) {
    const auto patterns = [&](const char* key) {
      std::vector<Pattern> parsed;
      for (const std::string& text : entry.values.strings(key)) {
        auto pattern = Pattern::parse(text);
        if (pattern)
          parsed.push_back(std::move(*pattern));
        else
          mistakes.add(entry.position, "'" + std::string(key) + "' in [[rule]]: " + pattern.error().message);
      }
      return parsed;
    };
    out.rules.push_back({.roles = entry.values.strings("roles"),
                         .types = patterns("types"),
                         .keys = patterns("keys"),
                         .methods = patterns("methods"),
                         .admin = patterns("admin"),
                         .read_only = entry.values.boolean("read_only"),
                         .allow = entry.values.string("effect") == "allow"});
  }
  return out;
}

}  // namespace orbit::kernel
