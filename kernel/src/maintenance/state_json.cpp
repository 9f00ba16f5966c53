// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/state_json.hpp"

#include <boost/json.hpp>

namespace orbit::kernel {

namespace json = boost::json;

json::object stats_json(const StateStats& stats) {
  json::array types;
  for (const auto& [type, amounts] : stats.types) {
    json::object row{{"type", type}};
    for (size_t kind = 0; kind < kKeyKinds; ++kind) {
      if (amounts[kind].keys == 0) continue;
      row[kind_name(static_cast<KeyKind>(kind))] =
          json::object{{"keys", amounts[kind].keys}, {"bytes", amounts[kind].bytes}};
    }
    types.push_back(std::move(row));
  }
  return {{"engine_bytes", stats.engine_bytes}, {"types", std::move(types)}};
}

json::object check_json(const StateCheck& checked) {
  json::object out = stats_json(checked.stats);
  out["damaged"] = checked.damaged;
  out["damages"] = json::value_from(checked.damages);
  out["orphans"] = checked.orphans;
  out["counts_compared"] = checked.counts_compared;
  return out;
}

}  // namespace orbit::kernel
