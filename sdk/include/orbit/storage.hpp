// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The C++ faces of orbit.storage/1, orbit.storage.snapshot/1 and orbit.storage.cached/1 (orbit/ext/storage.h), and with
// storage_fenced.hpp of orbit.storage.fenced/1 and orbit.storage.shared/1: what a storage engine is written as, and
// what calls one.
//
// An engine is a class, and knows no C struct:
//
//   class Engine final : public orbit::Storage {
//     orbit::Result<bool> get(const orbit::StorageSnapshot*, orbit::Bytes key, orbit::ValueSink value) override;
//     ...
//     // Optional; found by their signatures, and then the plugin provides the matching interface:
//     orbit::Result<std::unique_ptr<orbit::StorageSnapshot>> create_snapshot();
//     orbit::Result<orbit::CachedGet> get_cached(orbit::Bytes key, orbit::ValueSink value);
//     orbit::Result<orbit::FencedOutcome> write_if(orbit::Conditions, orbit::WriteOps ops, bool sync);
//     static constexpr bool kShared = true;
//     orbit::Result<> checkpoint(const std::string& path);  // ext/storage_checkpoint.h
//     orbit::Result<> verify();                             // these two: ext/storage_maintenance.h
//     orbit::Result<> compact();
//     orbit::Result<> bulk_load(orbit::NextEntry next);     // the same
//   };
//
//   class MyPlugin final : public orbit::StoragePlugin<MyPlugin, Engine> {
//     static constexpr orbit::PluginInfo kInfo{.id = "example.storage", ...,
//                                              .provides = orbit::storage_provides<Engine>()};
//     MyPlugin(orbit::Host, const orbit::Config& config) : StoragePlugin(std::make_unique<Engine>(...)) {}
//   };
//   ORBIT_PLUGIN(MyPlugin)
//
// Callers use StorageClient.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ext/storage.h"
#include "ext/storage_checkpoint.h"
#include "ext/storage_maintenance.h"
#include "plugin.hpp"
#include "result.hpp"
#include "storage_fenced.hpp"

namespace orbit {

// A borrowed callable, for parameters only: it must outlive the call it is passed to.
template <class Signature>
class FunctionRef;
template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<R, F&, A...>)
  FunctionRef(F&& function) noexcept
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(function)))), call_([](void* object, A... a) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<A>(a)...);
        }) {}
  R operator()(A... a) const { return call_(object_, std::forward<A>(a)...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

// ---- the engine's side ---------------------------------------------------------------------------------------------

// Where a read puts a value's bytes; may be given them in parts. The engine need not keep them afterwards.
class ValueSink {
 public:
  explicit ValueSink(orbit_sink sink) noexcept : sink_(sink) {}
  void append(Bytes part) const noexcept { sink_.append(sink_.ctx, to_c(part)); }

 private:
  orbit_sink sink_;
};

// The keys of a multi-get, borrowed for the call.
class KeyList {
 public:
  KeyList(const orbit_bytes* keys, size_t count) noexcept : keys_(keys), count_(count) {}
  size_t size() const noexcept { return count_; }
  Bytes operator[](size_t index) const noexcept { return from_c(keys_[index]); }

 private:
  const orbit_bytes* keys_;
  size_t count_;
};

enum class WriteKind : uint32_t {
  put = ORBIT_WRITE_PUT,
  erase = ORBIT_WRITE_DELETE,
  erase_range = ORBIT_WRITE_DELETE_RANGE,  // key <= k < value; an empty value means to the end
};

struct WriteOp {
  WriteKind kind;
  Bytes key;
  Bytes value;
};

// The operations of a batch in order, borrowed for the call. Their kinds have been checked.
class WriteOps {
 public:
  WriteOps(const orbit_write_op* ops, size_t count) noexcept : ops_(ops), count_(count) {}
  size_t size() const noexcept { return count_; }
  WriteOp operator[](size_t index) const noexcept {
    const orbit_write_op& op = ops_[index];
    return {static_cast<WriteKind>(op.kind), from_c(op.key), from_c(op.value)};
  }

 private:
  const orbit_write_op* ops_;
  size_t count_;
};

// Base of an engine's snapshots; its destructor releases what the snapshot pins.
class StorageSnapshot {
 public:
  virtual ~StorageSnapshot() = default;
};

enum class CachedGet {
  found,
  absent,   // there is certainly no such key
  unknown,  // only the device could tell
};

// What a multi-get calls with each key's value. This and VisitEntry are borrowed as a FunctionRef is, and cross the plugin's edge as
// they are: one call for each entry, however many hands they went through.
class VisitValue {
 public:
  VisitValue(orbit_visit_value visit, void* ctx) noexcept : ctx_(ctx), visit_(visit) {}
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, VisitValue> && std::is_invocable_v<F&, size_t, bool, Bytes>)
  VisitValue(F&& function) noexcept
      : ctx_(const_cast<void*>(static_cast<const void*>(std::addressof(function)))),
        visit_([](void* object, size_t index, int found, orbit_bytes value) {
          (*static_cast<std::remove_reference_t<F>*>(object))(index, found != 0, from_c(value));
        }) {}
  void operator()(size_t index, bool found, Bytes value) const { visit_(ctx_, index, found ? 1 : 0, to_c(value)); }

 private:
  void* ctx_;
  orbit_visit_value visit_;
};
// What a scan calls with each entry; false stops it.
class VisitEntry {
 public:
  VisitEntry(orbit_visit_entry visit, void* ctx) noexcept : ctx_(ctx), visit_(visit) {}
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, VisitEntry> && std::is_invocable_r_v<bool, F&, Bytes, Bytes>)
  VisitEntry(F&& function) noexcept
      : ctx_(const_cast<void*>(static_cast<const void*>(std::addressof(function)))),
        visit_([](void* object, orbit_bytes key, orbit_bytes value) -> int {
          return (*static_cast<std::remove_reference_t<F>*>(object))(from_c(key), from_c(value)) ? 1 : 0;
        }) {}
  bool operator()(Bytes key, Bytes value) const { return visit_(ctx_, to_c(key), to_c(value)) != 0; }

 private:
  void* ctx_;
  orbit_visit_entry visit_;
};
using NextEntry = FunctionRef<bool(Bytes& key, Bytes& value)>;  // false: that was all; what it throws ends the load

