// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "support/node_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace orbit::test {

namespace {

int patience_ms() {
  const char* said = std::getenv("ORBIT_TEST_PATIENCE_S");
  return (said != nullptr ? std::atoi(said) : 60) * 1000;
}

[[noreturn]] void give_up(const std::string& what) { throw std::runtime_error(what); }

std::string content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void replace_all(std::string* text, std::string_view what, std::string_view with) {
  for (size_t at = 0; (at = text->find(what, at)) != std::string::npos; at += with.size())
    text->replace(at, what.size(), with);
}

}  // namespace

NodeProcess::NodeProcess(std::string orbitd, std::string plugins, std::string config, int workers)
    : orbitd_(std::move(orbitd)), plugins_(std::move(plugins)), config_(std::move(config)), workers_(workers) {
  replace_all(&config_, "{folder}", folder_.path);
  start();
}

NodeProcess::~NodeProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void NodeProcess::start() {
  const std::filesystem::path folder = folder_.path;
  const std::string file = (folder / "node.toml").string();
  const std::string ready = (folder / "ready.json").string();
  const std::string log = (folder / "log").string();
  std::filesystem::remove(ready);
  std::string config = config_;
  // Where each plugin listened the last time; the marks are "listen = \"127.0.0.1:0\" # NAME".
  for (const auto& [plugin, address] : addresses_)
    replace_all(&config, "\"127.0.0.1:0\" # " + plugin + "\n", "\"" + address + "\"\n");
  std::ofstream(file) << "[node]\nname = \"test\"\nworkers = " << workers_ << "\ndata_dir = \"" << (folder / "node").string()
                      << "\"\nplugin_paths = [\"" << plugins_ << "\"]\n"
                      << config;
  pid_ = fork();
  if (pid_ < 0) give_up("fork");
  if (pid_ == 0) {
    const int out = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    dup2(out, 1);
    dup2(out, 2);
    execl(orbitd_.c_str(), "orbitd", "--config", file.c_str(), "--ready-file", ready.c_str(), nullptr);
    _exit(127);
  }
  await_ready();
}

void NodeProcess::await_ready() {
  const std::filesystem::path folder = folder_.path;
  const int watch = inotify_init1(IN_CLOEXEC);
  if (watch < 0 || inotify_add_watch(watch, folder.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE) < 0) give_up("inotify");
  const int process = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  boost::json::value ready;
  for (;;) {
    boost::system::error_code bad;
    ready = boost::json::parse(content(folder / "ready.json"), bad);
    if (!bad) break;
    std::array<pollfd, 2> events{{{watch, POLLIN, 0}, {process, POLLIN, 0}}};
    if (poll(events.data(), events.size(), patience_ms()) <= 0) give_up("the node did not become ready: " + log_tail());
    if (events[1].revents != 0) give_up("the node ended instead of becoming ready: " + log_tail());
    std::array<char, 4096> discard;
    if (::read(watch, discard.data(), discard.size()) < 0) give_up("inotify");
  }
  close(watch);
  close(process);
  for (const boost::json::value& listener : ready.at("listeners").as_array())
    addresses_[std::string(listener.at("plugin").as_string())] = std::string(listener.at("address").as_string());
}

std::string NodeProcess::log_tail() const {
  const std::string log = content(std::filesystem::path(folder_.path) / "log");
  return log.substr(log.size() > 4000 ? log.size() - 4000 : 0);
}

int NodeProcess::await_end() {
  const int process = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  pollfd event{process, POLLIN, 0};
  const int ended = poll(&event, 1, patience_ms());
  close(process);
  if (ended <= 0) ::kill(pid_, SIGKILL);
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  if (ended <= 0) give_up("the node did not end: " + log_tail());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int NodeProcess::stop() {
  if (pid_ <= 0) give_up("the node has ended already");
  ::kill(pid_, SIGTERM);
  return await_end();
}

void NodeProcess::kill() {
  if (pid_ <= 0) give_up("the node has ended already");
  ::kill(pid_, SIGKILL);
  await_end();
}

}  // namespace orbit::test
