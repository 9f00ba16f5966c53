// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A real node as a child process, in a folder of its own, for tests that talk to it over whichever wire.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>

#include "support/temporary_folder.hpp"

namespace orbit::test {

// Everything throws std::runtime_error on failure; nothing waits longer than ORBIT_TEST_PATIENCE_S, a minute by
// default.
class NodeProcess {
 public:
  // orbitd: its file. config: node.toml without [node]; "{folder}" in it stands for the node's folder. Starts it.
  NodeProcess(std::string orbitd, std::string plugins, std::string config, int workers = 2);
  // Kills it if it runs.
  ~NodeProcess();
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;

  // Of the plugin instance of that name: "127.0.0.1:40123". Stays the same over restarts.
  const std::string& address(const std::string& plugin) const { return addresses_.at(plugin); }
  std::filesystem::path folder() const { return folder_.path; }
  // SIGTERM, and waits for the end; its exit code.
  int stop();
  // SIGKILL, and waits for the end.
  void kill();
  // Again, on the same data and the same addresses.
  void start();

 private:
  void await_ready();
  int await_end();
  std::string log_tail() const;

  TemporaryFolder folder_;
  const std::string orbitd_;
  const std::string plugins_;
  std::string config_;
  const int workers_;
  std::map<std::string, std::string> addresses_;
  pid_t pid_ = -1;
};

}  // namespace orbit::test
