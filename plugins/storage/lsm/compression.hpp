// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Compression of blocks: LZ4 and Zstandard.
#pragma once

#include <memory>
#include <orbit/result.hpp>
#include <string>

namespace orbit::lsm {

enum class Compression : uint8_t { none = 0, lz4 = 1, zstd = 2 };

// For one thread at a time.
class Compressor {
 public:
  explicit Compressor(Compression kind);
  ~Compressor();
  // Replaces `out`; false when `data` does not shrink enough to be worth it.
  bool compress(Bytes data, std::string& out);
  Compression kind() const noexcept { return kind_; }

 private:
  struct Context;
  const Compression kind_;
  std::unique_ptr<Context> context_;
};

// Fills exactly `into`; false: `data` is not that.
bool decompress(Compression kind, Bytes data, char* into, size_t size);

}  // namespace orbit::lsm
