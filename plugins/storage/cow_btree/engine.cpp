// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Opening, reading, writing.
#include "engine.hpp"

#include <algorithm>
#include <array>
#include <random>

#include "waiting.hpp"

namespace orbit::cow_btree {

namespace {

constexpr uint64_t kBatchBytesMax = uint64_t{1} << 30;
constexpr size_t kGroupBytes = 1 << 20;
constexpr uint64_t kReclaimPages = 128;
// While one operation is applied, memory fetches the leaf of the one so many further on.
constexpr size_t kAhead = 2;
// What a sleeping writer is told.
constexpr uint32_t kDone = 1;
constexpr uint32_t kLead = 2;

uint64_t slot_sum(Slot slot) noexcept {
  slot.sum = 0;
  return bytes_sum({reinterpret_cast<const char*>(&slot), sizeof slot}, kSlotMagic);
}

uint64_t bytes_of(const WriteOps& ops) {
  uint64_t out = 0;
  for (size_t i = 0; i < ops.size(); ++i) out += ops[i].key.size() + ops[i].value.size() + 16;
  return out;
}

}  // namespace

std::string directory_of(const std::string& path) {
  const size_t at = path.rfind('/');
  return at == std::string::npos ? "." : at == 0 ? "/" : path.substr(0, at);
}

Bytes slot_bytes(Slot& slot) noexcept {
  slot.sum = slot_sum(slot);
  return {reinterpret_cast<const char*>(&slot), sizeof slot};
}

// ---- opening -------------------------------------------------------------------------------------------------------

Engine::Engine(FileSystem& files, EngineOptions options) : files_(files), options_(std::move(options)) {}

Result<std::unique_ptr<Engine>> Engine::open(FileSystem& files, const EngineOptions& options) {
  if (options.cache_bytes < 64 * kPageBytes || !Log::valid_segment_bytes(options.log_segment_bytes) ||
      options.file_bytes_max < 16 * kPageBytes || options.file_bytes_max / kPageBytes > ~PageId{0})
    return fail(Code::invalid_argument, "cow_btree: a size in the options is out of range");
  std::unique_ptr<Engine> engine(new Engine(files, options));
  Result<> opened = guarded([&] {
    engine->lock_ = must(files.lock(options.path + ".lock"));
    if (!must(files.exists(options.path))) engine->create_file();
    engine->open_file();
  });
  if (!opened) return tl::unexpected<Error>(std::move(opened.error()));
  return engine;
}

// Under another name first, so that there is no moment at which the file is there and not complete.
void Engine::create_file() {
  const std::string name = options_.path + ".new";
  if (must(files_.exists(name))) must(files_.remove(name));
  const std::unique_ptr<File> file = must(files_.open(name, OpenMode::exclusive));
  Slot slot{};
  slot.magic = kSlotMagic;
  slot.format_version = kFormatVersion;
  slot.page_bytes = kPageBytes;
  slot.pages = 2;
  slot.log_segment_bytes = options_.log_segment_bytes;
  std::random_device random;
  slot.file_id = uint64_t{random()} << 32 | random();
  std::optional<Seals> seals;
  if (options_.keys != nullptr) seals.emplace(add_data_key(slot, *options_.keys), slot.file_id);
  must(file->allocate(0, 2 * kPageBytes));
  for (slot.sequence = 0; slot.sequence < 2; ++slot.sequence) {
    if (seals) seals->sign_slot(slot);
    must(file->write(slot.sequence * kPageBytes, slot_bytes(slot)));
  }
  must(file->sync());
  must(files_.rename(name, options_.path));
  must(files_.sync_directory(directory_of(options_.path)));
}

void Engine::read_slots() {
  const uint64_t size = must(file_->size());
  if (size < 2 * kPageBytes) raise(Code::data_loss, options_.path + " has " + std::to_string(size) + " bytes, less than the two commit slots");
  std::array<Slot, 2> slots{};
  for (uint64_t i = 0; i < 2; ++i) {
    Slot& slot = slots[i];
    if (must(file_->read(i * kPageBytes, {reinterpret_cast<char*>(&slot), sizeof slot})) != sizeof slot)
      raise(Code::data_loss, options_.path + ": commit slot " + std::to_string(i) + " cannot be read");
    // A slot is one sector, so a power cut leaves it old or new. Going on with the other one could go back in time.
    if (slot.magic != kSlotMagic || slot.sum != slot_sum(slot))
      raise(Code::data_loss, options_.path + ": commit slot " + std::to_string(i) + " is damaged, or this is no cow_btree file");
    if (slot.format_version != kFormatVersion || slot.page_bytes != kPageBytes)
      raise(Code::failed_precondition, options_.path + " has format version " + std::to_string(slot.format_version) + ", expected " +
                                           std::to_string(kFormatVersion));
    if (slot.cipher > kCipherAes256Gcm || slot.seal_bytes != (slot.cipher == 0 ? 0 : kSealBytes))
      raise(Code::failed_precondition, options_.path + " is encrypted with cipher " + std::to_string(slot.cipher) + ", which this version does not know");
    if (slot.sequence % 2 != i) raise(Code::data_loss, options_.path + ": commit slot " + std::to_string(i) + " holds the other one's content");
  }
  const size_t newer = slots[1].sequence > slots[0].sequence ? 1 : 0;
  unlock(slots[newer], slots[1 - newer]);
  slot_ = slots[newer];
  const uint64_t pages_max = options_.file_bytes_max / kPageBytes;
  const bool sane = slot_.pages >= 2 && slot_.levels <= kLevelsMax && (slot_.root == 0) == (slot_.levels == 0) &&
                    (slot_.root == 0 || (slot_.root >= 2 && slot_.root < slot_.pages)) && Log::valid_segment_bytes(slot_.log_segment_bytes);
  if (!sane) raise(Code::data_loss, options_.path + ": the commit slot contradicts itself");
  if (slot_.pages > pages_max || size / kPageBytes > pages_max)
    raise(Code::resource_exhausted, "file_bytes_max: " + options_.path + " is larger than " + std::to_string(options_.file_bytes_max));
  if (size < slot_.pages * kPageBytes)
    raise(Code::data_loss, options_.path + " has " + std::to_string(size) + " bytes, expected at least " + std::to_string(slot_.pages * kPageBytes));
}

// Whether the file is encrypted is said by the slot, and whether it should be by the options.
void Engine::unlock(const Slot& best, const Slot& other) {
  if (best.cipher != other.cipher) raise(Code::data_loss, options_.path + ": one commit slot is of an encrypted file, and the other is not");
  const auto& keys = options_.keys;
  if (best.cipher == 0) {
    if (keys != nullptr) throw Failure{error_not_encrypted(options_.path)};
    return;
  }
  if (keys == nullptr) throw Failure{error_key_missing(options_.path, best.master_key_id)};
  seals_ = std::make_unique<Seals>(unwrap_data_key(best, *keys, options_.path), best.file_id);
  for (const Slot* slot : {&best, &other})
    if (!seals_->check_slot(*slot))
      raise(Code::data_loss, options_.path + ": commit slot " + std::to_string(slot->sequence % 2) + " does not open with the file's key");
  change_master_key_ = best.master_key_id != keys->current_id() || other.master_key_id != keys->current_id();
}

// The slots are the only place that the master key has any part in. Each is written whole or not at all, and either one opens with
// one of the two keys that were given.
void Engine::change_master_key() {
  const EncryptionKey key = unwrap_data_key(slot_, *options_.keys, options_.path);
  for (int i = 0; i < 2; ++i) {
    ++slot_.sequence;
    rewrap_data_key(slot_, key, *options_.keys);
    write_slot(slot_);
    must(file_->sync());
  }
}

void Engine::load_map() {
  const auto read = [&](PageId id, uint64_t sum, PageKind kind) {
    std::string bytes(kPageBytes, '\0');
    const std::string where = "page " + std::to_string(id) + " of " + options_.path;
    if (id < 2 || id >= slot_.pages) raise(Code::data_loss, "a reference to " + where + ", which cannot be");
    const size_t got = must(file_->read(uint64_t{id} * kPageBytes, {bytes.data(), bytes.size()}));
    const bool whole = got == kPageBytes && page_sum(bytes.data()) == sum;
    if (whole && seals_ != nullptr && !seals_->open_page(bytes.data(), id)) raise(Code::data_loss, where + " is damaged: it does not open with the file's key");
    const auto header = read_at<PageHeader>(bytes.data());
    if (!whole || header.kind != static_cast<uint8_t>(kind) || header.id != id)
      raise(Code::data_loss, where + " is damaged: it is part of the map of used pages, and its checksum is not the expected one");
    return bytes;
  };
  const bool encrypted = seals_ != nullptr;
  const uint64_t pages = std::max(slot_.pages, must(file_->size()) / kPageBytes);
  Bitmap map;
  map.resize(pages);
  PageId next = slot_.map_index;
  uint64_t next_sum = slot_.map_index_sum;
  while (next != 0) {
    if (index_pages_.size() > pages / map_bits(encrypted) + 1) raise(Code::data_loss, options_.path + ": the map of used pages is longer than the file");
    const std::string index = read(next, next_sum, PageKind::map_index);
    index_pages_.push_back(next);
    const auto entry = [&](size_t i) { return read_at<MapEntry>(index.data() + sizeof(PageHeader) + i * sizeof(MapEntry)); };
    const size_t count = std::min<size_t>(read_at<PageHeader>(index.data()).count, map_entries(encrypted));
    for (size_t i = 1; i <= count; ++i) {
      const std::string chunk = read(entry(i).page, entry(i).sum, PageKind::map);
      std::string bits = chunk.substr(sizeof(PageHeader), map_bytes(encrypted));
      map.load_chunk(map_chunks_.size(), bits);
      map_chunks_.push_back({entry(i).page, entry(i).sum, true, std::move(bits)});
    }
    next = entry(0).page;
    next_sum = entry(0).sum;
  }
  space_->load(std::move(map), pages);
  space_->mark_used(0, 2);
}

void Engine::open_file() {
  file_ = must(files_.open(options_.path, OpenMode::existing));
  read_slots();
  if (change_master_key_) change_master_key();
  const uint64_t pages_max = options_.file_bytes_max / kPageBytes;
  cache_ = std::make_unique<Cache>(*file_, options_.path, readers_, options_.cache_bytes, pages_max, seals_.get());
  tree_ = std::make_unique<Tree>(*cache_);
  space_ = std::make_unique<Space>(*file_, pages_max, seals_ != nullptr, slot_.log_segment_bytes / kPageBytes);
  log_ = std::make_unique<Log>(*file_, options_.path, *space_, slot_.file_id, slot_.log_segment_bytes, seals_.get());
  log_->set_spares_max(options_.log_bytes / slot_.log_segment_bytes + 2);
  load_map();
  version_ = captured_version_ = slot_.version;
  space_->set_durable(version_);
  if (slot_.root != 0) cache_->set_sum(slot_.root, slot_.root_sum);
  readers_.publish({slot_.root, slot_.levels});

  log_->replay({slot_.log_lsn, slot_.log_previous, slot_.log_page}, [&](Bytes operations) {
    Txn txn(*file_, *cache_, *space_, lists_, readers_.newest(), version_ + 1, captured_version_);
    try {
      apply(txn, operations);
    } catch (...) {
      txn.roll_back();
      throw;
    }
    commit_txn(txn);
    reclaim();
    if (cache_->dirty_pages() > cache_->frames() / 2) spill_now();
  });
  size_bytes_ = space_->pages() * kPageBytes;
  opened_ = true;
  if (options_.background) background_ = std::thread([this] { background(); });
}

// ---- reading -------------------------------------------------------------------------------------------------------

Result<bool> Engine::get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) {
  return guarded([&] {
    Reader reader(readers_);
    const Root root = snapshot != nullptr ? static_cast<const Snapshot*>(snapshot)->root : reader.newest();
    return tree_->get(root, reader, key, value);
  });
}

