// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "test_node.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace orbit::test {
namespace {

namespace fs = std::filesystem;
constexpr int kPatienceMs = 30'000;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TestNode::TestNode(std::string resp_config, int workers, std::string storage) {
  std::string name = (fs::temp_directory_path() / "orbit-resp-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) fail("mkdtemp");
  folder_ = name;
  std::ofstream out(folder_ / "node.toml");
  out << "[node]\nname = \"test\"\nworkers = " << workers << "\ndata_dir = \"" << (folder_ / "data").string() << "\"\n"
      << "[[plugin]]\nname = \"store\"\nid = \"orbit.storage." << storage << "\"\npath = \""
      << (storage == "memory" ? ORBIT_MEMORY_PLUGIN : ORBIT_ROCKSDB_PLUGIN) << "\"\n";
  if (storage == "rocksdb") out << "[plugin.config]\npath = \"" << (folder_ / "rocksdb").string() << "\"\n";
  out << "[[plugin]]\nname = \"redis\"\nid = \"orbit.protocol.resp\"\npath = \"" << ORBIT_RESP_PLUGIN
      << "\"\n[plugin.config]\nlisten = \"127.0.0.1:0\"\n"
      << resp_config << '\n';
  out.close();
  start();
}

TestNode::~TestNode() {
  if (pid_ > 0) kill();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void TestNode::start() {
  fs::remove(folder_ / "ready.json");
  const std::string config = (folder_ / "node.toml").string();
  const std::string ready = (folder_ / "ready.json").string();
  const std::string log = (folder_ / "log").string();
  pid_ = fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    const int out = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    dup2(out, 1);
    dup2(out, 2);
    execl(ORBITD, "orbitd", "--config", config.c_str(), "--ready-file", ready.c_str(), nullptr);
    _exit(127);
  }
  wait_until_ready();
}

void TestNode::wait_until_ready() {
  const int watch = inotify_init1(IN_CLOEXEC);
  if (watch < 0 || inotify_add_watch(watch, folder_.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE) < 0) fail("inotify");
  const int process = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (process < 0) fail("pidfd_open");
  std::string text;
  const std::string_view key = "\"address\":\"";
  for (;;) {
    text = read_file(folder_ / "ready.json");
    if (text.find('}') != std::string::npos && text.find(key) != std::string::npos) break;
    std::array<pollfd, 2> events{{{watch, POLLIN, 0}, {process, POLLIN, 0}}};
    if (poll(events.data(), events.size(), kPatienceMs) <= 0) fail("the node did not become ready: " + log_tail());
    if (events[1].revents != 0) fail("the node ended instead of becoming ready: " + log_tail());
    std::array<char, 4096> discard;
    if (::read(watch, discard.data(), discard.size()) < 0) fail("inotify");
  }
  close(watch);
  close(process);
  const size_t from = text.find(key) + key.size();
  const std::string address = text.substr(from, text.find('"', from) - from);
  port_ = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

std::string TestNode::log_tail() const {
  const std::string log = read_file(folder_ / "log");
  return log.substr(log.size() > 2000 ? log.size() - 2000 : 0);
}

int TestNode::wait_for_end() {
  const int process = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  pollfd event{process, POLLIN, 0};
  const int ready = poll(&event, 1, kPatienceMs);
  close(process);
  if (ready <= 0) ::kill(pid_, SIGKILL);
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  if (ready <= 0) fail("the node did not end: " + log_tail());
  return status;
}

int TestNode::stop() {
  ::kill(pid_, SIGTERM);
  return wait_for_end();
}

void TestNode::kill() {
  ::kill(pid_, SIGKILL);
  wait_for_end();
}

Client::Client(uint16_t port) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    fail("connect: " + std::string(std::strerror(errno)));
  const timeval patience{kPatienceMs / 1000, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int yes = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

Client::~Client() { close(socket_); }

void Client::send_bytes(std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(socket_, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) fail("send: " + std::string(std::strerror(errno)));
    data.remove_prefix(static_cast<size_t>(sent));
  }
}

void Client::send(const std::vector<std::string>& command) {
  std::string out = "*" + std::to_string(command.size()) + "\r\n";
  for (const auto& arg : command) out += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  send_bytes(out);
}

void Client::fill() {
  buffer_.erase(0, at_);
  at_ = 0;
  std::array<char, 65536> piece;
  const ssize_t got = ::recv(socket_, piece.data(), piece.size(), 0);
  if (got <= 0) fail(got == 0 ? "the server closed the connection" : "recv: " + std::string(std::strerror(errno)));
  buffer_.append(piece.data(), static_cast<size_t>(got));
}

std::string Client::line() {
  size_t end = 0;
  while ((end = buffer_.find("\r\n", at_)) == std::string::npos) fill();
  std::string out = buffer_.substr(at_, end - at_);
  at_ = end + 2;
  return out;
}

std::string Client::bytes(size_t size) {
  while (buffer_.size() - at_ < size + 2) fill();
  std::string out = buffer_.substr(at_, size);
  at_ += size + 2;
  return out;
}

std::string Client::read() {
  const std::string head = line();
  const char type = head.at(0);
  const std::string rest = head.substr(1);
  if (type == '$' || type == '=') return rest == "-1" ? "nil" : "$" + bytes(std::stoul(rest));
  if (type == '*' && rest == "-1") return "nil";
  if (type == '*' || type == '~' || type == '>' || type == '%') {
    const size_t count = std::stoul(rest);
    std::string out = type == '*' ? "[" : type == '%' ? "{" : std::string(1, type) + "[";
    for (size_t i = 0; i < count; ++i) {
      if (i != 0) out += ", ";
      out += read();
      if (type == '%') out += ": " + read();
    }
    return out + (type == '%' ? "}" : "]");
  }
  return head;
}

void Client::shut_write() { ::shutdown(socket_, SHUT_WR); }

std::string Client::read_to_end() {
  std::string out = buffer_.substr(at_);
  buffer_.clear();
  at_ = 0;
  std::array<char, 65536> piece;
  for (;;) {
    const ssize_t got = ::recv(socket_, piece.data(), piece.size(), 0);
    if (got < 0 && errno != ECONNRESET) fail("recv: " + std::string(std::strerror(errno)));
    if (got <= 0) return out;
    out.append(piece.data(), static_cast<size_t>(got));
  }
}

std::string run_shell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) fail("popen");
  std::string out;
  std::array<char, 4096> piece;
  size_t got = 0;
  while ((got = std::fread(piece.data(), 1, piece.size(), pipe)) != 0) out.append(piece.data(), got);
  if (const int status = pclose(pipe); status != 0)
    fail(command + " ended with " + std::to_string(status) + ": " + out);
  return out;
}

}  // namespace orbit::test
