// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/backup_place.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "plugin/durable_file.hpp"
#include "plugin/plugin_host.hpp"
#include "state/engine.hpp"

namespace orbit::kernel {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSchemeEnd = "://";
constexpr const char* kClaimName = "claim";
constexpr uint64_t kClaimBytesMax = 1024;
constexpr std::chrono::milliseconds kClaimLookEvery{1000};

class FolderClaimed final : public BackupClaim {
 public:
  FolderClaim claim;
  Result<> renew() override { return {}; }
};

std::string random_word() {
  std::random_device random;
  std::string out;
  for (int i = 0; i < 4; ++i) out += std::to_string(random()) + ".";
  out.pop_back();
  return out;
}

// For whoever finds the claim.
std::string this_process() {
  char host[256] = "";
  static_cast<void>(::gethostname(host, sizeof host - 1));
  return "process " + std::to_string(::getpid()) + " on " + host;
}

}  // namespace

// ---- a folder ------------------------------------------------------------------------------------------------------

std::string FolderPlace::where(const std::string& name) const {
  return "'" + folder_ + (name.empty() ? "" : "/" + name) + "'";
}

Result<std::string> FolderPlace::read(const std::string& name, uint64_t bytes_max) {
  const std::string path = folder_ + "/" + name;
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  if (error) return fail(Code::not_found, where(name) + ": " + error.message());
  if (size > bytes_max)
    return fail(Code::data_loss,
                where(name) + " has " + std::to_string(size) + " bytes, expected at most " + std::to_string(bytes_max));
  std::string out(size, '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in.read(out.data(), static_cast<std::streamsize>(size)))
    return fail(Code::data_loss, where(name) + " cannot be read");
  return out;
}

Result<> FolderPlace::write(const std::string& name, std::string_view bytes, bool replace) {
  const std::string path = folder_ + "/" + name;
  std::error_code error;
  // Who writes has the claim, so nobody makes it in between.
  if (!replace && fs::exists(path, error)) return fail(Code::already_exists, where(name) + " exists");
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) return fail(Code::unavailable, "'" + fs::path(path).parent_path().string() + "': " + error.message());
  return write_file_durably(path, bytes);
}

Result<std::vector<std::string>> FolderPlace::list(const std::string& prefix) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ + "/" + prefix, error))
    if (!entry.is_directory()) out.push_back(entry.path().lexically_relative(folder_).string());
  if (error && error != std::errc::no_such_file_or_directory)
    return fail(Code::unavailable, where(prefix) + ": " + error.message());
  std::sort(out.begin(), out.end());
  return out;
}

Result<> FolderPlace::remove(const std::string& name) {
  std::error_code error;
  if (fs::remove(folder_ + "/" + name, error); error)
    return fail(Code::unavailable, where(name) + ": " + error.message());
  return {};
}

Result<std::unique_ptr<BackupClaim>> FolderPlace::claim(const std::atomic<bool>*) {
  auto out = std::make_unique<FolderClaimed>();
  if (auto taken = out->claim.take(folder_); !taken) return tl::unexpected(taken.error());
  return std::unique_ptr<BackupClaim>(std::move(out));
}

// ---- a plugin's place ----------------------------------------------------------------------------------------------

// The object has a random word of the claim's own, and a number that grows while its process lives.
class TargetPlace::Claim final : public BackupClaim {
 public:
  Claim(TargetPlace& place, const std::atomic<bool>* stop)
      : place_(place), stop_(stop), mine_(random_word() + " " + this_process()) {}
  ~Claim() override {
    if (has_it_ && is_mine()) static_cast<void>(place_.remove(kClaimName));
  }

  Result<> take() {
    for (bool removed_dead = false;; removed_dead = true) {
      const Result<> made = place_.write(kClaimName, text(), false);
      if (made) {
        has_it_ = true;
        renewed_ = std::chrono::steady_clock::now();
        return {};
      }
      if (made.error().code != Code::already_exists || removed_dead) return made;
      if (auto dead = wait_until_dead(); !dead) return dead;
      if (auto removed = place_.remove(kClaimName); !removed) return removed;
    }
  }

  Result<> renew() override {
    if (std::chrono::steady_clock::now() - renewed_ < place_.times_.renew_every) return {};
    if (!is_mine()) {
      has_it_ = false;
      return fail(Code::aborted,
                  place_.where(kClaimName) + " is another's now: this process was not heard of for too long");
    }
    ++number_;
    if (auto written = place_.write(kClaimName, text(), true); !written) return written;
    renewed_ = std::chrono::steady_clock::now();
    return {};
  }

 private:
  std::string text() const { return std::to_string(number_) + " " + mine_ + "\n"; }
  bool is_mine() {
    const auto now = place_.read(kClaimName, kClaimBytesMax);
    return now && now->ends_with(" " + mine_ + "\n");
  }

  // An error while its process shows that it lives.
  Result<> wait_until_dead() {
    const auto first = place_.read(kClaimName, kClaimBytesMax);
    if (!first) return first.error().code == Code::not_found ? Result<>() : tl::unexpected(first.error());
    for (std::chrono::milliseconds waited{0}; waited < place_.times_.dead_after; waited += kClaimLookEvery) {
      if (stop_ != nullptr && stop_->load(std::memory_order_relaxed))
        return fail(Code::cancelled, "the backup was given up");
      place_.times_.pause ? place_.times_.pause(kClaimLookEvery) : std::this_thread::sleep_for(kClaimLookEvery);
      const auto now = place_.read(kClaimName, kClaimBytesMax);
      if (!now && now.error().code == Code::not_found) return {};
      if (!now) return tl::unexpected(now.error());
      if (*now == *first) continue;
      std::string who = now->substr(0, now->find('\n'));
      for (int words = 0; words < 2; ++words) who.erase(0, std::min(who.size(), who.find(' ') + 1));
      return fail(Code::failed_precondition,
                  place_.where("") + " is being written to by another backup (" + who + "); one at a time");
    }
    return {};
  }