Result<> Engine::multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) {
  return guarded([&] {
    Reader reader(readers_);
    const Root root = snapshot != nullptr ? static_cast<const Snapshot*>(snapshot)->root : reader.newest();
    tree_->multi_get(root, reader, keys, visit);
  });
}

Result<> Engine::scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) {
  return guarded([&] {
    Reader reader(readers_);
    const Root root = snapshot != nullptr ? static_cast<const Snapshot*>(snapshot)->root : reader.newest();
    tree_->scan(root, reader, from, to, reverse, visit);
  });
}

Result<CachedGet> Engine::get_cached(Bytes key, ValueSink value) {
  return guarded([&] {
    Reader reader(readers_);
    return tree_->get_cached(reader.newest(), key, value);
  });
}

Result<std::unique_ptr<StorageSnapshot>> Engine::create_snapshot() {
  return guarded([&]() -> std::unique_ptr<StorageSnapshot> {
    Reader reader(readers_);
    return std::make_unique<Snapshot>(readers_, reader.newest(), reader.began());
  });
}

uint64_t Engine::size_bytes() { return size_bytes_.load(); }

// ---- writing -------------------------------------------------------------------------------------------------------

void Engine::refuse_if_stopped() {
  if (!stopped_.load()) return;
  const std::lock_guard lock(stop_lock_);
  throw Failure{{stop_reason_.code, "writes are refused until recover succeeds: " + stop_reason_.message}};
}

