// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "sim_clients.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "node_reply.hpp"

namespace orbit::resp::testing {

namespace {

constexpr size_t kUnansweredMax = 200;
constexpr size_t kStringBytesMax = 6'000;
constexpr size_t kSpareDatabases = 8;  // the first of those that hold nothing for long

// An integer reply, or nothing.
std::optional<int64_t> number(std::string_view reply) {
  int64_t out = 0;
  if (!reply.starts_with(':') || !reply.ends_with("\r\n")) return std::nullopt;
  const char* const end = reply.data() + reply.size() - 2;
  const auto [at, error] = std::from_chars(reply.data() + 1, end, out);
  return error == std::errc{} && at == end ? std::optional(out) : std::nullopt;
}

// An array of bulk strings, some of them null, or nothing.
std::optional<std::vector<std::optional<std::string>>> bulks(std::string_view reply) {
  const auto length = [&](char kind) -> std::optional<int64_t> {
    const size_t end = reply.find("\r\n");
    if (end == std::string_view::npos || reply[0] != kind) return std::nullopt;
    int64_t out = 0;
    std::from_chars(reply.data() + 1, reply.data() + end, out);
    reply.remove_prefix(end + 2);
    return out;
  };
  const auto count = length('*');
  if (!count || *count < 0) return std::nullopt;
  std::vector<std::optional<std::string>> out;
  for (int64_t i = 0; i < *count; ++i) {
    const auto size = length('$');
    if (!size) return std::nullopt;
    if (*size < 0) {
      out.emplace_back();
      continue;
    }
    out.emplace_back(reply.substr(0, static_cast<size_t>(*size)));
    reply.remove_prefix(static_cast<size_t>(*size) + 2);
  }
  return out;
}

std::string array(const std::vector<std::string>& replies) {
  std::string out = "*" + std::to_string(replies.size()) + "\r\n";
  for (const std::string& reply : replies) out += reply;
  return out;
}

}  // namespace

std::string command_text(const Args& args) {
  std::string out = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) out += bulk(arg);
  return out;
}
std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}
std::string integer(int64_t value) { return ":" + std::to_string(value) + "\r\n"; }

// Steele, Lea, Flood 2014.
uint64_t Dice::below(uint64_t bound) {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return (z ^ (z >> 31)) % bound;
}

std::string ask(testkit::Node& node, testkit::Connection& connection, const Args& args) {
  connection.send(command_text(args));
  return take_reply(node, connection);
}

std::string take_reply(testkit::Node& node, testkit::Connection& connection) {
  node.run_until([&] { return reply_size(connection.received()) != 0 || connection.closed(); });
  return connection.take(reply_size(connection.received()));
}

// ---- what is shared
// ---------------------------------------------------------------------------------------------------

void Shared::counted(const std::string& counter, int64_t value) {
  CHECK_MESSAGE(counters_[counter].answered.insert(value).second,
                "INCR " << counter << " has answered " << value << " twice");
}

void Shared::taken(const std::string& token) {
  CHECK_MESSAGE(tokens_sent_.contains(token), "the queue had " << token << ", which nobody has sent");
  CHECK_MESSAGE(taken_.insert(token).second, "the queue has given " << token << " twice");
}

void Shared::check_queue(const std::string& reply, uint64_t under_way) const {
  const auto stored = bulks(reply);
  REQUIRE_MESSAGE(stored, "LRANGE of the queue: " << reply);
  std::set<std::string> seen = taken_;
  for (const auto& token : *stored) {
    CHECK_MESSAGE(tokens_sent_.contains(*token), "the queue has " << *token << ", which nobody has sent");
    CHECK_MESSAGE(seen.insert(*token).second, "the queue has " << *token << ", which is there twice or was taken");
  }
  uint64_t missing = 0;
  for (const std::string& token : queued_) missing += !seen.contains(token);
  CHECK_MESSAGE(missing <= maybe_taken_ + under_way,
                "the queue has lost " << missing << " tokens that were acknowledged, and " << maybe_taken_ << " + "
                                      << under_way << " may have been taken");
}

