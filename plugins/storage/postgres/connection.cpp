// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "connection.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace orbit::storage_postgres {
namespace {

constexpr size_t kValuesMax = 4;

std::string trimmed(const char* text) {
  std::string out = text == nullptr ? "" : text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  for (char& c : out)
    if (c == '\n' || c == '\t') c = ' ';
  return out;
}

Refusal refusal_of(size_t step, const PGresult* result) {
  const auto text = [&](int code) { return trimmed(PQresultErrorField(result, code)); };
  Refusal out{step, text(PG_DIAG_SQLSTATE), text(PG_DIAG_MESSAGE_PRIMARY)};
  if (const std::string detail = text(PG_DIAG_MESSAGE_DETAIL); !detail.empty()) out.message += " (" + detail + ")";
  return out;
}

// The session ends with such an error.
bool is_fatal(const PGresult* result) {
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity != nullptr && (std::strcmp(severity, "FATAL") == 0 || std::strcmp(severity, "PANIC") == 0);
}

Code code_of(const std::string& sqlstate) {
  struct Known {
    const char* prefix;
    Code code;
  };
  constexpr Known kKnown[] = {
      {"57014", Code::deadline_exceeded},  // cancelled: the statement took too long
      {"25006", Code::unavailable},        // read-only: this is a standby
      {"42P01", Code::failed_precondition}, {"42501", Code::permission_denied},
      {"08", Code::unavailable},           {"40", Code::unavailable},
      {"53", Code::resource_exhausted},    {"54", Code::invalid_argument},
      {"57", Code::unavailable},           {"28", Code::unauthenticated},
      {"3D", Code::failed_precondition},   {"XX", Code::data_loss},
  };
  for (const Known& known : kKnown)
    if (sqlstate.starts_with(known.prefix)) return known.code;
  return Code::internal;
}

}  // namespace

Error error_of(const Refusal& refusal) {
  return {code_of(refusal.sqlstate), "the PostgreSQL server says: " + refusal.message + " [SQLSTATE " + refusal.sqlstate + "]"};
}

void Connection::Closer::operator()(PGconn* connection) const noexcept { PQfinish(connection); }
void Connection::Closer::operator()(PGresult* result) const noexcept { PQclear(result); }

size_t rows_of(const PGresult& result) noexcept { return static_cast<size_t>(PQntuples(&result)); }
Bytes field(const PGresult& result, size_t row, int column) noexcept {
  const int at = static_cast<int>(row);
  return {PQgetvalue(&result, at, column), static_cast<size_t>(PQgetlength(&result, at, column))};
}
uint64_t changed_rows(const PGresult& result) noexcept {
  return std::strtoull(PQcmdTuples(const_cast<PGresult*>(&result)), nullptr, 10);
}

Connection::Connection(PGconn* raw, const ServerOptions& options, Events& events) noexcept
    : raw_(raw), answer_timeout_(options.answer_timeout), events_(events) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open(const ServerOptions& options, Events& events) {
  // libpq counts whole seconds, and takes less than two for two.
  const std::string timeout = std::to_string((options.connect_timeout.count() + 999) / 1000);
  std::array<const char*, 6> keys{"dbname", "connect_timeout", "fallback_application_name", "client_encoding", nullptr, nullptr};
  std::array<const char*, 6> values{options.conninfo.c_str(), timeout.c_str(), "orbit", "UTF8", nullptr, nullptr};
  if (!options.password.empty()) {
    keys[4] = "password";
    values[4] = options.password.c_str();
  }
  std::unique_ptr<PGconn, Closer> raw(PQconnectdbParams(keys.data(), values.data(), 1));
  if (!raw) return fail(Code::resource_exhausted, "out of memory for a connection to the PostgreSQL server");
  if (PQstatus(raw.get()) != CONNECTION_OK) {
    const std::string why = trimmed(PQerrorMessage(raw.get()));
    const bool refused = why.find("authentication failed") != std::string::npos || PQconnectionNeedsPassword(raw.get()) != 0;
    return fail(refused ? Code::unauthenticated : Code::unavailable, "cannot connect to the PostgreSQL server: " + why);
  }
  PQsetNoticeProcessor(raw.get(), [](void*, const char*) {}, nullptr);
  if (PQsetnonblocking(raw.get(), 1) != 0 || PQenterPipelineMode(raw.get()) != 1)
    return fail(Code::internal, "libpq refuses pipeline mode: " + trimmed(PQerrorMessage(raw.get())));
  std::unique_ptr<Connection> out(new Connection(raw.release(), options, events));
  out->add("SET statement_timeout = " + std::to_string(options.answer_timeout.count()));
  if (!options.synchronous_commit.empty()) out->add("SET synchronous_commit = " + options.synchronous_commit);
  auto set = out->fly();
  if (!set) return tl::unexpected<Error>(set.error());
  if (*set) return tl::unexpected<Error>(error_of(**set));
  events.connected();
  return out;
}

