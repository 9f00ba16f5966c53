// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Actor types, their versions, and the modules that they come from.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "actor/descriptors.hpp"
#include "orbit/ext/actors.h"
#include "orbit/result.hpp"

namespace orbit::kernel {

struct Module;

// Where the changes of a type go, and how soon. Types that agree share a class, and with it one atomic cut.
struct FlushRule {
  orbit_durability durability = ORBIT_DURABILITY_SYNC;
  uint64_t delay_ns = 0;
  uint32_t store = 0;
  bool operator==(const FlushRule&) const = default;
};

// One module's implementation of a type. Lives until the process ends: activations and clients may still point to it.
struct TypeVersion {
  orbit_type* type = nullptr;
  const orbit_actor_type* def = nullptr;
  Module* module = nullptr;
  uint32_t flush_class = 0;
  uint32_t store = 0;               // number of the storage that has its actors, see Runtime::store
  uint32_t mailbox_max = 0;
  uint64_t idle_timeout_ns = 0;
  bool interleaves = false;         // a method is read-only or reentrant
  orbit_overload overload = ORBIT_OVERLOAD_REJECT;
  uint32_t stateless_copies = 0;    // 0: it has state
  uint32_t hot_from = 0;            // of an actor object: where the first and the last byte are that a usual turn touches
  uint32_t hot_last = 127;
  int (*deactivating)(void* actor, orbit_deactivation reason) = nullptr;
  // Of def, when its struct has them.
  std::span<const orbit_index> indexes;
  uint32_t state_version = 0;
  bool has_unique = false;  // an index of it is unique
  std::string_view load_from;
  mutable std::atomic<int64_t> activations{0};

  const orbit_method* method(uint32_t id) const noexcept;
  const orbit_method* method(std::string_view name) const noexcept;
  const orbit_index* index(uint32_t number) const noexcept;
  const orbit_index* index(std::string_view name) const noexcept;
};

enum class ModuleState { active, draining, retired };

struct Module {
  std::string name;
  std::string version;
  std::string file;
  uint64_t generation = 0;
  bool retire_asked = false;
  bool hidden = false;  // as if it had never been published
  std::vector<std::unique_ptr<TypeVersion>> types;
  std::unique_ptr<Descriptors> descriptors;  // null when no type carries any
  int64_t activations() const noexcept;
};

}  // namespace orbit::kernel

// A type's name. Its address is its identity in the whole process.
struct orbit_type {
  std::string name;
  uint64_t salt = 0;       // mixed into key hashes: same keys of different types spread differently
  uint32_t index = 0;
  std::string main_prefix; // storage keys of its main records start so
  std::string sub_prefix;
  std::string index_prefix;
  std::atomic<const orbit::kernel::TypeVersion*> current{nullptr};  // null: not loaded
};

namespace orbit::kernel {

// Of each actor of a stateless type, per worker.
inline constexpr uint32_t kStatelessCopiesMax = 256;

struct TypeDefaults {
  uint64_t flush_delay_ms = 1000;
  uint64_t idle_timeout_ms = 300'000;
  uint32_t mailbox_max = 10'000;
};

// [any thread]; publishing is serialized by the caller's use of one thread at a time, reading never waits for it long.
class TypeRegistry {
 public:
  // store_of: the number of the storage for types of that name; always the same.
  TypeRegistry(TypeDefaults defaults, std::function<uint32_t(std::string_view)> store_of)
      : defaults_(defaults), store_of_(std::move(store_of)) {}
  // Takes all types out of service; their handles stay valid, since modules keep them.
  ~TypeRegistry();
  TypeRegistry(const TypeRegistry&) = delete;
  TypeRegistry& operator=(const TypeRegistry&) = delete;

  // The handle of that name, made on first use. Null when the name is empty or longer than 255 bytes.
  orbit_type* type(std::string_view name);
  // The handle if it was ever asked for.
  orbit_type* find(std::string_view name) const;

  // Makes these versions the current ones. Types of an earlier module of that name which are not in the new one are retired.
  // Returns the types whose current version changed. Refuses: a type that another module provides, a broken descriptor set,
  // methods whose ids collide.
  Result<std::vector<orbit_type*>> publish(const std::string& name, const std::string& version, const std::string& file,
                                           std::span<const orbit_actor_type* const> types);
  // Takes the module's types out of service. NOT_FOUND when no active module has that name. hide: it is listed no more.
  Result<std::vector<orbit_type*>> retire(const std::string& name, bool hide = false);

  static ModuleState state(const Module& module) noexcept;
  // Calls visit under the registry's lock: keep it short.
  void each_module(const std::function<void(const Module&)>& visit) const;
  void each_type(const std::function<void(const orbit_type&)>& visit) const;

  size_t flush_class_count() const noexcept { return flush_class_count_.load(std::memory_order_acquire); }
  FlushRule flush_rule(uint32_t flush_class) const;

 private:
  uint32_t flush_class(FlushRule rule);
  orbit_type* type_locked(std::string_view name);

  TypeDefaults defaults_;
  std::function<uint32_t(std::string_view)> store_of_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Module>> modules_;
  std::deque<FlushRule> flush_rules_;
  std::atomic<size_t> flush_class_count_{0};
  uint64_t generation_ = 0;
};

}  // namespace orbit::kernel