// An ordered map from byte strings to byte strings; the contract of each function is that of orbit.storage/1. All functions
// but write may be called from several threads at once, also while one thread is in write. Exceptions become errors at the
// edge. `snapshot` is null (the newest state) or came from this engine's create_snapshot.
class Storage {
 public:
  virtual ~Storage() = default;
  // False: there is none.
  virtual Result<bool> get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) = 0;
  virtual Result<> multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) = 0;
  virtual Result<> scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) = 0;
  // All operations in order, or none. [one thread at a time]
  virtual Result<> write(WriteOps ops, bool sync) = 0;
  virtual Result<> sync() = 0;
  // Tries to leave an error state.
  virtual Result<> recover() { return {}; }
  virtual uint64_t size_bytes() = 0;
};

template <class E>
concept HasSnapshots = requires(E& engine) {
  { engine.create_snapshot() } -> std::same_as<Result<std::unique_ptr<StorageSnapshot>>>;
};
template <class E>
concept HasCachedGet = requires(E& engine, Bytes key, ValueSink value) {
  { engine.get_cached(key, value) } -> std::same_as<Result<CachedGet>>;
};
template <class E>
concept HasFencedWrites = requires(E& engine, Conditions conditions, WriteOps ops, bool sync) {
  { engine.write_if(conditions, ops, sync) } -> std::same_as<Result<FencedOutcome>>;
};
template <class E>
concept HasCheckpoints = requires(E& engine, const std::string& path) {
  { engine.checkpoint(path) } -> std::same_as<Result<>>;
};
template <class E>
concept HasMaintenance = requires(E& engine) {
  { engine.verify() } -> std::same_as<Result<>>;
  { engine.compact() } -> std::same_as<Result<>>;
};
template <class E>
concept HasBulkLoad = requires(E& engine, NextEntry next) {
  { engine.bulk_load(next) } -> std::same_as<Result<>>;
};
template <class E>
concept IsShared = requires { requires E::kShared; };

// Which of the conditions does not hold in the engine's newest state; for an engine that lets nobody write meanwhile.
inline Result<FencedOutcome> check_conditions(Storage& engine, Conditions conditions) {
  std::string found;
  const ValueSink sink(
      {&found, [](void* ctx, orbit_bytes part) { static_cast<std::string*>(ctx)->append(from_c(part)); }});
  for (size_t i = 0; i < conditions.size(); ++i) {
    found.clear();
    const Result<bool> there = engine.get(nullptr, conditions[i].key, sink);
    if (!there) return tl::unexpected<Error>(there.error());
    if (conditions[i].holds(*there ? std::optional<Bytes>(found) : std::nullopt)) continue;
    return FencedOutcome{i, *there ? std::optional<std::string>(found) : std::nullopt};
  }
  return FencedOutcome{};
}

