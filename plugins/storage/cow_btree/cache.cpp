// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "cache.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>

namespace orbit::cow_btree {

Reserved::Reserved(size_t bytes, bool huge_pages) : bytes_(bytes) {
  // Aligned to huge pages by hand, since mmap does not.
  constexpr size_t kHuge = size_t{2} << 20;
  bytes_ = bytes + (huge_pages ? kHuge : 0);
  void* at = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) raise(Code::resource_exhausted, "cannot reserve " + std::to_string(bytes_) + " bytes of address space");
  data_ = static_cast<char*>(at);
  if (huge_pages) {
    const size_t over = reinterpret_cast<uintptr_t>(data_) % kHuge;
    if (over != 0) {
      ::munmap(data_, kHuge - over);
      data_ += kHuge - over;
      bytes_ -= kHuge - over;
    }
    ::madvise(data_, bytes_, MADV_HUGEPAGE);
  }
}
Reserved::~Reserved() { ::munmap(data_, bytes_); }

Pinned::~Pinned() {
  if (cache_ != nullptr) cache_->pins_[frame_].fetch_sub(1);
}
const char* Pinned::page() const noexcept { return cache_->frame(frame_); }

Cache::Cache(File& file, std::string path, Readers& readers, uint64_t bytes, uint64_t pages_max, Seals* seals)
    : file_(file),
      path_(std::move(path)),
      readers_(readers),
      seals_(seals),
      frames_(static_cast<size_t>(bytes / kPageBytes)),
      pages_max_(pages_max),
      pool_(frames_ * kPageBytes, true),
      table_memory_(pages_max * sizeof(std::atomic<uint32_t>), false),
      sums_memory_(pages_max * sizeof(std::atomic<uint64_t>), false),
      table_(reinterpret_cast<std::atomic<uint32_t>*>(table_memory_.data())),
      sums_(reinterpret_cast<std::atomic<uint64_t>*>(sums_memory_.data())),
      hot_(new std::atomic<uint8_t>[frames_]()),
      dirty_(new std::atomic<PageId>[frames_]()),
      created_for_(new uint64_t[frames_]()),
      pins_(new std::atomic<uint32_t>[frames_]()),
      owner_(frames_) {
  free_.reserve(frames_);
  for (size_t i = frames_; i > 0; --i) free_.push_back(static_cast<uint32_t>(i - 1));
}

const char* Cache::page_missed(PageId id, uint64_t sum, Reader& reader) {
  for (;;) {
    reader.relax();
    load(id, sum);
    reader.protect();
    if (const char* found = resident(id)) return found;
  }
}

Pinned Cache::pin(PageId id, uint64_t sum) {
  for (;;) {
    if (table_[id].load() == 0) load(id, sum);
    if (std::optional<Pinned> out = pin_resident(id)) return std::move(*out);
  }
}

std::optional<Pinned> Cache::pin_resident(PageId id) noexcept {
  const uint32_t at = table_[id].load();
  if (at == 0) return {};
  pins_[at - 1].fetch_add(1);
  Pinned out(this, at - 1);
  // Whoever evicts clears the table first and looks at the pins afterwards.
  if (table_[id].load() != at) return {};
  hot_[at - 1].store(1, std::memory_order_relaxed);
  return out;
}

void Cache::load(PageId id, uint64_t sum) {
  const auto where = [&] { return "page " + std::to_string(id) + " of " + path_; };
  if (id < 2 || id >= pages_max_) raise(Code::data_loss, "a reference to " + where() + ", which cannot be");
  const uint32_t taken = take_frame(id);
  struct Return {
    Cache& cache;
    uint32_t frame;
    bool keep = false;
    ~Return() {
      if (keep) return;
      const std::lock_guard lock(cache.lock_);
      cache.free_.push_back(frame);
    }
  } back{*this, taken};
  char* into = frame(taken);
  const size_t got = must(file_.read(uint64_t{id} * kPageBytes, {into, kPageBytes}));
  if (got != kPageBytes) raise(Code::data_loss, where() + " lies behind the end of the file");
  const uint64_t expected = sum_of(id, sum);
  if (page_sum(into) != expected) raise(Code::data_loss, where() + " is damaged: its checksum is not the one that its parent holds");
  open_page(into, id);
  if (const char* wrong = check_page(into, id, pages_max_)) raise(Code::data_loss, where() + " is damaged: " + wrong);
  loads_.fetch_add(1, std::memory_order_relaxed);
  hot_[taken].store(1, std::memory_order_relaxed);
  uint32_t none = 0;
  back.keep = table_[id].compare_exchange_strong(none, taken + 1);  // otherwise another reader was faster
}

// With lock_.
void Cache::reclaim() {
  const uint64_t oldest = readers_.oldest_protected();
  for (size_t left = evicted_.size(); left > 0; --left) {
    const Evicted at = evicted_.front();
    if (at.time > oldest) break;
    evicted_.pop_front();
    if (pins_[at.frame].load() != 0)
      evicted_.push_back({at.frame, readers_.now()});
    else
      free_.push_back(at.frame);
  }
}

