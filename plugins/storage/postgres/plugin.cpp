// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/ext/observe.h>
#include <orbit/plugin.hpp>
#include <orbit/storage.hpp>

#include "engine.hpp"

namespace {

using orbit::storage_postgres::Engine;
using orbit::storage_postgres::EngineOptions;

constexpr const char* kSynchronousCommits[] = {"on", "remote_apply", "remote_write", "local", "server", nullptr};

// Tells the node's log and metrics what goes on between it and the server.
class Observer final : public orbit::storage_postgres::Events {
 public:
  explicit Observer(orbit::Host host)
      : host_(host), metrics_(host.extension<orbit_metrics_v1>(ORBIT_METRICS_V1)) {
    round_trips_ = counter("orbit_postgres_round_trips_total", "", "Times that something was sent and waited for.");
    connections_ = counter("orbit_postgres_connections_total", "", "Connections made to the server.");
    lost_ = counter("orbit_postgres_connections_lost_total", "", "Connections that broke.");
    retries_ = counter("orbit_postgres_retries_total", "", "Transactions tried again because another was in the way.");
    applied_ = counter("orbit_postgres_settled_total", "applied=\"true\"", "Commits whose lost answer was looked up.");
    not_applied_ = counter("orbit_postgres_settled_total", "applied=\"false\"", "Commits whose lost answer was looked up.");
  }
  void round_trip() noexcept override { count(round_trips_); }
  void connected() noexcept override { count(connections_); }
  void lost(const orbit::Error& error) noexcept override {
    count(lost_);
    host_.warn(error.message);
  }
  void retried(const std::string&) noexcept override { count(retries_); }
  void settled(bool applied) noexcept override { count(applied ? applied_ : not_applied_); }

 private:
  orbit_counter* counter(const char* name, const char* labels, const char* help) const {
    return metrics_ == nullptr ? nullptr : metrics_->counter(host_.raw(), name, labels, help);
  }
  void count(orbit_counter* one) const noexcept {
    if (one != nullptr) metrics_->add(one, 1);
  }
  orbit::Host host_;
  const orbit_metrics_v1* metrics_;
  orbit_counter* round_trips_;
  orbit_counter* connections_;
  orbit_counter* lost_;
  orbit_counter* retries_;
  orbit_counter* applied_;
  orbit_counter* not_applied_;
};

class PostgresStorage final : public orbit::StoragePlugin<PostgresStorage, Engine> {
 public:
  static constexpr orbit::Option kOptions[] = {
      orbit::option_secret("conninfo", nullptr,
                           "Where the server is, as libpq wants it: \"host=db1 dbname=orbit user=orbit sslmode=verify-full\", "
                           "or a URI."),
      orbit::option_secret("password", "\"\"", "Password of the user; empty: what conninfo or a password file says."),
      orbit::option_string("table", "\"orbit_state\"", "Table of the state; a second one, TABLE_meta, is beside it."),
      orbit::option_boolean("create", "true", "Whether to create the tables when they are missing."),
      orbit::option_integer("connections_max", "8", 1, 1000, "Most connections for reading; one more is for writing."),
      orbit::option_integer("snapshots_max", "16", 1, 1000, "Most snapshots at a time; each has a connection of its own."),
      orbit::option_integer("connect_timeout_ms", "5000", 2000, 600000,
                            "How long an attempt to connect may take; counted in whole seconds."),
      orbit::option_integer("answer_timeout_ms", "10000", 10, 3600000,
                            "How long the server may work on one statement; after twice as long without a byte the connection "
                            "is given up."),
      orbit::option_integer("retry_timeout_ms", "5000", 0, 3600000,
                            "How long a call waits for a server that is away, or for other transactions."),
      orbit::option_string("synchronous_commit", "\"on\"",
                           "What the server is told for sync durability; the other durabilities are off. server: it is told "
                           "nothing, and every commit is as its own configuration says.",
                           kSynchronousCommits),
  };
  static constexpr orbit::PluginInfo kInfo{
      .id = "orbit.storage.postgres",
      .version = "0.1.0",
      .doc = "Durable ordered storage that all nodes share, in a table of PostgreSQL or of what speaks its protocol.",
      .provides = orbit::storage_provides<Engine>(),
      .options = kOptions,
  };

  static orbit::Result<std::unique_ptr<PostgresStorage>> create(orbit::Host host, const orbit::Config& config) {
    const auto milliseconds = [&](const char* key) { return std::chrono::milliseconds(config.integer(key)); };
    EngineOptions options;
    options.server.conninfo = config.string("conninfo");
    options.server.password = config.string("password");
    if (const std::string told = config.string("synchronous_commit"); told != "server") options.server.synchronous_commit = told;
    options.server.connect_timeout = milliseconds("connect_timeout_ms");
    options.server.answer_timeout = milliseconds("answer_timeout_ms");
    options.table = config.string("table");
    options.create = config.boolean("create");
    options.connections_max = static_cast<size_t>(config.integer("connections_max"));
    options.snapshots_max = static_cast<size_t>(config.integer("snapshots_max"));
    options.retry_timeout = milliseconds("retry_timeout_ms");
    auto engine = Engine::open(options, std::make_shared<Observer>(host));
    if (!engine) return tl::unexpected<orbit::Error>(engine.error());
    host.info("storage is open: table " + options.table + " of a PostgreSQL server");
    return std::make_unique<PostgresStorage>(std::move(*engine));
  }

  using StoragePlugin::StoragePlugin;
};

}  // namespace

ORBIT_PLUGIN(PostgresStorage)