// The batch behind the puts that its fences ask for; borrows the bytes of both.
inline std::vector<orbit_write_op> with_fences(Conditions conditions, WriteOps ops) {
  std::vector<orbit_write_op> out = fence_puts(conditions);
  out.reserve(out.size() + ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    const WriteOp op = ops[i];
    out.push_back({static_cast<uint32_t>(op.kind), 0, to_c(op.key), to_c(op.value)});
  }
  return out;
}

// The interfaces that an engine class offers, for PluginInfo::provides.
template <class E>
constexpr Ids storage_provides() {
  Ids out;
  size_t n = 0;
  out.ids[n++] = ORBIT_STORAGE_V1;
  if constexpr (HasSnapshots<E>) out.ids[n++] = ORBIT_STORAGE_SNAPSHOT_V1;
  if constexpr (HasCachedGet<E>) out.ids[n++] = ORBIT_STORAGE_CACHED_V1;
  if constexpr (HasFencedWrites<E>) out.ids[n++] = ORBIT_STORAGE_FENCED_V1;
  if constexpr (IsShared<E>) out.ids[n++] = ORBIT_STORAGE_SHARED_V1;
  if constexpr (HasCheckpoints<E>) out.ids[n++] = ORBIT_STORAGE_CHECKPOINT_V1;
  if constexpr (HasMaintenance<E>) out.ids[n++] = ORBIT_STORAGE_MAINTENANCE_V1;
  if constexpr (HasBulkLoad<E>) out.ids[n++] = ORBIT_STORAGE_BULK_LOAD_V1;
  return out;
}

// Base of a storage plugin's class `P` around its engine `E`.
template <class P, std::derived_from<Storage> E>
class StoragePlugin : public Plugin {
 public:
  explicit StoragePlugin(std::unique_ptr<E> engine) noexcept : engine_(std::move(engine)) {}
  E& engine() noexcept { return *engine_; }

  const void* extension(std::string_view id) override {
    if (id == ORBIT_STORAGE_V1) return &kStorage;
    if constexpr (HasSnapshots<E>)
      if (id == ORBIT_STORAGE_SNAPSHOT_V1) return &kSnapshots;
    if constexpr (HasCachedGet<E>)
      if (id == ORBIT_STORAGE_CACHED_V1) return &kCached;
    if constexpr (HasFencedWrites<E>)
      if (id == ORBIT_STORAGE_FENCED_V1) return &kFenced;
    if constexpr (IsShared<E>)
      if (id == ORBIT_STORAGE_SHARED_V1) return &kSharedMark;
    if constexpr (HasCheckpoints<E>)
      if (id == ORBIT_STORAGE_CHECKPOINT_V1) return &kCheckpoints;
    if constexpr (HasMaintenance<E>)
      if (id == ORBIT_STORAGE_MAINTENANCE_V1) return &kMaintenance;
    if constexpr (HasBulkLoad<E>)
      if (id == ORBIT_STORAGE_BULK_LOAD_V1) return &kBulkLoad;
    return nullptr;
  }

 private:
  // `self` is what the instance carries: the box that ORBIT_PLUGIN made around P.
  static E& engine_of(void* self) noexcept {
    return *static_cast<StoragePlugin&>(*static_cast<detail::InstanceBox<P>*>(self)->plugin).engine_;
  }
  static const StorageSnapshot* from_raw(orbit_snapshot* raw) noexcept {
    return reinterpret_cast<const StorageSnapshot*>(raw);
  }

