// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Backups in a bucket: named objects, some of which must not exist yet when they are written.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "object_store.hpp"

namespace orbit::s3 {

// What "s3://BUCKET/PREFIX" names; throws Failure when it is no such address.
struct BackupAddress {
  std::string bucket;
  std::string prefix;
};
BackupAddress parse_backup_address(const std::string& address);

// Functions throw Failure.
class BackupStore {
 public:
  explicit BackupStore(std::shared_ptr<ObjectStore> store) : store_(std::move(store)) {}
  std::optional<std::string> read(const std::string& name) {
    auto found = store_->get(name);
    if (!found) return std::nullopt;
    return std::move(found->bytes);
  }
  void replace(const std::string& name, Bytes bytes) { store_->upload(name, bytes); }
  // Throws ALREADY_EXISTS. Also when the store did not look at the condition: with such a one nothing keeps two backups
  // from overwriting each other.
  void create(const std::string& name, Bytes bytes);
  void list(const std::string& prefix, const std::function<void(const std::string& name, uint64_t size)>& visit) {
    store_->list(prefix, "", visit);
  }
  void remove(const std::string& name) { store_->remove(name); }

 private:
  const std::shared_ptr<ObjectStore> store_;
  bool honours_conditions_ = false;
};

}  // namespace orbit::s3