void Engine::stop(const Error& reason) {
  const std::lock_guard lock(stop_lock_);
  if (stopped_.load()) return;
  stop_reason_ = reason;
  stopped_ = true;
}

void Engine::reclaim() {
  space_->reclaim(readers_.oldest(), [&](std::span<const PageId> ids) { cache_->forget(ids); });
  left_waiting_ = space_->waiting_for_readers();
}

void Engine::commit_txn(Txn& txn) {
  version_ = txn.version();
  readers_.publish(txn.root());
  txn.committed_at(readers_.tick());
}

void Engine::sync_file() {
  const uint64_t reached = log_->lsn();
  syncs_.fetch_add(1, std::memory_order_relaxed);
  if (Result<> synced = file_->sync(); !synced) {
    stop(synced.error());
    must(std::move(synced));
  }
  log_->set_synced(reached);
  unsynced_runs_.clear();
}

// The operations of a record: kind, length of the key, length of the value, both.
void Engine::apply(Txn& txn, Bytes operations) {
  while (!operations.empty()) {
    const auto damaged = [&] { raise(Code::data_loss, options_.path + ": a record of the log holds something else than operations"); };
    if (operations.size() < 9) damaged();
    const auto kind = static_cast<WriteKind>(operations[0]);
    const auto key_bytes = read_at<uint32_t>(operations.data() + 1);
    const auto value_bytes = read_at<uint32_t>(operations.data() + 5);
    operations.remove_prefix(9);
    if (uint64_t{key_bytes} + value_bytes > operations.size()) damaged();
    const Bytes key = operations.substr(0, key_bytes);
    const Bytes value = operations.substr(key_bytes, value_bytes);
    operations.remove_prefix(size_t{key_bytes} + value_bytes);
    switch (kind) {
      case WriteKind::put: txn.put(key, value); break;
      case WriteKind::erase: txn.erase(key); break;
      case WriteKind::erase_range: txn.erase_range(key, value); break;
      default: damaged();
    }
  }
}

