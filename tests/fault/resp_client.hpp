// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A Redis client that knows as little as possible: one blocking socket, RESP2.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace orbit::fault {

// The connection ended or was silent for too long.
struct ConnectionLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Reply {
  enum class Kind { text, error, integer, none, list };
  Kind kind = Kind::none;
  std::string text;  // of text and error
  int64_t integer = 0;
  std::vector<Reply> list;
  bool is_error() const noexcept { return kind == Kind::error; }
};

class RespClient {
 public:
  explicit RespClient(uint16_t port);
  RespClient(const RespClient&) = delete;
  RespClient& operator=(const RespClient&) = delete;
  ~RespClient();

  // Adds a command to what flush sends.
  void add(const std::vector<std::string>& command);
  void flush();
  // The next reply. Throws ConnectionLost.
  Reply read();
  Reply call(const std::vector<std::string>& command) {
    add(command);
    flush();
    return read();
  }

 private:
  std::string read_line();
  std::string read_bytes(size_t size);
  void receive();

  int socket_ = -1;
  std::string out_;
  std::string in_;
  size_t at_ = 0;
};

}  // namespace orbit::fault
