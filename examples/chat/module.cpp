// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "chat.hpp"

ORBIT_ACTOR_MODULE("chat", "1.0.0", chat::RoomActor, chat::MemberActor)
