// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A real node as a child process, in a folder of its own, with RocksDB and the Redis wire.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace orbit::fault {

// A new folder, removed with this object.
class Directory {
 public:
  Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory();
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

struct NodeSettings {
  std::string durability = "sync";
  int workers = 2;
  std::string limits;   // lines of TOML for [limits]
  std::string storage;  // more lines for the engine's [plugin.config]
  std::string redis;    // and for that of the Redis wire
  std::filesystem::path data;
};

class Node {
 public:
  // Forks and returns at once. Configuration, log and ready file lie in `folder`.
  Node(const std::filesystem::path& folder, const NodeSettings& settings);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();  // kills it if it runs

  // Waits until the node says that it is ready and returns the port of the Redis wire. Throws, with the end of the log, when
  // the node ends before or takes a minute.
  uint16_t await_ready();
  // SIGKILL, and waits for the end.
  void kill();
  // SIGTERM, and waits for the end; its exit code.
  int stop();
  bool running();
  std::string log() const;
  // The most memory that the process has had resident until now.
  uint64_t memory_peak_bytes() const;

 private:
  std::filesystem::path folder_;
  pid_t pid_ = -1;
  int status_ = 0;
};

}  // namespace orbit::fault
