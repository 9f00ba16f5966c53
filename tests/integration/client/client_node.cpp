// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "client_node.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace orbit::test {

namespace {

std::chrono::seconds patience() {
  const char* said = std::getenv("ORBIT_TEST_PATIENCE_S");
  return std::chrono::seconds(said != nullptr ? std::atoi(said) : 60);
}

std::string config(const std::string& limits, const std::string& wire, const std::string& more) {
  return "[limits]\n" + limits +
         "[[plugin]]\nname = \"store\"\nid = \"orbit.storage.cow_btree\"\nrequired = true\n[plugin.config]\npath = "
         "\"{folder}/state\"\n"
         "[[plugin]]\nname = \"grpc\"\nid = \"orbit.protocol.grpc\"\nrequired = true\n[plugin.config]\nlisten = "
         "\"127.0.0.1:0\" # grpc\n" +
         wire +
         "\n[[module]]\npath = \"" BANK_MODULE "\"\nrequired = true\n[[module]]\npath = \"" ECHO_MODULE
         "\"\nrequired = true\n" +
         more;
}

void run(const std::string& folder, const std::string& command) {
  FILE* pipe = popen(("cd '" + folder + "' && " + command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen");
  std::string said;
  std::array<char, 4096> piece;
  for (size_t got = 0; (got = std::fread(piece.data(), 1, piece.size(), pipe)) != 0;) said.append(piece.data(), got);
  if (pclose(pipe) != 0) throw std::runtime_error(command + ": " + said);
}

}  // namespace

ClientNode::ClientNode(const std::string& limits, const std::string& wire, const std::string& more)
    : process(ORBITD, ORBIT_PLUGINS, config(limits, wire, more)) {}

void await(const std::function<bool()>& holds, const std::string& what, std::chrono::milliseconds between) {
  const auto until = std::chrono::steady_clock::now() + patience();
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) FAIL("waited too long: " << what);
    std::this_thread::sleep_for(between);
  }
}

void sign(const std::string& folder, const std::string& authority, const std::string& name) {
  const std::string key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes ";
  std::ofstream(folder + "/names.ext") << "subjectAltName=IP:127.0.0.1,DNS:localhost\n";
  if (!std::filesystem::exists(folder + "/" + authority + ".pem"))
    run(folder, "openssl req -x509 " + key + "-keyout " + authority + ".key -out " + authority +
                    ".pem -days 2 -subj /CN=" + authority);
  run(folder, "openssl req " + key + "-keyout " + name + ".key -out " + name + ".csr -subj /CN=" + name);
  run(folder, "openssl x509 -req -in " + name + ".csr -CA " + authority + ".pem -CAkey " + authority +
                  ".key -CAcreateserial -days 2 -out " + name + ".pem -extfile names.ext");
}

}  // namespace orbit::test
