// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How long a server wants to be left alone after an answer that is no success.
#pragma once

#include <cstdint>
#include <optional>

#include "http.hpp"

namespace orbit::s3 {

// From the answer on, in milliseconds: Amazon's x-amz-retry-after, which is in milliseconds, else Retry-After (RFC 9110,
// section 10.2.3: seconds, or an HTTP-date in any of its three forms; one that is past is 0). A date counts from the
// answer's own Date, so that nobody's clock matters; without a good one from `now_s`, in Unix seconds. More than 64 bits
// can say is the most that they can. Nothing: it does not say, or in no form that is allowed.
std::optional<uint64_t> retry_after_ms(const HttpAnswer& answer, int64_t now_s);

}  // namespace orbit::s3
