// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Opening and reading.
#include "engine.hpp"

#include <random>

#include "parallel.hpp"

namespace orbit::s3 {

namespace {

constexpr int kClaimsMax = 16;
constexpr uint64_t kReplayTogether = 64;
constexpr uint64_t kReplayBytes = 32 << 20;

std::string random_id() {
  std::random_device random;
  std::string out;
  for (int i = 0; i < 4; ++i) put_fixed(out, static_cast<uint32_t>(random()));
  return out;
}

}  // namespace

class Engine::Snapshot final : public StorageSnapshot {
 public:
  explicit Snapshot(View seen) : view(std::move(seen)) {}
  const View view;
};

Engine::Engine(std::shared_ptr<ObjectStore> store, EngineOptions options)
    : store_(std::move(store)), options_(std::move(options)), cache_(options_.cache_bytes), writer_id_(random_id()) {}

Result<std::unique_ptr<Engine>> Engine::open(std::shared_ptr<ObjectStore> store, EngineOptions options) {
  return guarded([&] {
    std::unique_ptr<Engine> engine(new Engine(std::move(store), std::move(options)));
    engine->claim();
    engine->install_tables();
    engine->replay();
    engine->check_conditions();
    engine->find_garbage();
    if (engine->options_.background) {
      engine->threads_.emplace_back([e = engine.get()] { e->run_flushes(); });
      engine->threads_.emplace_back([e = engine.get()] { e->run_compactions(); });
    }
    if (engine->options_.unsynced_delay_ms != 0) engine->threads_.emplace_back([e = engine.get()] { e->run_delay(); });
    return engine;
  });
}

Engine::~Engine() {
  {
    std::lock_guard lock(commit_mutex_);
    delay_stopping_ = true;
    pending_changed_.notify_all();
    if (!pending_.empty() && !doubt_ && !is_fenced_.load()) {
      const Result<> stored = guarded([&] { store_pending(); });
      if (!stored) options_.warn("what was written without sync is lost: " + stored.error().message);
    }
  }
  {
    std::lock_guard lock(state_mutex_);
    stopping_ = true;
    state_changed_.notify_all();
  }
  store_->shut_down();
  for (std::thread& thread : threads_) thread.join();
  version_.reset();  // tables that go say so to what is destroyed before them
}

// The manifest is swapped for one with the next epoch: from here on no older writer can change it.
void Engine::claim() {
  const std::string what = store_->describe(kManifestName);
  for (int attempt = 0; attempt < kClaimsMax; ++attempt) {
    const auto before = store_->get(kManifestName);
    Manifest next = before ? Manifest::decode(before->bytes, what) : Manifest();
    ++next.epoch;
    ++next.edit;
    next.writer = options_.writer;
    next.writer_id = writer_id_;
    const std::string bytes = next.encode();
    auto etag = store_->put(kManifestName, bytes, before ? PutCondition::match(before->etag) : PutCondition::absent());
    if (!etag) {
      auto now = store_->get(kManifestName);
      if (!now || now->bytes != bytes) continue;
      etag = std::move(now->etag);
    }
    epoch_ = next.epoch;
    manifest_ = std::move(next);
    manifest_etag_ = std::move(*etag);
    return;
  }
  raise(Code::aborted,
        what + " was replaced by others " + std::to_string(kClaimsMax) + " times while it was being claimed");
}

void Engine::install_tables() {
  auto version = std::make_shared<Version>();
  version->active = active_ = std::make_shared<Memtable>();
  for (size_t level = 0; level < kLevels; ++level)
    for (const TableInfo& info : manifest_.levels[level]) version->levels[level].push_back(make_table(info));
  version_ = std::move(version);
}

std::vector<std::string> Engine::read_wals(uint64_t first, uint64_t last) {
  std::vector<std::string> out(last - first + 1);
  in_parallel(out.size(), options_.parallel_reads, [&](size_t i) {
    auto object = store_->get(wal_name(first + i));
    if (!object) {
      look_for_fence();
      raise(Code::data_loss, store_->describe(wal_name(first + i)) + " was listed and is missing");
    }
    out[i] = std::move(object->bytes);
  });
  return out;
}

void Engine::apply_wal(Bytes object, uint64_t number) {
  read_wal(object, number, store_->describe(wal_name(number)), [&](const WriteOp& op) { apply(op); });
  ++wal_since_freeze_;
  wal_next_ = number + 1;
  publish();
  if (active_->bytes() < options_.write_buffer_bytes && wal_since_freeze_ < options_.wal_objects_max) return;
  freeze();
  while (flush_one()) continue;
}

// Reads what is not in tables yet, and ends the log for all older writers by taking its next number.
void Engine::replay() {
  const uint64_t flushed = manifest_.wal_flushed;
  uint64_t last = flushed;
  std::vector<uint64_t> sizes;
  store_->list(kWalPrefix, wal_name(manifest_.wal_removed), [&](const std::string& name, uint64_t size) {
    const uint64_t number = wal_number(name);
    if (number == 0) return;
    if (size == kWalEmptyBytes) wal_kept_.insert(number);
    if (number <= flushed) {
      if (size != kWalEmptyBytes) wal_trash_.push_back(number);
      return;
    }
    if (number != last + 1) {
      look_for_fence();
      raise(Code::data_loss, store_->describe(wal_name(last + 1)) + " is missing: the log goes on with number " +
                                 std::to_string(number));
    }
    last = number;
    sizes.push_back(size);
  });
  wal_removed_ = manifest_.wal_removed;
  wal_removed_next_ = flushed;

  wal_next_ = flushed + 1;
  uint64_t epoch = 0;
  std::string held;  // is applied when the one after it does not void it
  uint64_t held_number = 0;
  const auto take = [&](std::string object, uint64_t number) {
    const WalHeader header = read_wal(object, number, store_->describe(wal_name(number)), {});
    if (header.epoch > epoch_) look_for_fence();
    if (header.epoch > epoch_ || header.epoch < epoch)
      raise(Code::data_loss, store_->describe(wal_name(number)) + " is of epoch " + std::to_string(header.epoch) +
                                 ", the one before of " + std::to_string(epoch) + ", and the manifest of " +
                                 std::to_string(epoch_));
    epoch = header.epoch;
    if (held_number != 0 && (header.flags & kWalVoidsBefore) == 0) apply_wal(held, held_number);
    held = std::move(object);
    held_number = number;
  };
  uint64_t read = flushed;
  while (read < last) {
    uint64_t end = read;
    for (uint64_t bytes = 0; end < last && end - read < kReplayTogether && bytes < kReplayBytes; ++end)
      bytes += sizes[end - flushed];
    std::vector<std::string> objects = read_wals(read + 1, end);
    for (std::string& object : objects) take(std::move(object), ++read);
  }
  // An older writer may still add to the log until the fence stands.
  while (true) {
    const uint64_t number = read + 1;
    auto other = put_wal(number, make_wal({epoch_, number, kWalFence, writer_id_}, {}));
    if (!other) {
      if (held_number != 0) apply_wal(held, held_number);
      wal_kept_.insert(number);
      wal_next_ = number + 1;
      return;
    }
    if (other->size() == kWalEmptyBytes) wal_kept_.insert(number);
    take(std::move(*other), number);
    read = number;
  }
}

// A store that ignores conditions would let two writers overwrite each other: refused. Writes the same bytes again, so
// that nothing is lost there.
void Engine::check_conditions() {
  const uint64_t fence = wal_next_ - 1;
  const auto wrong = [&](const char* condition) {
    raise(Code::failed_precondition,
          store_->describe(wal_name(fence)) + ": the store accepted a write whose condition " + condition +
              " was not met. Without conditional writes nothing keeps two nodes from overwriting each other: "
              "this store cannot be used");
  };
  if (store_->put(wal_name(fence), make_wal({epoch_, fence, kWalFence, writer_id_}, {}), PutCondition::absent()))
    wrong("If-None-Match");
  if (store_->put(wal_name(fence), make_wal({epoch_, fence, kWalFence, writer_id_}, {}),
                  PutCondition::match("\"00000000000000000000000000000000\"")))
    wrong("If-Match");
}

// What crashes of earlier writers left behind. Objects of later epochs are somebody else's.
void Engine::find_garbage() {
  std::set<std::string> known;
  for (const auto& level : manifest_.levels)
    for (const TableInfo& info : level) known.insert(info.name());
  store_->list("table/", "", [&](const std::string& name, uint64_t) {
    if (!known.contains(name) && name < "table/" + digits(epoch_)) trash_.push_back(name);
  });
}

// ---- being fenced -------------------------------------------------------------------------------------------------

void Engine::check_fenced() {
  if (!is_fenced_.load(std::memory_order_acquire)) return;
  std::lock_guard lock(state_mutex_);
  throw Failure{*fenced_};
}

void Engine::fenced_by(const Manifest& now) {
  std::lock_guard lock(state_mutex_);
  if (!fenced_)
    fenced_ = Error{Code::failed_precondition, store_->describe(kManifestName) +
                                                   ": fenced by another writer: " + now.writer + " has epoch " +
                                                   std::to_string(now.epoch) + ", this one (" + options_.writer +
                                                   ") has epoch " + std::to_string(epoch_) + " and must not go on"};
  is_fenced_.store(true, std::memory_order_release);
  state_changed_.notify_all();
  throw Failure{*fenced_};
}

// Something is not as it should be: perhaps because another writer has taken over. Returns if not.
void Engine::look_for_fence() {
  const auto now = store_->get(kManifestName);
  if (!now) raise(Code::data_loss, store_->describe(kManifestName) + " is missing");
  const Manifest manifest = Manifest::decode(now->bytes, store_->describe(kManifestName));
  if (manifest.epoch != epoch_ || manifest.writer_id != writer_id_) fenced_by(manifest);
}

// ---- reading ------------------------------------------------------------------------------------------------------

Engine::View Engine::view(const StorageSnapshot* snapshot) {
  check_fenced();
  if (snapshot != nullptr) return static_cast<const Snapshot*>(snapshot)->view;
  std::lock_guard lock(state_mutex_);
  return {version_, visible_};
}

std::shared_ptr<const Engine::Version> Engine::version() {
  std::lock_guard lock(state_mutex_);
  return version_;
}

Lookup Engine::look_up(const View& view, Bytes key, bool cached, std::shared_ptr<const Block>& holder, Bytes& value) {
  const Version& version = *view.version;
  Found found = version.active->find(key, view.at, value);
  for (size_t i = 0; found == Found::none && i < version.frozen.size(); ++i)
    found = version.frozen[i]->find(key, view.at, value);
  if (found != Found::none) return found == Found::put ? Lookup::put : Lookup::erased;
  for (size_t level = 0; level < kLevels; ++level) {
    const Tables& tables = version.levels[level];
    for (auto table = level == 0 ? tables.begin() : first_ending_after(tables, key); table != tables.end(); ++table) {
      if ((*table)->info().from <= key && !ends_before((*table)->info().to, key)) {
        const Lookup here = (*table)->find(key, cached, holder, value);
        if (here != Lookup::none) return here;
      }
      if (level != 0) break;
    }
  }
  return Lookup::none;
}

Result<bool> Engine::get(const StorageSnapshot* snapshot, Bytes key, ValueSink sink) {
  return guarded([&] {
    std::shared_ptr<const Block> holder;
    Bytes value;
    const View seen = view(snapshot);
    const bool found = look_up(seen, key, false, holder, value) == Lookup::put;
    if (found) sink.append(value);
    return found;
  });
}

Result<CachedGet> Engine::get_cached(Bytes key, ValueSink sink) {
  return guarded([&] {
    std::shared_ptr<const Block> holder;
    Bytes value;
    const View seen = view(nullptr);
    const Lookup found = look_up(seen, key, true, holder, value);
    if (found == Lookup::put) sink.append(value);
    return found == Lookup::put ? CachedGet::found : found == Lookup::unknown ? CachedGet::unknown : CachedGet::absent;
  });
}

Result<> Engine::multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) {
  return guarded([&] {
    struct One {
      size_t index;
      Lookup found;
      std::shared_ptr<const Block> holder;
      Bytes value;
    };
    const View seen = view(snapshot);
    std::vector<One> far;  // the store has to be asked
    for (size_t i = 0; i < keys.size(); ++i) {
      One one{i, Lookup::none, {}, {}};
      one.found = look_up(seen, keys[i], true, one.holder, one.value);
      if (one.found == Lookup::unknown)
        far.push_back(std::move(one));
      else
        visit(i, one.found == Lookup::put, one.found == Lookup::put ? one.value : Bytes());
    }
    in_parallel(far.size(), options_.parallel_reads, [&](size_t i) {
      One& one = far[i];
      one.found = look_up(seen, keys[one.index], false, one.holder, one.value);
    });
    for (const One& one : far)
      visit(one.index, one.found == Lookup::put, one.found == Lookup::put ? one.value : Bytes());
  });
}

