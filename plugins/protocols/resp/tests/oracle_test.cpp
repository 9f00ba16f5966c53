// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The same random commands to this engine and to redis-server 7.0; every reply must be the same, byte for byte where
// order means something.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "keyspace.hpp"
#include "oracle_templates.hpp"
#include "redis_oracle.hpp"
#include "seed.hpp"

namespace orbit::resp::testing {
namespace {

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  size_t below(size_t bound) { return random_() % bound; }

  Words fill(const Template& shape) {
    const Words tokens = words(shape.line);
    Words out;
    size_t count_at = 0;
    for (const std::string& token : tokens) {
      if (token[0] != '$') {
        out.push_back(token);
      } else if (token == "$N") {
        count_at = out.size();
        out.emplace_back();
      } else {
        const bool many = token.back() == '+';
        const size_t times = many ? 1 + below(4) : 1;
        for (size_t i = 0; i < times; ++i) add(out, many ? token.substr(0, token.size() - 1) : token);
        if (count_at != 0 && out[count_at].empty()) out[count_at] = std::to_string(times);
      }
    }
    // With unequal scores the order by name would mean nothing.
    if (out[1] != "zlex" && below(40) == 0) {
      std::string& chosen = out[1 + below(out.size() - 1)];
      chosen = garbage();
      // Redis 7.0 negates it, which C leaves undefined; later versions refuse it, as this engine does.
      if ((out[0] == "LREM" || out[0] == "LPOS") && chosen == "-9223372036854775808") chosen = "-9223372036854775807";
    }
    return out;
  }

 private:
  static std::string of(std::initializer_list<const char*> list, size_t i) { return *(list.begin() + i); }

  void add(Words& out, const std::string& token) {
    if (token == "$fv") {
      out.push_back(token_for("$f"));
      out.push_back(token_for("$v"));
    } else if (token == "$dm") {
      out.push_back(token_for("$d"));
      out.push_back(token_for("$m"));
    } else if (token == "$kv") {
      out.push_back(token_for("$s"));
      out.push_back(token_for("$v"));
    } else {
      out.push_back(token_for(token));
    }
  }

  std::string token_for(std::string_view token) {
    switch (token[1]) {
      case 's':
      case 'h':
      case 'l':
      case 't':
      case 'z':
        if (below(60) == 0) return token_for("$k");
        return std::string(1, token[1]) + std::to_string(below(3));
      case 'k':
        return std::string(1, "shltz"[below(5)]) + std::to_string(below(3));
      case 'v': {
        const size_t kind = below(10);
        if (kind < 3) return std::to_string(static_cast<int>(below(30)) - 10);
        if (kind == 3) return std::string(below(100), static_cast<char>('a' + below(3)));
        if (kind == 4) return below(20) == 0 ? std::string(below(6000), 'x') : std::string();
        return "v" + std::to_string(below(20));
      }
      case 'f':
        return below(50) == 0 ? std::string(70, 'f') : "f" + std::to_string(below(300));
      case 'm':
        return below(50) == 0 ? std::string(70, 'm') : "m" + std::to_string(below(300));
      case 'i':
        return std::to_string(static_cast<int>(below(40)) - 15);
      case 'n':
        return std::to_string(below(12));
      case 'd': {
        const size_t kind = below(20);
        if (kind == 0) return "inf";
        if (kind == 1) return "-inf";
        if (kind < 6) return std::to_string(static_cast<int>(below(100)) - 50) + "." + std::to_string(below(1000));
        if (kind == 6) return "1e" + std::to_string(below(15));
        return std::to_string(static_cast<int>(below(60)) - 20);
      }
      case 'B': {
        const size_t kind = below(6);
        if (kind < 2) return kind == 0 ? "-" : "+";
        return (kind < 4 ? "[m" : "(m") + std::to_string(below(300));
      }
      case 'S': {
        const size_t kind = below(8);
        if (kind < 2) return kind == 0 ? "-inf" : "+inf";
        return (kind < 5 ? "" : "(") + std::to_string(static_cast<int>(below(80)) - 30);
      }
      default:
        return std::to_string(32'000'000'000 + below(5));
    }
  }

  std::string garbage() {
    return of({"foo", "", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1.5", "nan", "inf",
               " 1", "0x10"},
              below(10));
  }

  std::mt19937_64 random_;
};

// A cursor that neither side gave means what its own hash table makes of it.
Order order_of(const Template& shape, const Words& args) {
  const bool scan = shape.order == Order::scan_elements || shape.order == Order::scan_pairs;
  return scan && args[2] != "0" ? Order::scan_anything : shape.order;
}

std::string joined(const Words& args) {
  std::string out;
  for (const std::string& arg : args) out += (out.empty() ? "" : " ") + (arg.size() > 200 ? arg.substr(0, 200) : arg);
  return out;
}

void compare(int protocol) {
  constexpr int kRounds = 8;
  constexpr int kCommands = 2500;
  const uint64_t seed = seed_of_this_run();
  CAPTURE(seed);
  RedisOracle oracle(protocol);
  Generator generator(seed);
  for (int round = 0; round < kRounds; ++round) {
    Keyspace ours(protocol);
    oracle.run({"FLUSHALL"});
    Words history;
    for (int i = 0; i < kCommands; ++i) {
      const Template& shape = kTemplates[generator.below(std::size(kTemplates))];
      const Words args = generator.fill(shape);
      const Order order = order_of(shape, args);
      ours.now_ms = static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count());
      const std::string theirs = canonical(oracle.run(args), order);
      const std::string mine = canonical(ours.run(args), order);
      history.push_back(joined(args));
      if (mine == theirs) continue;
      std::string last;
      for (size_t h = history.size() > 8 ? history.size() - 8 : 0; h < history.size(); ++h) last += history[h] + "\n";
      const size_t at = static_cast<size_t>(
          std::mismatch(mine.begin(), mine.end(), theirs.begin(), theirs.end()).first - mine.begin());
      constexpr size_t kShownBytes = 60;
      const size_t from = at > kShownBytes ? at - kShownBytes : 0;
      CAPTURE(round);
      CAPTURE(last);
      const std::string mine_there = mine.substr(from, 2 * kShownBytes);
      const std::string theirs_there = theirs.substr(from, 2 * kShownBytes);
      REQUIRE(mine_there == theirs_there);
      REQUIRE(mine.size() == theirs.size());
    }
  }
}

TEST_CASE("replies under RESP2 equal those of redis-server") { compare(2); }
TEST_CASE("replies under RESP3 equal those of redis-server") { compare(3); }

}  // namespace
}  // namespace orbit::resp::testing