  static orbit_code get(void* self, orbit_snapshot* snapshot, orbit_bytes key, orbit_sink value, orbit_error* error) {
    bool found = false;
    const orbit_code code = at_edge(error, [&]() -> Result<> {
      Result<bool> result = engine_of(self).get(from_raw(snapshot), from_c(key), ValueSink(value));
      if (!result) return tl::unexpected<Error>(std::move(result.error()));
      found = *result;
      return {};
    });
    if (code != ORBIT_OK || found) return code;
    return to_c(Code::not_found, {}, error);
  }
  static orbit_code multi_get(void* self, orbit_snapshot* snapshot, const orbit_bytes* keys, size_t count,
                              orbit_visit_value visit, void* ctx, orbit_error* error) {
    return at_edge(error, [&] {
      return engine_of(self).multi_get(from_raw(snapshot), KeyList(keys, count), VisitValue(visit, ctx));
    });
  }
  static orbit_code scan(void* self, orbit_snapshot* snapshot, orbit_bytes from, orbit_bytes to, int reverse,
                         orbit_visit_entry visit, void* ctx, orbit_error* error) {
    return at_edge(error, [&] {
      return engine_of(self).scan(from_raw(snapshot), from_c(from), from_c(to), reverse != 0,
                                  VisitEntry(visit, ctx));
    });
  }
  static orbit_code write(void* self, const orbit_write_op* ops, size_t count, int sync, orbit_error* error) {
    return at_edge(error, [&]() -> Result<> {
      if (auto ok = check_ops(ops, count); !ok) return ok;
      return engine_of(self).write(WriteOps(ops, count), sync != 0);
    });
  }
  static Result<> check_ops(const orbit_write_op* ops, size_t count) {
    for (size_t i = 0; i < count; ++i)
      if (ops[i].kind < ORBIT_WRITE_PUT || ops[i].kind > ORBIT_WRITE_DELETE_RANGE)
        return fail(Code::invalid_argument, "operation " + std::to_string(i) + " of the batch has the unknown kind " +
                                                std::to_string(ops[i].kind));
    return {};
  }
  static orbit_code sync(void* self, orbit_error* error) {
    return at_edge(error, [&] { return engine_of(self).sync(); });
  }
  static orbit_code recover(void* self, orbit_error* error) {
    return at_edge(error, [&] { return engine_of(self).recover(); });
  }
  static uint64_t size_bytes(void* self) {
    uint64_t size = 0;
    at_edge(nullptr, [&]() -> Result<> { return size = engine_of(self).size_bytes(), Result<>(); });
    return size;
  }
  static orbit_code create_snapshot(void* self, orbit_snapshot** snapshot, orbit_error* error)
    requires HasSnapshots<E>
  {
    return at_edge(error, [&]() -> Result<> {
      auto made = engine_of(self).create_snapshot();
      if (!made) return tl::unexpected<Error>(std::move(made.error()));
      *snapshot = reinterpret_cast<orbit_snapshot*>(made->release());
      return {};
    });
  }
  static void release_snapshot(void*, orbit_snapshot* snapshot) { delete from_raw(snapshot); }
  static orbit_code get_cached(void* self, orbit_bytes key, orbit_sink value, orbit_error* error)
    requires HasCachedGet<E>
  {
    auto outcome = CachedGet::unknown;
    const orbit_code code = at_edge(error, [&]() -> Result<> {
      Result<CachedGet> result = engine_of(self).get_cached(from_c(key), ValueSink(value));
      if (!result) return tl::unexpected<Error>(std::move(result.error()));
      outcome = *result;
      return {};
    });
    if (code != ORBIT_OK || outcome == CachedGet::found) return code;
    return to_c(outcome == CachedGet::absent ? Code::not_found : Code::unavailable, {}, error);
  }
  static orbit_code write_if(void* self, const orbit_condition* conditions, size_t condition_count, const orbit_write_op* ops,
                             size_t count, int sync, size_t* failed, orbit_error* error)
    requires HasFencedWrites<E>
  {
    return at_edge(error, [&]() -> Result<> {
      if (auto ok = detail::check_conditions({conditions, condition_count}); !ok) return ok;
      if (auto ok = check_ops(ops, count); !ok) return ok;
      const Conditions list(conditions, condition_count);
      Result<FencedOutcome> outcome = engine_of(self).write_if(list, WriteOps(ops, count), sync != 0);
      if (!outcome) return tl::unexpected<Error>(std::move(outcome.error()));
      if (!outcome->failed) return {};
      if (failed != nullptr) *failed = *outcome->failed;
      return tl::unexpected<Error>(detail::condition_failed(list, *outcome));
    });
  }
  static orbit_code checkpoint(void* self, orbit_bytes path, orbit_error* error)
    requires HasCheckpoints<E>
  {
    return at_edge(error, [&] { return engine_of(self).checkpoint(std::string(from_c(path))); });
  }
  static orbit_code verify(void* self, orbit_error* error)
    requires HasMaintenance<E>
  {
    return at_edge(error, [&] { return engine_of(self).verify(); });
  }
  static orbit_code compact(void* self, orbit_error* error)
    requires HasMaintenance<E>
  {
    return at_edge(error, [&] { return engine_of(self).compact(); });
  }
  static orbit_code bulk_load(void* self, orbit_next_entry next, void* ctx, orbit_error* error)
    requires HasBulkLoad<E>
  {
    struct GivenUp : std::exception {};
    return at_edge(error, [&]() -> Result<> {
      try {
        return engine_of(self).bulk_load([&](Bytes& key, Bytes& value) {
          orbit_bytes raw_key{nullptr, 0};
          orbit_bytes raw_value{nullptr, 0};
          const int what = next(ctx, &raw_key, &raw_value);
          if (what != ORBIT_NEXT_ENTRY && what != ORBIT_NEXT_END) throw GivenUp();
          key = from_c(raw_key);
          value = from_c(raw_value);
          return what == ORBIT_NEXT_ENTRY;
        });
      } catch (const GivenUp&) {
        return fail(Code::cancelled, "the load was given up");
      }
    });
  }