Result<> Engine::scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) {
  return guarded([&] {
    if (!to.empty() && to <= from) return;
    const View seen = view(snapshot);
    const Version& version = *seen.version;
    const ReadAhead ahead{options_.read_ahead_bytes, true};
    std::vector<std::unique_ptr<Cursor>> sources;
    sources.push_back(version.active->cursor(seen.at, from, to, reverse));
    for (const auto& memtable : version.frozen) sources.push_back(memtable->cursor(seen.at, from, to, reverse));
    for (const auto& table : version.levels[0])
      if (!ends_before(to, table->info().from) && !ends_before(table->info().to, from))
        sources.push_back(table_cursor({table}, from, to, reverse, ahead));
    for (size_t level = 1; level < kLevels; ++level)
      if (!version.levels[level].empty())
        sources.push_back(table_cursor(version.levels[level], from, to, reverse, ahead));
    for (Merge merged(std::move(sources), from, to, reverse, false); merged.valid(); merged.next())
      if (!visit(merged.key(), merged.value())) return;
  });
}

Result<std::unique_ptr<StorageSnapshot>> Engine::create_snapshot() {
  return guarded([&]() -> std::unique_ptr<StorageSnapshot> { return std::make_unique<Snapshot>(view(nullptr)); });
}

uint64_t Engine::size_bytes() {
  const EngineStats now = stats();
  return now.memtable_bytes + now.table_bytes;
}

EngineStats Engine::stats() {
  const auto seen = version();
  EngineStats out{};
  out.epoch = epoch_;
  out.wal_objects = wal_objects_;
  out.wal_bytes = wal_bytes_;
  out.flushes = flushes_;
  out.compactions = compactions_;
  out.compaction_bytes = compaction_bytes_;
  out.cache_bytes = cache_.bytes();
  out.cache_hits = cache_.hits();
  out.cache_misses = cache_.misses();
  out.memtable_bytes = seen->active->bytes();
  for (const auto& memtable : seen->frozen) out.memtable_bytes += memtable->bytes();
  for (const Tables& level : seen->levels)
    for (const auto& table : level) out.table_bytes += table->info().size;
  for (const Tables& level : seen->levels) out.tables += level.size();
  out.level0_tables = seen->levels[0].size();
  return out;
}

Result<> Engine::verify() {
  return guarded([&] {
    const auto seen = version();
    for (const Tables& level : seen->levels)
      for (const auto& table : level) table->verify();
  });
}

}  // namespace orbit::s3