  TargetPlace& place_;
  const std::atomic<bool>* const stop_;
  const std::string mine_;
  uint64_t number_ = 0;
  bool has_it_ = false;
  std::chrono::steady_clock::time_point renewed_{};
};

Result<std::unique_ptr<TargetPlace>> TargetPlace::open(const orbit_backup_target_v1* table, void* self,
                                                       const std::string& address, ClaimTimes times) {
  std::unique_ptr<TargetPlace> out(new TargetPlace(table, self, address, std::move(times)));
  ErrorOut error;
  const orbit_code code = table->open(self, to_c(Bytes(address)), &out->place_, &error);
  if (code != ORBIT_OK) return tl::unexpected(error.take(code));
  return out;
}

TargetPlace::~TargetPlace() {
  if (place_ != nullptr) table_->close(self_, place_);
}

std::string TargetPlace::where(const std::string& name) const {
  return "'" + address_ + (name.empty() || address_.ends_with('/') ? "" : "/") + name + "'";
}

Result<std::string> TargetPlace::read(const std::string& name, uint64_t bytes_max) {
  std::string out;
  ErrorOut error;
  const orbit_sink sink{&out,
                        [](void* into, orbit_bytes part) { static_cast<std::string*>(into)->append(from_c(part)); }};
  const orbit_code code = table_->read(self_, place_, to_c(Bytes(name)), bytes_max, sink, &error);
  if (code == ORBIT_NOT_FOUND) return fail(Code::not_found, where(name) + " does not exist");
  if (code != ORBIT_OK) return tl::unexpected(error.take(code));
  return out;
}

Result<> TargetPlace::write(const std::string& name, std::string_view bytes, bool replace) {
  ErrorOut error;
  const orbit_code code = table_->write(self_, place_, to_c(Bytes(name)), to_c(Bytes(bytes)), replace ? 1 : 0, &error);
  if (code == ORBIT_ALREADY_EXISTS) return fail(Code::already_exists, where(name) + " exists");
  if (code != ORBIT_OK) return tl::unexpected(error.take(code));
  return {};
}

Result<std::vector<std::string>> TargetPlace::list(const std::string& prefix) {
  std::vector<std::string> out;
  ErrorOut error;
  const orbit_code code = table_->list(
      self_, place_, to_c(Bytes(prefix)),
      [](void* ctx, orbit_bytes name, uint64_t) {
        static_cast<std::vector<std::string>*>(ctx)->emplace_back(from_c(name));
      },
      &out, &error);
  if (code != ORBIT_OK) return tl::unexpected(error.take(code));
  return out;
}

Result<> TargetPlace::remove(const std::string& name) {
  ErrorOut error;
  const orbit_code code = table_->remove(self_, place_, to_c(Bytes(name)), &error);
  if (code != ORBIT_OK) return tl::unexpected(error.take(code));
  return {};
}

Result<std::unique_ptr<BackupClaim>> TargetPlace::claim(const std::atomic<bool>* stop) {
  auto out = std::make_unique<Claim>(*this, stop);
  if (auto taken = out->take(); !taken) return tl::unexpected(taken.error());
  return std::unique_ptr<BackupClaim>(std::move(out));
}

// ---- which
// -----------------------------------------------------------------------------------------------------------

bool is_target_address(std::string_view address) noexcept {
  const size_t end = address.find(kSchemeEnd);
  return end != std::string_view::npos && end > 0 &&
         address.substr(0, end).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string_view::npos;
}

Result<OpenPlace> find_backup_place(const std::string& address, const PluginHost& host) {
  if (!is_target_address(address))
    return [address]() -> Result<std::unique_ptr<BackupPlace>> { return std::make_unique<FolderPlace>(address); };
  const std::string scheme = address.substr(0, address.find(kSchemeEnd));
  const PluginHost::Provided* found = nullptr;
  std::string known;
  const auto all = host.provided(ORBIT_BACKUP_TARGET_V1);
  for (const auto& one : all) {
    const std::string its(from_c(static_cast<const orbit_backup_target_v1*>(one.table)->scheme(one.self)));
    known += (known.empty() ? "" : ", ") + its + ":// ('" + one.instance + "')";
    if (its != scheme) continue;
    if (found != nullptr)
      return fail(Code::failed_precondition, "'" + found->instance + "' and '" + one.instance + "' both open " +
                                                 scheme + "://; leave one of them in the configuration");
    found = &one;
  }
  if (found == nullptr)
    return fail(Code::not_found, "no plugin of the configuration opens '" + address + "'; found " +
                                     (known.empty() ? "none that opens any address" : known) +
                                     ", expected a [[plugin]] that provides " ORBIT_BACKUP_TARGET_V1 " for " + scheme +
                                     "://");
  return [table = static_cast<const orbit_backup_target_v1*>(found->table), self = found->self,
          address]() -> Result<std::unique_ptr<BackupPlace>> {
    auto opened = TargetPlace::open(table, self, address);
    if (!opened) return tl::unexpected(opened.error());
    return std::unique_ptr<BackupPlace>(std::move(*opened));
  };
}

}  // namespace orbit::kernel
