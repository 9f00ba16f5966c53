// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The parts of an actor's state that only some types have: named states, an expiry, index entries. A type without one
// pays nothing for it. Actor authors do not need this header.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "../index_key.hpp"
#include "../result.hpp"
#include "state_backups.hpp"

namespace orbit::detail {

// Sub-keys begin with one of these; lazy states lie before everything that is read on activation.
inline constexpr char kLazySpace = 'a';
inline constexpr char kEventSpace = 'j';
inline constexpr char kSnapshotSpace = 's';
inline constexpr char kNamedSpace = 'w';

inline void append_small(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
inline bool take_small(Bytes& in, uint64_t& value) noexcept {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

struct NamedStateInfo {
  std::string_view name;
  std::string_view type;  // full protobuf name
  bool lazy;
};

// One named state.
template <class T>
struct StateSlot {
  T value;
  T* backup = nullptr;  // before the running turn, once that changed it
  bool exists = false;
  bool backup_exists = false;
  bool loaded = false;
  bool changed = false;    // completed turns changed what collect has not written yet
  bool elsewhere = false;  // stored as lazy and declared as not lazy, or the other way round

  StateSlot() = default;
  StateSlot(const StateSlot&) = delete;
  StateSlot& operator=(const StateSlot&) = delete;
  ~StateSlot() {
    if (backup != nullptr) state_backups<T>.release(backup);
  }
  void begin() {
    if (backup != nullptr) return;
    backup = state_backups<T>.copy_of(value);
    backup_exists = exists;
  }
  // True when it came to be or ceased to be.
  bool keep() noexcept {
    if (backup == nullptr) return false;
    state_backups<T>.release(std::exchange(backup, nullptr));
    changed = true;
    return exists != backup_exists;
  }
  void undo() noexcept {
    if (backup == nullptr) return;
    value.Swap(backup);
    exists = backup_exists;
    state_backups<T>.release(std::exchange(backup, nullptr));
  }
  void erase() {
    begin();
    value.Clear();
    exists = false;
    loaded = true;
  }
  // As completed turns left it.
  const T& kept() const noexcept { return backup != nullptr ? *backup : value; }
  bool kept_exists() const noexcept { return backup != nullptr ? backup_exists : exists; }
};

template <class Types>
struct NamedSlots;
template <class... T>
struct NamedSlots<std::tuple<T...>> {
  static constexpr size_t kCount = sizeof...(T);
  std::tuple<StateSlot<T>...> slots;

  template <class Function>
  void each(Function function) {
    each_indexed(function, std::index_sequence_for<T...>());
  }
  bool keep() noexcept {
    bool existence = false;
    each([&](auto, auto& slot) { existence = slot.keep() || existence; });
    return existence;
  }
  void undo() noexcept {
    each([](auto, auto& slot) { slot.undo(); });
  }

 private:
  template <class Function, size_t... I>
  void each_indexed(Function& function, std::index_sequence<I...>) {
    (function(std::integral_constant<size_t, I>(), std::get<I>(slots)), ...);
  }
};
template <>
struct NamedSlots<std::tuple<>> {
  static constexpr size_t kCount = 0;
  template <class Function>
  void each(Function) noexcept {}
  bool keep() noexcept { return false; }
  void undo() noexcept {}
};

template <bool Declared>
struct ExpiryPart {
  uint64_t at_ms = 0;  // Unix time; 0: never
  uint64_t backup_ms = 0;
  void begin() noexcept { backup_ms = at_ms; }
  bool changed() const noexcept { return at_ms != backup_ms; }
  void undo() noexcept { at_ms = backup_ms; }
};
template <>
struct ExpiryPart<false> {
  void begin() noexcept {}
  bool changed() const noexcept { return false; }
  void undo() noexcept {}
};

// The index entries of one state: number of the index (4 bytes, big endian) and encoded value, sorted and distinct.
class IndexEntries {
 public:
  template <class T>
  void add(uint32_t number, const T& value) {
    std::string& entry = entries_.emplace_back();
    for (int shift = 24; shift >= 0; shift -= 8) entry.push_back(static_cast<char>(number >> shift));
    append_index_value(entry, value);
  }
  void finish() {
    std::sort(entries_.begin(), entries_.end());
    entries_.erase(std::unique(entries_.begin(), entries_.end()), entries_.end());
  }
  const std::vector<std::string>& entries() const noexcept { return entries_; }
  std::vector<std::string> take() && noexcept { return std::move(entries_); }

  static uint32_t number_of(std::string_view entry) noexcept {
    uint32_t number = 0;
    for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(entry[i]);
    return number;
  }
  static std::string_view value_of(std::string_view entry) noexcept { return entry.substr(4); }

 private:
  std::vector<std::string> entries_;
};

template <bool Declared>
struct IndexPart {
  std::vector<std::string> stored;  // as collect wrote them last
  std::vector<std::string> unique;  // of unique indexes: those of the state that completed turns left
  bool rewrite = false;             // as if none were stored
  const void* claiming = nullptr;   // the turn that waits for unique values
};
template <>
struct IndexPart<false> {};

// The events that an actor has recorded.
template <bool Declared>
struct JournalPart {
  uint64_t first = 1;                // number of the oldest stored event
  uint64_t last = 0;                 // of completed turns
  uint64_t snapshot = 0;             // the stored snapshot is the state after this event
  std::vector<std::string> unsaved;  // as they are stored: completed turns' up to `last`, then the running turn's
  size_t turn_count = 0;             // how many are the running turn's
  size_t turn_bytes = 0;
  bool snapshot_due = false;  // before the next event can be read back
  void drop_completed() noexcept { unsaved.erase(unsaved.begin(), unsaved.end() - static_cast<ptrdiff_t>(turn_count)); }
  void keep() noexcept {
    last += turn_count;
    turn_count = turn_bytes = 0;
  }
  // Everything stored is going to be removed; numbers go on.
  void wipe() noexcept {
    drop_completed();
    snapshot_due = false;
    first = last + 1;
    snapshot = last;
  }
  void undo() noexcept {
    unsaved.resize(unsaved.size() - turn_count);
    turn_count = turn_bytes = 0;
  }
};
template <>
struct JournalPart<false> {
  void keep() noexcept {}
  void undo() noexcept {}
};

}  // namespace orbit::detail
