// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which pages of the file are in use. A page that a commit takes out of use may be used again when
//   - no reader or snapshot can see it, and
//   - the newest state that is certain to be found after a power cut (the durable one) does not contain it.
// Everything here belongs to the writer.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <orbit/files.hpp>
#include <span>
#include <vector>

#include "format.hpp"

namespace orbit::cow_btree {

// A bit per page; 1: used.
class Bitmap {
 public:
  void resize(uint64_t pages) { words_.resize((pages + 63) / 64); }
  uint64_t size() const noexcept { return words_.size() * 64; }
  bool test(uint64_t i) const noexcept { return i < size() && (words_[i / 64] >> (i % 64) & 1) != 0; }
  void set(uint64_t i, bool used) noexcept {
    const uint64_t bit = uint64_t{1} << (i % 64);
    words_[i / 64] = used ? words_[i / 64] | bit : words_[i / 64] & ~bit;
  }
  // The first free page from `from` on; size() when there is none.
  uint64_t first_free(uint64_t from) const noexcept;
  // One more than the last used page.
  uint64_t end_of_used() const noexcept;
  // Chunk `chunk` of those of `size` bytes, a multiple of 8, that the map consists of.
  void copy_chunk(uint64_t chunk, char* out, size_t size) const;
  void load_chunk(uint64_t chunk, Bytes bytes);
  std::span<const uint64_t> words() const noexcept { return words_; }

 private:
  std::vector<uint64_t> words_;
};

class Space {
 public:
  // What pages are for: each leaves some free for those after it, so that a full file can be emptied, and written out.
  enum class Use { writing, erasing, map };
  static constexpr uint64_t kErasingPages = 24;  // a few paths from the root to a leaf

  // `sealed`: the map's pages leave room for a seal. `segment_pages`: of the log, one of which stays for erasing too.
  Space(File& file, uint64_t pages_max, bool sealed, uint32_t segment_pages)
      : file_(file), pages_max_(pages_max), sealed_(sealed), erasing_pages_(kErasingPages + segment_pages) {}

  // Of what is allocated from now on; see SpaceUse.
  void set_use(Use use) noexcept { use_ = use; }
  Use use() const noexcept { return use_; }
  // A run of `count` pages, the lowest. RESOURCE_EXHAUSTED: the device or `file_bytes_max`.
  PageId allocate(uint32_t count = 1);
  // Right away: nobody ever saw them.
  void give_back(PageId page, uint32_t count = 1);
  // Taken out of use by the commit of `version`, which became visible at `time`. `in_a_commit_slot`: a commit slot may lead
  // to the page.
  void free_later(PageId page, uint32_t count, uint64_t version, uint64_t time, bool in_a_commit_slot);
  // Makes pages usable that nobody can see; tells `forget` which.
  void reclaim(uint64_t oldest_reader, const std::function<void(std::span<const PageId>)>& forget);
  void set_durable(uint64_t version) noexcept { durable_ = version; }

  // What is in use in the newest state: without pages that wait to be reused.
  Bitmap in_use() const;
  uint64_t pages() const noexcept { return pages_; }
  uint64_t used() const noexcept { return used_; }
  uint64_t waiting() const noexcept { return waiting_; }
  // Of those, what only waits for readers.
  uint64_t waiting_for_readers() const noexcept { return waiting_for_readers_; }
  // And what also waits for the next checkpoint.
  uint64_t waiting_for_durable() const noexcept { return waiting_ - waiting_for_readers_; }
  // A checkpoint would make something of that usable: no reader keeps it.
  bool checkpoint_frees(uint64_t oldest_reader) const noexcept {
    return !committed_.empty() && committed_.front().time <= oldest_reader;
  }
  void each_waiting(const std::function<void(PageId)>& page) const;
  bool is_used(PageId page) const noexcept { return map_.test(page); }
  // After opening.
  void load(Bitmap map, uint64_t pages);
  void mark_used(PageId page, uint32_t count);
  // Cuts free pages off the end of the file when they are worth it; no commit slot may lead there.
  void trim();

 private:
  struct Freed {
    PageId page;
    uint32_t count;
    uint64_t version;
    uint64_t time;
  };
  void grow(uint64_t pages);
  void leave_reserve(uint32_t count);
  void set_pages(uint64_t pages) noexcept;

  File& file_;
  const uint64_t pages_max_;
  const bool sealed_;
  const uint64_t erasing_pages_;
  Use use_ = Use::writing;
  Bitmap map_;
  uint64_t pages_ = 0;      // that the file has
  uint64_t map_pages_ = 2;  // that a checkpoint may need at once
  uint64_t used_ = 0;
  uint64_t waiting_ = 0;
  uint64_t waiting_for_readers_ = 0;
  uint64_t hint_ = 2;  // no free page lies before it
  uint64_t durable_ = 0;
  std::deque<Freed> unseen_;     // in no slot
  std::deque<Freed> committed_;  // perhaps in the durable state
  std::vector<PageId> reclaimed_;
};

// Pages are for `use` while it lives.
class SpaceUse {
 public:
  SpaceUse(Space& space, Space::Use use) noexcept : space_(space), before_(space.use()) { space.set_use(use); }
  SpaceUse(const SpaceUse&) = delete;
  SpaceUse& operator=(const SpaceUse&) = delete;
  ~SpaceUse() { space_.set_use(before_); }

 private:
  Space& space_;
  const Space::Use before_;
};

}  // namespace orbit::cow_btree
