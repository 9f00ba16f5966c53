// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "engine.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <vector>

namespace orbit::storage_postgres {
namespace {

constexpr const char* kBeginView = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr const char* kSerializationFailure = "40001";
constexpr const char* kNoSuchTable = "42P01";
constexpr size_t kKeysPerStatement = 256;
constexpr size_t kPageBytesMax = size_t{4} << 20;
constexpr auto kSizeAge = std::chrono::seconds(1);

// What one statement of a scan found.
class Page {
 public:
  struct Entry {
    size_t key_size;
    size_t value_size;
  };
  void clear() noexcept {
    entries.clear();
    bytes.clear();
    rows = 0;
    cut = false;
  }
  void add(const PGresult& result) {
    for (size_t row = 0; row < rows_of(result); ++row) {
      ++rows;
      // What is too much is read again with the next page.
      cut = cut || (!entries.empty() && bytes.size() >= kPageBytesMax);
      if (cut) continue;
      const Bytes head = field(result, row, 0);
      const Bytes tail = field(result, row, 1);
      const Bytes value = field(result, row, 2);
      entries.push_back({head.size() + tail.size(), value.size()});
      bytes.append(head).append(tail).append(value);
    }
  }

  std::vector<Entry> entries;
  std::string bytes;
  size_t rows = 0;
  bool cut = false;
};

}  // namespace

class Engine::Snapshot final : public StorageSnapshot {
 public:
  explicit Snapshot(Pool::Lease lease) : connection(std::move(lease)) {}
  ~Snapshot() override {
    if (connection->broken()) return;
    connection->add("COMMIT");
    connection->send_off();
  }
  mutable std::mutex use;  // one statement at a time
  Pool::Lease connection;
};

// One state to read from: a snapshot's, or without one the newest, for one statement or (`lasting`) for several.
class Engine::View {
 public:
  View(Engine& engine, const StorageSnapshot* snapshot, bool lasting)
      : engine_(engine), snapshot_(static_cast<const Snapshot*>(snapshot)), lasting_(lasting) {}
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  ~View() {
    if (!own_ || (*own_)->broken()) return;
    (*own_)->add("COMMIT");
    (*own_)->send_off();
  }

  // Runs the one statement that `queue` queues. It is tried again on another connection as long as nothing depends on this
  // one; so `queue` also forgets what `visit` was given before.
  Result<> read(FunctionRef<void(Connection&)> queue, FunctionRef<void(const PGresult&)> visit, bool single_rows = false) {
    if (snapshot_ != nullptr) {
      const std::lock_guard lock(snapshot_->use);
      return once(*snapshot_->connection, false, queue, visit, single_rows).map_error(lost_snapshot);
    }
    if (own_) return once(**own_, false, queue, visit, single_rows);
    const auto deadline = engine_.readers_.deadline();
    for (;;) {
      auto lease = engine_.readers_.acquire(deadline);
      if (!lease) return tl::unexpected<Error>(lease.error());
      bool again = false;
      auto done = once(**lease, lasting_, queue, visit, single_rows, &again);
      if (done && lasting_) own_.emplace(std::move(*lease));
      if (done || !again || Clock::now() >= deadline) return done;
    }
  }

 private:
  static Error lost_snapshot(Error error) {
    if (error.code == Code::unavailable) error.message = "a snapshot cannot be read any more: " + error.message;
    return error;
  }
  static Result<> once(Connection& connection, bool begin, FunctionRef<void(Connection&)> queue,
                       FunctionRef<void(const PGresult&)> visit, bool single_rows, bool* again = nullptr) {
    if (begin) connection.add(kBeginView);
    queue(connection);
    const size_t wanted = begin ? 1 : 0;
    auto done = connection.fly(
        [&](size_t step, const PGresult& result) {
          if (step == wanted) visit(result);
        },
        single_rows);
    if (!done) {
      if (again != nullptr) *again = true;
      return tl::unexpected<Error>(done.error());
    }
    if (!*done) return {};
    if (again != nullptr) *again = (*done)->sqlstate == kSerializationFailure;
    if (begin) {
      connection.add("ROLLBACK");
      connection.send_off();
    }
    return tl::unexpected<Error>(error_of(**done));
  }

