// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Where backups lie: a folder, or what a plugin makes of an address (orbit.backup_target/1).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "orbit/ext/backup_target.h"
#include "orbit/result.hpp"

namespace orbit::kernel {

class PluginHost;

// The right to write and remove, which one has at a time.
class BackupClaim {
 public:
  virtual ~BackupClaim() = default;
  // To be called now and then, and before what makes a backup count. An error when somebody else has it now.
  virtual Result<> renew() = 0;
};

// Objects of bytes by name ("chunks/ab/ab12", "manifests/00000001").
class BackupPlace {
 public:
  virtual ~BackupPlace() = default;
  // How people find it.
  virtual std::string where(const std::string& name) const = 0;
  // NOT_FOUND; DATA_LOSS when it is longer.
  virtual Result<std::string> read(const std::string& name, uint64_t bytes_max) = 0;
  // Whole and durable, or not at all. With `replace` false it must not exist: ALREADY_EXISTS.
  virtual Result<> write(const std::string& name, std::string_view bytes, bool replace) = 0;
  // The names that begin with the prefix, a folder's with its slash, in ascending order.
  virtual Result<std::vector<std::string>> list(const std::string& prefix) = 0;
  virtual Result<> remove(const std::string& name) = 0;
  // Refused while somebody else has it; may take as long as it takes to be sure of that. Gives up soon when `stop` (may
  // be null) becomes true.
  virtual Result<std::unique_ptr<BackupClaim>> claim(const std::atomic<bool>* stop) = 0;
};

class FolderPlace final : public BackupPlace {
 public:
  explicit FolderPlace(std::string folder) : folder_(std::move(folder)) {}
  std::string where(const std::string& name) const override;
  Result<std::string> read(const std::string& name, uint64_t bytes_max) override;
  Result<> write(const std::string& name, std::string_view bytes, bool replace) override;
  Result<std::vector<std::string>> list(const std::string& prefix) override;
  Result<> remove(const std::string& name) override;
  Result<std::unique_ptr<BackupClaim>> claim(const std::atomic<bool>* stop) override;

 private:
  const std::string folder_;
};

// How a claim on a plugin's place is kept. Nobody's clock is compared with another's: a claim whose object does not
// change for as long as `dead_after` belongs to a process that has ended.
struct ClaimTimes {
  std::chrono::milliseconds renew_every = std::chrono::seconds(15);
  std::chrono::milliseconds dead_after = std::chrono::seconds(180);
  std::function<void(std::chrono::milliseconds)> pause;  // null: sleeps
};

class TargetPlace final : public BackupPlace {
 public:
  static Result<std::unique_ptr<TargetPlace>> open(const orbit_backup_target_v1* table, void* self,
                                                   const std::string& address, ClaimTimes times = {});
  ~TargetPlace() override;
  std::string where(const std::string& name) const override;
  Result<std::string> read(const std::string& name, uint64_t bytes_max) override;
  Result<> write(const std::string& name, std::string_view bytes, bool replace) override;
  Result<std::vector<std::string>> list(const std::string& prefix) override;
  Result<> remove(const std::string& name) override;
  Result<std::unique_ptr<BackupClaim>> claim(const std::atomic<bool>* stop) override;

 private:
  class Claim;
  TargetPlace(const orbit_backup_target_v1* table, void* self, std::string address, ClaimTimes times)
      : table_(table), self_(self), address_(std::move(address)), times_(std::move(times)) {}

  const orbit_backup_target_v1* const table_;
  void* const self_;
  const std::string address_;
  const ClaimTimes times_;
  orbit_backup_place* place_ = nullptr;
};

// "SCHEME://..." and not the path of a folder.
bool is_target_address(std::string_view address) noexcept;
// What opens a folder, or the place of an address with one of the host's plugins, which must have been created; that
// may wait for a network. [main]; the result: [any thread]
using OpenPlace = std::function<Result<std::unique_ptr<BackupPlace>>()>;
Result<OpenPlace> find_backup_place(const std::string& address, const PluginHost& host);

}  // namespace orbit::kernel
