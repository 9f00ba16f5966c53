// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Writing the tree out: everything that changed goes to pages that no commit slot leads to, a sync, the slot, a sync.
#include <algorithm>
#include <chrono>

#include "waiting.hpp"

namespace orbit::cow_btree {

namespace {

constexpr size_t kCopiesTogether = 2048;

// Writes changed pages, children before parents, since a parent holds their checksums. What was written may be evicted.
class PageWriter {
 public:
  PageWriter(File& file, Cache& cache) noexcept : file_(file), cache_(cache) {}

  // What changed of the page and below; without a sync.
  void write(PageId id, bool leaves_only) {
    if (id == 0) return;
    if (const char* page = cache_.dirty_page(id)) visit(id, page, leaves_only);
    flush();
  }

 private:
  struct Out {
    PageId id;
    const char* page;
  };

  void visit(PageId id, const char* page, bool leaves_only) {
    const PageView view(page);
    std::unique_ptr<char[]> copy;
    if (!view.is_leaf()) {
      for (uint32_t i = 0; i < view.count(); ++i)
        if (const char* child = cache_.dirty_page(view.child(i))) visit(view.child(i), child, leaves_only);
      if (leaves_only) return;
      copy.reset(new char[kPageBytes]);
      std::memcpy(copy.get(), page, kPageBytes);
      for (uint32_t i = 0; i < view.count(); ++i)
        set_child(copy.get(), i, view.child(i), cache_.sum_of(view.child(i), view.child_sum(i)));
      page = copy.get();
    }
    if (cache_.seals() != nullptr) {
      std::unique_ptr<char[]> sealed(new char[kPageBytes]);
      cache_.seals()->seal_page(page, sealed.get());
      copy = std::move(sealed);
      page = copy.get();
    }
    cache_.set_sum(id, page_sum(page));
    out_.push_back({id, page});
    if (copy != nullptr) copies_.push_back(std::move(copy));
    if (copies_.size() >= kCopiesTogether) flush();
  }

  void flush() {
    std::sort(out_.begin(), out_.end(), [](const Out& a, const Out& b) { return a.id < b.id; });
    std::vector<Bytes> parts;
    for (size_t i = 0; i < out_.size();) {
      parts.clear();
      size_t end = i;
      while (end < out_.size() && out_[end].id == out_[i].id + (end - i) && parts.size() < 256)
        parts.push_back({out_[end++].page, kPageBytes});
      must(file_.write(uint64_t{out_[i].id} * kPageBytes, parts));
      i = end;
    }
    std::vector<PageId> written;
    for (const Out& at : out_) written.push_back(at.id);
    out_.clear();
    copies_.clear();
    cache_.set_clean(written);
  }

