// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>

#include "plugin/library.hpp"

namespace orbit::kernel {
namespace {

constexpr size_t kAnswerBytesMax = 1u << 20;

struct Pipe {
  int read = -1;
  int write = -1;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) == 0) read = fds[0], write = fds[1];
  }
  ~Pipe() {
    if (read >= 0) ::close(read);
    close_write();
  }
  void close_write() {
    if (write >= 0) ::close(write);
    write = -1;
  }
};

Result<pid_t> spawn_probe(const std::string& file, const std::string& executable, int answer) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, answer, kProbeAnswerFd);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string arguments[] = {executable, "--probe-plugin", file};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(), nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, executable.c_str(), &actions, &attributes, argv, environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return refuse(
        file, "cannot be tried: the probe process '" + executable + "' does not start (" + std::strerror(error) + ")");
  return pid;
}

// What the child wrote until it closed the pipe; nothing on timeout.
std::optional<std::string> read_answer(int fd, int64_t timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  std::string out;
  char buffer[4096];
  while (out.size() < kAnswerBytesMax) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return std::nullopt;
    pollfd wait{fd, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(left, 1000)));
    if (ready < 0 && errno != EINTR) return out;
    if (ready <= 0) continue;
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(buffer, static_cast<size_t>(n));
  }
  return out;
}

void write_answer(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

std::vector<std::string> strings_of(const boost::json::value& list) {
  std::vector<std::string> out;
  for (const auto& item : list.as_array()) out.emplace_back(item.as_string());
  return out;
}

// What an option's pointers point to, when its plugin is not in this process.
struct OptionTexts {
  std::deque<std::string> strings;
  std::deque<std::vector<const char*>> lists;

  const char* keep(const boost::json::value& text) {
    return text.is_null() ? nullptr : strings.emplace_back(text.as_string()).c_str();
  }
};

boost::json::value text_or_null(const char* text) {
  return text == nullptr ? boost::json::value() : boost::json::value(text);
}

// As text, since JSON's numbers are finite.
std::string bound_text(double bound) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, bound).ptr};
}

double bound_of(const boost::json::value& text) {
  double out = 0;
  std::from_chars(text.as_string().begin(), text.as_string().end(), out);
  return out;
}

boost::json::array options_json(const Options& options) {
  boost::json::array out;
  for (const orbit_option& option : options) {
    boost::json::value choices;
    if (option.choices != nullptr) {
      boost::json::array& list = choices.emplace_array();
      for (const char* const* choice = option.choices; *choice != nullptr; ++choice) list.emplace_back(*choice);
    }
    out.push_back({{"type", option.type},
                   {"flags", option.flags},
                   {"key", option.key},
                   {"default", text_or_null(option.default_value)},
                   {"doc", text_or_null(option.doc)},
                   {"choices", std::move(choices)},
                   {"min", bound_text(option.min)},
                   {"max", bound_text(option.max)}});
  }
  return out;
}

void take_options(const boost::json::value& list, Descriptor& out) {
  const auto texts = std::make_shared<OptionTexts>();
  for (const boost::json::value& item : list.as_array()) {
    orbit_option& option = out.options.emplace_back();
    option.struct_size = sizeof option;
    option.type = item.at("type").to_number<orbit_option_type>();
    option.flags = item.at("flags").to_number<uint32_t>();
    option.key = texts->keep(item.at("key"));
    option.default_value = texts->keep(item.at("default"));
    option.doc = texts->keep(item.at("doc"));
    option.min = bound_of(item.at("min"));
    option.max = bound_of(item.at("max"));
    if (item.at("choices").is_null()) continue;
    std::vector<const char*>& choices = texts->lists.emplace_back();
    for (const boost::json::value& choice : item.at("choices").as_array()) choices.push_back(texts->keep(choice));
    choices.push_back(nullptr);
    option.choices = choices.data();
  }
  out.texts = texts;
}

}  // namespace

Result<Descriptor> probe_library(const std::string& file, const std::string& executable, int64_t timeout_ms) {
  if (auto good = inspect_library(file); !good) return tl::unexpected(good.error());
  Pipe answer;
  if (answer.read < 0) return refuse(file, "cannot be tried: no pipe (" + std::string(std::strerror(errno)) + ")");
  const auto pid = spawn_probe(file, executable, answer.write);
  if (!pid) return tl::unexpected(pid.error());
  answer.close_write();
  const auto text = read_answer(answer.read, timeout_ms);
  if (!text) ::kill(*pid, SIGKILL);
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!text)
    return refuse(
        file, "loading it took longer than probe_timeout_ms (" + std::to_string(timeout_ms) + "), expected an answer");
  if (WIFSIGNALED(status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    return refuse(file, std::string("loading it kills a process with SIG") + (name == nullptr ? "?" : name) +
                            ", expected an intact ELF shared library (is the file corrupt or cut off?)");
  }
  try {
    boost::json::parse_options lenient;
    lenient.allow_invalid_utf8 = true;  // texts of plugins are bytes
    const auto json = boost::json::parse(*text, {}, lenient);
    if (const auto* error = json.as_object().if_contains("error"))
      return fail(Code::failed_precondition, std::string(error->as_string()));
    Descriptor out;
    out.file = file;
    out.id = json.at("id").as_string();
    out.version = json.at("version").as_string();
    out.provides = strings_of(json.at("provides"));
    out.needs = strings_of(json.at("needs"));
    take_options(json.at("options"), out);
    return out;
  } catch (const std::exception&) {
    return refuse(file, "loading it ends a process with exit code " + std::to_string(WEXITSTATUS(status)) +
                            " and no answer, expected an intact ELF shared library (is the file corrupt or cut off?)");
  }
}

int probe_child(const std::string& file) noexcept {
  try {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::alarm(600);  // the parent kills sooner; this is for a parent that died
    const auto descriptor = load_library(file);
    boost::json::object answer;
    if (descriptor) {
      answer["id"] = descriptor->id;
      answer["version"] = descriptor->version;
      answer["provides"] = boost::json::value_from(descriptor->provides);
      answer["needs"] = boost::json::value_from(descriptor->needs);
      answer["options"] = options_json(descriptor->options);
    } else {
      answer["error"] = descriptor.error().message;
    }
    write_answer(kProbeAnswerFd, boost::json::serialize(answer));
    return 0;
  } catch (...) {
    return 1;
  }
}

}  // namespace orbit::kernel
