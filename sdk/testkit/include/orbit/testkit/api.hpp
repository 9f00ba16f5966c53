// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

// What liborbit_testkit_node exports; the kernel inside it stays hidden.
#define ORBIT_TESTKIT_API __attribute__((visibility("default")))
