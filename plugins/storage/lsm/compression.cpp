// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "compression.hpp"

#include <lz4.h>
#include <zstd.h>

namespace orbit::lsm {
namespace {

constexpr int kZstdLevel = 1;
constexpr size_t kInputMax = size_t{1} << 30;  // LZ4 counts in int

}  // namespace

struct Compressor::Context {
  ZSTD_CCtx* zstd = nullptr;
  ~Context() { ZSTD_freeCCtx(zstd); }
};

Compressor::Compressor(Compression kind) : kind_(kind), context_(std::make_unique<Context>()) {
  if (kind == Compression::zstd) {
    context_->zstd = ZSTD_createCCtx();
    if (context_->zstd == nullptr) throw std::bad_alloc();
  }
}
Compressor::~Compressor() = default;

bool Compressor::compress(Bytes data, std::string& out) {
  if (kind_ == Compression::none || data.size() > kInputMax) return false;
  const size_t worth = data.size() - data.size() / 8;
  out.resize(worth);
  if (kind_ == Compression::lz4) {
    const int size =
        LZ4_compress_default(data.data(), out.data(), static_cast<int>(data.size()), static_cast<int>(worth));
    out.resize(size <= 0 ? 0 : static_cast<size_t>(size));
    return size > 0;
  }
  const size_t size = ZSTD_compressCCtx(context_->zstd, out.data(), worth, data.data(), data.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0) return false;
  out.resize(size);
  return true;
}

bool decompress(Compression kind, Bytes data, char* into, size_t size) {
  switch (kind) {
    case Compression::lz4:
      return data.size() <= kInputMax && size <= kInputMax &&
             LZ4_decompress_safe(data.data(), into, static_cast<int>(data.size()), static_cast<int>(size)) ==
                 static_cast<int>(size);
    case Compression::zstd:
      return ZSTD_decompress(into, size, data.data(), data.size()) == size;
    case Compression::none:
      break;
  }
  return false;
}

}  // namespace orbit::lsm
