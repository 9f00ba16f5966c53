// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "cart.hpp"

ORBIT_ACTOR_MODULE("cart", "1.0.0", cart::CartActor)
