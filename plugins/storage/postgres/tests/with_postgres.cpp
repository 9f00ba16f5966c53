// SPDX-License-Identifier: MIT OR BSD-3-Clause
// with_postgres PROGRAM ARGUMENT...: runs the program while a PostgreSQL server of its own is there. In the arguments,
// {conninfo} is where to find it. Exits as the program does, and with 77 where no server is installed.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <vector>

#include "server.hpp"

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: with_postgres PROGRAM ARGUMENT...\n"), 2;
  if (!orbit::test::postgres_programs()) return std::fprintf(stderr, "no PostgreSQL server is installed\n"), 77;
  try {
    orbit::test::PostgresServer server;
    std::vector<std::string> words(argv + 1, argv + argc);
    for (std::string& word : words)
      if (const size_t at = word.find("{conninfo}"); at != std::string::npos) word.replace(at, 10, server.conninfo());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "with_postgres: %s\n", e.what()), 1;
  }
}