  File& file_;
  Cache& cache_;
  std::vector<Out> out_;
  std::vector<std::unique_ptr<char[]>> copies_;  // that `out_` points to
};

}  // namespace

// [writer] A state to write out, and the map of used pages that goes with it.
std::unique_ptr<Engine::Checkpoint> Engine::capture(const LogStart& log) {
  // In a full file, what readers have left may be the only room for the map.
  reclaim();
  auto out = std::make_unique<Checkpoint>();
  const bool sealed = seals_ != nullptr;
  const SpaceUse use(*space_, Space::Use::map);
  std::vector<PageId> fresh_index;
  std::vector<PageId> fresh(map_chunks_.size());
  std::vector<std::string> bytes(map_chunks_.size());
  uint64_t pages = 0;
  try {
    // Pages for the map are in the map themselves, so this goes on until no more are needed.
    for (bool again = true; again;) {
      again = false;
      Bitmap image = space_->in_use();
      if (log.page == 0)
        log_->mark_all_unused(image);
      else
        log_->mark_unused_but(log.lsn, image);
      for (const PageId id : index_pages_) image.set(id, false);
      const size_t chunks = (image.size() + map_bits(sealed) - 1) / map_bits(sealed);
      fresh.resize(std::max(chunks, map_chunks_.size()));
      bytes.resize(fresh.size());
      for (size_t i = 0; i < map_chunks_.size(); ++i)
        if (fresh[i] != 0) image.set(map_chunks_[i].page, false);
      for (size_t i = 0; i < fresh.size(); ++i) {
        bytes[i].resize(map_bytes(sealed));
        image.copy_chunk(i, bytes[i].data(), bytes[i].size());
        if (fresh[i] != 0 || (i < map_chunks_.size() && map_chunks_[i].written && map_chunks_[i].bytes == bytes[i])) continue;
        fresh[i] = space_->allocate();
        again = true;
      }
      while (fresh_index.size() * map_entries(sealed) < fresh.size()) {
        fresh_index.push_back(space_->allocate());
        again = true;
      }
      pages = image.end_of_used();
    }
  } catch (...) {
    for (const PageId id : fresh)
      if (id != 0) space_->give_back(id);
    for (const PageId id : fresh_index) space_->give_back(id);
    throw;
  }

  out->began = readers_.now();
  readers_.add_snapshot(out->began);
  out->root = readers_.newest();
  out->version = captured_version_ = version_;
  out->log = log;
  const auto seal = [&](std::string& page) {
    page.resize(kPageBytes);
    if (!sealed) return;
    const std::string plain = page;
    seals_->seal_page(plain.data(), page.data());
  };
  const auto header = [&](PageKind kind, PageId id, size_t count) {
    PageHeader h{};
    h.kind = static_cast<uint8_t>(kind);
    h.count = static_cast<uint16_t>(count);
    h.version = version_;
    h.id = id;
    if (sealed) h.heap_begin = kPageBytes;
    return std::string(reinterpret_cast<const char*>(&h), sizeof h);
  };
  map_chunks_.resize(fresh.size());
  for (size_t i = 0; i < fresh.size(); ++i) {
    if (fresh[i] == 0) continue;
    if (map_chunks_[i].page != 0) space_->free_later(map_chunks_[i].page, 1, version_, out->began, true);
    std::string page = header(PageKind::map, fresh[i], 0) + bytes[i];
    seal(page);
    map_chunks_[i] = {fresh[i], page_sum(page.data()), true, std::move(bytes[i])};
    out->map.push_back({fresh[i], std::move(page)});
  }
  for (const PageId id : index_pages_) space_->free_later(id, 1, version_, out->began, true);
  index_pages_ = std::move(fresh_index);
  MapEntry next{};
  for (size_t n = index_pages_.size(); n > 0; --n) {
    const size_t first = (n - 1) * map_entries(sealed);
    const size_t count = std::min(map_entries(sealed), map_chunks_.size() - first);
    std::string page = header(PageKind::map_index, index_pages_[n - 1], count);
    page.append(reinterpret_cast<const char*>(&next), sizeof next);
    for (size_t i = first; i < first + count; ++i) {
      const MapEntry entry{map_chunks_[i].sum, map_chunks_[i].page, 0};
      page.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    }
    seal(page);
    next = {page_sum(page.data()), index_pages_[n - 1], 0};
    out->map.push_back({index_pages_[n - 1], std::move(page)});
  }

  out->slot = slot_;
  out->slot.version = version_;
  out->slot.sequence = slot_.sequence + 1;
  out->slot.root = out->root.page;
  out->slot.levels = out->root.levels;
  out->slot.pages = std::max<uint64_t>(2, pages);
  out->slot.map_index = next.page;
  out->slot.map_index_sum = next.sum;
  out->slot.log_lsn = log.lsn;
  out->slot.log_previous = log.previous;
  out->slot.log_page = log.page;
  return out;
}

void Engine::write_slot(Slot& slot) {
  if (seals_ != nullptr) seals_->sign_slot(slot);
  must(file_->write((slot.sequence % 2) * kPageBytes, slot_bytes(slot)));
}

// [any thread] One at a time.
void Engine::write_out(Checkpoint& checkpoint) {
  Result<> done = guarded([&] {
    const std::lock_guard lock(tree_write_lock_);
    PageWriter(*file_, *cache_).write(checkpoint.root.page, false);
    checkpoint.slot.root_sum = checkpoint.root.page == 0 ? 0 : cache_->sum_of(checkpoint.root.page, 0);
  });
  // Its pages can be read from the file now, and none of them is reused before a newer state is durable.
  readers_.drop_snapshot(checkpoint.began);
  if (done)
    done = guarded([&] {
      for (const auto& page : checkpoint.map) must(file_->write(uint64_t{page.id} * kPageBytes, Bytes(page.bytes)));
      must(file_->sync());
      write_slot(checkpoint.slot);
      must(file_->sync());
      syncs_.fetch_add(2, std::memory_order_relaxed);
    });
  if (!done) checkpoint.error = std::move(done.error());
}

// [any thread] Nothing durable leads to these pages, so memory can let go of them without a sync. Leaves first: there
// are many more of them, and branches change again.
void Engine::spill(PageId root) {
  const std::lock_guard lock(tree_write_lock_);
  PageWriter writer(*file_, *cache_);
  writer.write(root, true);
  if (cache_->dirty_pages() > cache_->frames() / 4) writer.write(root, false);
}

// [writer]
void Engine::spill_now() {
  reclaim();
  spill(readers_.newest().page);
  if (cache_->dirty_pages() <= cache_->frames() / 2) return;
  // What was replaced but is still seen by a snapshot.
  const std::lock_guard lock(tree_write_lock_);
  PageWriter writer(*file_, *cache_);
  space_->each_waiting([&](PageId id) { writer.write(id, false); });
}

// [writer] After a sync that failed: what was written since the durable slot is written again, as it lies in the file.
void Engine::write_again() {
  char buffer[kLevelsMax + 1][kPageBytes];
  const auto visit = [&](const auto& self, PageId id, uint64_t sum, uint32_t level) -> void {
    char* page = buffer[level];
    if (const char* dirty = cache_->dirty_page(id)) {
      std::memcpy(page, dirty, kPageBytes);
    } else {
      // Nobody wrote it since the file was opened.
      if (cache_->sum_of(id, 0) == 0) return;
      const size_t got = must(file_->read(uint64_t{id} * kPageBytes, {page, kPageBytes}));
      if (got != kPageBytes || page_sum(page) != cache_->sum_of(id, sum))
        raise(Code::data_loss,
              "page " + std::to_string(id) + " of " + options_.path + " was lost by a sync that failed; start the node again: the log has what was synced");
      const std::string sealed(page, kPageBytes);
      cache_->open_page(page, id);
      if (header_of(page).version <= slot_.version) return;
      must(file_->write(uint64_t{id} * kPageBytes, Bytes(sealed)));
    }
    const PageView view(page);
    if (level != 0)
      for (uint32_t i = 0; i < view.count(); ++i) self(self, view.child(i), view.child_sum(i), level - 1);
  };
  const Root root = readers_.newest();
  if (root.page != 0) visit(visit, root.page, 0, root.levels - 1);
}

// [writer] What follows from a checkpoint that was written, or was not.
void Engine::settle(Checkpoint& checkpoint) {
  if (checkpoint.error) {
    for (auto& chunk : map_chunks_) chunk.written = false;
    // A sync that failed says nothing about the log either.
    stop(*checkpoint.error);
    return;
  }
  slot_ = checkpoint.slot;
  space_->set_durable(checkpoint.version);
  if (checkpoint.log.page == 0)
    log_->clear();
  else
    log_->drop_before(checkpoint.log.lsn);
  ++checkpoints_;
  reclaim();
  if (options_.after_checkpoint) options_.after_checkpoint(stats_now());
}

// [writer]
void Engine::carry_out(Checkpoint& checkpoint) {
  write_out(checkpoint);
  settle(checkpoint);
  if (checkpoint.error) throw Failure{*checkpoint.error};
  // Its syncs were after everything the writer did.
  unsynced_runs_.clear();
  log_->set_synced(log_->lsn());
}

// [writer]
void Engine::checkpoint_now(const LogStart& log) { carry_out(*capture(log)); }

// [writer] A checkpoint that leads to new segments of the log. If it cannot be made, the log goes on where it was; if
// it fails once it is being written, a slot may lead there or not, and recover begins anew.
void Engine::restart_log() {
  const Log::End before = log_->restart();
  std::unique_ptr<Checkpoint> mine;
  try {
    mine = capture(log_->start_here());
  } catch (...) {
    log_->take_back(before);
    throw;
  }
  carry_out(*mine);
}

// ---- in the background ---------------------------------------------------------------------------------------------

void Engine::background() {
  std::unique_lock lock(background_lock_);
  for (;;) {
    background_changed_.wait(lock, [&] { return ending_ || to_write_ != nullptr || to_spill_; });
    if (to_write_ == nullptr && !to_spill_) return;
    std::unique_ptr<Checkpoint> mine = std::move(to_write_);
    std::optional<Spill> spilled;
    if (mine == nullptr) spilled.swap(to_spill_);
    writing_ = true;
    lock.unlock();
    if (mine != nullptr) {
      write_out(*mine);
    } else {
      // After an error the pages are as before; a writer that needs room meets it too.
      (void)guarded([&] { spill(spilled->root); });
      readers_.drop_snapshot(spilled->began);
    }
    lock.lock();
    writing_ = false;
    if (mine != nullptr) written_ = std::move(mine);
    background_changed_.notify_all();
  }
}

// [writer]
void Engine::settle_background() {
  std::unique_ptr<Checkpoint> done;
  {
    const std::lock_guard lock(background_lock_);
    done = std::move(written_);
  }
  if (done != nullptr) settle(*done);
}

// [writer]
void Engine::wait_for_background() {
  {
    std::unique_lock lock(background_lock_);
    background_changed_.wait(lock, [&] { return to_write_ == nullptr && !to_spill_ && !writing_; });
  }
  settle_background();
}

// [writer] Sees to it that the log, the file and the changed pages in memory stay within their bounds.
void Engine::make_room() {
  settle_background();
  refuse_if_stopped();
  // Not whether there are segments: the checkpoint that was to lead to them may have failed.
  if (slot_.log_page == 0) {
    wait_for_background();
    checkpoint_now(log_->start_here());
    return;
  }
  for (;;) {
    const uint64_t logged = log_->lsn() - slot_.log_lsn;
    // Pages that only a checkpoint makes usable again: the file is longer by that. The log bounds them too, unless its
    // records are tiny.
    const bool held =
        space_->waiting_for_durable() > std::max<uint64_t>(cache_->frames(), space_->used() - space_->waiting());
    if (logged <= options_.log_bytes / 2 && !held) break;
    if (!options_.background) {
      checkpoint_now(log_->start_here());
      break;
    }
    if (idle()) {
      std::unique_ptr<Checkpoint> next = capture(log_->start_here());
      const std::lock_guard lock(background_lock_);
      to_write_ = std::move(next);
      background_changed_.notify_all();
    }
    if (logged <= options_.log_bytes) break;
    const auto began = std::chrono::steady_clock::now();
    wait_for_background();
    waited_microseconds_ += static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began).count());
    refuse_if_stopped();
  }
  const size_t dirty = cache_->dirty_pages();
  if (dirty <= cache_->frames() * 3 / 8) return;
  if (!options_.background || dirty > cache_->frames() * 5 / 8) return spill_now();
  if (!idle()) return;
  const Spill next{readers_.newest().page, readers_.now()};
  readers_.add_snapshot(next.began);
  const std::lock_guard lock(background_lock_);
  to_spill_ = next;
  background_changed_.notify_all();
}

// [writer] The background thread has nothing to do.
bool Engine::idle() {
  const std::lock_guard lock(background_lock_);
  return to_write_ == nullptr && !to_spill_ && !writing_ && written_ == nullptr;
}

}  // namespace orbit::cow_btree
