// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "credentials.hpp"

#include "orbit/authorization.hpp"

namespace orbit::grpc_wire {

std::string der_of_pem(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  const size_t begin = pem.find(kBegin);
  if (begin == std::string_view::npos) return {};
  const size_t from = begin + kBegin.size();
  const size_t end = pem.find(kEnd, from);
  if (end == std::string_view::npos) return {};
  return decode_base64(pem.substr(from, end - from), true).value_or(std::string());
}

}  // namespace orbit::grpc_wire
