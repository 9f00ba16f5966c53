// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "details.hpp"

#include <string>

#include "orbit/key.hpp"
#include "orbit/v1/error_details.pb.h"

namespace orbit::grpc_wire {

namespace {

// Trailers have a bound of 8 KiB in most clients; a long message or key must not break the whole answer.
constexpr size_t kMessageBytesMax = 2048;
constexpr size_t kFieldBytesMax = 256;
constexpr int kRetryDelayMs = 100;

std::string_view cut(std::string_view text, size_t bytes_max) noexcept {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

void add(v1::StatusDetails* status, const char* type, const google::protobuf::MessageLite& detail) {
  v1::AnyDetail* any = status->add_details();
  any->set_type_url(std::string("type.googleapis.com/google.rpc.") + type);
  any->set_value(detail.SerializeAsString());
}

}  // namespace

Outcome outcome_of(const Error& error, const Target& target) {
  Outcome out;
  out.code = error.code;
  out.message = cut(error.message, kMessageBytesMax);
  v1::StatusDetails status;
  status.set_code(static_cast<int32_t>(error.code));
  // Protobuf strings are UTF-8; what an actor says need not be.
  if (detail::is_utf8(out.message)) status.set_message(out.message);
  v1::ErrorInfo info;
  info.set_reason(std::string(code_name(error.code)));
  info.set_domain("orbit");
  for (const auto& [name, value] : {std::pair{"type", target.type}, {"key", target.key}, {"method", target.method}})
    if (!value.empty() && value.size() <= kFieldBytesMax && detail::is_utf8(value))
      (*info.mutable_metadata())[name] = std::string(value);
  add(&status, "ErrorInfo", info);
  if (error.code == Code::unavailable || error.code == Code::resource_exhausted || error.code == Code::aborted) {
    v1::RetryInfo retry;
    retry.mutable_retry_delay()->set_nanos(kRetryDelayMs * 1'000'000);
    add(&status, "RetryInfo", retry);
  }
  out.details = status.SerializeAsString();
  return out;
}

}  // namespace orbit::grpc_wire
