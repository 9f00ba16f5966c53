// expected: no matching constructor for initialization of 'probe::Numbered'
// SPDX-License-Identifier: MIT OR BSD-3-Clause

#include <orbit/actor_module.hpp>

#include "probe.orbit.hpp"

probe::Numbered one("a name");