bool Engine::enqueue(Waiting& mine) {
  mine.parker->reset();
  {
    const std::lock_guard lock(queue_lock_);
    queue_.push_back(&mine);
    if (queue_.front() == &mine) return true;
  }
  return mine.parker->wait() == kLead;
}

void Engine::leave(std::span<Waiting* const> done) {
  // The first is the caller. Once a thread knows that it is done, its Waiting is gone.
  static thread_local std::vector<std::shared_ptr<Parker>> sleeping;
  sleeping.clear();
  for (const Waiting* waiting : done.subspan(1)) sleeping.push_back(waiting->parker);
  std::shared_ptr<Parker> next;
  {
    const std::lock_guard lock(queue_lock_);
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(done.size()));
    if (!queue_.empty()) next = queue_.front()->parker;
  }
  for (const auto& parker : sleeping) parker->wake(kDone);
  // Last, so that who was woken can be in the next one's group.
  if (next != nullptr) next->wake(kLead);
}

namespace {

Result<> check_batch(WriteOps ops) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < ops.size(); ++i) {
    const WriteOp op = ops[i];
    bytes += op.key.size() + op.value.size() + 16;
    if (op.key.size() > kKeyBytesMax || (op.kind == WriteKind::erase_range && op.value.size() > kKeyBytesMax))
      return fail(Code::invalid_argument, "a key has " + std::to_string(op.key.size()) + " bytes, at most " + std::to_string(kKeyBytesMax) + " are possible");
  }
  if (bytes > kBatchBytesMax)
    return fail(Code::resource_exhausted, "a batch has " + std::to_string(bytes) + " bytes, at most " + std::to_string(kBatchBytesMax) + " are possible");
  return {};
}

}  // namespace