  static constexpr orbit_storage_v1 kStorage{
      sizeof(orbit_storage_v1), 0, &get, &multi_get, &scan, &write, &sync, &recover, &size_bytes};
  static constexpr orbit_storage_snapshot_v1 kSnapshots = [] {
    orbit_storage_snapshot_v1 table{sizeof(orbit_storage_snapshot_v1), 0, nullptr, &release_snapshot};
    if constexpr (HasSnapshots<E>) table.create = &create_snapshot;
    return table;
  }();
  static constexpr orbit_storage_cached_v1 kCached = [] {
    orbit_storage_cached_v1 table{sizeof(orbit_storage_cached_v1), 0, nullptr};
    if constexpr (HasCachedGet<E>) table.get = &get_cached;
    return table;
  }();
  static constexpr orbit_storage_fenced_v1 kFenced = [] {
    orbit_storage_fenced_v1 table{sizeof(orbit_storage_fenced_v1), 0, nullptr};
    if constexpr (HasFencedWrites<E>) table.write_if = &write_if;
    return table;
  }();
  static constexpr orbit_storage_shared_v1 kSharedMark{sizeof(orbit_storage_shared_v1), 0};
  static constexpr orbit_storage_checkpoint_v1 kCheckpoints = [] {
    orbit_storage_checkpoint_v1 table{sizeof(orbit_storage_checkpoint_v1), 0, nullptr};
    if constexpr (HasCheckpoints<E>) table.checkpoint = &checkpoint;
    return table;
  }();
  static constexpr orbit_storage_maintenance_v1 kMaintenance = [] {
    orbit_storage_maintenance_v1 table{sizeof(orbit_storage_maintenance_v1), 0, nullptr, nullptr};
    if constexpr (HasMaintenance<E>) table.verify = &verify, table.compact = &compact;
    return table;
  }();
  static constexpr orbit_storage_bulk_load_v1 kBulkLoad = [] {
    orbit_storage_bulk_load_v1 table{sizeof(orbit_storage_bulk_load_v1), 0, nullptr};
    if constexpr (HasBulkLoad<E>) table.bulk_load = &bulk_load;
    return table;
  }();

  std::unique_ptr<E> engine_;
};

// ---- the caller's side ---------------------------------------------------------------------------------------------

// Operations that are to be applied as one; owns copies of its bytes. Not thread-safe.
class WriteBatch {
 public:
  void put(Bytes key, Bytes value) { add(ORBIT_WRITE_PUT, key, value); }
  void erase(Bytes key) { add(ORBIT_WRITE_DELETE, key, {}); }
  // from <= k < to; an empty `to` means to the end.
  void erase_range(Bytes from, Bytes to) { add(ORBIT_WRITE_DELETE_RANGE, from, to); }

  size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  size_t bytes() const noexcept { return arena_.size(); }
  void clear() noexcept { entries_.clear(), arena_.clear(); }

  // As the edge wants it; pointers into this batch, valid until it changes.
  std::vector<orbit_write_op> ops() const {
    std::vector<orbit_write_op> out;
    out.reserve(entries_.size());
    const char* at = arena_.data();
    for (const Entry& entry : entries_) {
      out.push_back({entry.kind, 0, {at, entry.key_size}, {at + entry.key_size, entry.value_size}});
      at += entry.key_size + entry.value_size;
    }
    return out;
  }

