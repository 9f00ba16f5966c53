/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * An interface between the old plugin and its test.
 */
#pragma once

#include <stdint.h>

#define OLD_PLUGIN_V1 "test.old/1"

struct old_plugin_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t (*size_bytes)(void* self);
  const char* (*text)(void* self);
  int (*started)(void* self);
};