Result<> Engine::write(WriteOps ops, bool sync) {
  if (auto good = check_batch(ops); !good) return good;
  Waiting mine;
  mine.ops = &ops;
  mine.sync = sync;
  if (!enqueue(mine)) return mine.result;
  std::vector<Waiting*> group;
  {
    const std::lock_guard lock(queue_lock_);
    uint64_t together = 0;
    for (Waiting* waiting : queue_) {
      if (waiting->alone) break;
      together += bytes_of(*waiting->ops);
      if (!group.empty() && together > kGroupBytes) break;
      group.push_back(waiting);
    }
  }
  run_group(group);
  leave(group);
  return mine.result;
}

// A group of its own: what the conditions see is what the batch changes.
Result<FencedOutcome> Engine::write_if(Conditions conditions, WriteOps ops, bool sync) {
  const std::vector<orbit_write_op> all = with_fences(conditions, ops);
  const WriteOps batch(all.data(), all.size());
  if (auto good = check_batch(batch); !good) return tl::unexpected<Error>(std::move(good.error()));
  const Turn turn(*this);
  Result<FencedOutcome> outcome = check_conditions(*this, conditions);
  if (!outcome || outcome->failed) return outcome;
  Waiting mine;
  mine.ops = &batch;
  mine.sync = sync;
  Waiting* const group = &mine;
  run_group({&group, 1});
  if (!mine.result) return tl::unexpected<Error>(std::move(mine.result.error()));
  return outcome;
}

// [writer]
Result<> Engine::try_group(std::span<Waiting* const> group) {
  try {
    commit_group(group);
  } catch (Failure& failure) {
    return tl::unexpected<Error>(std::move(failure.error));
  } catch (const std::exception& e) {
    return fail(Code::resource_exhausted, std::string("a batch could not be applied: ") + e.what());
  }
  return {};
}

// [writer] Sets everybody's result.
void Engine::run_group(std::span<Waiting* const> group) {
  Result<> result = try_group(group);
  if (!result && result.error().code == Code::resource_exhausted && !stopped_.load()) {
    // Readers that are gone may have left room, of which nobody hears before a write succeeds.
    const uint64_t waiting = space_->waiting();
    reclaim();
    if (space_->waiting() < waiting) result = try_group(group);
  }
  if (!result && result.error().code == Code::resource_exhausted && !stopped_.load() && make_usable()) result = try_group(group);
  if (!result && group.size() > 1 && !stopped_.load()) {
    // One batch's fault must not be the others'.
    for (Waiting* const waiting : group) run_group({&waiting, 1});
    return;
  }
  for (Waiting* waiting : group) waiting->result = result;
}

