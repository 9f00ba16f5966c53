// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Structured logging. Any thread formats its line and queues it; one log thread writes. The queue is bounded: when it
// is full the oldest line is dropped and counted, a caller never waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "orbit/ext/observe.h"
#include "orbit/result.hpp"

namespace orbit::kernel {

enum class LogLevel : uint32_t {
  trace = ORBIT_LOG_TRACE,
  debug = ORBIT_LOG_DEBUG,
  info = ORBIT_LOG_INFO,
  warn = ORBIT_LOG_WARN,
  error = ORBIT_LOG_ERROR,
};

std::string_view log_level_name(LogLevel level) noexcept;
// "trace", "debug", "info", "warn", "error".
Result<LogLevel> parse_log_level(std::string_view name);

struct LogOptions {
  LogLevel level = LogLevel::info;
  bool json = false;
  std::string file;                                      // empty: standard error
  uint64_t file_bytes_max = 0;                           // a longer file becomes FILE.1, that one FILE.2...; 0: never
  uint32_t files_kept = 1;                               // of those
  size_t queue_max = 8192;                               // lines
  std::vector<std::pair<std::string, LogLevel>> levels;  // of single loggers
};

struct LogField {
  std::string_view name;
  std::string_view value;
};

class Log;

inline constexpr size_t kLogTailMax = 1000;        // lines
inline constexpr size_t kLogTailLineBytesMax = 2048; // a longer one is cut

// A named source of log lines: "node", "net", a plugin's instance name. Lives as long as its Log. [any thread]
class Logger {
 public:
  bool enabled(LogLevel level) const noexcept {
    return static_cast<uint32_t>(level) >= level_.load(std::memory_order_relaxed);
  }
  void write(LogLevel level, std::string_view message, std::span<const LogField> fields = {}) noexcept;
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) noexcept {
    write(level, message, std::span(fields.begin(), fields.size()));
  }
  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept {
    write(LogLevel::debug, message, fields);
  }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept {
    write(LogLevel::info, message, fields);
  }
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept {
    write(LogLevel::warn, message, fields);
  }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept {
    write(LogLevel::error, message, fields);
  }
  const std::string& name() const noexcept { return name_; }

 private:
  friend class Log;
  struct Sink;
  std::string name_;
  std::atomic<uint32_t> level_{ORBIT_LOG_INFO};
  std::unique_ptr<Sink> sink_;

 public:
  Logger(std::string name, std::unique_ptr<Sink> sink);
  ~Logger();
};

class Log {
 public:
  // Fails when the file cannot be opened.
  static Result<std::unique_ptr<Log>> open(const LogOptions& options);
  // Writes out what is queued.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // The logger of that name, made at first use. [any thread]
  Logger& logger(std::string_view name);
  // An empty name sets all, those that come later too. NOT_FOUND for a name that nothing logs under. [any thread]
  Result<> set_level(std::string_view logger, LogLevel level);
  LogLevel default_level() const noexcept;
  std::map<std::string, LogLevel> levels() const;

  // The last lines that were written, at most kLogTailMax, and how many there were since the start. [any thread]
  struct Tail {
    uint64_t position = 0;
    std::vector<std::string> lines;
  };
  // Those behind a position; 0: all that are kept.
  Tail tail(uint64_t after, size_t most) const;

  // Writes out what is queued; later lines go nowhere. For a process that ends without destructors.
  void close();
  uint64_t dropped_total() const noexcept;
  uint64_t write_errors_total() const noexcept;

 private:
  struct Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The table of orbit.log/1; writes to the logger in the caller's PluginContext.
const orbit_log_v1* log_table() noexcept;

}  // namespace orbit::kernel
