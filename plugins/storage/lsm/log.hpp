// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The write-ahead log: files of checksummed records. A file whose records have all reached tables is renamed and
// overwritten from its start, and one that is synced grows by zeros in steps, so that a sync mostly has no metadata to
// write. A record says how far the log was synced when it was written: that tells a torn end, which is normal after a
// crash, from damage.
#pragma once

#include <atomic>
#include <compare>
#include <memory>
#include <optional>
#include <orbit/files.hpp>

#include "coding.hpp"
#include "keyring.hpp"

namespace orbit::lsm {

struct LogPosition {
  uint64_t log = 0;
  uint64_t offset = 0;
  auto operator<=>(const LogPosition&) const = default;
};

constexpr size_t kLogPayloadBytesMax = size_t{1} << 30;

class LogWriter {
 public:
  // Overwrites `file` from its start; `previous` is where the log before it ends. `seal`: encrypts, with a key of this log alone.
  LogWriter(std::unique_ptr<File> file, uint64_t number, LogPosition previous, std::optional<FileSeal> seal);
  // `synced`: how far the log is known to be synced. `will_sync`: a sync follows at once. Throws; the record may be in
  // the file or not then.
  void append(uint64_t sequence, LogPosition synced, Bytes operations, bool will_sync);
  void sync();
  // Cuts off what is behind the last record; nothing may be appended afterwards.
  void close();
  // A write or a sync failed: what is in the file is not known.
  // [any thread] While a write or a sync goes on it says so too.
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  bool synced() const noexcept { return synced_ == offset_; }
  LogPosition end() const noexcept { return {number_, offset_}; }
  uint64_t number() const noexcept { return number_; }

 private:
  void add_record(Bytes head, Bytes body);

  const std::unique_ptr<File> file_;
  const uint64_t number_;
  const LogPosition previous_;
  const std::optional<FileSeal> seal_;
  uint64_t file_bytes_;
  uint64_t offset_ = 0;
  uint64_t synced_ = 0;
  std::atomic<bool> failed_{false};  // the flusher asks while the writer syncs
  std::string buffer_;
  std::string sealed_;
};

struct LogRecord {
  uint64_t sequence = 0;  // of the first operation; 0: no operations, but where the log before this one ends
  LogPosition position;   // how far the log was synced, or where the one before ends
  Bytes operations;  // of an encrypted log: sealed; where sequence is 0, the log's key
};

// Reads a log's bytes, which it borrows. Trusts nothing in them.
class LogReader {
 public:
  LogReader(Bytes data, uint64_t number) noexcept : data_(data), number_(number) {}
  // The record at the offset. False, and the offset stays: there is no whole one.
  bool next(LogRecord& record);
  uint64_t offset() const noexcept { return offset_; }
  // To the next place where there is a whole record. False: there is none.
  bool skip_damage();

 private:
  bool parse(uint64_t offset, LogRecord& record, uint64_t& end) const;
  Bytes data_;
  uint64_t number_;
  uint64_t offset_ = 0;
};

// The key that the first record of an encrypted log names. DATA_LOSS (raised): it is damaged.
std::unique_ptr<Sealer> open_log_key(const Keyring& keyring, const LogRecord& record, uint64_t number, const std::string& path);
// The operations of the record at `offset`, in plain; raises DATA_LOSS.
std::string open_log_record(const Sealer& sealer, const LogRecord& record, LogPosition at, const std::string& path);

// The operations of a record, as they are written there.
void put_operation(std::string& out, Kind kind, Bytes key, Bytes value);
struct LogOperation {
  Kind kind;
  Bytes key;
  Bytes value;
};
LogOperation get_operation(Parser& parser);

}  // namespace orbit::lsm
