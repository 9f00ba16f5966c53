// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The storage contract on one table of a PostgreSQL server, or of one that speaks its protocol.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <orbit/storage.hpp>
#include <string>

#include "pool.hpp"
#include "writer.hpp"

namespace orbit::storage_postgres {

struct EngineOptions {
  ServerOptions server;
  std::string table;
  bool create = true;           // make the tables when they are missing
  size_t connections_max = 8;   // of readers
  size_t snapshots_max = 16;    // each has a connection
  std::chrono::milliseconds retry_timeout{5000};
};

class Engine final : public Storage {
 public:
  static constexpr bool kShared = true;

  // UNAVAILABLE: no server there; FAILED_PRECONDITION: the tables are missing, or of another format.
  static Result<std::unique_ptr<Engine>> open(const EngineOptions& options, std::shared_ptr<Events> events);
  ~Engine() override = default;  // no snapshot and no scan may be alive

  Result<bool> get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) override;
  Result<> multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) override;
  Result<> scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) override;
  Result<> write(WriteOps ops, bool sync) override;
  Result<FencedOutcome> write_if(Conditions conditions, WriteOps ops, bool sync);
  Result<> sync() override;
  Result<> recover() override { return writer_.recover(); }
  uint64_t size_bytes() override;

  Result<std::unique_ptr<StorageSnapshot>> create_snapshot();

 private:
  class Snapshot;
  class View;

  Engine(const EngineOptions& options, std::shared_ptr<Events> events);
  Result<> prepare_tables(bool create);

  const EngineOptions options_;
  const std::shared_ptr<Events> events_;
  const Statements statements_;
  Pool readers_;
  Pool snapshots_;
  Writer writer_;

  std::mutex size_;  // guards what follows
  Clock::time_point size_asked_;
  uint64_t size_bytes_ = 0;
  std::atomic<uint64_t> written_bytes_ = 0;  // since the server was asked
};

}  // namespace orbit::storage_postgres
