// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/types.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "actor/descriptors_api.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

// Handles live as long as the process, longer than any registry.
using Handles = std::map<std::string, std::unique_ptr<orbit_type>, std::less<>>;
Handles& handles() {
  static auto* all = new Handles;
  return *all;
}

Result<> check_indexes(const TypeVersion& version) {
  std::set<uint32_t> numbers;
  std::set<std::string_view> names;
  for (const orbit_index& index : version.indexes) {
    if (index.struct_size < sizeof(orbit_index) || index.name == nullptr || index.name[0] == '\0')
      return fail(Code::invalid_argument, "an index is declared by a short struct or has no name");
    if (index.kind < ORBIT_INDEX_BOOL || index.kind > ORBIT_INDEX_BYTES)
      return fail(Code::invalid_argument, "index " + std::string(index.name) + " has kind " + std::to_string(index.kind) +
                                              ", expected 1 to " + std::to_string(ORBIT_INDEX_BYTES));
    if (!numbers.insert(index.number).second || !names.insert(index.name).second)
      return fail(Code::invalid_argument, "index " + std::string(index.name) + " has the name or number of another one");
  }
  return {};
}

}  // namespace

const orbit_method* TypeVersion::method(uint32_t id) const noexcept {
  for (uint32_t i = 0; i < def->method_count; ++i)
    if (def->methods[i].id == id) return &def->methods[i];
  return nullptr;
}

const orbit_method* TypeVersion::method(std::string_view name) const noexcept {
  for (uint32_t i = 0; i < def->method_count; ++i)
    if (name == def->methods[i].name) return &def->methods[i];
  return nullptr;
}

const orbit_index* TypeVersion::index(uint32_t number) const noexcept {
  for (const orbit_index& index : indexes)
    if (index.number == number) return &index;
  return nullptr;
}

const orbit_index* TypeVersion::index(std::string_view name) const noexcept {
  for (const orbit_index& index : indexes)
    if (name == index.name) return &index;
  return nullptr;
}

int64_t Module::activations() const noexcept {
  int64_t sum = 0;
  for (const auto& made : types) sum += made->activations.load(std::memory_order_relaxed);
  return sum;
}

TypeRegistry::~TypeRegistry() {
  for (const auto& [name, type] : handles()) type->current.store(nullptr);
}

orbit_type* TypeRegistry::type_locked(std::string_view name) {
  if (const auto found = handles().find(name); found != handles().end()) return found->second.get();
  auto made = std::make_unique<orbit_type>();
  made->name = name;
  made->salt = key_hash(name);
  made->index = static_cast<uint32_t>(handles().size());
  made->main_prefix.push_back(kMainSpace);
  append_type(made->main_prefix, name);
  made->sub_prefix.push_back(kSubSpace);
  append_type(made->sub_prefix, name);
  made->index_prefix = orbit::kernel::index_prefix(name);
  return handles().emplace(std::string(name), std::move(made)).first->second.get();
}

orbit_type* TypeRegistry::type(std::string_view name) {
  if (name.empty() || name.size() > 255) return nullptr;
  const std::lock_guard lock(mutex_);
  return type_locked(name);
}

orbit_type* TypeRegistry::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = handles().find(name);
  return found == handles().end() ? nullptr : found->second.get();
}

uint32_t TypeRegistry::flush_class(FlushRule rule) {
  const auto found = std::find(flush_rules_.begin(), flush_rules_.end(), rule);
  if (found != flush_rules_.end()) return static_cast<uint32_t>(found - flush_rules_.begin());
  flush_rules_.push_back(rule);
  flush_class_count_.store(flush_rules_.size(), std::memory_order_release);
  return static_cast<uint32_t>(flush_rules_.size() - 1);
}

FlushRule TypeRegistry::flush_rule(uint32_t flush_class) const {
  const std::lock_guard lock(mutex_);
  return flush_rules_.at(flush_class);
}

