// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What is remembered of a request with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): an actor for each key, with
// SYNC durability, which the REST plugin brings itself. Native: no other wire can call it.
//
// A key is begun before the call and finished with the answer. A retry gets the answer again; one that comes while the first is
// still at work, or after the node ended in the middle of it, is told so: it is never carried out twice.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "orbit/ext/actors.h"
#include "orbit/http/message.hpp"
#include "orbit/result.hpp"

namespace orbit::rest {

inline constexpr const char* kIdempotencyType = "orbit.rest.Idempotency";
inline constexpr size_t kIdempotencyKeyMax = 255;

enum : uint32_t { kIdempotencyBegin = 1, kIdempotencyFinish = 2, kIdempotencyForget = 3 };

enum class Begun : uint8_t {
  fresh,     // carry it out, then finish or forget
  replay,    // `response` is the answer
  at_work,   // the first one is not answered yet
  unknown,   // the node ended while the first one was at work
  mismatch,  // another request had this key
};

// The payload of all three methods; lives with the sender.
struct IdempotencyTurn {
  std::string fingerprint;       // of the request
  uint64_t expires_at_ms = 0;    // Unix time
  http::Response response;       // to finish with; what was found
  Begun begun = Begun::fresh;    // what begin found
};

// With the table of orbit.actor_types/1 for it. `boot` tells this process from the ones before.
const orbit_actor_types_v1* idempotency_types(uint64_t boot);
extern const orbit_payload_ops kIdempotencyOps;

// SHA-256 of what makes two requests the same.
std::string fingerprint_of(std::string_view method, std::string_view target, std::string_view body);

// The header's value as a key: a quoted string as the draft has it, or, since many clients send it so, bare.
Result<std::string> read_idempotency_key(std::string_view header);

}  // namespace orbit::rest
