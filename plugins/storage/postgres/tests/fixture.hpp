// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the tests of the engine share: one server, an engine on a table of its own, and a session beside it.
#pragma once

#include <doctest/doctest.h>
#include <libpq-fe.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "engine.hpp"
#include "server.hpp"

namespace orbit::storage_postgres {

inline test::PostgresServer& server() {
  if (!test::postgres_programs()) {
    std::fprintf(stderr, "skipped: no PostgreSQL server is installed\n");
    std::_Exit(77);
  }
  static test::PostgresServer one(true);
  return one;
}

struct Counts final : Events {
  std::atomic<int> round_trips = 0, connections = 0, losses = 0, retries = 0, settled_applied = 0, settled_not = 0;
  void round_trip() noexcept override { ++round_trips; }
  void connected() noexcept override { ++connections; }
  void lost(const Error&) noexcept override { ++losses; }
  void retried(const std::string&) noexcept override { ++retries; }
  void settled(bool applied) noexcept override { ++(applied ? settled_applied : settled_not); }
};

// A superuser's session.
class Session {
 public:
  Session() : raw_(PQconnectdb(server().conninfo().c_str())) {
    if (PQstatus(raw_) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(raw_));
    PQsetNoticeProcessor(raw_, [](void*, const char*) {}, nullptr);
  }
  ~Session() { PQfinish(raw_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  // The first field of the first row; statements may be several.
  std::string run(const std::string& sql) {
    PGresult* result = PQexec(raw_, sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    std::string out = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    const std::string error = PQresultErrorMessage(result);
    PQclear(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) throw std::runtime_error(sql + ": " + error);
    return out;
  }
  // Until the query gives that.
  void wait_for(const std::string& sql, const std::string& wanted) {
    while (run(sql) != wanted) run("SELECT pg_sleep(0.005)");
  }

 private:
  PGconn* raw_;
};

struct Fixture {
  std::shared_ptr<Counts> counts = std::make_shared<Counts>();
  EngineOptions options;
  std::unique_ptr<Engine> engine;

  explicit Fixture(const std::string& table) {
    options.server.conninfo = server().conninfo();
    options.server.synchronous_commit = "on";
    options.table = table;
    options.retry_timeout = std::chrono::seconds(30);
  }
  Engine& open() {
    auto made = Engine::open(options, counts);
    if (!made) throw std::runtime_error(made.error().message);
    engine = std::move(*made);
    return *engine;
  }
};

inline Result<> write(Engine& engine, const WriteBatch& batch, bool sync = false) {
  const auto ops = batch.ops();
  return engine.write(WriteOps(ops.data(), ops.size()), sync);
}
inline Result<> put(Engine& engine, Bytes key, Bytes value, bool sync = false) {
  WriteBatch batch;
  batch.put(key, value);
  return write(engine, batch, sync);
}
inline Result<FencedOutcome> put_if(Engine& engine, orbit_condition condition, Bytes key, Bytes value) {
  WriteBatch batch;
  batch.put(key, value);
  const auto ops = batch.ops();
  return engine.write_if(Conditions(&condition, 1), WriteOps(ops.data(), ops.size()), true);
}
// "(none)", or "CODE: message" of an error.
inline std::string get(Engine& engine, Bytes key, const StorageSnapshot* snapshot = nullptr) {
  std::string value;
  const orbit_sink sink{&value, [](void* out, orbit_bytes part) { static_cast<std::string*>(out)->append(from_c(part)); }};
  const Result<bool> found = engine.get(snapshot, key, ValueSink(sink));
  if (!found) return std::string(code_name(found.error().code)) + ": " + found.error().message;
  return *found ? value : "(none)";
}

}  // namespace orbit::storage_postgres
