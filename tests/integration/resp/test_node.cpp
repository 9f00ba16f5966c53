// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "test_node.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace orbit::test {
namespace {

constexpr int kPatienceMs = 30'000;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

}  // namespace

TestNode::TestNode(const std::string& resp_config, int workers, const std::string& storage)
    : process_(ORBITD, ORBIT_PLUGINS,
               "[[plugin]]\nname = \"store\"\nid = \"orbit.storage." + storage + "\"\n" +
                   (storage == "rocksdb" ? "[plugin.config]\npath = \"{folder}/rocksdb\"\n" : "") +
                   "[[plugin]]\nname = \"redis\"\nid = \"orbit.protocol.resp\"\n[plugin.config]\nlisten = \"127.0.0.1:0\"\n" +
                   resp_config + "\n",
               workers) {}

uint16_t TestNode::port() const {
  const std::string& address = process_.address("redis");
  return static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
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
