// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "observe/log.hpp"

#include <fcntl.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <utility>

#include "plugin/context.hpp"

namespace orbit::kernel {

std::string_view log_level_name(LogLevel level) noexcept {
  constexpr std::string_view kNames[] = {"trace", "debug", "info", "warn", "error"};
  return kNames[static_cast<uint32_t>(level)];
}

namespace {

constexpr int kFileFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
constexpr mode_t kFileMode = 0640;

// A line is one write(2): whole lines also when the process is killed, and nothing to flush.
class FdSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  FdSink(int fd, const LogOptions& options, std::atomic<uint64_t>& errors)
      : fd_(fd), file_(options.file), bytes_max_(options.file_bytes_max), files_kept_(options.files_kept), errors_(errors) {
    struct stat found{};
    if (file_.empty() || ::fstat(fd_, &found) != 0 || !S_ISREG(found.st_mode)) bytes_max_ = 0;
    bytes_ = static_cast<uint64_t>(found.st_size);
  }
  ~FdSink() override {
    if (!file_.empty()) ::close(fd_);
  }

  Log::Tail tail(uint64_t after, size_t most) {
    const std::lock_guard lock(mutex_);
    const uint64_t first = position_ - recent_.size();  // of the lines before the kept ones
    const uint64_t from = std::max(std::max(after, first), position_ - std::min<uint64_t>(position_, most));
    Log::Tail out{position_, {}};
    for (uint64_t i = from; i < position_; ++i) out.lines.push_back(recent_[static_cast<size_t>(i - first)]);
    return out;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& msg) override {
    spdlog::memory_buf_t line;
    formatter_->format(msg, line);
    keep({line.data(), line.size()});
    if (bytes_max_ != 0 && bytes_ != 0 && bytes_ + line.size() > bytes_max_) rotate();
    bytes_ += line.size();
    const char* data = line.data();
    size_t left = line.size();
    while (left > 0) {
      const ssize_t n = ::write(fd_, data, left);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        errors_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      data += n;
      left -= static_cast<size_t>(n);
    }
  }
  void flush_() override {}

  void keep(std::string_view line) {
    ++position_;
    if (recent_.size() == kLogTailMax) recent_.pop_front();
    line = line.substr(0, std::min(kLogTailLineBytesMax, line.size()));
    if (line.ends_with('\n')) line.remove_suffix(1);
    recent_.emplace_back(line);
  }

  // When that fails, lines go on into the file that is open, and it is tried again after as many bytes.
  void rotate() {
    bytes_ = 0;
    const std::string fresh = file_ + ".new";
    const int fd = ::open(fresh.c_str(), kFileFlags | O_TRUNC, kFileMode);
    bool good = fd >= 0;
    for (uint32_t i = files_kept_; good && i > 1; --i)
      good = move(file_ + "." + std::to_string(i - 1), file_ + "." + std::to_string(i));
    good = good && move(file_, file_ + ".1") && ::rename(fresh.c_str(), file_.c_str()) == 0;
    if (good) {
      ::close(std::exchange(fd_, fd));
      return;
    }
    errors_.fetch_add(1, std::memory_order_relaxed);
    if (fd < 0) return;
    ::close(fd);
    ::unlink(fresh.c_str());
  }
  static bool move(const std::string& from, const std::string& to) {
    return ::rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT;
  }

  int fd_;
  const std::string file_;  // empty: standard error, which stays open
  uint64_t bytes_max_;      // 0: it is never changed for another one
  const uint32_t files_kept_;
  uint64_t bytes_ = 0;      // in the file
  std::atomic<uint64_t>& errors_;
  std::deque<std::string> recent_;
  uint64_t position_ = 0;  // lines since the start
};

void append_hex(std::string& out, unsigned char c) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u00";
  out += kDigits[c >> 4];
  out += kDigits[c & 15];
}

// Control characters never reach the file raw: one call is one line.
void append_escaped(std::string& out, std::string_view text, bool quoted) {
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (quoted && (c == '"' || c == '\\'))
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      append_hex(out, static_cast<unsigned char>(c));
    else
      out += c;
  }
}

void append_text_value(std::string& out, std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" \"=\\\n\t") == std::string_view::npos;
  if (!plain) out += '"';
  append_escaped(out, value, !plain);
  if (!plain) out += '"';
}

// Everything behind the time.
std::string line_of(bool json, LogLevel level, std::string_view logger, std::string_view message,
                    std::span<const LogField> fields) {
  std::string out;
  out.reserve(logger.size() + message.size() + 32 * fields.size() + 48);
  if (json) {
    out += "\"level\":\"";
    out += log_level_name(level);
    out += "\",\"logger\":\"";
    append_escaped(out, logger, true);
    out += "\",\"message\":\"";
    append_escaped(out, message, true);
    out += '"';
    for (const LogField& field : fields) {
      out += ",\"";
      append_escaped(out, field.name, true);
      out += "\":\"";
      append_escaped(out, field.value, true);
      out += '"';
    }
  } else {
    out += log_level_name(level);
    out.resize(6, ' ');
    append_escaped(out, logger, false);
    out += ": ";
    append_escaped(out, message, false);
    for (const LogField& field : fields) {
      out += ' ';
      append_escaped(out, field.name, false);
      out += '=';
      append_text_value(out, field.value);
    }
  }
  return out;
}

}  // namespace

Result<LogLevel> parse_log_level(std::string_view name) {
  for (const LogLevel level : {LogLevel::trace, LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error})
    if (log_level_name(level) == name) return level;
  return fail(Code::invalid_argument,
              "log level '" + std::string(name) + "': expected trace, debug, info, warn or error");
}

