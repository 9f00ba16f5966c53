// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The engine's private parts that more than one of its files needs.
#pragma once

#include "engine.hpp"
#include "parker.hpp"

namespace orbit::cow_btree {

// The slot's bytes, with its checksum.
Bytes slot_bytes(Slot& slot) noexcept;
std::string directory_of(const std::string& path);

// One in the queue for the writer's place.
struct Engine::Waiting {
  const WriteOps* ops = nullptr;  // null: only a sync, or the place itself
  bool sync = false;
  bool alone = false;  // wants the writer's place for itself
  Result<> result;
  std::shared_ptr<Parker> parker = Parker::of_this_thread();
};

// The writer's place, from construction to destruction.
class Engine::Turn {
 public:
  explicit Turn(Engine& engine) : engine_(engine) {
    waiting_.alone = true;
    engine.enqueue(waiting_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    Waiting* const mine = &waiting_;
    engine_.leave({&mine, 1});
  }

 private:
  Engine& engine_;
  Waiting waiting_;
};

struct Engine::Checkpoint {
  Root root;
  uint64_t version = 0;
  uint64_t began = 0;  // of the snapshot that keeps its pages until they are written
  LogStart log;
  Slot slot{};
  struct MapPage {
    PageId id;
    std::string bytes;
  };
  std::vector<MapPage> map;
  std::optional<Error> error;
};

class Engine::Snapshot final : public StorageSnapshot {
 public:
  Snapshot(Readers& readers, Root root, uint64_t began) : root(root), began_(began), readers_(readers) { readers.add_snapshot(began); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() override { readers_.drop_snapshot(began_); }
  const Root root;

 private:
  const uint64_t began_;
  Readers& readers_;
};

}  // namespace orbit::cow_btree
