// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "failure.hpp"

#include "orbit/v1/error_details.pb.h"

namespace orbit::client::detail {

namespace {

constexpr std::string_view kPrefix = "type.googleapis.com/";

void read_details(const std::string& bytes, Failure* out) {
  v1::StatusDetails details;
  if (bytes.empty() || !details.ParseFromString(bytes)) return;
  for (const v1::AnyDetail& any : details.details()) {
    if (any.type_url() == std::string(kPrefix) + "google.rpc.ErrorInfo") {
      v1::ErrorInfo info;
      if (!info.ParseFromString(any.value())) continue;
      out->reason = info.reason();
      out->domain = info.domain();
      for (const auto& [name, value] : info.metadata()) out->metadata[name] = value;
    } else if (any.type_url() == std::string(kPrefix) + "google.rpc.RetryInfo") {
      v1::RetryInfo retry;
      if (!retry.ParseFromString(any.value())) continue;
      out->retry_after = std::chrono::seconds(retry.retry_delay().seconds()) +
                         std::chrono::milliseconds(retry.retry_delay().nanos() / 1'000'000);
    }
  }
}

}  // namespace

Failure failure_of(const grpc::Status& status) {
  Failure out;
  out.code = static_cast<Code>(status.error_code());
  out.message = status.error_message();
  read_details(status.error_details(), &out);
  // The node names the actor in every error that comes from behind its access check. Time runs out on either side of
  // it.
  out.may_have_run = out.domain != "orbit" || out.metadata.contains("type") || out.metadata.contains("method") ||
                     out.code == Code::deadline_exceeded || out.code == Code::cancelled;
  return out;
}

}  // namespace orbit::client::detail
