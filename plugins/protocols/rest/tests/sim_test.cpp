// SPDX-License-Identifier: MIT OR BSD-3-Clause
// REST in a simulated node: clients that repeat a request with its Idempotency-Key until it is answered, over a network
// that cuts and delays, and over power cuts. Each is carried out once at most, and every repetition has the same
// answer.
#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <orbit/testkit/doctest.hpp>
#include <orbit/testkit/node.hpp>
#include <set>
#include <string>
#include <vector>

#include "../../../../tests/effort.hpp"

namespace {

using namespace std::chrono_literals;
using orbit::testkit::Connection;
using orbit::testkit::Node;
using orbit::testkit::Unsynced;

constexpr uint64_t kKeysPerClient = 5;
constexpr int kRoundsMax = 2'000;

struct Answer {
  int status = 0;  // 0: none
  std::string body;
};

// Of the next response in the bytes; nothing is taken unless it is there wholly.
Answer take_answer(Connection& connection) {
  const std::string& bytes = connection.received();
  const size_t head = bytes.find("\r\n\r\n");
  if (head == std::string::npos) return {};
  const size_t length = bytes.find("Content-Length: ");
  if (length == std::string::npos || length > head) return {};
  const size_t size = std::stoul(bytes.substr(length + 16));
  if (bytes.size() < head + 4 + size) return {};
  const std::string whole = connection.take(head + 4 + size);
  return {std::stoi(whole.substr(9, 3)), whole.substr(head + 4)};
}

class Client {
 public:
  Client(Node& node, uint64_t number) : node_(node), number_(number) {}

  bool done() const { return key_ > kKeysPerClient; }
  std::string key() const { return std::to_string(number_) + "-" + std::to_string(key_); }
  // Has the request under way, and looks whether its answer has come.
  void go_on(uint64_t now_ms) {
    if (done()) return;
    if (connection_ && (connection_->closed() || now_ms > gives_up_ms_)) connection_.reset();
    if (!connection_) {
      connection_ = std::make_unique<Connection>(node_.connect("127.0.0.1:8080"));
      const std::string body = "{\"value\":\"1\"}";
      connection_->send(
          "POST /v1/actors/kit.Tally/all/Add HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n"
          "Idempotency-Key: \"" +
          key() + "\"\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
      gives_up_ms_ = now_ms + 3'000;
    }
    const Answer answer = take_answer(*connection_);
    if (answer.status == 0) return;
    connection_.reset();
    if (answer.status == 200) {
      const auto [known, first] = answers_.emplace(key(), answer.body);
      CHECK_MESSAGE(known->second == answer.body, key() << " was answered " << known->second << " and " << answer.body);
      if (first && key_ % 2 == 0) return;  // asks once more
      ++key_;
      return;
    }
    others_[key()] = std::to_string(answer.status) + " " + answer.body;
    // Still at work; or nobody knows, after a power cut or because the client had left.
    if (++refused_ % 5 == 0) ++key_;
  }
  const std::map<std::string, std::string>& answers() const { return answers_; }
  const std::map<std::string, std::string>& others() const { return others_; }

 private:
  Node& node_;
  const uint64_t number_;
  uint64_t key_ = 1;
  std::unique_ptr<Connection> connection_;
  uint64_t gives_up_ms_ = 0;
  int refused_ = 0;
  std::map<std::string, std::string> answers_;
  std::map<std::string, std::string> others_;  // that were no 200, the last of each key
};

}  // namespace

TEST_CASE("a request that is repeated with its key until it is answered is carried out once") {
  size_t answered = 0;
  size_t open = 0;
  orbit::testkit::for_seeds(orbit::testing::with_effort(100), [&](uint64_t seed) {
    Node node({.seed = seed,
               .workers = static_cast<uint32_t>(1 + seed % 3),
               .modules = {KIT_MODULE},
               .plugins = {{.file = REST_PLUGIN, .config = "listen = '127.0.0.1:8080'"}}});
    node.network().set_delay(0ms, std::chrono::milliseconds(seed % 7 * 5));
    node.network().set_piece_bytes(1, seed % 2 == 0 ? 20 : 65'536);
    node.network().set_reset_chance(seed % 4 == 0 ? 0.01 : 0);
    node.storage().set_delay(std::chrono::milliseconds(seed % 5 * 4));
    std::vector<std::unique_ptr<Client>> clients;
    for (uint64_t i = 0; i < 2 + seed % 3; ++i) clients.push_back(std::make_unique<Client>(node, i));
    for (int round = 0; round < kRoundsMax; ++round) {
      bool all = true;
      for (auto& client : clients) {
        client->go_on(node.unix_ms());
        all = all && client->done();
      }
      if (all) break;
      if (seed % 3 == 0 && round % 37 == 36) {
        node.crash(Unsynced::seeded);
        node.advance(50ms);
        node.restart();
      }
      node.advance(std::chrono::milliseconds((round * 7 + seed) % 23));
    }
    std::set<std::string> values;
    size_t sent = 0;
    for (auto& client : clients) {
      REQUIRE(client->done());
      for (const auto& [key, body] : client->answers())
        CHECK_MESSAGE(values.insert(body).second, body << " was answered twice");
      for (const auto& [key, what] : client->others()) sent += !client->answers().contains(key);
    }
    node.network().set_reset_chance(0);
    const std::string now = node.call_json("kit.Tally", "all", "Get");
    const size_t value = now.find(':') == std::string::npos ? 0 : std::stoul(now.substr(now.find(":\"") + 2));
    CHECK_MESSAGE(value >= values.size(), now << " after " << values.size() << " answers");
    CHECK_MESSAGE(value <= values.size() + sent,
                  now << " after " << values.size() << " answers, and " << sent << " open ones");
    answered += values.size();
    open += sent;
  });
  MESSAGE(answered << " requests answered, " << open << " of which nobody knows");
}
