// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Log objects, numbered without a gap: each holds the batches of one group. An object is made only where there is none,
// so whoever is the first to write a number owns it; the first object of an epoch (a fence) is where all older writers
// end.
#pragma once

#include <functional>
#include <orbit/storage.hpp>
#include <string>

#include "coding.hpp"

namespace orbit::s3 {

constexpr const char* kWalPrefix = "wal/";
inline std::string wal_name(uint64_t number) { return kWalPrefix + digits(number); }
// The number in a name; 0: it is not the name of a log.
uint64_t wal_number(Bytes name) noexcept;

enum WalFlags : uint8_t {
  kWalFence = 1,        // begins an epoch
  kWalVoidsBefore = 2,  // what the object before holds was refused, and does not count
  kWalNothing = 4,      // keeps its number from being written
};

// An object without batches has this size, and no other has. These stay for ever: an older writer that wakes up late
// must find its next number taken.
constexpr uint64_t kWalEmptyBytes = 8 + 8 + 8 + 1 + 16 + 8;

struct WalHeader {
  uint64_t epoch = 0;
  uint64_t number = 0;
  uint8_t flags = 0;
  std::string writer_id;
};

// One batch after another, each a varint count and its operations.
void append_batch(std::string& batches, WriteOps ops);
uint64_t batch_bytes(WriteOps ops) noexcept;

std::string make_wal(const WalHeader& header, Bytes batches);
// `operation` is called for each one in order, unless it is empty.
WalHeader read_wal(Bytes object, uint64_t number, const std::string& what,
                   const std::function<void(const WriteOp&)>& operation);

}  // namespace orbit::s3