 private:
  struct Entry {
    uint32_t kind;
    size_t key_size;
    size_t value_size;
  };
  void add(uint32_t kind, Bytes key, Bytes value) {
    entries_.push_back({kind, key.size(), value.size()});
    arena_.append(key).append(value);
  }
  std::string arena_;
  std::vector<Entry> entries_;
};

// A snapshot as its user holds it: released when it goes away, which must be before the engine does.
class SnapshotHandle {
 public:
  SnapshotHandle() = default;
  SnapshotHandle(void* self, const orbit_storage_snapshot_v1* table, orbit_snapshot* raw) noexcept
      : self_(self), table_(table), raw_(raw) {}
  SnapshotHandle(SnapshotHandle&& other) noexcept
      : self_(other.self_), table_(other.table_), raw_(std::exchange(other.raw_, nullptr)) {}
  SnapshotHandle& operator=(SnapshotHandle&& other) noexcept {
    std::swap(self_, other.self_), std::swap(table_, other.table_), std::swap(raw_, other.raw_);
    return *this;
  }
  ~SnapshotHandle() {
    if (raw_ != nullptr) table_->release(self_, raw_);
  }
  orbit_snapshot* raw() const noexcept { return raw_; }

 private:
  void* self_ = nullptr;
  const orbit_storage_snapshot_v1* table_ = nullptr;
  orbit_snapshot* raw_ = nullptr;
};

// An engine behind its C tables. Copies freely; borrows the plugin instance. Threads as in orbit.storage/1. What a visitor
// throws reaches the caller, after the engine has returned.
class StorageClient {
 public:
  // Asks the instance for its tables; an error when it has no orbit.storage/1, or one that is too short.
  static Result<StorageClient> of(const orbit_plugin_instance& instance) {
    StorageClient out;
    out.self_ = instance.self;
    const auto ask = [&](const char* id) { return instance.get_extension(instance.self, id); };
    out.storage_ = static_cast<const orbit_storage_v1*>(ask(ORBIT_STORAGE_V1));
    out.snapshots_ = static_cast<const orbit_storage_snapshot_v1*>(ask(ORBIT_STORAGE_SNAPSHOT_V1));
    out.cached_ = static_cast<const orbit_storage_cached_v1*>(ask(ORBIT_STORAGE_CACHED_V1));
    out.fenced_ = static_cast<const orbit_storage_fenced_v1*>(ask(ORBIT_STORAGE_FENCED_V1));
    out.shared_ = ask(ORBIT_STORAGE_SHARED_V1) != nullptr;
    out.checkpoints_ = static_cast<const orbit_storage_checkpoint_v1*>(ask(ORBIT_STORAGE_CHECKPOINT_V1));
    out.maintenance_ = static_cast<const orbit_storage_maintenance_v1*>(ask(ORBIT_STORAGE_MAINTENANCE_V1));
    out.bulk_load_ = static_cast<const orbit_storage_bulk_load_v1*>(ask(ORBIT_STORAGE_BULK_LOAD_V1));
    if (out.storage_ == nullptr)
      return fail(Code::failed_precondition, "the plugin does not answer " ORBIT_STORAGE_V1);
    if (auto ok = check_size(ORBIT_STORAGE_V1, out.storage_); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = check_size(ORBIT_STORAGE_SNAPSHOT_V1, out.snapshots_); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = check_size(ORBIT_STORAGE_CACHED_V1, out.cached_); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = check_size(ORBIT_STORAGE_FENCED_V1, out.fenced_); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = check_size(ORBIT_STORAGE_CHECKPOINT_V1, out.checkpoints_); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = check_size(ORBIT_STORAGE_MAINTENANCE_V1, out.maintenance_); !ok)
      return tl::unexpected<Error>(ok.error());
    if (auto ok = check_size(ORBIT_STORAGE_BULK_LOAD_V1, out.bulk_load_); !ok) return tl::unexpected<Error>(ok.error());
    return out;
  }

