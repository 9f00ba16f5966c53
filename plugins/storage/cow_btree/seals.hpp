// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What is encrypted in a file with a cipher, and how it lies there (docs/formats/storage-cow_btree.md). In memory
// everything is plain. Everything that is sealed is authenticated with its place; checksums are of what lies in the
// file.
#pragma once

#include <orbit/encryption.hpp>

#include "format.hpp"

namespace orbit::cow_btree {

class Seals {
 public:
  Seals(const EncryptionKey& data_key, uint64_t file_id) : sealer_(data_key), file_id_(file_id) {}

  // A page with a gap of kSealBytes before its cells, to the form that it has in the file. `out` is not `page`.
  void seal_page(const char* page, char* out);
  // In place. False: it was not sealed as this page.
  bool open_page(char* page, PageId id) const;
  // Bytes that lie outside of pages: kSealBytes longer.
  std::string seal_run(Bytes plain, PageId page, uint64_t version);
  // In place.
  bool open_run(std::string& bytes, PageId page, uint64_t version) const;
  // A record's operations; `header` as it will be but for its sum.
  void seal_record(const RecordHeader& header, Bytes operations, std::string& out);
  bool open_record(const RecordHeader& header, std::string& operations) const;
  // Everything in the slot but its sum.
  void sign_slot(Slot& slot);
  bool check_slot(const Slot& slot) const;

 private:
  struct Place {
    uint64_t file_id;
    uint64_t kind;
    uint64_t page;
    uint64_t version;
  };
  Sealer sealer_;
  const uint64_t file_id_;
};

// A new data key, wrapped, into the slot; the slot's fields before are set.
EncryptionKey add_data_key(Slot& slot, const MasterKeys& keys);
EncryptionKey unwrap_data_key(const Slot& slot, const MasterKeys& keys, const std::string& path);  // raises Failure
void rewrap_data_key(Slot& slot, const EncryptionKey& key, const MasterKeys& keys);

}  // namespace orbit::cow_btree
