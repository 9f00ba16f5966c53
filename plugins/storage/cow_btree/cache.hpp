// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Pages in memory: a fixed number of frames, and a table from page to frame. Pages are read from the file when asked for and
// compared with the checksum that their parent holds. A page in a frame never changes once others can see it.
//
// The table is reserved address space for the largest file, so growing never moves anything.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <orbit/files.hpp>
#include <vector>

#include "page.hpp"
#include "readers.hpp"
#include "seals.hpp"

namespace orbit::cow_btree {

// Address space without memory behind it until it is touched; zeros.
class Reserved {
 public:
  Reserved(size_t bytes, bool huge_pages);
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;
  ~Reserved();
  char* data() const noexcept { return data_; }

 private:
  char* data_;
  size_t bytes_;
};

class Cache;

// A page that stays in its frame while this lives.
class Pinned {
 public:
  Pinned() = default;
  Pinned(Cache* cache, uint32_t frame) noexcept : cache_(cache), frame_(frame) {}
  Pinned(Pinned&& other) noexcept : cache_(std::exchange(other.cache_, nullptr)), frame_(other.frame_) {}
  Pinned& operator=(Pinned&& other) noexcept {
    std::swap(cache_, other.cache_);
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~Pinned();
  const char* page() const noexcept;

 private:
  Cache* cache_ = nullptr;
  uint32_t frame_ = 0;
};

class Cache final : public KeyTails {
 public:
  // `seals` is null when the file is not encrypted.
  Cache(File& file, std::string path, Readers& readers, uint64_t bytes, uint64_t pages_max, Seals* seals);

  // The page, when it is in memory; null otherwise. The reader must be protected, and stays so.
  const char* resident(PageId id) noexcept {
    // In one order with the reader's slot: who evicts clears the table first and looks at the slots afterwards.
    const uint32_t at = table_[id].load();
    if (at == 0) return nullptr;
    auto& hot = hot_[at - 1];
    if (hot.load(std::memory_order_relaxed) == 0) hot.store(1, std::memory_order_relaxed);
    return frame(at - 1);
  }
  // The page; pages that the reader got before are no longer valid. `sum` is what the parent says.
  const char* page(PageId id, uint64_t sum, Reader& reader) {
    if (const char* found = resident(id)) return found;
    return page_missed(id, sum, reader);
  }
  Pinned pin(PageId id, uint64_t sum);
  // Only if it is in memory.
  std::optional<Pinned> pin_resident(PageId id) noexcept;
  // To prefetch from: perhaps no longer that page by the time it is used.
  const char* peek(PageId id) const noexcept {
    const uint32_t at = table_[id].load(std::memory_order_relaxed);
    return at == 0 ? nullptr : frame(at - 1);
  }
  // What a search looks at first: header and heads, and the prefix at the end.
  static void prefetch(const char* page) noexcept {
    for (int line = 0; line < 4; ++line) __builtin_prefetch(page + 64 * line);
    __builtin_prefetch(page + kPageBytes - 64);
  }
  void prefetch(PageId id) const noexcept {
    if (const char* page = peek(id)) prefetch(page);
  }
  // All of a page that is about to be copied.
  void prefetch_whole(PageId id) const noexcept {
    if (const char* page = peek(id))
      for (size_t at = 0; at < kPageBytes; at += 64) __builtin_prefetch(page + at);
  }
  // Starts reading what will be asked for soon.
  void will_need(PageId id) {
    if (table_[id].load(std::memory_order_relaxed) == 0) file_.will_need(uint64_t{id} * kPageBytes, kPageBytes);
  }

  void read_external(const ExternalRef& ref, std::string& out) const;
  // As it lies in the file.
  void read_run(const ExternalRef& ref, std::string& out) const;
  // To the form that memory has, in place; `page` was as its checksum says. DATA_LOSS (raised): somebody made it so.
  void open_page(char* page, PageId id) const;
  Seals* seals() const noexcept { return seals_; }
  std::string key_tail(const ExternalRef& ref) override;

  // ---- [writer] ----
  // A frame for a page of `version` that is not in the file yet; others see it when a parent leads to it. It stays until it is
  // clean.
  char* create(PageId id, uint64_t version);
  char* writable(PageId id) noexcept { return frame(table_[id].load(std::memory_order_relaxed) - 1); }
  // The newest state does without the page: among the first to be evicted.
  void cool(PageId id) noexcept {
    const uint32_t at = table_[id].load(std::memory_order_relaxed);
    if (at != 0) hot_[at - 1].store(0, std::memory_order_relaxed);
  }
  // The pages are no longer in use by anybody.
  void forget(std::span<const PageId> ids);
  // What the file holds at `id` from now on.
  void set_sum(PageId id, uint64_t sum) noexcept { sums_[id].store(sum, std::memory_order_release); }
  uint64_t sum_of(PageId id, uint64_t said) const noexcept {
    const uint64_t known = sums_[id].load(std::memory_order_acquire);
    return known != 0 ? known : said;
  }
  // The page, if it is changed and not in the file; it stays while nobody cleans or forgets it. Otherwise null.
  const char* dirty_page(PageId id) const noexcept {
    const uint32_t at = table_[id].load(std::memory_order_acquire);
    // Evicted after that, the frame may hold another page by now.
    return at != 0 && dirty_[at - 1].load(std::memory_order_acquire) == id ? frame(at - 1) : nullptr;
  }
  bool dirty(PageId id) const noexcept { return dirty_page(id) != nullptr; }
  // Created for this version, and not clean yet. [writer]
  bool created_for(PageId id, uint64_t version) const noexcept {
    const uint32_t at = table_[id].load(std::memory_order_acquire);
    return at != 0 && dirty_[at - 1].load(std::memory_order_acquire) == id && created_for_[at - 1] == version;
  }
  void set_clean(std::span<const PageId> ids);
  size_t dirty_pages() const noexcept { return dirty_count_.load(std::memory_order_relaxed); }
  size_t frames() const noexcept { return frames_; }
  uint64_t loads() const noexcept { return loads_.load(std::memory_order_relaxed); }
  const std::string& path() const noexcept { return path_; }

 private:
  friend class Pinned;
  char* frame(uint32_t index) const noexcept { return pool_.data() + size_t{index} * kPageBytes; }
  const char* page_missed(PageId id, uint64_t sum, Reader& reader);
  void load(PageId id, uint64_t sum);
  uint32_t take_frame(PageId owner);
  void reclaim();
  void evict();

  File& file_;
  const std::string path_;
  Readers& readers_;
  Seals* const seals_;
  const size_t frames_;
  const uint64_t pages_max_;
  Reserved pool_;
  Reserved table_memory_;
  Reserved sums_memory_;
  std::atomic<uint32_t>* table_;  // frame + 1; 0: not in memory
  std::atomic<uint64_t>* sums_;   // of pages written since the engine was opened; 0: the parent knows
  std::unique_ptr<std::atomic<uint8_t>[]> hot_;
  std::unique_ptr<std::atomic<PageId>[]> dirty_;  // the changed page that is in the frame; 0: none
  std::unique_ptr<uint64_t[]> created_for_;       // [writer]
  std::unique_ptr<std::atomic<uint32_t>[]> pins_;
  std::atomic<size_t> dirty_count_{0};
  std::atomic<uint64_t> loads_{0};

  struct Evicted {
    uint32_t frame;
    uint64_t time;
  };
  std::mutex lock_;  // guards what follows
  std::vector<PageId> owner_;
  std::vector<uint32_t> free_;
  std::deque<Evicted> evicted_;  // until nobody can look at them
  size_t hand_ = 0;
};

}  // namespace orbit::cow_btree
