// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the memory engine is made of: an entry per key, and under it the values it had, newest first.
#pragma once

#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <orbit/result.hpp>

namespace orbit::storage_memory {

// One value of one key, from the write numbered `sequence` until the next newer one. The bytes follow the header.
struct Version {
  static constexpr uint64_t kErased = ~uint64_t{0};

  Version* older;
  uint64_t sequence;
  uint64_t size;  // kErased: the key was deleted by that write

  bool erased() const noexcept { return size == kErased; }
  Bytes bytes() const noexcept { return {reinterpret_cast<const char*>(this + 1), static_cast<size_t>(size)}; }
  uint64_t cost_bytes() const noexcept { return cost_bytes(erased() ? 0 : size); }
  static uint64_t cost_bytes(uint64_t value_size) noexcept { return sizeof(Version) + kAllocationBytes + value_size; }

  struct Free {
    void operator()(Version* version) const noexcept { ::operator delete(version); }
  };
  using Owner = std::unique_ptr<Version, Free>;

  static Owner of(Bytes value, uint64_t sequence) {
    auto* made = new (::operator new(sizeof(Version) + value.size())) Version{nullptr, sequence, value.size()};
    if (!value.empty()) std::memcpy(made + 1, value.data(), value.size());
    return Owner(made);
  }
  static Owner erasure(uint64_t sequence) {
    return Owner(new (::operator new(sizeof(Version))) Version{nullptr, sequence, kErased});
  }

  static constexpr uint64_t kAllocationBytes = 8;  // what malloc adds to each block
};

using TreeHook = boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>,
                                                 boost::intrusive::link_mode<boost::intrusive::normal_link>>;

// One key. The key's bytes follow the header. Does not own its versions.
struct Entry : TreeHook {
  Version* newest = nullptr;
  size_t key_size = 0;

  Bytes key() const noexcept { return {reinterpret_cast<const char*>(this + 1), key_size}; }
  uint64_t cost_bytes() const noexcept { return cost_bytes(key_size); }
  static uint64_t cost_bytes(size_t key_size) noexcept {
    return sizeof(Entry) + Version::kAllocationBytes + kIndexBytes + key_size;
  }

  // The value as of that sequence; null: none.
  const Version* visible(uint64_t sequence) const noexcept {
    const Version* version = newest;
    while (version != nullptr && version->sequence > sequence) version = version->older;
    return version != nullptr && !version->erased() ? version : nullptr;
  }

  struct Free {
    void operator()(Entry* entry) const noexcept {
      entry->~Entry();
      ::operator delete(entry);
    }
  };
  using Owner = std::unique_ptr<Entry, Free>;

  static Owner of(Bytes key) {
    auto* made = new (::operator new(sizeof(Entry) + key.size())) Entry;
    made->key_size = key.size();
    if (!key.empty()) std::memcpy(static_cast<void*>(made + 1), key.data(), key.size());
    return Owner(made);
  }

  static constexpr uint64_t kIndexBytes = 24;  // a slot of the hash index at its usual load
};

struct EntryKey {
  using type = Bytes;
  Bytes operator()(const Entry& entry) const noexcept { return entry.key(); }
};

using Tree = boost::intrusive::set<Entry, boost::intrusive::base_hook<TreeHook>, boost::intrusive::key_of_value<EntryKey>,
                                   boost::intrusive::constant_time_size<false>>;

// Unlinked blocks, freed when this goes away: declare it before the lock so that freeing happens after unlocking.
class Garbage {
 public:
  Garbage() = default;
  Garbage(const Garbage&) = delete;
  Garbage& operator=(const Garbage&) = delete;
  ~Garbage() {
    while (versions_ != nullptr) Version::Owner(std::exchange(versions_, versions_->older));
    // An entry's `newest` has no use any more and links the list.
    while (entries_ != nullptr) {
      auto* next = reinterpret_cast<Entry*>(entries_->newest);
      Entry::Owner(std::exchange(entries_, next));
    }
  }
  void add(Version* version) noexcept { version->older = std::exchange(versions_, version); }
  void add(Entry* entry) noexcept { entry->newest = reinterpret_cast<Version*>(std::exchange(entries_, entry)); }

 private:
  Version* versions_ = nullptr;
  Entry* entries_ = nullptr;
};

}  // namespace orbit::storage_memory
