// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/backup_target.hpp>

#include "../backup_objects.hpp"
#include "../client.hpp"
#include "../client_settings.hpp"

namespace {

using orbit::Result;
using orbit::s3::BackupStore;
using orbit::s3::Client;
using orbit::s3::ClientOptions;
using orbit::s3::guarded;

class Objects final : public orbit::BackupObjects {
 public:
  explicit Objects(std::shared_ptr<Client> client) : store_(std::move(client)) {}

  Result<std::optional<std::string>> read(const std::string& name, uint64_t) override {
    return guarded([&] { return store_.read(name); });
  }
  Result<> write(const std::string& name, orbit::Bytes bytes, bool replace) override {
    return guarded([&] { replace ? store_.replace(name, bytes) : store_.create(name, bytes); });
  }
  Result<> list(const std::string& prefix, const std::function<void(const std::string&, uint64_t)>& visit) override {
    return guarded([&] { store_.list(prefix, visit); });
  }
  Result<> remove(const std::string& name) override {
    return guarded([&] { store_.remove(name); });
  }

 private:
  BackupStore store_;
};

class S3Backups final : public orbit::BackupTargetPlugin<S3Backups> {
 public:
  static constexpr const char* kScheme = "s3";
  static constexpr orbit::PluginInfo kInfo{
      .id = "orbit.backup.s3",
      .version = "0.1.0",
      .doc = "Backups in buckets of Amazon S3 or a store like it, at addresses s3://BUCKET/PREFIX.",
      .provides = {ORBIT_BACKUP_TARGET_V1},
      .options = orbit::s3::kClientOptions,
  };

  static Result<std::unique_ptr<S3Backups>> create(orbit::Host, const orbit::Config& config) {
    // The bucket comes with each address.
    auto options = orbit::s3::client_options(config, "any", "");
    if (!options) return tl::unexpected<orbit::Error>(options.error());
    return std::make_unique<S3Backups>(std::move(*options));
  }
  explicit S3Backups(ClientOptions options) : options_(std::move(options)) {}

  Result<std::unique_ptr<orbit::BackupObjects>> open_place(const std::string& address) {
    return guarded([&]() -> std::unique_ptr<orbit::BackupObjects> {
      const auto parsed = orbit::s3::parse_backup_address(address);
      ClientOptions options = options_;
      orbit::s3::set_place(options, parsed.bucket, parsed.prefix);
      return std::make_unique<Objects>(std::make_shared<Client>(std::move(options)));
    });
  }

 private:
  const ClientOptions options_;
};

}  // namespace

ORBIT_PLUGIN(S3Backups)
