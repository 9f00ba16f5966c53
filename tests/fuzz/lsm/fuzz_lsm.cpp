// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The first byte chooses which reader gets the rest: the log, operations of a log record, a block, the manifest (with
// the right checksum; in plain, or of an encrypted database), or a table file. Whatever the bytes: data, DATA_LOSS or
// FAILED_PRECONDITION, and no key out of order from a seek.
#include <cstdint>
#include <cstdlib>
#include <orbit/testkit/faulty_files.hpp>
#include <string>

#include "manifest.hpp"
#include "table.hpp"

using namespace orbit::lsm;

namespace {

void read_log(orbit::Bytes data) {
  LogReader reader(data, 7);
  LogRecord record;
  uint64_t last = 0;
  do {
    while (reader.next(record)) {
      if (reader.offset() <= last || reader.offset() > data.size()) std::abort();
      last = reader.offset();
    }
  } while (reader.skip_damage());
}

void read_block(orbit::Bytes data) {
  const std::string where = "block";
  BlockCursor at(where);
  at.set(data);
  size_t count = 0;
  for (at.first(); at.valid() && count < 10'000; at.next()) ++count;
  for (at.last(); at.valid() && count < 20'000; at.prev()) ++count;
  at.seek("key", seek_tag(5));
  const orbit::Bytes key = "k";
  at.seek_before(&key);
}

void read_table(orbit::Bytes data) {
  orbit::testkit::FaultyFiles files;
  must(files.open("t", orbit::OpenMode::exclusive));
  files.set_content("t", std::string(data));
  Epochs epochs;
  Cache cache(epochs, 1 << 20);
  const auto table = Table::open(files, "t", 3, 0, cache, epochs, nullptr);
  table->verify();
  const auto at = table->cursor(true);
  for (at->seek({}, ~uint64_t{0}); at->valid(); at->next()) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* raw, size_t size) {
  if (size == 0) return 0;
  const orbit::Bytes data(reinterpret_cast<const char*>(raw) + 1, size - 1);
  const std::string where = "fuzz";
  try {
    switch (raw[0] % 6) {
      case 0:
        read_log(data);
        break;
      case 1: {
        Parser operations(data, where);
        while (!operations.done()) get_operation(operations);
        break;
      }
      case 2:
        read_block(data);
        break;
      case 3: {
        // A manifest whose checksum is right: the rest must still be read with care.
        std::string whole = Manifest().encode().substr(0, 8);
        whole.append(data);
        put_fixed(whole, checksum(whole, load<uint64_t>(whole.data())));
        Manifest::decode(whole, where);
        break;
      }
      case 5: {
        // The same of an encrypted database: what is read before anything is authenticated.
        static const auto master = std::make_shared<const orbit::MasterKeys>(orbit::EncryptionKey());
        std::string whole = Keyring(master).seal_manifest({}, {}).substr(0, 16);
        whole.append(data);
        put_fixed(whole, checksum(whole, load<uint64_t>(whole.data())));
        std::string plain;
        Keyring::open_manifest(whole, where, master, plain);
        std::abort();  // nobody has the key
      }
      default:
        read_table(data);
    }
  } catch (const Failure& failure) {
    if (failure.error.code != orbit::Code::data_loss && failure.error.code != orbit::Code::failed_precondition)
      std::abort();
    if (failure.error.message.empty()) std::abort();
  }
  return 0;
}
