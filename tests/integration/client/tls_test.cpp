// SPDX-License-Identifier: MIT OR BSD-3-Clause
// TLS, mutual TLS, and credentials.
#include <fstream>

#include "client_node.hpp"

using namespace orbit::test;
using namespace orbit::client;
using namespace std::chrono_literals;
using orbit::Code;

namespace {

struct Certificates {
  Certificates() {
    sign(folder.path, "authority", "server");
    sign(folder.path, "authority", "alice");
    sign(folder.path, "stranger", "mallory");
  }
  std::string file(const std::string& name) const { return folder.path + "/" + name; }
  std::string server() const {
    return "tls.certificate = \"" + file("server.pem") + "\"\ntls.key = \"" + file("server.key") + "\"\n";
  }
  TemporaryFolder folder;
};

const Certificates& certificates() {
  static const Certificates all;
  return all;
}

ClientOptions with_tls(const std::string& ca, const std::string& who = "") {
  ClientOptions options;
  options.deadline = 30s;
  options.connect_timeout = 2s;
  options.tls = {.enabled = true, .ca_file = certificates().file(ca + ".pem")};
  if (!who.empty()) {
    options.tls.certificate_file = certificates().file(who + ".pem");
    options.tls.key_file = certificates().file(who + ".key");
  }
  return options;
}

}  // namespace

TEST_CASE("over TLS a client calls the node whose certificate it trusts, and no other") {
  ClientNode node("", certificates().server());
  const auto trusting = node.client(with_tls("authority")).actor<bank::Account>(1).Deposit(cents(1));
  CHECK_MESSAGE(trusting, trusting.error().message);

  const auto wary = node.client(with_tls("stranger")).actor<bank::Account>(1).Deposit(cents(1));
  REQUIRE_FALSE(wary);
  CHECK(wary.error().code == Code::unavailable);
  CHECK_FALSE(wary.error().may_have_run);

  ClientOptions elsewhere = with_tls("authority");
  elsewhere.tls.server_name = "other.example";
  CHECK_FALSE(node.client(elsewhere).actor<bank::Account>(1).Deposit(cents(1)));
  elsewhere.tls.server_name = "localhost";
  CHECK(node.client(elsewhere).actor<bank::Account>(1).Deposit(cents(1)));

  CHECK_FALSE(node.client({.connect_timeout = 2s}).actor<bank::Account>(1).Deposit(cents(1)));
}

TEST_CASE("with mutual TLS the client's certificate says who calls") {
  ClientNode node(
      "", certificates().server() + "tls.client_ca = \"" + certificates().file("authority.pem") + "\"\n",
      "[[plugin]]\nname = \"certificates\"\nid = \"orbit.access.tls_client\"\nrequired = true\n[plugin.config]\n"
      "name_from = \"subject_cn\"\nprincipals = [\"alice -> teller\"]\n"
      "[[rule]]\nroles = [\"teller\"]\ntypes = [\"bank.Account\"]\nmethods = [\"Deposit\", \"lease\"]\n");
  Client alice = node.client(with_tls("authority", "alice"));
  const auto deposited = alice.actor<bank::Account>(1).Deposit(cents(1));
  CHECK_MESSAGE(deposited, deposited.error().message);
  const auto refused = alice.actor<bank::Account>(1).Withdraw(cents(1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::permission_denied);
  CHECK(refused.error().message == "'alice' may not call Withdraw of bank.Account '1'");
  CHECK(alice.hold(alice.actor<bank::Account>(1)));
  CHECK(alice.hold(alice.actor<bank::Teller>("anna")).error().code == Code::permission_denied);

  for (const char* who : {"", "mallory"}) {
    CAPTURE(who);
    const auto none = node.client(with_tls("authority", who)).actor<bank::Account>(1).Deposit(cents(1));
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::unavailable);
  }
}

TEST_CASE("passwords and tokens say who calls; a token is asked for each time, a call may bring its own") {
  TemporaryFolder folder;
  // The hash of "open-sesame-open-sesame".
  FILE* pipe = popen("printf open-sesame-open-sesame | openssl dgst -sha256 -r", "r");
  char hash[65] = {};
  REQUIRE(std::fread(hash, 1, 64, pipe) == 64);
  pclose(pipe);
  std::ofstream(folder.path + "/users") << "reader:$sha256$" << hash << ":reader\n";
  ClientNode node(
      "", "",
      "[[plugin]]\nname = \"users\"\nid = \"orbit.access.user_file\"\nrequired = true\n[plugin.config]\nfile = \"" +
          folder.path + "/users\"\n[[rule]]\nroles = [\"reader\"]\ntypes = [\"bank.Account\"]\nread_only = true\n");
  const auto nobody = node.client().actor<bank::Account>(1).GetBalance({});
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().code == Code::unauthenticated);

  int asked = 0;
  Client reader =
      node.client({.credentials = {.token = [&asked] { return ++asked, std::string("open-sesame-open-sesame"); }}});
  for (int i = 0; i < 3; ++i) {
    const auto balance = reader.actor<bank::Account>(1).GetBalance({});
    CHECK_MESSAGE(balance, balance.error().message);
  }
  CHECK(asked == 3);
  CHECK(reader.actor<bank::Account>(1).Deposit(cents(1)).error().code == Code::permission_denied);
  CHECK(reader.actor<bank::Account>(1).GetBalance({}, {.authorization = "Bearer wrong"}).error().code ==
        Code::unauthenticated);
  const auto own =
      node.client().actor<bank::Account>(1).GetBalance({}, {.authorization = "Bearer open-sesame-open-sesame"});
  CHECK_MESSAGE(own, own.error().message);
}
