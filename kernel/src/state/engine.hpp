// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A storage instance as its plugin provides it.
#pragma once

#include <string>

#include "orbit/ext/storage.h"

namespace orbit::kernel {

struct Engine {
  std::string name;  // of the [[plugin]]
  const orbit_storage_v1* table = nullptr;
  const orbit_storage_cached_v1* cached = nullptr;  // may be null
  void* self = nullptr;
};

}  // namespace orbit::kernel