struct Logger::Sink {
  std::shared_ptr<spdlog::async_logger> out;
  bool json;
};

Logger::Logger(std::string name, std::unique_ptr<Sink> sink) : name_(std::move(name)), sink_(std::move(sink)) {}
Logger::~Logger() = default;

void Logger::write(LogLevel level, std::string_view message, std::span<const LogField> fields) noexcept {
  if (!enabled(level)) return;
  try {
    const std::string line = line_of(sink_->json, level, name_, message, fields);
    sink_->out->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  } catch (...) {
    // Out of memory: a log line is the first thing to go without.
  }
}

struct Log::Impl {
  LogLevel level;
  bool json;
  std::atomic<uint64_t> write_errors{0};
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<FdSink> sink;
  mutable std::mutex mutex;
  std::map<std::string, std::unique_ptr<Logger>, std::less<>> loggers;
  std::map<std::string, LogLevel, std::less<>> wanted;  // levels of loggers that may not exist yet
};

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Log::~Log() {
  impl_->loggers.clear();
  impl_->pool.reset();  // writes out the queue and joins
}

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options) {
  int fd = STDERR_FILENO;
  if (!options.file.empty()) {
    fd = ::open(options.file.c_str(), kFileFlags, kFileMode);
    if (fd < 0)
      return fail(Code::unavailable, "log file '" + options.file + "' cannot be opened: " + std::strerror(errno));
  }
  auto impl = std::make_unique<Impl>();
  impl->level = options.level;
  impl->json = options.json;
  impl->wanted.insert(options.levels.begin(), options.levels.end());
  impl->sink = std::make_shared<FdSink>(fd, options, impl->write_errors);
  impl->sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      options.json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %v",
      spdlog::pattern_time_type::utc, "\n"));
  impl->pool = std::make_shared<spdlog::details::thread_pool>(options.queue_max, 1);
  return std::unique_ptr<Log>(new Log(std::move(impl)));
}

Logger& Log::logger(std::string_view name) {
  const std::lock_guard lock(impl_->mutex);
  if (const auto it = impl_->loggers.find(name); it != impl_->loggers.end()) return *it->second;
  auto out = std::make_shared<spdlog::async_logger>(std::string(), impl_->sink, impl_->pool,
                                                    spdlog::async_overflow_policy::overrun_oldest);
  out->set_level(spdlog::level::trace);
  out->set_error_handler([](const std::string&) {});  // spdlog would write to standard error between our lines
  auto logger = std::make_unique<Logger>(std::string(name),
                                         std::unique_ptr<Logger::Sink>(new Logger::Sink{std::move(out), impl_->json}));
  const auto wanted = impl_->wanted.find(name);
  logger->level_ = static_cast<uint32_t>(wanted == impl_->wanted.end() ? impl_->level : wanted->second);
  return *impl_->loggers.emplace(std::string(name), std::move(logger)).first->second;
}

Result<> Log::set_level(std::string_view name, LogLevel level) {
  const std::lock_guard lock(impl_->mutex);
  if (name.empty()) {
    impl_->level = level;
    impl_->wanted.clear();
    for (auto& entry : impl_->loggers) entry.second->level_ = static_cast<uint32_t>(level);
    return {};
  }
  const auto it = impl_->loggers.find(name);
  if (it == impl_->loggers.end()) {
    std::string known;
    for (const auto& entry : impl_->loggers) known += (known.empty() ? "" : ", ") + entry.first;
    return fail(Code::not_found, "no logger '" + std::string(name) + "'; there are " + known);
  }
  it->second->level_ = static_cast<uint32_t>(level);
  return {};
}

LogLevel Log::default_level() const noexcept {
  const std::lock_guard lock(impl_->mutex);
  return impl_->level;
}

std::map<std::string, LogLevel> Log::levels() const {
  const std::lock_guard lock(impl_->mutex);
  std::map<std::string, LogLevel> out;
  for (const auto& [name, logger] : impl_->loggers) out[name] = static_cast<LogLevel>(logger->level_.load());
  return out;
}

void Log::close() {
  const std::lock_guard lock(impl_->mutex);
  impl_->pool.reset();  // loggers hold it weakly
}

Log::Tail Log::tail(uint64_t after, size_t most) const { return impl_->sink->tail(after, most); }

uint64_t Log::dropped_total() const noexcept { return impl_->pool ? impl_->pool->overrun_counter() : 0; }
uint64_t Log::write_errors_total() const noexcept { return impl_->write_errors.load(std::memory_order_relaxed); }

const orbit_log_v1* log_table() noexcept {
  static const orbit_log_v1 table = {
      sizeof(orbit_log_v1),
      0,
      [](const orbit_host* host, uint32_t level) -> int {
        return level <= ORBIT_LOG_ERROR && PluginContext::of(host).log->enabled(static_cast<LogLevel>(level));
      },
      [](const orbit_host* host, uint32_t level, orbit_bytes message, const orbit_log_field* fields, size_t count) {
        constexpr size_t kFieldsMax = 32;
        LogField out[kFieldsMax];
        count = std::min(count, kFieldsMax);
        for (size_t i = 0; i < count; ++i)
          out[i] = {fields[i].name == nullptr ? std::string_view() : fields[i].name, from_c(fields[i].value)};
        PluginContext::of(host).log->write(static_cast<LogLevel>(std::min<uint32_t>(level, ORBIT_LOG_ERROR)),
                                           from_c(message), std::span<const LogField>(out, count));
      },
  };
  return &table;
}

}  // namespace orbit::kernel
