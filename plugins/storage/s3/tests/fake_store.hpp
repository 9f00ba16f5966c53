// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An object store in memory that does to its clients what networks and crashes do. Several clients share the objects.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "object_store.hpp"

namespace orbit::s3::testing {

enum class Fate {
  done,
  refused,   // fails, and nothing was done
  lost,      // was done, and fails
  repeated,  // was done, its answer got lost, and was asked for again: a condition that its own write broke is not met
  late,      // fails, and is done after some more requests, if its condition holds then
  killed,    // the client's process ends before this one
  killed_after,
};

struct Objects {
  std::mutex mutex;
  std::map<std::string, Object> all;
  uint64_t next_etag = 1;
};

class FakeStore final : public ObjectStore {
 public:
  explicit FakeStore(std::shared_ptr<Objects> objects) : objects_(std::move(objects)) {}

  // Asked with the number of the request, its kind ("get", "put", "list", "remove") and the name.
  std::function<Fate(uint64_t number, Bytes kind, const std::string& name)> fate;
  uint64_t requests() const { return requests_; }
  bool is_dead() const { return dead_; }
  void kill() { dead_ = true; }

  std::optional<Object> get(const std::string& name) override {
    std::lock_guard lock(objects_->mutex);
    const Asked asked(*this, "get", name);
    const auto found = objects_->all.find(name);
    if (found == objects_->all.end()) return std::nullopt;
    return found->second;
  }
  std::optional<std::string> get_range(const std::string& name, uint64_t offset, uint64_t size) override {
    std::lock_guard lock(objects_->mutex);
    const Asked asked(*this, "get", name);
    const auto found = objects_->all.find(name);
    if (found == objects_->all.end()) return std::nullopt;
    const std::string& bytes = found->second.bytes;
    if (offset + size > bytes.size()) raise(Code::data_loss, describe(name) + " is shorter than it should be");
    return bytes.substr(offset, size);
  }
  std::optional<std::string> put(const std::string& name, Bytes bytes, const PutCondition& condition) override {
    std::lock_guard lock(objects_->mutex);
    const Asked asked(*this, "put", name);
    if (asked.fate == Fate::late) {
      late_.push_back({name, std::string(bytes), condition, requests_ + 3});
      raise(Code::unavailable, describe(name) + ": no answer came");
    }
    auto etag = do_put(name, bytes, condition);
    if (asked.fate == Fate::repeated) etag = do_put(name, bytes, condition);
    asked.after();
    return etag;
  }
  void upload(const std::string& name, Bytes bytes) override { put(name, bytes, {}); }
  void list(const std::string& prefix, const std::string& after,
            const std::function<void(const std::string& name, uint64_t size)>& visit) override {
    std::vector<std::pair<std::string, uint64_t>> found;
    {
      std::lock_guard lock(objects_->mutex);
      const Asked asked(*this, "list", prefix);
      for (auto at = objects_->all.upper_bound(std::max(after, prefix));
           at != objects_->all.end() && at->first.starts_with(prefix); ++at)
        found.emplace_back(at->first, at->second.bytes.size());
    }
    for (const auto& [name, size] : found) visit(name, size);
  }
  void remove(const std::string& name) override {
    std::lock_guard lock(objects_->mutex);
    const Asked asked(*this, "remove", name);
    objects_->all.erase(name);
    asked.after();
  }
  std::string describe(const std::string& name) const override { return "fake://" + name; }

 private:
  struct Late {
    std::string name;
    std::string bytes;
    PutCondition condition;
    uint64_t due;
  };
  struct Asked {
    Asked(FakeStore& s, Bytes kind, const std::string& n) : store(s), name(n) {
      if (store.dead_) raise(Code::cancelled, "the process was killed");
      const uint64_t number = ++store.requests_;
      std::erase_if(store.late_, [&](const Late& late) {
        if (late.due > number) return false;
        store.do_put(late.name, late.bytes, late.condition);
        return true;
      });
      if (store.fate) fate = store.fate(number, kind, name);
      if (fate == Fate::killed) store.dead_ = true;
      if (fate == Fate::killed || fate == Fate::refused)
        raise(Code::unavailable, store.describe(name) + ": HTTP 503 SlowDown");
    }
    void after() const {
      if (fate == Fate::killed_after) store.dead_ = true;
      if (fate == Fate::killed_after || fate == Fate::lost)
        raise(Code::unavailable, store.describe(name) + ": the connection was closed");
    }
    FakeStore& store;
    const std::string& name;
    Fate fate = Fate::done;
  };
  std::optional<std::string> do_put(const std::string& name, Bytes bytes, const PutCondition& condition) {
    const auto found = objects_->all.find(name);
    const bool there = found != objects_->all.end();
    if (condition.kind == PutCondition::Kind::absent && there) return std::nullopt;
    if (condition.kind == PutCondition::Kind::match && (!there || found->second.etag != condition.etag))
      return std::nullopt;
    const std::string etag = "\"" + std::to_string(objects_->next_etag++) + "\"";
    objects_->all[name] = {std::string(bytes), etag};
    return etag;
  }

  const std::shared_ptr<Objects> objects_;
  uint64_t requests_ = 0;
  std::vector<Late> late_;
  bool dead_ = false;
};

}  // namespace orbit::s3::testing