  Engine& engine_;
  const Snapshot* const snapshot_;
  const bool lasting_;
  std::optional<Pool::Lease> own_;
};

// ---- opening -------------------------------------------------------------------------------------------------------

Engine::Engine(const EngineOptions& options, std::shared_ptr<Events> events)
    : options_(options),
      events_(std::move(events)),
      statements_(options.table),
      readers_({options.server, "connections_max", options.connections_max, options.retry_timeout}, statements_, *events_),
      snapshots_({options.server, "snapshots_max", options.snapshots_max, options.retry_timeout}, statements_, *events_),
      writer_(readers_, statements_, *events_, !options.server.synchronous_commit.empty()) {}

Result<std::unique_ptr<Engine>> Engine::open(const EngineOptions& options, std::shared_ptr<Events> events) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  if (options.table.empty() || options.table.size() > 50 || !std::all_of(options.table.begin(), options.table.end(), allowed))
    return fail(Code::invalid_argument,
                "table = \"" + options.table + "\": expected 1 to 50 of the characters a to z, 0 to 9 and _");
  std::unique_ptr<Engine> engine(new Engine(options, std::move(events)));
  return engine->prepare_tables(options.create).map([&] { return std::move(engine); });
}

Result<> Engine::prepare_tables(bool create) {
  auto connection = Connection::open(options_.server, *events_);
  if (!connection) return tl::unexpected<Error>(connection.error());
  int64_t format = 0;
  const auto run = [&](const std::string& command) {
    (*connection)->add(command);
    return (*connection)->fly([&](size_t, const PGresult& result) {
      if (rows_of(result) == 1) format = i64_of(field(result, 0, 0));
    });
  };
  auto read = run(statements_.read_format);
  if (read && *read && (*read)->sqlstate == kNoSuchTable && create) {
    for (const std::string& command : statements_.create) {
      auto made = run(command);
      // IF NOT EXISTS can lose against another node that creates the same thing at the same time; then it is there.
      if (made && *made) made = run(command);
      if (!made) return tl::unexpected<Error>(made.error());
      if (*made) return tl::unexpected<Error>(error_of(**made));
    }
    read = run(statements_.read_format);
  }
  if (!read) return tl::unexpected<Error>(read.error());
  if (*read && (*read)->sqlstate == kNoSuchTable)
    return fail(Code::failed_precondition, "the tables " + statements_.table + " and " + statements_.meta +
                                               " are missing and create is false: " + (*read)->message);
  if (*read) return tl::unexpected<Error>(error_of(**read));
  if (format != kFormat)
    return fail(Code::failed_precondition, "the table " + statements_.table + " has format " + std::to_string(format) +
                                               ", expected " + std::to_string(kFormat));
  if (auto forgotten = run(statements_.forget_writers); !forgotten) return tl::unexpected<Error>(forgotten.error());
  return (*connection)->prepare(statements_);
}

// ---- reading -------------------------------------------------------------------------------------------------------

Result<bool> Engine::get(const StorageSnapshot* snapshot, Bytes key, ValueSink value) {
  const RowKey row(key);
  std::optional<std::string> found;
  auto done = View(*this, snapshot, false)
                  .read(
                      [&](Connection& connection) {
                        found.reset();
                        connection.add(Statement::get, {row.head(), row.hash()});
                      },
                      [&](const PGresult& result) {
                        if (rows_of(result) == 1) found = field(result, 0, 0);
                      });
  if (!done) return tl::unexpected<Error>(done.error());
  if (found) value.append(*found);
  return found.has_value();
}

Result<> Engine::multi_get(const StorageSnapshot* snapshot, KeyList keys, VisitValue visit) {
  View view(*this, snapshot, keys.size() > kKeysPerStatement);
  std::vector<std::optional<std::string>> found;
  for (size_t from = 0; from < keys.size(); from += kKeysPerStatement) {
    const size_t count = std::min(kKeysPerStatement, keys.size() - from);
    ByteaArray heads;
    ByteaArray hashes;
    for (size_t i = 0; i < count; ++i) {
      const RowKey row(keys[from + i]);
      heads.add(row.head());
      hashes.add(row.hash());
    }
    auto done = view.read(
        [&](Connection& connection) {
          found.assign(count, std::nullopt);
          connection.add(Statement::multi_get, {heads.value(), hashes.value()});
        },
        [&](const PGresult& result) {
          for (size_t row = 0; row < rows_of(result); ++row)
            found.at(static_cast<size_t>(i64_of(field(result, row, 0)) - 1)) = field(result, row, 1);
        },
        true);
    if (!done) return done;
    for (size_t i = 0; i < count; ++i) visit(from + i, found[i].has_value(), found[i] ? Bytes(*found[i]) : Bytes());
  }
  return {};
}

