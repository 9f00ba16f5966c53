// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Clients of a simulated node, and what they know: which answers must come, and what may and must be stored when their
// connection is lost with commands under way.
//
// Each has keys that nobody else writes, in a database of its own; what they hold is known to the byte. All share some,
// in database 0: a counter, one that is counted under WATCH, a list, a queue, a pair of keys that are written together,
// and accounts whose sum does not change.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <orbit/testkit/node.hpp>

namespace orbit::resp::testing {

using Args = std::vector<std::string>;

// As the bytes of RESP2.
std::string command_text(const Args& args);
std::string bulk(std::string_view text);
std::string integer(int64_t value);

// The reply to one command; what came of it if the connection ends first.
std::string ask(testkit::Node& node, testkit::Connection& connection, const Args& args);
// The next one of a pipeline; empty when the connection is closed.
std::string take_reply(testkit::Node& node, testkit::Connection& connection);

// Numbers that a seed chooses.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t below(uint64_t bound);  // > 0
  bool one_in(uint64_t count) { return below(count) == 0; }

 private:
  uint64_t state_;
};

// What all clients together must hold of the shared keys.
class Shared {
 public:
  static constexpr int kAccounts = 4;
  static constexpr const char* kPair[2] = {"pair.left", "pair.right"};

  std::string account(uint64_t index) const { return "account." + std::to_string(index); }
  std::string next_token(size_t client) { return std::to_string(client) + "." + std::to_string(++tokens_); }

  // A counter, by its name: a command was sent, and answered; or it did not happen.
  void count_sent(const std::string& counter) { ++counters_[counter].sent; }
  void counted(const std::string& counter, int64_t value);
  void not_counted(const std::string& counter) { --counters_[counter].sent; }
  // A token was sent to, and one was acknowledged by, the list.
  void token_sent(const std::string& token) { tokens_sent_.insert(token); }
  void token_stored(const std::string& token) { tokens_stored_.insert(token); }

  // The same of the queue, from which tokens are taken: an answer to a BLPOP, and one whose connection was lost.
  void queued(const std::string& token) { queued_.insert(token); }
  void taken(const std::string& token);
  void maybe_taken(uint64_t count) { maybe_taken_ += count; }

  // These look at the reply to what reads it.
  void check_counter(const std::string& counter, const std::string& reply) const;
  // under_way: BLPOPs that are not answered yet.
  void check_queue(const std::string& reply, uint64_t under_way) const;
  void check_list(const std::string& reply) const;
  void check_pair(const std::string& reply) const;
  void check_accounts(const std::string& reply) const;

 private:
  uint64_t tokens_ = 0;
  struct Counter {
    uint64_t sent = 0;
    std::set<int64_t> answered;
  };
  std::map<std::string, Counter> counters_;
  std::set<std::string> tokens_sent_;
  std::set<std::string> tokens_stored_;
  std::set<std::string> queued_;
  std::set<std::string> taken_;
  uint64_t maybe_taken_ = 0;
};

class SimulatedClient {
 public:
  SimulatedClient(testkit::Node& node, Shared& shared, size_t number, uint64_t seed);

  // Sends some commands at once, unless too many are unanswered or its connection is lost.
  void send_some();
  // Looks at the answers that have come.
  void take_answers();
  // Its connection has ended, or is given up: which of the commands under way have happened is open.
  bool lost() const { return !connection_ || connection_->closed(); }
  void give_up() { connection_.reset(); }
  // Of one that is lost: connects again and finds out. Nothing of the connection before may be on its way any more.
  void recover();
  // Waits for everything that it has asked for.
  void await_all();
  testkit::Connection* connection() { return connection_ ? &*connection_ : nullptr; }
  const std::string& host() const { return host_; }
  uint64_t answered() const { return answered_; }
  uint64_t takes_under_way() const;

 private:
  // What a key of its own holds, as the reply to its reading command.
  struct Own {
    enum class Kind { string, counter, list } kind;
    std::string string;
    bool exists = false;
    int64_t counter = 0;
    std::deque<std::string> list;
    std::string reply() const;
    bool is_there() const { return kind == Kind::list ? !list.empty() : exists; }
    Args reader(const std::string& name) const;
  };
  // One write of one own key: to be done again on what is known to be stored.
  struct Write {
    std::string key;
    std::function<void(Own&)> apply;
    uint64_t group;  // those of one command, or one EXEC, happen together
  };
  struct Awaited {
    std::string what;
    std::function<void(const std::string&)> check;
    size_t writes = 0;   // own ones that are stored when it is answered
    bool takes = false;  // from the queue
  };

  void add(const Args& args, std::string what, std::function<void(const std::string&)> check, size_t writes = 0);
  void add_exact(const Args& args, std::string reply, size_t writes = 0);
  std::string command_for_own(Args& args, std::vector<Write>& writes);
  std::string command_for_own(const std::string& name, Own& own, Args& args, std::function<void(Own&)>& apply);
  std::string look_at_own(Args& args);
  void add_own();
  void counted(const std::string& counter, int64_t value);
  void add_count_under_watch();
  void add_blocking();
  void add_own_transaction();
  void add_shared();
  std::string text(size_t size);

  testkit::Node& node_;
  Shared& shared_;
  const size_t number_;
  const std::string host_;
  const std::string database_;
  Dice dice_;
  std::optional<testkit::Connection> connection_;
  std::string out_;
  std::deque<Awaited> awaited_;
  std::map<std::string, Own> stored_;  // as acknowledged
  std::map<std::string, Own> sent_;    // once all that was sent has run
  std::deque<Write> open_;             // the difference
  uint64_t groups_ = 0;
  std::map<std::string, int64_t> last_count_;
  uint64_t answered_ = 0;
};

}  // namespace orbit::resp::testing
