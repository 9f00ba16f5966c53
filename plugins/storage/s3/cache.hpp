// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What was read from tables and is kept in memory, up to a number of bytes; the least recently used goes first. Who
// misses something that another thread is fetching waits for that thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

namespace orbit::s3 {

class Cache {
 public:
  explicit Cache(uint64_t bytes_max) noexcept : bytes_max_(bytes_max) {}

  struct Key {
    uint64_t table;
    uint64_t offset;
    bool operator==(const Key&) const = default;
  };

  template <class T>
  std::shared_ptr<const T> find(Key key) {
    std::lock_guard lock(mutex_);
    return std::static_pointer_cast<const T>(touch(key));
  }
  // `fetch` returns a shared_ptr<const T> and puts it here by insert().
  template <class T, class F>
  std::shared_ptr<const T> find_or_fetch(Key key, F&& fetch) {
    {
      std::unique_lock lock(mutex_);
      while (true) {
        if (auto found = touch(key)) return std::static_pointer_cast<const T>(found);
        if (fetching_.insert(key).second) break;
        fetched_.wait(lock);
      }
    }
    const Fetching done{*this, key};
    return fetch();
  }
  void insert(Key key, std::shared_ptr<const void> value, uint64_t bytes);

  uint64_t bytes() const noexcept;
  uint64_t hits() const noexcept;
  uint64_t misses() const noexcept;

 private:
  struct KeyHash {
    size_t operator()(const Key& key) const noexcept {
      return static_cast<size_t>((key.table * 0x9e3779b97f4a7c15 ^ key.offset) * 0xff51afd7ed558ccd >> 7);
    }
  };
  struct Item {
    Key key;
    std::shared_ptr<const void> value;
    uint64_t bytes;
  };
  struct Fetching {
    Cache& cache;
    Key key;
    ~Fetching();
  };
  std::shared_ptr<const void> touch(Key key);

  const uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::condition_variable fetched_;
  std::list<Item> items_;  // the most recently used first
  std::unordered_map<Key, std::list<Item>::iterator, KeyHash> index_;
  std::unordered_set<Key, KeyHash> fetching_;
  uint64_t bytes_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
};

}  // namespace orbit::s3
