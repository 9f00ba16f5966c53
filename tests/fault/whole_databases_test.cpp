// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a node keeps of transactions over whole databases when it is killed: every one that it acknowledged, and each
// whole or not at all, whatever the durability. Inside of them, commands that look at whole databases see what the
// transaction has changed.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "crash_model.hpp"
#include "effort.hpp"
#include "node.hpp"

namespace {

using namespace orbit::fault;
using orbit::testing::with_effort;

constexpr size_t kDatabases = 3;
constexpr size_t kKeys = 10;
constexpr size_t kFillKeys = 150;

using Database = std::map<std::string, std::string>;  // of a list: its elements, each behind a blank
using Databases = std::vector<Database>;

struct Transaction {
  std::vector<Command> commands;  // one: it is sent alone, else as a MULTI ... EXEC
  std::map<size_t, std::function<bool(const Reply&)>> answers;  // what some of them must be answered
  size_t selected = 0;                                          // the database of the connection after it
};

std::string value_of(std::mt19937_64& random, uint64_t n) {
  return std::to_string(n) + std::string(random() % 8 == 0 ? 5'000 : random() % 60, 'v');
}

// Transaction n of a seed, from that database on; does to `data` what it does to a node's. Those that neither erase nor
// exchange databases are as durable as the keys' type: only of SYNC ones all that were acknowledged are there.
Transaction transaction(uint64_t seed, bool sync, uint64_t n, size_t selected, Databases& data) {
  std::mt19937_64 random(seed * 1'000'003 + n);
  Transaction out;
  const auto over_databases = [&] {
    const size_t a = random() % kDatabases;
    const size_t b = (a + 1 + random() % (kDatabases - 1)) % kDatabases;  // with itself it would change nothing
    switch (random() % 4) {
      case 0:
        out.commands.push_back({"FLUSHALL"});
        for (Database& one : data) one.clear();
        break;
      case 1:
        out.commands.push_back({"FLUSHDB", "ASYNC"});
        data[selected].clear();
        break;
      default:
        out.commands.push_back({"SWAPDB", std::to_string(a), std::to_string(b)});
        std::swap(data[a], data[b]);
    }
  };
  // What looks at a whole database finds what the commands before it have left.
  const auto look = [&] {
    const Database& now = data[selected];
    const auto add = [&](const Command& command, std::function<bool(const Reply&)> good) {
      out.answers[out.commands.size()] = std::move(good);
      out.commands.push_back(command);
    };
    const auto are_all = [now](const std::vector<Reply>& keys) {
      std::set<std::string> seen;
      for (const Reply& key : keys) seen.insert(key.text);
      return seen.size() == keys.size() && seen.size() == now.size() &&
             std::all_of(seen.begin(), seen.end(), [&](const std::string& key) { return now.contains(key); });
    };
    switch (random() % 5) {
      case 0:
        return add({"KEYS", "*"}, [are_all](const Reply& reply) { return are_all(reply.list); });
      case 1:
        return add({"SCAN", "0", "COUNT", "10000"}, [are_all](const Reply& reply) {
          return reply.list.size() == 2 && reply.list[0].text == "0" && are_all(reply.list[1].list);
        });
      case 2:
        return add({"RANDOMKEY"}, [now](const Reply& reply) {
          return now.empty() ? reply.kind == Reply::Kind::none : now.contains(reply.text);
        });
      case 3: {
        std::string keyspace = "# Keyspace\r\n";
        for (size_t i = 0; i < kDatabases; ++i)
          if (!data[i].empty()) keyspace += "db" + std::to_string(i) + ":keys=" + std::to_string(data[i].size()) + "\r\n";
        return add({"INFO", "keyspace"}, [keyspace](const Reply& reply) { return reply.text == keyspace; });
      }
      default:
        return add({"DBSIZE"}, [size = static_cast<int64_t>(now.size())](const Reply& reply) {
          return reply.kind == Reply::Kind::integer && reply.integer == size;
        });
    }
  };
  const auto over_keys = [&] {
    const std::string key = "k" + std::to_string(random() % kKeys);
    switch (random() % 8) {
      case 0: {
        Command fill{"MSET"};
        for (size_t i = 0; i < kFillKeys; ++i) {
          fill.insert(fill.end(), {"fill" + std::to_string(i), std::to_string(n)});
          data[selected]["fill" + std::to_string(i)] = std::to_string(n);
        }
        out.commands.push_back(fill);
        break;
      }
      case 1:
        out.commands.push_back({"DEL", key});
        data[selected].erase(key);
        break;
      case 2: {  // long enough for records of its own
        const std::string list = "l" + std::to_string(random() % 2);
        Command push{"RPUSH", list};
        for (size_t i = random() % 40; i < 40; ++i) {
          const std::string element = value_of(random, n).substr(0, 80);
          push.push_back(element);
          data[selected][list] += ' ' + element;
        }
        out.commands.push_back(push);
        break;
      }
      case 3:
        selected = random() % kDatabases;
        out.commands.push_back({"SELECT", std::to_string(selected)});
        break;
      case 4: {  // the values of these keys
        const std::string numbers = std::to_string(random() % kFillKeys);
        out.commands.push_back({"RPUSH", "lnumbers", numbers});
        data[selected]["lnumbers"] += ' ' + numbers;
        break;
      }
      case 5: {
        out.commands.push_back({"SORT", "lnumbers", "BY", "fill*", "GET", "fill*", "STORE", "lsorted"});
        Database& database = data[selected];
        database.erase("lsorted");
        const auto numbers = database.find("lnumbers");
        if (numbers == database.end()) break;
        const auto fill = database.find("fill0");  // all have the same value
        const std::string value = ' ' + (fill != database.end() ? fill->second : std::string());
        std::string& sorted = database["lsorted"];
        for (const char c : numbers->second)
          if (c == ' ') sorted += value;
        break;
      }
      default: {
        const std::string value = value_of(random, n);
        out.commands.push_back({"SET", key, value});
        data[selected][key] = value;
      }
    }
  };
  if (random() % 6 == 0) {
    over_databases();
  } else {
    const size_t before = random() % 4;
    const size_t behind = 1 + random() % 4;
    const auto some = [&](size_t count) {
      for (size_t i = 0; i < count; ++i) random() % 3 == 0 ? look() : over_keys();
    };
    some(before);
    if (!sync || random() % 2 == 0) over_databases();
    some(behind);
    look();
    over_keys();
    if (random() % 3 == 0) over_databases();
  }
  out.selected = selected;
  return out;
}

// For a message: the commands up to that one, whose answer is wrong.
std::string text_of(const std::vector<Command>& commands, size_t number) {
  std::string out = "wrong answer to the last of";
  for (size_t i = 0; i <= number; ++i) {
    out += "\n ";
    for (const std::string& word : commands[i]) out += ' ' + word.substr(0, 20);
  }
  return out;
}

size_t send(RespClient& client, const Transaction& it) {
  if (it.commands.size() == 1) {
    client.add(it.commands[0]);
    return 1;
  }
  client.add({"MULTI"});
  for (const Command& command : it.commands) client.add(command);
  client.add({"EXEC"});
  return it.commands.size() + 2;
}

Databases read_all(RespClient& client) {
  Databases out(kDatabases);
  for (size_t i = 0; i < kDatabases; ++i) {
    REQUIRE(client.call({"SELECT", std::to_string(i)}).text == "OK");
    const Reply keys = client.call({"KEYS", "*"});
    CHECK(client.call({"DBSIZE"}).integer == static_cast<int64_t>(keys.list.size()));
    for (const Reply& key : keys.list) {
      std::string& value = out[i][key.text];
      if (key.text[0] != 'l') {
        value = client.call({"GET", key.text}).text;
        continue;
      }
      for (const Reply& element : client.call({"LRANGE", key.text, "0", "-1"}).list) value += ' ' + element.text;
    }
  }
  REQUIRE(client.call({"SELECT", "0"}).text == "OK");
  return out;
}

// What a client has sent and heard, and what has to be there because of that.
struct Client {
  uint64_t seed;
  bool sync;
  uint64_t base = 0;  // what is surely done, which data is
  uint64_t acknowledged = 0;
  uint64_t sent = 0;
  Databases data = Databases(kDatabases);
  size_t selected = 0;  // by `base`: each connection begins with database 0
};

// Until the connection ends, a few transactions at a time.
void write(Client& its, RespClient& client, std::string& error) {
  constexpr uint64_t kMost = 100'000;
  try {
    Databases ahead = its.data;
    size_t selected = 0;
    while (its.sent < its.base + kMost) {
      std::vector<std::pair<Transaction, size_t>> under_way;
      for (uint64_t left = 1 + its.sent % 3; left > 0; --left) {
        Transaction next = transaction(its.seed, its.sync, its.sent, selected, ahead);
        selected = next.selected;
        const size_t replies = send(client, next);
        under_way.emplace_back(std::move(next), replies);
        ++its.sent;
      }
      client.flush();
      for (const auto& [it, count] : under_way) {
        Reply reply;
        for (size_t i = 0; i < count; ++i) {
          reply = client.read();
          for (const Reply& one : reply.list)
            if (one.is_error()) error = one.text;
          if (reply.is_error()) error = reply.text;
          if (!error.empty()) return;
        }
        for (const auto& [number, good] : it.answers) {
          if (good(count == 1 ? reply : reply.list.at(number))) continue;
          error = "transaction " + std::to_string(its.acknowledged) + ": " + text_of(it.commands, number);
          return;
        }
        ++its.acknowledged;
      }
    }
  } catch (const ConnectionLost&) {
  }
}

// Finds out how many transactions are there; they must be whole, and all that were acknowledged.
void verify(Client& its, RespClient& client) {
  const Databases found = read_all(client);
  uint64_t n = its.base;
  while (n < its.acknowledged || (n < its.sent && found != its.data)) {
    its.selected = transaction(its.seed, its.sync, n, its.selected, its.data).selected;
    ++n;
  }
  INFO("acknowledged " << its.acknowledged << ", sent " << its.sent);
  REQUIRE(found == its.data);
  its.base = its.acknowledged = its.sent = n;
  its.selected = 0;
}

void kill_at_random_moments(const std::string& durability, int workers, size_t kills) {
  const char* text = getenv("ORBIT_FAULT_SEED");
  const uint64_t seed = text != nullptr ? std::stoull(text) : std::random_device{}();
  MESSAGE("ORBIT_FAULT_SEED=" << seed << ", " << durability << ", workers " << workers);
  std::mt19937_64 random(seed);
  const Directory folder;
  NodeSettings settings;
  settings.durability = durability;
  settings.workers = workers;
  settings.data = folder.path() / "data";
  settings.storage = "write_buffer_bytes = 1048576\nblock_cache_bytes = 1048576\nwal.bytes_max = 4194304\n";
  settings.redis = "key_idle_timeout_ms = 1\nflush_delay_ms = 20\n";
  Client its{seed, durability == "sync"};
  uint64_t total = 0;
  // Some more where the machine is too slow for a transaction before each kill.
  for (size_t round = 0; round < kills || (total <= kills && round < 20 * kills); ++round) {
    INFO("round " << round << ", seed " << seed);
    Node node(folder.path(), settings);
    const uint16_t port = node.await_ready();
    RespClient reader(port);
    verify(its, reader);
    RespClient client(port);
    std::string error;
    std::thread writer([&] { write(its, client, error); });
    std::this_thread::sleep_for(
        std::chrono::microseconds(1'000 + random() % 200'000));  // the fault itself: a random moment
    node.kill();
    writer.join();
    REQUIRE_MESSAGE(error.empty(), error);
    total = its.acknowledged;
  }
  Node node(folder.path(), settings);
  RespClient reader(node.await_ready());
  verify(its, reader);
  MESSAGE(total << " transactions were acknowledged");
  CHECK(total > kills);
  CHECK(node.stop() == 0);
}

}  // namespace

TEST_CASE("a node that is killed has every acknowledged EXEC over whole databases, whole") {
  kill_at_random_moments("sync", 1, with_effort(8));
  kill_at_random_moments("sync", 2, with_effort(12));
  kill_at_random_moments("async", 2, with_effort(12));
  kill_at_random_moments("none", 2, with_effort(6));
}
