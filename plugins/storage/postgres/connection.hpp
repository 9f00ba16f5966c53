// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One connection to the server, in pipeline mode: statements are queued, leave together and are answered in order, in one
// round trip. Used by one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <orbit/result.hpp>
#include <orbit/storage.hpp>
#include <string>

#include "statements.hpp"

struct pg_conn;
struct pg_result;

namespace orbit::storage_postgres {

struct ServerOptions {
  std::string conninfo;  // of libpq: keywords and values, or a URI
  std::string password;  // empty: libpq's other ways
  std::string synchronous_commit;  // what a synced write asks of the server; empty: nothing is said about it
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds answer_timeout{10000};  // for each statement at the server, and for silence at this end
};

// What an operator or a test wants to know. Called by any thread.
class Events {
 public:
  virtual ~Events() = default;
  virtual void round_trip() noexcept {}
  virtual void connected() noexcept {}
  virtual void lost(const Error&) noexcept {}
  virtual void retried(const std::string& /*sqlstate*/) noexcept {}
  // A commit whose answer was lost was looked up.
  virtual void settled(bool /*applied*/) noexcept {}
};

// The server's no to one of the statements that were sent together; those after it were not looked at.
struct Refusal {
  size_t step = 0;  // index of the statement
  std::string sqlstate;
  std::string message;
};
Error error_of(const Refusal& refusal);

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const ServerOptions& options, Events& events);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // FAILED_PRECONDITION when a table is missing.
  Result<> prepare(const Statements& statements);

  // Queue a statement; values are copied, and go as they are (binary). What goes wrong shows in fly.
  void add(Statement statement, std::initializer_list<Bytes> values);
  void add(const std::string& command);
  // Called for each result with rows, or with the count of rows that a command changed; in the order of the statements.
  using Visit = FunctionRef<void(size_t step, const pg_result& result)>;
  // Sends what was queued and reads all answers. A value: the server refused a statement, and the connection is fine; an
  // error: the connection is lost, and what became of the statements is not known. `single_rows`: results come row by row.
  Result<std::optional<Refusal>> fly(Visit visit, bool single_rows = false);
  Result<std::optional<Refusal>> fly();
  // Sends what was queued without waiting; its answers are dropped before the next ones are read. For ends of transactions.
  void send_off();
  bool broken() const noexcept { return broken_; }

 private:
  struct Closer {
    void operator()(pg_conn* connection) const noexcept;
    void operator()(pg_result* result) const noexcept;
  };
  using ResultOwner = std::unique_ptr<pg_result, Closer>;

  Connection(pg_conn* raw, const ServerOptions& options, Events& events) noexcept;
  bool send_queued() noexcept;
  ResultOwner next_result();
  Result<std::optional<Refusal>> read_answers(Visit visit, bool single_rows);
  void give_up(std::string why);
  tl::unexpected<Error> lost();

  std::unique_ptr<pg_conn, Closer> raw_;
  const std::chrono::milliseconds answer_timeout_;
  Events& events_;
  size_t queued_ = 0;
  size_t owed_ = 0;  // answers to send_off
  bool broken_ = false;
  Error why_;
};

// Fields of a result; no copies.
size_t rows_of(const pg_result& result) noexcept;
Bytes field(const pg_result& result, size_t row, int column) noexcept;
uint64_t changed_rows(const pg_result& result) noexcept;

}  // namespace orbit::storage_postgres
