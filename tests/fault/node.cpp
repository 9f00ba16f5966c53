// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace orbit::fault {
namespace {

constexpr auto kReadyPatience = std::chrono::seconds(60);
constexpr size_t kLogShownMax = 4000;

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

std::string config(const std::filesystem::path& folder, const NodeSettings& settings) {
  std::ostringstream out;
  out << "[node]\nworkers = " << settings.workers << "\ndata_dir = \"" << (folder / "node").string()
      << "\"\nplugin_paths = [\"" ORBIT_PLUGIN_DIR "\"]\n[limits]\n" << settings.limits
      << "[[plugin]]\nname = \"store\"\nid = \"orbit.storage.rocksdb\"\n[plugin.config]\npath = \""
      << settings.data.string() << "\"\n" << settings.storage
      << "[[plugin]]\nname = \"redis\"\nid = \"orbit.protocol.resp\"\n[plugin.config]\nlisten = \"127.0.0.1:0\"\n"
      << "durability = \"" << settings.durability << "\"\n" << settings.redis;
  return out.str();
}

}  // namespace

Directory::Directory() {
  std::string name = (std::filesystem::temp_directory_path() / "orbit-fault-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
}

Directory::~Directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Node::Node(const std::filesystem::path& folder, const NodeSettings& settings) : folder_(folder) {
  const std::string file = (folder / "node.toml").string();
  const std::string ready = (folder / "ready.json").string();
  const std::string log = (folder / "log").string();
  std::ofstream(file) << config(folder, settings);
  std::filesystem::remove(ready);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, 1);
    dup2(out, 2);
    execl(ORBIT_ORBITD, ORBIT_ORBITD, "--config", file.c_str(), "--ready-file", ready.c_str(), nullptr);
    _exit(127);
  }
}

Node::~Node() { kill(); }

bool Node::running() {
  if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

uint16_t Node::await_ready() {
  const auto deadline = std::chrono::steady_clock::now() + kReadyPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (!running()) throw std::runtime_error("the node ended before it was ready:\n" + log());
    boost::system::error_code incomplete;
    const boost::json::value ready = boost::json::parse(read_file(folder_ / "ready.json"), incomplete);
    if (!incomplete)
      for (const auto& listener : ready.at("listeners").as_array())
        if (listener.at("plugin").as_string() == "redis") {
          const std::string address(listener.at("address").as_string());
          return static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
        }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // a poll with a deadline, not a guess
  }
  throw std::runtime_error("the node was not ready in time:\n" + log());
}

void Node::kill() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, &status_, 0);
  pid_ = -1;
}

int Node::stop() {
  if (running()) {
    ::kill(pid_, SIGTERM);
    waitpid(pid_, &status_, 0);
    pid_ = -1;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
}

uint64_t Node::memory_peak_bytes() const {
  std::istringstream status(read_file("/proc/" + std::to_string(pid_) + "/status"));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  throw std::runtime_error("there is no VmHWM of the node");
}

std::string Node::log() const {
  const std::string text = read_file(folder_ / "log");
  return text.size() <= kLogShownMax ? text : text.substr(text.size() - kLogShownMax);
}

}  // namespace orbit::fault
