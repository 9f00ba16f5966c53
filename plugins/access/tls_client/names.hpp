// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The names in a certificate (RFC 5280), by which its owner is known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "orbit/result.hpp"

namespace orbit::certificate {

enum class NameFrom { subject_cn, subject, san_dns, san_email, san_uri };

// The certificate's name of that kind: the only one there is, because with several it is not said which is meant. `der`: the
// whole certificate. A subject is written as RFC 2253 says, "CN=alice,O=Example".
Result<std::string> name_of(std::string_view der, NameFrom from);

}  // namespace orbit::certificate
