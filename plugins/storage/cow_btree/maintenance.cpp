// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What an operator asks for, and closing.
#include <algorithm>

#include "builder.hpp"
#include "waiting.hpp"

namespace orbit::cow_btree {

namespace {

constexpr size_t kCompactStepPages = 128;
// What found no room in front, because what was moved before was not free yet, lies anywhere: it moves the next time.
constexpr int kCompactPasses = 4;

}  // namespace

Result<> Engine::checkpoint() {
  return guarded([&] {
    const Turn turn(*this);
    wait_for_background();
    refuse_if_stopped();
    checkpoint_now(log_->ready() ? log_->start_here() : log_->end_here());
  });
}

// [writer] Moves some of the pages behind `boundary`; `from` is where to go on, empty at the end.
void Engine::compact_step(PageId boundary, std::string& from) {
  make_room();
  // The log does not grow by this, and what was moved away is only room after a checkpoint.
  if (space_->waiting_for_durable() > cache_->frames() * 3 / 8) {
    wait_for_background();
    checkpoint_now(log_->start_here());
  }
  reclaim();
  Txn txn(*file_, *cache_, *space_, lists_, readers_.newest(), version_ + 1, captured_version_);
  try {
    from = txn.relocate(from, boundary, kCompactStepPages);
  } catch (...) {
    txn.roll_back();
    throw;
  }
  // What it holds is the same, so the log has nothing to say about it.
  if (!txn.changed()) return;
  unsynced_runs_.insert(unsynced_runs_.end(), txn.runs().begin(), txn.runs().end());
  commit_txn(txn);
}

// [writer] As many pages as are in use, and a little for the copies of branches on the way.
PageId Engine::compact_boundary() const noexcept {
  const uint64_t used = space_->used() - space_->waiting();
  return static_cast<PageId>(std::min<uint64_t>(space_->pages(), used + used / 64 + 16));
}

// [writer]
bool Engine::worth_compacting() const noexcept {
  return space_->pages() - (space_->used() - space_->waiting()) > space_->pages() / 10 + 64;
}

Result<> Engine::compact() {
  for (int pass = 1;; ++pass) {
    bool again = false;
    if (auto done = compact_once(again); !done || !again || pass == kCompactPasses) return done;
  }
}

Result<> Engine::compact_once(bool& again) {
  return guarded([&] {
    PageId boundary = 0;
    {
      const Turn turn(*this);
      wait_for_background();
      refuse_if_stopped();
      checkpoint_now(log_->ready() ? log_->start_here() : log_->end_here());
      boundary = compact_boundary();
    }
    std::string from;
    do {
      const Turn turn(*this);
      refuse_if_stopped();
      compact_step(boundary, from);
    } while (!from.empty());
    const Turn turn(*this);
    wait_for_background();
    refuse_if_stopped();
    checkpoint_now(log_->ready() ? log_->start_here() : log_->end_here());
    // A segment at the end would keep the file as long as it is.
    log_->drop_spares();
    if (log_->lies_behind(boundary)) {
      restart_log();
      log_->drop_spares();
    }
    space_->trim();
    size_bytes_ = space_->pages() * kPageBytes;
    again = worth_compacting();
  });
}

// Everything that `feed` gives becomes the content.
Result<> Engine::load(FunctionRef<void(Builder&)> feed) {
  return guarded([&] {
    const Turn turn(*this);
    wait_for_background();
    refuse_if_stopped();
    if (readers_.newest().page != 0) raise(Code::failed_precondition, "a bulk load needs an empty store");
    Builder builder(*file_, *space_, version_ + 1, seals_.get());
    Builder::Built built;
    try {
      feed(builder);
      built = builder.finish();
    } catch (...) {
      for (const auto& run : builder.made()) space_->give_back(run.page, run.count);
      throw;
    }
    if (built.root == 0) return;
    cache_->set_sum(built.root, built.sum);
    ++version_;
    readers_.publish({built.root, built.levels});
    readers_.tick();
    try {
      checkpoint_now(log_->ready() ? log_->start_here() : log_->end_here());
    } catch (...) {
      // Perhaps a slot leads to it and perhaps its pages are not there: back to nothing.
      ++version_;
      readers_.publish({});
      const uint64_t time = readers_.tick();
      for (const auto& run : builder.made()) space_->free_later(run.page, run.count, version_, time, true);
      throw;
    }
    size_bytes_ = space_->pages() * kPageBytes;
  });
}

Result<> Engine::bulk_load(NextEntry next) {
  return load([&](Builder& builder) {
    Bytes key;
    Bytes value;
    while (next(key, value)) builder.add(key, value);
  });
}

// A new engine's bulk load from a snapshot of this one: also packs everything together.
Result<> Engine::backup(const std::string& path) {
  return guarded([&] {
    if (must(files_.exists(path))) raise(Code::already_exists, path + " exists");
    const std::unique_ptr<StorageSnapshot> snapshot = must(create_snapshot());
    EngineOptions options = options_;
    options.path = path + ".partial";
    options.cache_bytes = std::min<uint64_t>(options.cache_bytes, 4 << 20);
    options.background = false;
    if (must(files_.exists(options.path))) must(files_.remove(options.path));
    {
      const std::unique_ptr<Engine> target = must(Engine::open(files_, options));
      must(target->load([&](Builder& builder) {
        must(scan(snapshot.get(), {}, {}, false, [&](Bytes key, Bytes value) {
          builder.add(key, value);
          return true;
        }));
      }));
    }
    must(files_.rename(options.path, path));
    must(files_.sync_directory(directory_of(path)));
    if (must(files_.exists(options.path + ".lock"))) must(files_.remove(options.path + ".lock"));
  });
}

Result<> Engine::checkpoint(const std::string& directory) {
  return guarded([&] {
    if (must(files_.exists(directory))) raise(Code::already_exists, directory + " exists");
    must(files_.make_directories(directory));
    must(backup(directory + "/" + kFileName));
    must(files_.sync_directory(directory_of(directory)));
  });
}

Engine::~Engine() { close(); }

void Engine::close() {
  if (background_.joinable()) {
    {
      const std::lock_guard lock(background_lock_);
      ending_ = true;
      background_changed_.notify_all();
    }
    background_.join();
  }
  if (!opened_) return;
  // An engine that was stopped leaves the file as after a crash, which is a state that opens.
  const Result<> closed = guarded([&] {
    settle_background();
    if (stopped_.load() || (!log_->ready() && version_ == slot_.version)) return;
    // Without the background thread from here on.
    checkpoint_now(log_->end_here());
    for (int pass = 0; options_.compact_on_close && pass < kCompactPasses && worth_compacting(); ++pass) {
      const PageId boundary = compact_boundary();
      std::string from;
      do {
        if (cache_->dirty_pages() > cache_->frames() / 4) checkpoint_now(log_->end_here());
        reclaim();
        Txn txn(*file_, *cache_, *space_, lists_, readers_.newest(), version_ + 1, captured_version_);
        try {
          from = txn.relocate(from, boundary, kCompactStepPages);
        } catch (...) {
          txn.roll_back();
          throw;
        }
        commit_txn(txn);
      } while (!from.empty());
      checkpoint_now(log_->end_here());
      space_->trim();
    }
    space_->trim();
  });
  (void)closed;
}

Result<> Engine::verify() {
  auto snapshot = create_snapshot();
  if (!snapshot) return tl::unexpected<Error>(std::move(snapshot.error()));
  return guarded([&] {
    const Root root = static_cast<const Snapshot*>(snapshot->get())->root;
    alignas(8) char buffer[kLevelsMax + 1][kPageBytes];
    std::string external;
    const auto visit = [&](const auto& self, PageId id, uint64_t sum, uint32_t level) -> void {
      char* page = buffer[level];
      if (cache_->dirty(id)) {
        std::memcpy(page, cache_->pin(id, sum).page(), kPageBytes);
      } else {
        const size_t got = must(file_->read(uint64_t{id} * kPageBytes, {page, kPageBytes}));
        if (got != kPageBytes || page_sum(page) != cache_->sum_of(id, sum))
          raise(Code::data_loss, "page " + std::to_string(id) + " of " + options_.path + " is damaged: its checksum is not the one that its parent holds");
        cache_->open_page(page, id);
      }
      if (const char* wrong = check_page(page, id, options_.file_bytes_max / kPageBytes); wrong != nullptr || header_of(page).level != level)
        raise(Code::data_loss, "page " + std::to_string(id) + " of " + options_.path + " is damaged: " + (wrong != nullptr ? wrong : "its level is wrong"));
      const PageView view(page);
      for (uint32_t i = 0; i < view.count(); ++i) {
        ExternalRef ref;
        if (view.external(i, ref)) cache_->read_external(ref, external);
        if (level != 0) self(self, view.child(i), view.child_sum(i), level - 1);
      }
    };
    if (root.page != 0) visit(visit, root.page, 0, root.levels - 1);
  });
}

EngineStats Engine::stats() {
  const Turn turn(*this);
  return stats_now();
}

// [writer]
EngineStats Engine::stats_now() {
  return {.file_pages = space_->pages(),
          .used_pages = space_->used(),
          .waiting_pages = space_->waiting(),
          .dirty_pages = cache_->dirty_pages(),
          .checkpoints = checkpoints_,
          .syncs = syncs_.load(),
          .groups = groups_,
          .batches = batches_,
          .page_loads = cache_->loads(),
          .log_bytes = log_->lsn() - slot_.log_lsn,
          .waited_microseconds = waited_microseconds_};
}

}  // namespace orbit::cow_btree
