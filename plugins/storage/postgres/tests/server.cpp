// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <vector>

namespace orbit::test {
namespace {

constexpr auto kStartPatience = std::chrono::seconds(60);

uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no free port");
  close(fd);
  return ntohs(address.sin_port);
}

std::string content_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

std::optional<std::string> postgres_programs() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored))
    if (std::filesystem::exists(version.path() / "bin/initdb") && std::filesystem::exists(version.path() / "bin/postgres"))
      found.push_back((version.path() / "bin").string());
  if (found.empty()) return std::nullopt;
  return *std::max_element(found.begin(), found.end());
}

PostgresServer::PostgresServer(bool tcp) {
  const auto programs = postgres_programs();
  if (!programs) throw std::runtime_error("no PostgreSQL server is installed (Debian: postgresql-15)");
  programs_ = *programs;
  if (tcp) port_ = free_port();
  if (geteuid() == 0) {
    const passwd* nobody = getpwnam("nobody");
    if (nobody == nullptr || chown(folder_.path.c_str(), nobody->pw_uid, nobody->pw_gid) != 0)
      throw std::runtime_error("cannot give " + folder_.path + " to nobody");
  }
  const std::string log = folder_.path + "/initdb.log";
  int status = 0;
  const pid_t made = run("initdb", "-D " + folder_.path + "/data -U orbit -A trust -E UTF8 --locale=C --no-sync --no-instructions", log);
  if (waitpid(made, &status, 0) != made || status != 0) throw std::runtime_error("initdb failed: " + content_of(log));
  std::ofstream(folder_.path + "/data/pg_hba.conf") << "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
  conninfo_ = "host=" + folder_.path + " user=orbit dbname=postgres";
  start();
}

PostgresServer::~PostgresServer() { stop(); }

pid_t PostgresServer::run(const std::string& program, const std::string& arguments, const std::string& log) const {
  const std::string path = programs_ + "/" + program;
  std::vector<std::string> words{path};
  for (size_t at = 0; at < arguments.size();) {
    const size_t end = std::min(arguments.find(' ', at), arguments.size());
    words.push_back(arguments.substr(at, end - at));
    at = end + 1;
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const passwd* nobody = geteuid() == 0 ? getpwnam("nobody") : nullptr;
  const uid_t uid = nobody == nullptr ? 0 : nobody->pw_uid;
  const gid_t gid = nobody == nullptr ? 0 : nobody->pw_gid;
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("cannot fork");
  if (pid > 0) return pid;
  // Only what is allowed after a fork.
  if (uid != 0 && (setgroups(0, nullptr) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) _exit(125);
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  const int out = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir("/") != 0) _exit(126);
  execv(argv[0], argv.data());
  _exit(127);
}

void PostgresServer::start() {
  const std::string log = folder_.path + "/server.log";
  // Nothing is lost by the death of processes, which is all that happens here, if the disk is not waited for.
  std::string arguments = "-D " + folder_.path + "/data -k " + folder_.path +
                          " -c fsync=off -c shared_buffers=32MB -c max_connections=60"
                          " -c listen_addresses=" + (port_ != 0 ? "127.0.0.1" : "");
  if (port_ != 0) arguments += " -p " + std::to_string(port_);
  conninfo_ = "host=" + folder_.path + " user=orbit dbname=postgres" + (port_ != 0 ? " port=" + std::to_string(port_) : "");
  const auto until = std::chrono::steady_clock::now() + kStartPatience;
  while (std::chrono::steady_clock::now() < until) {
    if (pid_ == 0) pid_ = run("postgres", arguments, log);
    if (PQping(conninfo_.c_str()) == PQPING_OK) return;
    // After a kill, processes of the last server may still hold its memory for a moment; the new one then gives up.
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) pid_ = 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw std::runtime_error("the PostgreSQL server does not start: " + content_of(log));
}

void PostgresServer::kill() {
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void PostgresServer::stop() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGINT);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

}  // namespace orbit::test
