// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "backup_objects.hpp"

namespace orbit::s3 {

BackupAddress parse_backup_address(const std::string& address) {
  constexpr std::string_view kScheme = "s3://";
  const auto wrong = [&] {
    raise(Code::invalid_argument, "found \"" + address + "\", expected s3://BUCKET or s3://BUCKET/PREFIX");
  };
  if (!address.starts_with(kScheme)) wrong();
  const std::string rest = address.substr(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  BackupAddress out{rest.substr(0, slash), rest.substr(std::min(slash + 1, rest.size()))};
  if (out.bucket.empty()) wrong();
  return out;
}

void BackupStore::create(const std::string& name, Bytes bytes) {
  if (!store_->put(name, bytes, PutCondition::absent())) {
    // Perhaps by this very write, whose answer was lost.
    const auto now = store_->get(name);
    if (!now || now->bytes != bytes) raise(Code::already_exists, store_->describe(name) + " exists");
  }
  if (honours_conditions_) return;
  // The same bytes again, so that nothing is lost where it succeeds.
  if (store_->put(name, bytes, PutCondition::absent()))
    raise(Code::failed_precondition,
          store_->describe(name) +
              ": the store accepted a write whose condition If-None-Match was not met. Nothing would keep two "
              "backups from overwriting each other: it cannot be used");
  honours_conditions_ = true;
}

}  // namespace orbit::s3
