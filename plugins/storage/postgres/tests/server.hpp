// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A PostgreSQL server of the test's own: new data in a temporary folder, a socket there, and with `tcp` a free port on
// loopback. It never runs as root, and dies with the thread that started it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "support/temporary_folder.hpp"

namespace orbit::test {

// Where Debian has the server's programs; nothing when there is none.
std::optional<std::string> postgres_programs();

class PostgresServer {
 public:
  // Throws with what the programs said.
  explicit PostgresServer(bool tcp = false);
  ~PostgresServer();

  // For libpq; of the superuser.
  const std::string& conninfo() const noexcept { return conninfo_; }
  uint16_t port() const noexcept { return port_; }
  void start();
  // As a power switch would: no goodbye, nothing flushed.
  void kill();
  void stop();

 private:
  pid_t run(const std::string& program, const std::string& arguments, const std::string& log) const;

  TemporaryFolder folder_;
  std::string programs_;
  std::string conninfo_;
  uint16_t port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace orbit::test
