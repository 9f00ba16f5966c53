// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "kit.hpp"

ORBIT_ACTOR_MODULE("kit", "1.0.0", kit::TallyActor, kit::SloppyActor, kit::AlarmActor)
