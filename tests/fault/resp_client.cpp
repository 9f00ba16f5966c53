// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "resp_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace orbit::fault {
namespace {

constexpr timeval kPatience{60, 0};

}  // namespace

RespClient::RespClient(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(socket_);
    throw ConnectionLost("cannot connect");
  }
}

RespClient::~RespClient() { close(socket_); }

void RespClient::add(const std::vector<std::string>& command) {
  out_ += "*" + std::to_string(command.size()) + "\r\n";
  for (const std::string& word : command) out_ += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
}

void RespClient::flush() {
  for (size_t sent = 0; sent < out_.size();) {
    const ssize_t n = send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) throw ConnectionLost("send failed");
    sent += static_cast<size_t>(n);
  }
  out_.clear();
}

Reply RespClient::read() {
  const std::string line = read_line();
  if (line.empty()) throw std::runtime_error("an empty line instead of a reply");
  const std::string rest = line.substr(1);
  Reply reply;
  switch (line[0]) {
    case '+': return {Reply::Kind::text, rest, 0, {}};
    case '-': return {Reply::Kind::error, rest, 0, {}};
    case ':': return {Reply::Kind::integer, {}, std::stoll(rest), {}};
    case '$': {
      const long long size = std::stoll(rest);
      if (size < 0) return reply;
      reply = {Reply::Kind::text, read_bytes(static_cast<size_t>(size)), 0, {}};
      read_bytes(2);
      return reply;
    }
    case '*': {
      const long long count = std::stoll(rest);
      if (count < 0) return reply;
      reply.kind = Reply::Kind::list;
      for (long long i = 0; i < count; ++i) reply.list.push_back(read());
      return reply;
    }
    default: throw std::runtime_error("no RESP2 reply: " + line);
  }
}

std::string RespClient::read_line() {
  for (size_t from = at_;;) {
    const size_t end = in_.find("\r\n", from);
    if (end != std::string::npos) {
      std::string line = in_.substr(at_, end - at_);
      at_ = end + 2;
      return line;
    }
    const size_t seen = in_.size() - at_;
    receive();
    from = at_ + (seen > 0 ? seen - 1 : 0);
  }
}

std::string RespClient::read_bytes(size_t size) {
  while (in_.size() - at_ < size) receive();
  std::string bytes = in_.substr(at_, size);
  at_ += size;
  return bytes;
}

void RespClient::receive() {
  in_.erase(0, at_);
  at_ = 0;
  char buffer[65536];
  const ssize_t n = recv(socket_, buffer, sizeof buffer, 0);
  if (n <= 0) throw ConnectionLost(n == 0 ? "closed by the node" : "receive failed");
  in_.append(buffer, static_cast<size_t>(n));
}

}  // namespace orbit::fault
