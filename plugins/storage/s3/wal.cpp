// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "wal.hpp"

namespace orbit::s3 {

namespace {
constexpr uint64_t kWalMagic = 0x314c415733534f00;  // "\0OS3WAL1"
constexpr size_t kWalWriterBytes = 16;
}  // namespace

uint64_t wal_number(Bytes name) noexcept {
  const Bytes prefix(kWalPrefix);
  if (name.size() != prefix.size() + 16 || !name.starts_with(prefix)) return 0;
  uint64_t out = 0;
  for (const char c : name.substr(prefix.size())) {
    const size_t digit = Bytes("0123456789abcdef").find(c);
    if (digit == Bytes::npos) return 0;
    out = out << 4 | digit;
  }
  return out;
}

void append_batch(std::string& batches, WriteOps ops) {
  put_varint(batches, ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    const WriteOp op = ops[i];
    batches.push_back(static_cast<char>(op.kind));
    put_bytes(batches, op.key);
    if (op.kind != WriteKind::erase) put_bytes(batches, op.value);
  }
}

uint64_t batch_bytes(WriteOps ops) noexcept {
  uint64_t out = 0;
  for (size_t i = 0; i < ops.size(); ++i) out += ops[i].key.size() + ops[i].value.size() + 16;
  return out;
}

std::string make_wal(const WalHeader& header, Bytes batches) {
  std::string out;
  out.reserve(kWalEmptyBytes + batches.size());
  put_fixed(out, kWalMagic);
  put_fixed(out, header.epoch);
  put_fixed(out, header.number);
  put_fixed(out, header.flags);
  out.append(header.writer_id);
  out.append(batches);
  close_object(out, wal_name(header.number));
  return out;
}

WalHeader read_wal(Bytes object, uint64_t number, const std::string& what,
                   const std::function<void(const WriteOp&)>& operation) {
  Parser at(opened(object, kWalMagic, wal_name(number), what), what);
  WalHeader out;
  out.epoch = at.fixed<uint64_t>();
  out.number = at.fixed<uint64_t>();
  out.flags = at.fixed<uint8_t>();
  out.writer_id = at.take(kWalWriterBytes);
  if (out.number != number || out.flags > (kWalFence | kWalVoidsBefore | kWalNothing)) at.damaged();
  while (!at.done()) {
    for (size_t count = at.count(); count > 0; --count) {
      const auto kind = at.fixed<uint8_t>();
      if (kind < ORBIT_WRITE_PUT || kind > ORBIT_WRITE_DELETE_RANGE) at.damaged();
      WriteOp op{static_cast<WriteKind>(kind), at.bytes(), {}};
      if (op.kind != WriteKind::erase) op.value = at.bytes();
      if (operation) operation(op);
    }
  }
  return out;
}

}  // namespace orbit::s3
