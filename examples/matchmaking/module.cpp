// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "matchmaking.hpp"

ORBIT_ACTOR_MODULE("matchmaking", "1.0.0", matchmaking::TicketActor, matchmaking::BucketActor)