  bool has_snapshots() const noexcept { return snapshots_ != nullptr; }
  bool has_cached() const noexcept { return cached_ != nullptr; }
  bool has_fenced() const noexcept { return fenced_ != nullptr; }
  bool has_checkpoints() const noexcept { return checkpoints_ != nullptr; }
  bool has_maintenance() const noexcept { return maintenance_ != nullptr; }
  bool has_bulk_load() const noexcept { return bulk_load_ != nullptr; }
  // All instances that are configured alike see one map.
  bool is_shared() const noexcept { return shared_; }

  // Replaces `value`. False: there is none.
  Result<bool> get(Bytes key, std::string& value, const SnapshotHandle* snapshot = nullptr) const {
    ErrorOut error;
    StringSink sink(value);
    const orbit_code code = storage_->get(self_, raw(snapshot), to_c(key), sink.sink(), &error);
    sink.finish();
    if (code == ORBIT_OK) return true;
    if (code == ORBIT_NOT_FOUND) return false;
    return tl::unexpected<Error>(error.take(code));
  }
  // `visit` is called with each index, whether there is such a key, and its value.
  template <class F>
    requires std::is_invocable_v<F&, size_t, bool, Bytes>
  Result<> multi_get(std::span<const Bytes> keys, F&& visit, const SnapshotHandle* snapshot = nullptr) const {
    std::vector<orbit_bytes> raw_keys;
    raw_keys.reserve(keys.size());
    for (Bytes key : keys) raw_keys.push_back(to_c(key));
    Guarded<F> guarded{visit, {}};
    ErrorOut error;
    const orbit_code code = storage_->multi_get(
        self_, raw(snapshot), raw_keys.data(), raw_keys.size(),
        [](void* ctx, size_t index, int found, orbit_bytes value) {
          static_cast<Guarded<F>*>(ctx)->run([&](auto& v) { v(index, found != 0, from_c(value)); });
        },
        &guarded, &error);
    return guarded.finish(code, error);
  }
  // from <= key < to, or to the end when `to` is empty; descending when `reverse`. `visit` returns false to stop.
  template <class F>
    requires std::is_invocable_r_v<bool, F&, Bytes, Bytes>
  Result<> scan(Bytes from, Bytes to, bool reverse, F&& visit, const SnapshotHandle* snapshot = nullptr) const {
    Guarded<F> guarded{visit, {}};
    ErrorOut error;
    const orbit_code code = storage_->scan(
        self_, raw(snapshot), to_c(from), to_c(to), reverse ? 1 : 0,
        [](void* ctx, orbit_bytes key, orbit_bytes value) -> int {
          bool more = false;
          static_cast<Guarded<F>*>(ctx)->run([&](auto& v) { more = v(from_c(key), from_c(value)); });
          return more ? 1 : 0;
        },
        &guarded, &error);
    return guarded.finish(code, error);
  }
  Result<> write(std::span<const orbit_write_op> ops, bool sync) const {
    ErrorOut error;
    return result_of(storage_->write(self_, ops.data(), ops.size(), sync ? 1 : 0, &error), error);
  }
  Result<> write(const WriteBatch& batch, bool sync) const { return write(batch.ops(), sync); }
  Result<> sync() const {
    ErrorOut error;
    return result_of(storage_->sync(self_, &error), error);
  }
  Result<> recover() const {
    ErrorOut error;
    return result_of(storage_->recover(self_, &error), error);
  }
  uint64_t size_bytes() const { return storage_->size_bytes(self_); }

  // Only when has_snapshots().
  Result<SnapshotHandle> snapshot() const {
    ErrorOut error;
    orbit_snapshot* made = nullptr;
    const orbit_code code = snapshots_->create(self_, &made, &error);
    if (code != ORBIT_OK) return tl::unexpected<Error>(error.take(code));
    return SnapshotHandle(self_, snapshots_, made);
  }
  // Only when has_cached(). Replaces `value`.
  Result<CachedGet> get_cached(Bytes key, std::string& value) const {
    ErrorOut error;
    StringSink sink(value);
    const orbit_code code = cached_->get(self_, to_c(key), sink.sink(), &error);
    sink.finish();
    if (code == ORBIT_OK) return CachedGet::found;
    if (code == ORBIT_NOT_FOUND) return CachedGet::absent;
    if (code == ORBIT_UNAVAILABLE) return CachedGet::unknown;
    return tl::unexpected<Error>(error.take(code));
  }