// With lock_. Second chance: a frame that was used since the hand passed is spared once.
void Cache::evict() {
  const size_t wanted = std::max<size_t>(1, std::min<size_t>(64, frames_ / 16));
  std::vector<uint32_t> out;
  for (size_t steps = 0; steps < 2 * frames_ && out.size() < wanted; ++steps) {
    const auto index = static_cast<uint32_t>(hand_);
    hand_ = (hand_ + 1) % frames_;
    const PageId id = owner_[index];
    if (id == 0 || dirty_[index].load(std::memory_order_acquire) != 0 || pins_[index].load() != 0) continue;
    if (table_[id].load() != index + 1) continue;
    if (hot_[index].exchange(0, std::memory_order_relaxed) != 0) continue;
    table_[id].store(0);
    owner_[index] = 0;
    out.push_back(index);
  }
  if (out.empty()) return;
  const uint64_t time = readers_.tick();
  for (const uint32_t index : out) evicted_.push_back({index, time});
}

uint32_t Cache::take_frame(PageId owner) {
  std::optional<std::chrono::steady_clock::time_point> began;
  for (;;) {
    {
      const std::lock_guard lock(lock_);
      if (free_.empty()) reclaim();
      if (free_.empty()) {
        evict();
        reclaim();
      }
      if (!free_.empty()) {
        const uint32_t out = free_.back();
        free_.pop_back();
        owner_[out] = owner;
        return out;
      }
    }
    const auto now = std::chrono::steady_clock::now();
    if (!began) began = now;
    if (now - *began > std::chrono::seconds(5))
      raise(Code::resource_exhausted, "cache_bytes: all " + std::to_string(frames_) + " pages in memory are being used or changed");
    std::this_thread::yield();
  }
}

char* Cache::create(PageId id, uint64_t version) {
  if (dirty_count_.load(std::memory_order_relaxed) + 16 > frames_)
    raise(Code::resource_exhausted, "cache_bytes: a batch changes more pages than the cache of " + std::to_string(frames_) + " pages holds");
  const uint32_t taken = take_frame(id);
  sums_[id].store(0, std::memory_order_relaxed);
  hot_[taken].store(1, std::memory_order_relaxed);
  created_for_[taken] = version;
  dirty_[taken].store(id, std::memory_order_relaxed);
  dirty_count_.fetch_add(1, std::memory_order_relaxed);
  table_[id].store(taken + 1, std::memory_order_release);
  return frame(taken);
}

void Cache::forget(std::span<const PageId> ids) {
  const std::lock_guard lock(lock_);
  for (const PageId id : ids) {
    const uint32_t at = table_[id].exchange(0);
    sums_[id].store(0, std::memory_order_relaxed);
    if (at == 0) continue;
    if (dirty_[at - 1].exchange(0) != 0) dirty_count_.fetch_sub(1, std::memory_order_relaxed);
    owner_[at - 1] = 0;
    free_.push_back(at - 1);
  }
}

void Cache::set_clean(std::span<const PageId> ids) {
  const std::lock_guard lock(lock_);
  for (const PageId id : ids) {
    const uint32_t at = table_[id].load();
    if (at != 0 && dirty_[at - 1].exchange(0) != 0) dirty_count_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Cache::open_page(char* page, PageId id) const {
  if (seals_ != nullptr && !seals_->open_page(page, id))
    raise(Code::data_loss, "page " + std::to_string(id) + " of " + path_ + " is damaged: it does not open with the file's key");
}

void Cache::read_external(const ExternalRef& ref, std::string& out) const {
  read_run(ref, out);
  if (seals_ != nullptr && !seals_->open_run(out, ref.page, ref.version))
    raise(Code::data_loss, "the bytes at page " + std::to_string(ref.page) + " of " + path_ + " are damaged: they do not open with the file's key");
  if (out.size() < ref.key_bytes) raise(Code::data_loss, "the bytes at page " + std::to_string(ref.page) + " of " + path_ + " are fewer than their leaf says");
}

void Cache::read_run(const ExternalRef& ref, std::string& out) const {
  const auto where = [&] { return "the bytes at page " + std::to_string(ref.page) + " of " + path_; };
  if (uint64_t{ref.page} + ref.pages() > pages_max_) raise(Code::data_loss, "a reference to " + where() + ", which cannot be");
  // Before memory is asked for: the length may be anything in a file that was made to deceive.
  if (must(file_.size()) < uint64_t{ref.page} * kPageBytes + ref.bytes) raise(Code::data_loss, where() + " lie behind the end of the file");
  out.resize(ref.bytes);
  const size_t got = must(file_.read(uint64_t{ref.page} * kPageBytes, {out.data(), out.size()}));
  if (got != ref.bytes) raise(Code::data_loss, where() + " lie behind the end of the file");
  if (run_sum(out, ref.page, ref.version) != ref.sum) raise(Code::data_loss, where() + " are damaged: their checksum is not the one that their leaf holds");
}

std::string Cache::key_tail(const ExternalRef& ref) {
  std::string out;
  read_external(ref, out);
  out.resize(ref.key_bytes);
  return out;
}

}  // namespace orbit::cow_btree