// [writer] Writes the tree out if that leaves room that a write did not find. False: there is no more than before.
bool Engine::make_usable() {
  const Result<bool> made = guarded([&] {
    const uint64_t used = space_->used();
    wait_for_background();
    refuse_if_stopped();
    const bool frees = slot_.log_page != 0 && (space_->checkpoint_frees(readers_.oldest()) || log_->checkpoint_frees());
    if (frees) checkpoint_now(log_->start_here());
    // One, so that the log can go on where no other run of pages is left.
    log_->drop_spares(1);
    return frees || space_->used() < used;
  });
  return made && *made;
}

void Engine::commit_group(std::span<Waiting* const> group) {
  refuse_if_stopped();
  bool sync = false;
  bool erasing = true;
  ops_.clear();
  for (const Waiting* waiting : group) {
    sync = sync || waiting->sync;
    for (size_t i = 0; i < waiting->ops->size(); ++i) {
      ops_.push_back((*waiting->ops)[i]);
      erasing = erasing && ops_.back().kind != WriteKind::put;
    }
  }
  const SpaceUse use(*space_, erasing ? Space::Use::erasing : Space::Use::writing);
  make_room();
  ++groups_;
  // Soon, so that copies of copies neither count as changed pages nor make the file longer; not in vain each time.
  if (space_->waiting_for_readers() > left_waiting_ + kReclaimPages) reclaim();
  operations_.clear();
  Txn txn(*file_, *cache_, *space_, lists_, readers_.newest(), version_ + 1, captured_version_);
  try {
    for (size_t i = 0; i < ops_.size(); ++i) {
      if (i + kAhead < ops_.size()) txn.expect(ops_[i + kAhead].key);
      const WriteOp& op = ops_[i];
      switch (op.kind) {
        case WriteKind::put: txn.put(op.key, op.value); break;
        case WriteKind::erase: txn.erase(op.key); break;
        case WriteKind::erase_range: txn.erase_range(op.key, op.value); break;
      }
      char head[9];
      head[0] = static_cast<char>(op.kind);
      write_at(head + 1, static_cast<uint32_t>(op.key.size()));
      write_at(head + 5, static_cast<uint32_t>(op.value.size()));
      operations_.append(head, sizeof head).append(op.key).append(op.value);
    }
    if (!operations_.empty()) {
      try {
        log_->append(operations_, sync);
      } catch (const Failure& failure) {
        if (failure.error.code != Code::resource_exhausted) stop(failure.error);
        throw;
      }
    }
    if (sync) sync_file();
  } catch (...) {
    txn.roll_back();
    throw;
  }
  if (!sync) unsynced_runs_.insert(unsynced_runs_.end(), txn.runs().begin(), txn.runs().end());
  batches_ += group.size();
  if (operations_.empty()) return;
  commit_txn(txn);
  size_bytes_.store(space_->pages() * kPageBytes, std::memory_order_relaxed);
}

Result<> Engine::sync() {
  return guarded([&] {
    const Turn turn(*this);
    refuse_if_stopped();
    sync_file();
  });
}

Result<> Engine::recover() {
  return guarded([&] {
    const Turn turn(*this);
    wait_for_background();
    if (!stopped_.load()) return;
    // Nothing is known of what was written since the last sync that succeeded, so all of it is written again.
    std::string bytes;
    bool all = true;
    for (const ExternalRef& run : unsynced_runs_) {
      const Result<> read = guarded([&] { cache_->read_run(run, bytes); });
      if (read)
        must(file_->write(uint64_t{run.page} * kPageBytes, Bytes(bytes)));
      else
        all = false;
    }
    // Such a run has been replaced since, or it is lost.
    if (!all) must(verify());
    write_again();
    if (log_->ready())
      restart_log();
    else
      checkpoint_now(log_->start_here());
    stopped_ = false;
  });
}

}  // namespace orbit::cow_btree