  // Only when has_fenced(). ABORTED: a condition does not hold and nothing was written; `failed` is its index.
  Result<> write_if(std::span<const orbit_condition> conditions, const WriteBatch& batch, bool sync,
                    size_t* failed = nullptr) const {
    ErrorOut error;
    const std::vector<orbit_write_op> ops = batch.ops();
    return result_of(fenced_->write_if(self_, conditions.data(), conditions.size(), ops.data(), ops.size(), sync ? 1 : 0,
                                       failed, &error),
                     error);
  }

  // Only when has_checkpoints().
  Result<> checkpoint(Bytes path) const {
    ErrorOut error;
    return result_of(checkpoints_->checkpoint(self_, to_c(path), &error), error);
  }

  // Only when has_maintenance(), as the next.
  Result<> verify() const {
    ErrorOut error;
    return result_of(maintenance_->verify(self_, &error), error);
  }
  Result<> compact() const {
    ErrorOut error;
    return result_of(maintenance_->compact(self_, &error), error);
  }

  // Only when has_bulk_load(). What `next` throws reaches the caller, and nothing was loaded.
  Result<> bulk_load(NextEntry next) const {
    struct Source {
      NextEntry next;
      std::exception_ptr thrown;
    } source{next, {}};
    ErrorOut error;
    const orbit_code code = bulk_load_->bulk_load(
        self_,
        [](void* ctx, orbit_bytes* key, orbit_bytes* value) -> int {
          auto& its = *static_cast<Source*>(ctx);
          try {
            Bytes k;
            Bytes v;
            if (!its.next(k, v)) return ORBIT_NEXT_END;
            *key = to_c(k);
            *value = to_c(v);
            return ORBIT_NEXT_ENTRY;
          } catch (...) {
            its.thrown = std::current_exception();
            return ORBIT_NEXT_GIVE_UP;
          }
        },
        &source, &error);
    if (source.thrown) std::rethrow_exception(source.thrown);
    return result_of(code, error);
  }

  const orbit_storage_v1* table() const noexcept { return storage_; }
  void* self() const noexcept { return self_; }

 private:
  // A visitor whose exceptions wait until the engine has returned.
  template <class V>
  struct Guarded {
    std::remove_reference_t<V>& visit;
    std::exception_ptr thrown;
    template <class F>
    void run(F&& call) noexcept {
      if (thrown) return;
      try {
        call(visit);
      } catch (...) {
        thrown = std::current_exception();
      }
    }
    Result<> finish(orbit_code code, const ErrorOut& error) const {
      if (thrown) std::rethrow_exception(thrown);
      return result_of(code, error);
    }
  };
  class StringSink {
   public:
    explicit StringSink(std::string& out) : out_(out) { out_.clear(); }
    orbit_sink sink() noexcept {
      return {this, [](void* ctx, orbit_bytes part) {
                auto* self = static_cast<StringSink*>(ctx);
                try {
                  self->out_.append(from_c(part));
                } catch (...) {
                  self->thrown_ = std::current_exception();
                }
              }};
    }
    void finish() const {
      if (thrown_) std::rethrow_exception(thrown_);
    }

   private:
    std::string& out_;
    std::exception_ptr thrown_;
  };

  template <class Table>
  static Result<> check_size(const char* id, const Table* table) {
    if (table == nullptr || table->struct_size >= sizeof(Table)) return {};
    return fail(Code::failed_precondition, std::string(id) + ": the plugin's table has " +
                                               std::to_string(table->struct_size) + " bytes, expected at least " +
                                               std::to_string(sizeof(Table)));
  }
  static orbit_snapshot* raw(const SnapshotHandle* snapshot) noexcept {
    return snapshot == nullptr ? nullptr : snapshot->raw();
  }
  static Result<> result_of(orbit_code code, const ErrorOut& error) {
    if (code == ORBIT_OK) return {};
    return tl::unexpected<Error>(error.take(code));
  }

  void* self_ = nullptr;
  const orbit_storage_v1* storage_ = nullptr;
  const orbit_storage_snapshot_v1* snapshots_ = nullptr;
  const orbit_storage_cached_v1* cached_ = nullptr;
  const orbit_storage_fenced_v1* fenced_ = nullptr;
  const orbit_storage_checkpoint_v1* checkpoints_ = nullptr;
  const orbit_storage_maintenance_v1* maintenance_ = nullptr;
  const orbit_storage_bulk_load_v1* bulk_load_ = nullptr;
  bool shared_ = false;
};

}  // namespace orbit
