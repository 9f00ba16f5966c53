/* SPDX-License-Identifier: MIT OR BSD-3-Clause */
#include "headers.h"
