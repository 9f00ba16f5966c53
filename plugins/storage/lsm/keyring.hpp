// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Encryption at rest (docs/formats/storage-lsm.md): the database has data keys, of which the newest is for new files;
// each table and each log has a key of its own that is derived from one. The manifest holds the data keys, wrapped by
// the master key.
#pragma once

#include <memory>
#include <orbit/encryption.hpp>
#include <set>

#include "coding.hpp"

namespace orbit::lsm {

// In the clear in each file: which data key, and what makes the file's key another one than all others.
struct FileKey {
  uint64_t data_key;
  char salt[16];
};
static_assert(sizeof(FileKey) == 24);

// What a writer needs to encrypt a file.
struct FileSeal {
  FileKey key;
  std::unique_ptr<Sealer> sealer;
};

class Keyring {
 public:
  // Of a new database.
  explicit Keyring(std::shared_ptr<const MasterKeys> master);
  // What lies in a sealed manifest. Gives its plain content; raises Failure.
  static std::unique_ptr<Keyring> open_manifest(Bytes sealed, const std::string& path,
                                                std::shared_ptr<const MasterKeys> master, std::string& plain);
  static bool is_sealed_manifest(Bytes data) noexcept;
  // The newest data key goes along, and those that files in `used` need.
  std::string seal_manifest(Bytes plain, const std::set<uint64_t>& used) const;
  std::set<uint64_t> all() const;

  FileSeal new_file() const;
  // DATA_LOSS (raised): there is no such data key.
  std::unique_ptr<Sealer> sealer_of(const FileKey& key, const std::string& path) const;

 private:
  struct DataKey {
    uint64_t id;
    EncryptionKey key;
    WrappedKey wrapped;
  };
  Keyring(std::shared_ptr<const MasterKeys> master, std::vector<DataKey> keys)
      : master_(std::move(master)), keys_(std::move(keys)) {}
  void add();
  void ready();

  const std::shared_ptr<const MasterKeys> master_;
  std::vector<DataKey> keys_;  // the newest last
  std::unique_ptr<Sealer> manifest_sealer_;
};

}  // namespace orbit::lsm
