// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "log.hpp"

#include <algorithm>

namespace orbit::lsm {
namespace {

// u32 check of the length, u32 length of the payload, u64 checksum of the payload
constexpr size_t kHeaderBytes = 16;
constexpr uint64_t kZerosUnsynced = 64 << 10;
constexpr uint64_t kZerosMin = 256 << 10;
constexpr uint64_t kZerosMax = 4 << 20;

uint64_t seed_of(uint64_t number, uint64_t offset) noexcept {
  return (number * 0x9e3779b97f4a7c15u) ^ (offset + 0x2545f4914f6cdd1du);
}
// What a sealed record is bound to.
struct RecordPlace {
  uint64_t log;
  uint64_t offset;
  uint64_t sequence;
  LogPosition synced;
};
template <class T>
Bytes octets_of(const T& value) noexcept {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
uint32_t length_check(uint32_t length, uint64_t seed) noexcept {
  return static_cast<uint32_t>(checksum({reinterpret_cast<const char*>(&length), sizeof length}, seed));
}

}  // namespace

LogWriter::LogWriter(std::unique_ptr<File> file, uint64_t number, LogPosition previous, std::optional<FileSeal> seal)
    : file_(std::move(file)), number_(number), previous_(previous), seal_(std::move(seal)), file_bytes_(must(file_->size())) {}

void LogWriter::add_record(Bytes head, Bytes body) {
  const uint64_t seed = seed_of(number_, offset_ + buffer_.size());
  const auto length = static_cast<uint32_t>(head.size() + body.size());
  put_fixed(buffer_, length_check(length, seed));
  put_fixed(buffer_, length);
  const size_t at = buffer_.size();
  put_fixed(buffer_, uint64_t{0});
  buffer_.append(head).append(body);
  const uint64_t sum = checksum(Bytes(buffer_).substr(at + 8), seed);
  std::memcpy(buffer_.data() + at, &sum, sizeof sum);
}

void LogWriter::append(uint64_t sequence, LogPosition synced, Bytes operations, bool will_sync) {
  buffer_.clear();
  std::string head;
  if (offset_ == 0) {
    put_varint(head, 0);
    put_varint(head, previous_.log);
    put_varint(head, previous_.offset);
    std::string key;
    if (seal_) {
      key.assign(octets_of(seal_->key));
      key.resize(key.size() + Sealer::kSealBytes);
      seal_->sealer->seal(octets_of(RecordPlace{number_, 0, 0, previous_}), Bytes(), key.data() + sizeof(FileKey));
    }
    add_record(head, key);
    head.clear();
  }
  put_varint(head, sequence);
  put_varint(head, number_ - synced.log);
  put_varint(head, synced.offset);
  if (seal_) {
    sealed_.resize(Sealer::kSealBytes + operations.size());
    seal_->sealer->seal(octets_of(RecordPlace{number_, offset_ + buffer_.size(), sequence, synced}), operations, sealed_.data());
    operations = sealed_;
  }
  add_record(head, operations);
  const uint64_t end = offset_ + buffer_.size();
  failed_ = true;
  if (end > file_bytes_) {
    // Zeros that are synced now need no change of the file's size, nor new blocks, when records are put over them; and
    // where the file has been written, a small record needs no call of the system.
    const uint64_t zeros = will_sync ? std::clamp(end, kZerosMin, kZerosMax) : kZerosUnsynced;
    const std::string fill(zeros, '\0');
    const Bytes parts[] = {buffer_, fill};
    must(file_->write(offset_, parts));
    file_bytes_ = end + zeros;
  } else {
    must(will_sync ? file_->write(offset_, buffer_) : file_->overwrite(offset_, buffer_));
  }
  offset_ = end;
  failed_ = false;
}

void LogWriter::sync() {
  if (synced()) return;
  failed_ = true;
  must(file_->sync());
  failed_ = false;
  synced_ = offset_;
}

void LogWriter::close() {
  if (offset_ < file_bytes_) must(file_->truncate(offset_));
}

bool LogReader::parse(uint64_t offset, LogRecord& record, uint64_t& end) const {
  if (data_.size() - offset < kHeaderBytes) return false;
  const char* const at = data_.data() + offset;
  const auto length = load<uint32_t>(at + 4);
  if (length == 0 || length > data_.size() - offset - kHeaderBytes) return false;
  const uint64_t seed = seed_of(number_, offset);
  if (load<uint32_t>(at) != length_check(length, seed)) return false;
  const Bytes payload(at + kHeaderBytes, length);
  if (load<uint64_t>(at + 8) != checksum(payload, seed)) return false;
  const char* p = payload.data();
  const char* const payload_end = p + payload.size();
  uint64_t log = 0;
  if ((p = get_varint(p, payload_end, record.sequence)) == nullptr ||
      (p = get_varint(p, payload_end, log)) == nullptr ||
      (p = get_varint(p, payload_end, record.position.offset)) == nullptr)
    return false;
  record.position.log = record.sequence == 0 ? log : number_ - log;
  record.operations = {p, static_cast<size_t>(payload_end - p)};
  end = offset + kHeaderBytes + length;
  return true;
}

bool LogReader::next(LogRecord& record) { return parse(offset_, record, offset_); }

bool LogReader::skip_damage() {
  LogRecord record;
  uint64_t end = 0;
  for (uint64_t offset = offset_ + 1; offset + kHeaderBytes <= data_.size(); ++offset) {
    if (parse(offset, record, end)) {
      offset_ = offset;
      return true;
    }
  }
  return false;
}

std::unique_ptr<Sealer> open_log_key(const Keyring& keyring, const LogRecord& record, uint64_t number, const std::string& path) {
  if (record.operations.size() != sizeof(FileKey) + Sealer::kSealBytes) raise(Code::data_loss, "the log " + path + " is damaged: it is not encrypted");
  FileKey key;
  std::memcpy(&key, record.operations.data(), sizeof key);
  auto sealer = keyring.sealer_of(key, path);
  char nothing[1];
  if (!sealer->open(octets_of(RecordPlace{number, 0, 0, record.position}), record.operations.substr(sizeof key), nothing))
    raise(Code::data_loss, "the log " + path + " is damaged: its beginning does not open with its key");
  return sealer;
}

std::string open_log_record(const Sealer& sealer, const LogRecord& record, LogPosition at, const std::string& path) {
  std::string out(record.operations.size() - std::min(record.operations.size(), Sealer::kSealBytes), '\0');
  if (!sealer.open(octets_of(RecordPlace{at.log, at.offset, record.sequence, record.position}), record.operations, out.data()))
    raise(Code::data_loss, "the log " + path + " is damaged: the record at byte " + std::to_string(at.offset) + " does not open with its key");
  return out;
}

void put_operation(std::string& out, Kind kind, Bytes key, Bytes value) {
  out.push_back(static_cast<char>(kind));
  put_bytes(out, key);
  if (kind != Kind::erase) put_bytes(out, value);
}

LogOperation get_operation(Parser& parser) {
  LogOperation out{};
  const auto kind = parser.fixed<uint8_t>();
  if (kind > static_cast<uint8_t>(Kind::erase_range)) parser.damaged();
  out.kind = static_cast<Kind>(kind);
  out.key = parser.bytes();
  if (out.kind != Kind::erase) out.value = parser.bytes();
  return out;
}

}  // namespace orbit::lsm