Result<> Connection::prepare(const Statements& statements) {
  for (size_t i = 0; i < kStatements; ++i) {
    const auto one = static_cast<Statement>(i);
    if (broken_ || PQsendPrepare(raw_.get(), Statements::name(one), statements.text(one).c_str(), 0, nullptr) != 1)
      give_up("a statement could not be prepared");
    ++queued_;
  }
  auto prepared = fly();
  if (!prepared) return tl::unexpected<Error>(prepared.error());
  if (*prepared) return tl::unexpected<Error>(error_of(**prepared));
  return {};
}

void Connection::add(Statement statement, std::initializer_list<Bytes> values) {
  std::array<const char*, kValuesMax> data{};
  std::array<int, kValuesMax> sizes{};
  std::array<int, kValuesMax> formats{};
  size_t count = 0;
  for (const Bytes value : values) {
    data[count] = value.data() == nullptr ? "" : value.data();  // null would be NULL
    sizes[count] = static_cast<int>(value.size());
    formats[count++] = 1;
  }
  if (broken_ || PQsendQueryPrepared(raw_.get(), Statements::name(statement), static_cast<int>(count), data.data(),
                                     sizes.data(), formats.data(), 1) != 1)
    give_up("a statement could not be sent");
  ++queued_;
}

void Connection::add(const std::string& command) {
  if (broken_ || PQsendQueryParams(raw_.get(), command.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1) != 1)
    give_up("a command could not be sent");
  ++queued_;
}

void Connection::give_up(std::string why) {
  if (broken_) return;
  broken_ = true;
  const std::string more = trimmed(PQerrorMessage(raw_.get()));
  why_ = {Code::unavailable, "the connection to the PostgreSQL server is lost: " + why + (more.empty() ? "" : ": " + more)};
  events_.lost(why_);
}

tl::unexpected<Error> Connection::lost() { return tl::unexpected<Error>(why_); }

bool Connection::send_queued() noexcept {
  if (!broken_ && (PQpipelineSync(raw_.get()) != 1 || PQflush(raw_.get()) < 0)) give_up("sending");
  return !broken_;
}

void Connection::send_off() {
  queued_ = 0;
  if (send_queued()) ++owed_;
}

Result<std::optional<Refusal>> Connection::fly() {
  return fly([](size_t, const PGresult&) {});
}

Result<std::optional<Refusal>> Connection::fly(Visit visit, bool single_rows) {
  events_.round_trip();
  if (!send_queued()) {
    queued_ = 0;
    return lost();
  }
  for (; owed_ > 0; --owed_) {
    size_t ends = 0;  // each statement's results end with a null
    for (bool done = false; !done;) {
      const ResultOwner result = next_result();
      if (!broken_ && !result && ++ends > 1) give_up("an answer is missing");
      if (broken_) return queued_ = 0, lost();
      if (result) ends = 0;
      done = result && PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC;
    }
  }
  return read_answers(visit, single_rows);
}

Result<std::optional<Refusal>> Connection::read_answers(Visit visit, bool single_rows) {
  std::optional<Refusal> refusal;
  for (size_t step = 0; step < queued_; ++step) {
    if (single_rows) PQsetSingleRowMode(raw_.get());  // if it does not want to, the rows come in one piece
    while (const ResultOwner result = next_result()) {
      switch (PQresultStatus(result.get())) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
        case PGRES_SINGLE_TUPLE:
          visit(step, *result);
          break;
        case PGRES_PIPELINE_ABORTED:
          break;
        default:
          if (is_fatal(result.get()) || PQstatus(raw_.get()) == CONNECTION_BAD ||
              PQresultErrorField(result.get(), PG_DIAG_SQLSTATE) == nullptr) {
            give_up(trimmed(PQresultErrorMessage(result.get())));
            break;
          }
          if (!refusal) refusal = refusal_of(step, result.get());
      }
      if (broken_) break;
    }
    if (broken_) return queued_ = 0, lost();
  }
  queued_ = 0;
  const ResultOwner sync = next_result();
  if (!broken_ && (!sync || PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC)) give_up("an answer came that nobody asked for");
  if (broken_) return lost();
  return refusal;
}

// Null: the results of a statement have ended, or the connection is broken.
Connection::ResultOwner Connection::next_result() {
  while (!broken_) {
    const int unsent = PQflush(raw_.get());
    if (unsent < 0) {
      give_up("sending");
      break;
    }
    if (PQisBusy(raw_.get()) == 0) {
      ResultOwner result(PQgetResult(raw_.get()));
      if (!result && PQstatus(raw_.get()) == CONNECTION_BAD) give_up("receiving");
      return result;
    }
    pollfd wanted{PQsocket(raw_.get()), static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0};
    const int ready = poll(&wanted, 1, static_cast<int>(2 * answer_timeout_.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) give_up(std::string("poll: ") + std::strerror(errno));
    if (ready == 0) give_up("no answer within " + std::to_string(2 * answer_timeout_.count()) + " ms (2 x answer_timeout_ms)");
    if (ready > 0 && (wanted.revents & ~POLLOUT) != 0 && PQconsumeInput(raw_.get()) == 0) {
      // The server may have said why before it hung up.
      if (PQisBusy(raw_.get()) == 0)
        if (ResultOwner last(PQgetResult(raw_.get())); last) return last;
      give_up("receiving");
    }
  }
  return nullptr;
}

}  // namespace orbit::storage_postgres
