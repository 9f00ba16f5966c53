// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "arena.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace orbit::lsm {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
// An arena of this size goes on in huge pages: what is reached at random in many megabytes misses the TLB otherwise.
constexpr size_t kHugeFrom = 4 << 20;
constexpr size_t kHugeBytes = 2 << 20;

char* huge_page() {
  void* const wide = ::mmap(nullptr, 2 * kHugeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (wide == MAP_FAILED) throw std::bad_alloc();
  char* const begin = static_cast<char*>(wide);
  const size_t before = (kHugeBytes - reinterpret_cast<uintptr_t>(begin) % kHugeBytes) % kHugeBytes;
  if (before > 0) ::munmap(begin, before);
  if (before < kHugeBytes) ::munmap(begin + before + kHugeBytes, kHugeBytes - before);
  ::madvise(begin + before, kHugeBytes, MADV_HUGEPAGE);  // where there are none, small ones do
  return begin + before;
}

}  // namespace

Arena::~Arena() {
  for (char* const page : huge_) ::munmap(page, kHugeBytes);
}

char* Arena::allocate(size_t size) {
  size = (size + 7) & ~size_t{7};
  bytes_ += size;
  if (size > left_) {
    if (size > kPieceBytes / 4) return pieces_.emplace_back(std::make_unique_for_overwrite<char[]>(size)).get();
    if (bytes_ < kHugeFrom) {
      at_ = pieces_.emplace_back(std::make_unique_for_overwrite<char[]>(kPieceBytes)).get();
      left_ = kPieceBytes;
    } else {
      huge_.reserve(huge_.size() + 1);
      at_ = huge_.emplace_back(huge_page());
      left_ = kHugeBytes;
    }
  }
  char* const out = at_;
  at_ += size;
  left_ -= size;
  return out;
}

}  // namespace orbit::lsm
