// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Whether a key that came over a wire is one that actors of a type have. Every wire asks this, so that all refuse
// alike.
#pragma once

#include "ext/descriptors.h"
#include "key.hpp"
#include "result.hpp"

namespace orbit {

// A key as a person or a client wrote it, checked against what the type's keys are. The stored form is the text itself.
inline Result<> check_key(orbit_key_kind kind, Bytes key) {
  switch (kind) {
    case ORBIT_KEY_BYTES:
      return {};
    case ORBIT_KEY_INT64: {
      auto parsed = Key<KeyKind::int64>::parse(key);
      return parsed ? Result<>() : tl::unexpected<Error>(parsed.error());
    }
    default: {
      auto parsed = Key<KeyKind::string>::parse(key);
      return parsed ? Result<>() : tl::unexpected<Error>(parsed.error());
    }
  }
}

}  // namespace orbit