Result<> Engine::scan(const StorageSnapshot* snapshot, Bytes from, Bytes to, bool reverse, VisitEntry visit) {
  View view(*this, snapshot, true);
  Page page;
  std::string rest_from(from);
  std::string rest_to(to);
  bool large = false;
  while (rest_to.empty() || rest_from < rest_to) {
    const RowKey first(rest_from);
    const RowKey end(rest_to);
    const Statement statement = scan_statement(rest_to.empty(), reverse, large);
    auto done = view.read(
        [&](Connection& connection) {
          page.clear();
          if (rest_to.empty())
            connection.add(statement, {first.head(), first.tail()});
          else
            connection.add(statement, {first.head(), first.tail(), end.head(), end.tail()});
        },
        [&](const PGresult& result) { page.add(result); }, true);
    if (!done) return done;
    const char* at = page.bytes.data();
    Bytes key;
    for (const Page::Entry& entry : page.entries) {
      key = {at, entry.key_size};
      if (!visit(key, {at + entry.key_size, entry.value_size})) return {};
      at += entry.key_size + entry.value_size;
    }
    const size_t asked = static_cast<size_t>(large ? kLargePage : kSmallPage);
    if (!page.cut && page.rows < asked) return {};
    large = !page.cut;
    if (reverse) {
      if (key.empty()) return {};  // nothing is less than the empty key
      rest_to = key;
    } else {
      rest_from.assign(key).push_back('\0');
    }
  }
  return {};
}

Result<std::unique_ptr<StorageSnapshot>> Engine::create_snapshot() {
  const auto deadline = snapshots_.deadline();
  for (;;) {
    auto lease = snapshots_.acquire(deadline, false);
    if (!lease) return tl::unexpected<Error>(lease.error());
    Connection& connection = **lease;
    connection.add(kBeginView);
    connection.add("SELECT 1");  // the first statement decides what is seen
    auto done = connection.fly();
    if (done && !*done) return std::make_unique<Snapshot>(std::move(*lease));
    if (done) {
      connection.add("ROLLBACK");
      connection.send_off();
      return tl::unexpected<Error>(error_of(**done));
    }
    if (Clock::now() >= deadline) return tl::unexpected<Error>(done.error());
  }
}

uint64_t Engine::size_bytes() {
  const std::lock_guard lock(size_);
  if (const auto now = Clock::now(); size_asked_ == Clock::time_point() || now - size_asked_ > kSizeAge) {
    size_asked_ = now;
    if (auto lease = readers_.acquire(now, false)) {
      (*lease)->add(statements_.size);
      std::optional<uint64_t> size;
      auto done = (*lease)->fly([&](size_t, const PGresult& result) {
        if (rows_of(result) == 1) size = static_cast<uint64_t>(i64_of(field(result, 0, 0)));
      });
      // A server that cannot tell leaves what was written since the start.
      if (done && !*done && size) {
        size_bytes_ = *size;
        written_bytes_ = 0;
      }
    }
  }
  return size_bytes_ + written_bytes_;
}

// ---- writing -------------------------------------------------------------------------------------------------------

Result<> Engine::write(WriteOps ops, bool sync) {
  if (ops.size() == 0 && !sync) return {};
  return write_if(Conditions(nullptr, 0), ops, sync).map([](const FencedOutcome&) {});
}

Result<FencedOutcome> Engine::write_if(Conditions conditions, WriteOps ops, bool sync) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < ops.size(); ++i)
    if (const WriteOp op = ops[i]; op.kind == WriteKind::put) bytes += op.key.size() + op.value.size();
  auto outcome = writer_.write(conditions, ops, sync);
  if (outcome && !outcome->failed) written_bytes_ += bytes;
  return outcome;
}

// The commit of the writer's mark comes after all that went before, and the server flushes its log in order.
Result<> Engine::sync() { return write(WriteOps(nullptr, 0), true); }

}  // namespace orbit::storage_postgres
