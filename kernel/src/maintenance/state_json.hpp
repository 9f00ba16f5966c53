// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What was found in a storage instance, as JSON for the command line and the admin API.
#pragma once

#include <boost/json/fwd.hpp>

#include "maintenance/state_check.hpp"

namespace orbit::kernel {

// {engine_bytes, types: [{type, main: {keys, bytes}, ...}]}
boost::json::object stats_json(const StateStats& stats);
// The same with damaged, damages, orphans and counts_compared.
boost::json::object check_json(const StateCheck& checked);

}  // namespace orbit::kernel
