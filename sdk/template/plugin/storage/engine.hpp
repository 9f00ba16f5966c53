#pragma once

#include <orbit/storage.hpp>

#include <cstdint>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>

namespace @name@ {

// An ordered map in memory: a small engine that keeps the whole contract of orbit.storage/1 (orbit/ext/storage.h) except
// that nothing survives the process. Replace the map with what you have in mind.
class Engine final : public orbit::Storage {
 public:
  explicit Engine(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  orbit::Result<bool> get(const orbit::StorageSnapshot*, orbit::Bytes key, orbit::ValueSink value) override;
  orbit::Result<> multi_get(const orbit::StorageSnapshot*, orbit::KeyList keys, orbit::VisitValue visit) override;
  orbit::Result<> scan(const orbit::StorageSnapshot*, orbit::Bytes from, orbit::Bytes to, bool reverse,
                       orbit::VisitEntry visit) override;
  orbit::Result<> write(orbit::WriteOps ops, bool sync) override;
  orbit::Result<> sync() override { return {}; }
  uint64_t size_bytes() override;

 private:
  using Map = std::map<std::string, std::string, std::less<>>;

  // Readers and the writer enter in turn; a shared_mutex alone would let busy readers keep the writer out for ever.
  std::shared_lock<std::shared_mutex> lock_shared() {
    const std::lock_guard turn(turn_);
    return std::shared_lock(mutex_);
  }
  std::unique_lock<std::shared_mutex> lock_exclusive() {
    const std::lock_guard turn(turn_);
    return std::unique_lock(mutex_);
  }

  void apply(const orbit::WriteOp& op);
  void erase(Map::iterator first, Map::iterator last);

  const uint64_t bytes_max_;
  std::mutex turn_;
  std::shared_mutex mutex_;
  Map map_;
  uint64_t bytes_ = 0;  // of keys and values
};

}  // namespace @name@