Result<std::vector<orbit_type*>> TypeRegistry::publish(const std::string& name, const std::string& version,
                                                       const std::string& file,
                                                       std::span<const orbit_actor_type* const> types) {
  const std::lock_guard lock(mutex_);
  auto module = std::make_unique<Module>();
  module->name = name;
  module->version = version;
  module->file = file;
  std::set<std::string_view> names;
  for (const orbit_actor_type* def : types) {
    const std::string_view type_name = def->name == nullptr ? "" : def->name;
    if (type_name.empty() || type_name.size() > 255)
      return fail(Code::invalid_argument, file + ": an actor type's name has " + std::to_string(type_name.size()) +
                                              " bytes, expected 1 to 255");
    if (!names.insert(type_name).second)
      return fail(Code::already_exists, file + ": actor type " + std::string(type_name) + " is declared twice");
    std::set<uint32_t> ids;
    for (uint32_t i = 0; i < def->method_count; ++i)
      if (!ids.insert(def->methods[i].id).second)
        return fail(Code::invalid_argument, file + ": method " + def->methods[i].name + " of " + std::string(type_name) +
                                                " has the same id as another one; rename one of them");
    orbit_type* type = type_locked(type_name);
    const TypeVersion* current = type->current.load(std::memory_order_relaxed);
    if (current != nullptr && current->module->name != name)
      return fail(Code::already_exists, file + ": actor type " + std::string(type_name) + " is provided by module " +
                                            current->module->name + " (" + current->module->file + "); " +
                                            (current->module->file == file
                                                 ? "two instances of one plugin need types of their own, see its options"
                                                 : "retire that module first"));
    auto made = std::make_unique<TypeVersion>();
    made->type = type;
    made->def = def;
    made->module = module.get();
    made->store = store_of_(type_name);
    FlushRule rule{def->durability, 0, made->store};
    if (rule.durability < ORBIT_DURABILITY_SYNC || rule.durability > ORBIT_DURABILITY_NONE)
      return fail(Code::invalid_argument, file + ": actor type " + std::string(type_name) + " has durability " +
                                              std::to_string(rule.durability) + ", expected 1 (sync), 2 (async) or 3 (none)");
    if (rule.durability == ORBIT_DURABILITY_ASYNC)
      rule.delay_ns = (def->flush_delay_ms != 0 ? def->flush_delay_ms : defaults_.flush_delay_ms) * 1'000'000;
    made->flush_class = flush_class(rule);
    const auto has = [def](size_t end) { return def->struct_size >= end; };
    if (has(offsetof(orbit_actor_type, stateless_copies) + sizeof def->stateless_copies))
      made->stateless_copies = def->stateless_copies;
    if (has(offsetof(orbit_actor_type, overload) + sizeof def->overload)) made->overload = def->overload;
    if (has(offsetof(orbit_actor_type, deactivating) + sizeof def->deactivating)) made->deactivating = def->deactivating;
    if (made->stateless_copies > kStatelessCopiesMax)
      return fail(Code::invalid_argument, file + ": actor type " + std::string(type_name) + " asks for " +
                                              std::to_string(made->stateless_copies) + " stateless copies per worker, at most " +
                                              std::to_string(kStatelessCopiesMax) + " are allowed");
    if (made->overload > ORBIT_OVERLOAD_DROP_OLDEST)
      return fail(Code::invalid_argument, file + ": actor type " + std::string(type_name) + " has overload policy " +
                                              std::to_string(made->overload) + ", expected 0 (reject) or 1 (drop oldest)");
    for (uint32_t i = 0; i < def->method_count; ++i)
      made->interleaves = made->interleaves || (def->methods[i].flags & (ORBIT_METHOD_READ_ONLY | ORBIT_METHOD_REENTRANT)) != 0;
    made->mailbox_max = def->mailbox_max != 0 ? def->mailbox_max : defaults_.mailbox_max;
    made->idle_timeout_ns = (def->idle_timeout_ms != 0 ? def->idle_timeout_ms : defaults_.idle_timeout_ms) * 1'000'000;
    if (def->struct_size >= offsetof(orbit_actor_type, load_from) + sizeof def->load_from) {
      made->state_version = def->state_version;
      made->load_from = from_c(def->load_from);
      made->indexes = {def->indexes, def->index_count};
      if (auto checked = check_indexes(*made); !checked)
        return fail(checked.error().code, file + ": actor type " + std::string(type_name) + ": " + checked.error().message);
      made->has_unique = std::any_of(made->indexes.begin(), made->indexes.end(),
                                     [](const orbit_index& index) { return (index.flags & ORBIT_INDEX_UNIQUE) != 0; });
    }
    if (has(offsetof(orbit_actor_type, hot_bytes) + sizeof def->hot_bytes) && def->hot_bytes != 0) {
      made->hot_from = def->hot_offset;
      made->hot_last = def->hot_offset + def->hot_bytes - 1;
    }
    if (def->descriptor_set.size != 0) {
      if (module->descriptors == nullptr) module->descriptors = std::make_unique<Descriptors>();
      if (auto added = module->descriptors->add(from_c(def->descriptor_set)); !added)
        return fail(added.error().code, file + ": the descriptor set of " + std::string(type_name) + ": " + added.error().message);
    }
    module->types.push_back(std::move(made));
  }

  module->generation = ++generation_;
  std::vector<orbit_type*> changed;
  for (const auto& made : module->types) {
    made->type->current.store(made.get(), std::memory_order_release);
    changed.push_back(made->type);
  }
  for (const auto& old : modules_) {
    if (old->name != name) continue;
    old->retire_asked = true;
    for (const auto& made : old->types) {
      const TypeVersion* expected = made.get();
      if (made->type->current.compare_exchange_strong(expected, nullptr)) changed.push_back(made->type);
    }
  }
  modules_.push_back(std::move(module));
  count_type_change();
  return changed;
}

Result<std::vector<orbit_type*>> TypeRegistry::retire(const std::string& name, bool hide) {
  const std::lock_guard lock(mutex_);
  std::vector<orbit_type*> changed;
  bool found = false;
  for (const auto& module : modules_) {
    if (module->name != name || module->retire_asked) continue;
    found = module->retire_asked = true;
    module->hidden = hide;
    for (const auto& made : module->types) {
      const TypeVersion* expected = made.get();
      if (made->type->current.compare_exchange_strong(expected, nullptr)) changed.push_back(made->type);
    }
  }
  if (!found) return fail(Code::not_found, "no active module is named '" + name + "'");
  count_type_change();
  return changed;
}

ModuleState TypeRegistry::state(const Module& module) noexcept {
  if (!module.retire_asked) return ModuleState::active;
  return module.activations() > 0 ? ModuleState::draining : ModuleState::retired;
}

void TypeRegistry::each_module(const std::function<void(const Module&)>& visit) const {
  const std::lock_guard lock(mutex_);
  for (const auto& module : modules_)
    if (!module->hidden) visit(*module);
}

void TypeRegistry::each_type(const std::function<void(const orbit_type&)>& visit) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, type] : handles()) visit(*type);
}

}  // namespace orbit::kernel