void Shared::check_counter(const std::string& counter, const std::string& reply) const {
  const auto known = counters_.find(counter);
  const Counter its = known == counters_.end() ? Counter() : known->second;
  int64_t value = 0;
  if (reply != "$-1\r\n") {
    const auto stored = bulks("*1\r\n" + reply);
    REQUIRE_MESSAGE(stored, "GET " << counter << ": " << reply);
    value = std::stoll(*stored->at(0));
  }
  const int64_t least = its.answered.empty() ? 0 : *its.answered.rbegin();
  CHECK_MESSAGE(value >= least, counter << " is " << value << ", but it has been " << least);
  CHECK_MESSAGE(static_cast<uint64_t>(value) <= its.sent,
                counter << " is " << value << " after " << its.sent << " commands");
}

void Shared::check_list(const std::string& reply) const {
  const auto stored = bulks(reply);
  REQUIRE_MESSAGE(stored, "LRANGE of the list: " << reply);
  std::set<std::string> seen;
  std::map<std::string, uint64_t> last;  // number of each client's
  for (const auto& token : *stored) {
    CHECK_MESSAGE(tokens_sent_.contains(*token), "the list has " << *token << ", which nobody has sent");
    CHECK_MESSAGE(seen.insert(*token).second, "the list has " << *token << " twice");
    const size_t point = token->find('.');
    uint64_t& before = last[token->substr(0, point)];
    const uint64_t now = std::stoull(token->substr(point + 1));
    CHECK_MESSAGE(now > before, "the list has " << *token << " behind number " << before << " of the same client");
    before = now;
  }
  for (const std::string& token : tokens_stored_)
    CHECK_MESSAGE(seen.contains(token), "the list has lost " << token << ", which was acknowledged");
}

void Shared::check_pair(const std::string& reply) const {
  const auto stored = bulks(reply);
  REQUIRE_MESSAGE((stored && stored->size() == 2), "the pair: " << reply);
  CHECK_MESSAGE(stored->at(0) == stored->at(1), "the pair is torn: " << reply);
}

void Shared::check_accounts(const std::string& reply) const {
  const auto stored = bulks(reply);
  REQUIRE_MESSAGE((stored && stored->size() == kAccounts), "the accounts: " << reply);
  int64_t sum = 0;
  for (const auto& balance : *stored) sum += balance ? std::stoll(*balance) : 0;
  CHECK_MESSAGE(sum == 0, "the accounts are torn: " << reply);
}

// ---- a client
// ---------------------------------------------------------------------------------------------------------

SimulatedClient::SimulatedClient(testkit::Node& node, Shared& shared, size_t number, uint64_t seed)
    : node_(node),
      shared_(shared),
      number_(number),
      host_("10.0.0." + std::to_string(number + 1)),
      database_(std::to_string(number + 1)),
      dice_(seed),
      connection_(node.connect("127.0.0.1:6379", host_)) {
  using Kind = Own::Kind;
  const std::string prefix = "own." + std::to_string(number) + ".";
  for (const auto& [name, kind] : {std::pair("string", Kind::string), std::pair("string2", Kind::string),
                                   std::pair("counter", Kind::counter), std::pair("list", Kind::list)})
    stored_.emplace(prefix + name, Own{.kind = kind, .string = {}, .list = {}});
  sent_ = stored_;
  add_exact({"SELECT", database_}, "+OK\r\n");
  connection_->send(std::exchange(out_, {}));
}

std::string SimulatedClient::Own::reply() const {
  if (kind == Kind::list) {
    std::vector<std::string> elements;
    for (const std::string& element : list) elements.push_back(bulk(element));
    return array(elements);
  }
  if (!exists) return "$-1\r\n";
  return bulk(kind == Kind::string ? string : std::to_string(counter));
}

Args SimulatedClient::Own::reader(const std::string& name) const {
  return kind == Kind::list ? Args{"LRANGE", name, "0", "-1"} : Args{"GET", name};
}

std::string SimulatedClient::text(size_t size) {
  std::string out = shared_.next_token(number_) + ":";
  while (out.size() < size) out += static_cast<char>('a' + out.size() % 26);
  return out;
}

