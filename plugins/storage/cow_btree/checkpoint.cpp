// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Writing the tree out: everything that changed goes to pages that no commit slot leads to, a sync, the slot, a sync.
#include <algorithm>
#include <chrono>

#include "waiting.hpp"

namespace orbit::cow_btree {

namespace {

constexpr size_t kSealedTogether = 2048;

}  // namespace

// [writer] A state to write out, and the map of used pages that goes with it.
std::unique_ptr<Engine::Checkpoint> Engine::capture(const LogStart& log) {
  auto out = std::make_unique<Checkpoint>();
  const bool sealed = seals_ != nullptr;
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

// Writes all changed pages below the root, children before parents, since a parent holds their checksums.
void Engine::write_tree(Checkpoint& checkpoint, std::vector<PageId>& written) {
  struct Out {
    PageId id;
    const char* page;
  };
  std::vector<Out> out;
  std::vector<std::unique_ptr<char[]>> copies;  // that `out` points to
  const auto write = [&] {
    std::sort(out.begin(), out.end(), [](const Out& a, const Out& b) { return a.id < b.id; });
    std::vector<Bytes> parts;
    for (size_t i = 0; i < out.size();) {
      parts.clear();
      size_t end = i;
      while (end < out.size() && out[end].id == out[i].id + (end - i) && parts.size() < 256) parts.push_back({out[end++].page, kPageBytes});
      must(file_->write(uint64_t{out[i].id} * kPageBytes, parts));
      i = end;
    }
    for (const Out& at : out) written.push_back(at.id);
    out.clear();
    copies.clear();
  };
  const auto visit = [&](const auto& self, PageId id) -> void {
    const char* page = cache_->dirty_page(id);
    const PageView view(page);
    std::unique_ptr<char[]> copy;
    if (!view.is_leaf()) {
      copy.reset(new char[kPageBytes]);
      std::memcpy(copy.get(), page, kPageBytes);
      for (uint32_t i = 0; i < view.count(); ++i) {
        const PageId child = view.child(i);
        if (cache_->dirty(child)) self(self, child);
        set_child(copy.get(), i, child, cache_->sum_of(child, view.child_sum(i)));
      }
      page = copy.get();
    }
    if (seals_ != nullptr) {
      std::unique_ptr<char[]> sealed(new char[kPageBytes]);
      seals_->seal_page(page, sealed.get());
      copy = std::move(sealed);
      page = copy.get();
    }
    cache_->set_sum(id, page_sum(page));
    out.push_back({id, page});
    if (copy != nullptr) copies.push_back(std::move(copy));
    // Every sealed page is a copy: not all of them at once.
    if (seals_ != nullptr && copies.size() >= kSealedTogether) write();
  };
  if (checkpoint.root.page != 0 && cache_->dirty(checkpoint.root.page)) visit(visit, checkpoint.root.page);
  write();
}

void Engine::write_slot(Slot& slot) {
  if (seals_ != nullptr) seals_->sign_slot(slot);
  must(file_->write((slot.sequence % 2) * kPageBytes, slot_bytes(slot)));
}

// [any thread] One at a time.
void Engine::write_out(Checkpoint& checkpoint) {
  Result<> done = guarded([&] {
    std::vector<PageId> written;
    write_tree(checkpoint, written);
    for (const auto& page : checkpoint.map) must(file_->write(uint64_t{page.id} * kPageBytes, Bytes(page.bytes)));
    checkpoint.slot.root_sum = checkpoint.root.page == 0 ? 0 : cache_->sum_of(checkpoint.root.page, 0);
    must(file_->sync());
    write_slot(checkpoint.slot);
    must(file_->sync());
    syncs_.fetch_add(2, std::memory_order_relaxed);
    cache_->set_clean(written);
  });
  if (!done) checkpoint.error = std::move(done.error());
}

// [writer] What follows from a checkpoint that was written, or was not.
void Engine::settle(Checkpoint& checkpoint) {
  readers_.drop_snapshot(checkpoint.began);
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
void Engine::checkpoint_now(const LogStart& log) {
  const std::unique_ptr<Checkpoint> mine = capture(log);
  write_out(*mine);
  settle(*mine);
  if (mine->error) throw Failure{*mine->error};
  // Its syncs were after everything the writer did.
  unsynced_runs_.clear();
  log_->set_synced(log_->lsn());
}

// ---- in the background ---------------------------------------------------------------------------------------------

void Engine::background() {
  std::unique_lock lock(background_lock_);
  for (;;) {
    background_changed_.wait(lock, [&] { return ending_ || to_write_ != nullptr; });
    if (to_write_ == nullptr) return;
    std::unique_ptr<Checkpoint> mine = std::move(to_write_);
    writing_ = true;
    lock.unlock();
    write_out(*mine);
    lock.lock();
    writing_ = false;
    written_ = std::move(mine);
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
    background_changed_.wait(lock, [&] { return to_write_ == nullptr && !writing_; });
  }
  settle_background();
}

// [writer] Sees to it that the log and the changed pages stay within their bounds.
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
    const size_t dirty = cache_->dirty_pages();
    const size_t frames = cache_->frames();
    if (logged <= options_.log_bytes / 2 && dirty <= frames * 3 / 8) return;
    const bool urgent = logged > options_.log_bytes || dirty > frames * 5 / 8;
    if (!options_.background) return checkpoint_now(log_->start_here());
    bool idle;
    {
      const std::lock_guard lock(background_lock_);
      idle = to_write_ == nullptr && !writing_ && written_ == nullptr;
    }
    if (idle) {
      std::unique_ptr<Checkpoint> next = capture(log_->start_here());
      const std::lock_guard lock(background_lock_);
      to_write_ = std::move(next);
      background_changed_.notify_all();
    }
    if (!urgent) return;
    const auto began = std::chrono::steady_clock::now();
    wait_for_background();
    waited_microseconds_ += static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began).count());
    refuse_if_stopped();
  }
}

}  // namespace orbit::cow_btree