void SimulatedClient::add(const Args& args, std::string what, std::function<void(const std::string&)> check,
                          size_t writes) {
  out_ += command_text(args);
  awaited_.push_back({std::move(what), std::move(check), writes});
}

void SimulatedClient::add_exact(const Args& args, std::string reply, size_t writes) {
  std::string what = args[0] + (args.size() > 1 ? " " + args[1] : "");
  add(
      args, what,
      [this, what, reply = std::move(reply)](const std::string& got) {
        CHECK_MESSAGE(got == reply,
                      "client " << number_ << ": " << what << ": expected " << reply << ", found " << got);
      },
      writes);
}

// One over that key; no `apply`: it only reads.
std::string SimulatedClient::command_for_own(const std::string& name, Own& own, Args& args,
                                             std::function<void(Own&)>& apply) {
  using Kind = Own::Kind;
  if (dice_.one_in(12)) {
    args = {"DEL", name};
    apply = [](Own& it) { it = Own{.kind = it.kind, .string = {}, .list = {}}; };
    return integer(own.is_there() ? 1 : 0);
  }
  if (dice_.one_in(3)) {
    args = own.reader(name);
    return own.reply();
  }
  if (own.kind == Kind::string) {
    const bool append = own.string.size() < kStringBytesMax && dice_.one_in(2);
    const std::string what = text(dice_.one_in(4) ? dice_.below(3'000) : dice_.below(40));
    args = {append ? "APPEND" : "SET", name, what};
    apply = [append, what](Own& it) {
      it.string = append ? it.string + what : what;
      it.exists = true;
    };
    return append ? integer(static_cast<int64_t>(own.string.size() + what.size())) : "+OK\r\n";
  }
  if (own.kind == Kind::counter) {
    const int64_t by = dice_.one_in(2) ? 1 : static_cast<int64_t>(dice_.below(1'000));
    args = by == 1 ? Args{"INCR", name} : Args{"INCRBY", name, std::to_string(by)};
    apply = [by](Own& it) {
      it.counter += by;
      it.exists = true;
    };
    return integer(own.counter + by);
  }
  if (!own.list.empty() && dice_.one_in(4)) {
    args = {"LPOP", name};
    apply = [](Own& it) { it.list.pop_front(); };
    return bulk(own.list.front());
  }
  const bool left = dice_.one_in(2);
  const std::string what = text(dice_.below(60));
  args = {left ? "LPUSH" : "RPUSH", name, what};
  apply = [left, what](Own& it) {
    if (left)
      it.list.push_front(what);
    else
      it.list.push_back(what);
  };
  return integer(static_cast<int64_t>(own.list.size()) + 1);
}

// Makes a command over keys of its own, and notes what it does; says what it answers.
std::string SimulatedClient::command_for_own(Args& args, std::vector<Write>& writes) {
  const auto write = [&](const std::string& name, std::function<void(Own&)> apply) {
    apply(sent_.at(name));
    writes.push_back({name, std::move(apply), groups_});
  };
  const auto nothing = [](Own& it) { it = Own{.kind = it.kind, .string = {}, .list = {}}; };
  if (dice_.one_in(30)) {
    args = {"FLUSHDB"};
    for (const auto& [name, own] : stored_) write(name, nothing);
    return "+OK\r\n";
  }
  if (dice_.one_in(8)) return look_at_own(args);
  if (dice_.one_in(20)) {
    const auto list =
        std::find_if(sent_.begin(), sent_.end(), [](const auto& one) { return one.second.kind == Own::Kind::list; });
    args = {"SORT", list->first, "BY", "nothing*", "ALPHA", "STORE", list->first};
    write(list->first, [](Own& it) { std::sort(it.list.begin(), it.list.end()); });
    return integer(static_cast<int64_t>(list->second.list.size()));
  }
  if (dice_.one_in(20)) {
    const auto from =
        std::find_if(sent_.begin(), sent_.end(), [](const auto& one) { return one.second.kind == Own::Kind::string; });
    const auto to = std::next(from);
    args = {"RENAME", from->first, to->first};
    if (!from->second.exists) return "-ERR no such key\r\n";
    write(to->first, [now = from->second](Own& it) { it = now; });
    write(from->first, nothing);
    return "+OK\r\n";
  }
  const auto chosen = std::next(sent_.begin(), static_cast<std::ptrdiff_t>(dice_.below(sent_.size())));
  std::function<void(Own&)> apply;
  std::string reply = command_for_own(chosen->first, chosen->second, args, apply);
  if (apply) write(chosen->first, std::move(apply));
  return reply;
}

// A command over the whole database, of which few keys can be meant.
std::string SimulatedClient::look_at_own(Args& args) {
  std::vector<std::string> there;
  for (const auto& [name, own] : sent_)
    if (own.is_there()) there.push_back(name);
  const auto chosen = std::next(sent_.begin(), static_cast<std::ptrdiff_t>(dice_.below(sent_.size())));
  const auto& [name, own] = *chosen;
  const bool is_list = own.kind == Own::Kind::list;
  const auto found = [&](bool good) {
    return array(good && own.is_there() ? std::vector{bulk(name)} : std::vector<std::string>());
  };
  switch (dice_.below(5)) {
    case 0:
      args = {"KEYS", name};
      return found(true);
    case 1:
      args = {"SCAN", "0", "COUNT", "100", "MATCH", name};
      return array({bulk("0"), found(true)});
    case 2:
      args = {"SCAN", "0", "TYPE", "list", "MATCH", name, "COUNT", "100"};
      return array({bulk("0"), found(is_list)});
    case 3:
      if (there.size() > 1) break;
      args = {"RANDOMKEY"};
      return there.empty() ? "$-1\r\n" : bulk(there[0]);
    default:
      break;
  }
  args = {"DBSIZE"};
  return integer(static_cast<int64_t>(there.size()));
}

void SimulatedClient::add_own() {
  ++groups_;
  Args args;
  std::vector<Write> writes;
  std::string reply = command_for_own(args, writes);
  add_exact(args, std::move(reply), writes.size());
  std::move(writes.begin(), writes.end(), std::back_inserter(open_));
}

void SimulatedClient::add_own_transaction() {
  add_exact({"MULTI"}, "+OK\r\n");
  const std::map<std::string, Own> before = sent_;
  std::vector<std::string> replies;
  std::vector<Write> writes;
  ++groups_;
  const auto queue = [&](const Args& args, std::string reply) {
    replies.push_back(std::move(reply));
    add_exact(args, "+QUEUED\r\n");
  };
  for (uint64_t i = 0, count = 1 + dice_.below(5); i < count; ++i) {
    Args args;
    std::string reply = command_for_own(args, writes);
    queue(args, std::move(reply));
    if (!dice_.one_in(12)) continue;
    // An empty database in the place of its own, for a while.
    const Args exchange{"SWAPDB", database_, std::to_string(number_ + kSpareDatabases)};
    queue(exchange, "+OK\r\n");
    queue({"RANDOMKEY"}, "$-1\r\n");
    queue({"SET", "own.away", "x"}, "+OK\r\n");
    queue({"DBSIZE"}, integer(1));
    dice_.one_in(2) ? queue({"FLUSHDB"}, "+OK\r\n") : queue({"DEL", "own.away"}, integer(1));
    queue({"KEYS", "*"}, array({}));
    queue(exchange, "+OK\r\n");
  }
  if (dice_.one_in(8)) {
    sent_ = before;
    return add_exact({"DISCARD"}, "+OK\r\n");
  }
  add_exact({"EXEC"}, array(replies), writes.size());
  std::move(writes.begin(), writes.end(), std::back_inserter(open_));
}

void SimulatedClient::counted(const std::string& counter, int64_t value) {
  int64_t& last = last_count_[counter];
  CHECK_MESSAGE(value > last,
                "client " << number_ << " has counted " << last << " before " << value << " of " << counter);
  last = value;
  shared_.counted(counter, value);
}

// Happens as a whole, or not at all because another client came in between.
void SimulatedClient::add_count_under_watch() {
  shared_.count_sent("watched");
  add_exact({"WATCH", "watched"}, "+OK\r\n");
  add_exact({"MULTI"}, "+OK\r\n");
  add_exact({"INCR", "watched"}, "+QUEUED\r\n");
  add({"EXEC"}, "EXEC under WATCH", [this](const std::string& reply) {
    if (reply == "*-1\r\n") return shared_.not_counted("watched");
    REQUIRE_MESSAGE(reply.starts_with("*1\r\n"), "EXEC under WATCH: " << reply);
    const auto value = number(std::string_view(reply).substr(4));
    REQUIRE_MESSAGE(value, "EXEC under WATCH: " << reply);
    counted("watched", *value);
  });
}

void SimulatedClient::add_blocking() {
  if (dice_.one_in(2)) {
    const std::string token = shared_.next_token(number_);
    shared_.token_sent(token);
    return add({"RPUSH", "queue", token}, "RPUSH queue", [this, token](const std::string& reply) {
      REQUIRE_MESSAGE(number(reply), "RPUSH to the queue: " << reply);
      shared_.queued(token);
    });
  }
  add({"BLPOP", "queue", dice_.one_in(2) ? "0.05" : "0.2"}, "BLPOP queue", [this](const std::string& reply) {
    if (reply == "*-1\r\n") return;
    const auto taken = bulks(reply);
    REQUIRE_MESSAGE((taken && taken->size() == 2 && taken->at(0) == "queue"), "BLPOP: " << reply);
    shared_.taken(*taken->at(1));
  });
  awaited_.back().takes = true;
}

void SimulatedClient::add_shared() {
  const auto [left, right] = Shared::kPair;
  switch (dice_.below(8)) {
    case 0:
      if (dice_.one_in(2)) return add_count_under_watch();
      shared_.count_sent("counter");
      return add({"INCR", "counter"}, "INCR counter", [this](const std::string& reply) {
        const auto value = number(reply);
        REQUIRE_MESSAGE(value, "INCR of the counter: " << reply);
        counted("counter", *value);
      });
    case 1: {
      const std::string token = shared_.next_token(number_);
      shared_.token_sent(token);
      return add({"RPUSH", "list", token}, "RPUSH list", [this, token](const std::string& reply) {
        REQUIRE_MESSAGE(number(reply), "RPUSH to the list: " << reply);
        shared_.token_stored(token);
      });
    }
    case 2: {
      const std::string value = text(dice_.below(500));
      add_exact({"MULTI"}, "+OK\r\n");
      for (const char* key : Shared::kPair) add_exact({"SET", key, value}, "+QUEUED\r\n");
      return add_exact({"EXEC"}, "*2\r\n+OK\r\n+OK\r\n");
    }
    case 3: {
      const std::string value = text(dice_.below(500));
      return add_exact({"MSET", left, value, right, value}, "+OK\r\n");
    }
    case 4: {
      const auto check = [this](const std::string& reply) { shared_.check_pair(reply); };
      if (dice_.one_in(2)) return add({"MGET", left, right}, "MGET pair", check);
      add_exact({"MULTI"}, "+OK\r\n");
      for (const char* key : Shared::kPair) add_exact({"GET", key}, "+QUEUED\r\n");
      return add({"EXEC"}, "EXEC of the pair", check);
    }
    case 5: {
      const uint64_t from = dice_.below(Shared::kAccounts);
      const uint64_t to = (from + 1 + dice_.below(Shared::kAccounts - 1)) % Shared::kAccounts;
      const std::string amount = std::to_string(dice_.below(100));
      add_exact({"MULTI"}, "+OK\r\n");
      add_exact({"DECRBY", shared_.account(from), amount}, "+QUEUED\r\n");
      add_exact({"INCRBY", shared_.account(to), amount}, "+QUEUED\r\n");
      return add({"EXEC"}, "EXEC of a transfer", [](const std::string& reply) {
        CHECK_MESSAGE(reply.starts_with("*2\r\n:"), "a transfer: " << reply);
      });
    }
    case 6:
      return add_blocking();
    default: {
      Args args{"MGET"};
      for (uint64_t i = 0; i < Shared::kAccounts; ++i) args.push_back(shared_.account(i));
      return add(args, "MGET accounts", [this](const std::string& reply) { shared_.check_accounts(reply); });
    }
  }
}

void SimulatedClient::send_some() {
  if (lost() || awaited_.size() > kUnansweredMax) return;
  for (uint64_t i = 0, count = 1 + dice_.below(12); i < count; ++i) {
    if (dice_.one_in(5)) {
      add_own_transaction();
    } else if (dice_.one_in(2)) {
      add_own();
    } else {
      add_exact({"SELECT", "0"}, "+OK\r\n");
      add_shared();
      add_exact({"SELECT", database_}, "+OK\r\n");
    }
  }
  connection_->send(std::exchange(out_, {}));
}

void SimulatedClient::take_answers() {
  if (!connection_) return;
  while (const size_t size = reply_size(connection_->received())) {
    const std::string reply = connection_->take(size);
    REQUIRE_MESSAGE(!awaited_.empty(), "client " << number_ << " is told " << reply << ", and has asked for nothing");
    const Awaited answered = std::move(awaited_.front());
    awaited_.pop_front();
    ++answered_;
    answered.check(reply);
    for (size_t i = 0; i < answered.writes; ++i) {
      open_.front().apply(stored_.at(open_.front().key));
      open_.pop_front();
    }
  }
}

void SimulatedClient::await_all() {
  if (lost()) return;
  connection_->read_again();
  node_.run_until([&] {
    take_answers();
    return awaited_.empty() || connection_->closed();
  });
  CHECK_MESSAGE((awaited_.empty() || connection_->closed()),
                "client " << number_ << " waits in vain for the answer to " << awaited_.front().what);
}

uint64_t SimulatedClient::takes_under_way() const {
  return static_cast<uint64_t>(
      std::count_if(awaited_.begin(), awaited_.end(), [](const Awaited& one) { return one.takes; }));
}

void SimulatedClient::recover() {
  shared_.maybe_taken(takes_under_way());
  awaited_.clear();
  connection_.emplace(node_.connect("127.0.0.1:6379", host_));
  CHECK(ask(node_, *connection_, {"SELECT", database_}) == "+OK\r\n");
  // How many of its writes each key has: all that might be, first.
  std::map<std::string, std::vector<size_t>> may_have;
  std::map<std::string, std::vector<uint64_t>> groups;
  std::map<std::string, Own> found;
  for (const auto& [name, own] : stored_) {
    const std::string reply = ask(node_, *connection_, own.reader(name));
    Own now = own;
    size_t count = 0;
    const auto look = [&] {
      if (now.reply() != reply) return;
      may_have[name].push_back(count);
      found.insert_or_assign(name, now);
    };
    look();
    for (const Write& write : open_) {
      if (write.key != name) continue;
      write.apply(now);
      groups[name].push_back(write.group);
      ++count;
      look();
    }
    REQUIRE_MESSAGE(!may_have[name].empty(), "client " << number_ << ": " << name << " holds " << reply << ", after "
                                                       << own.reply() << " and up to " << count
                                                       << " writes of which no "
                                                       << "answer came");
  }
  // Then: is there a choice that takes each EXEC as a whole?
  std::map<uint64_t, bool> happened;
  const std::function<bool(std::map<std::string, std::vector<size_t>>::const_iterator)> whole = [&](auto key) {
    if (key == may_have.end()) return true;
    return std::any_of(key->second.begin(), key->second.end(), [&](size_t count) {
      const std::map<uint64_t, bool> before = happened;
      bool good = true;
      const std::vector<uint64_t>& its = groups[key->first];
      for (size_t i = 0; i < its.size(); ++i)
        good = good && happened.emplace(its[i], i < count).first->second == (i < count);
      good = good && whole(std::next(key));
      if (!good) happened = before;
      return good;
    });
  };
  CHECK_MESSAGE(whole(may_have.cbegin()), "client " << number_ << ": an EXEC has happened in part");
  stored_ = sent_ = std::move(found);
  open_.clear();
}

}  // namespace orbit::resp::testing
