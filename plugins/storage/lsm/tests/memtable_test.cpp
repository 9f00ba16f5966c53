// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "memtable.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <thread>

using namespace orbit;
using namespace orbit::lsm;

namespace {

struct NewestFirst {
  bool operator()(const std::pair<std::string, uint64_t>& a, const std::pair<std::string, uint64_t>& b) const {
    return compare(a.first, a.second, b.first, b.second) < 0;
  }
};
using Model = std::map<std::pair<std::string, uint64_t>, std::string, NewestFirst>;

std::string digits(uint64_t number, size_t width) {
  std::string out = std::to_string(number);
  return std::string(width - std::min(width, out.size()), '0') + out;
}

void check_same(const Cursor& at, const Model& model, Model::const_iterator wanted) {
  REQUIRE(at.valid() == (wanted != model.end()));
  if (!at.valid()) return;
  REQUIRE(at.key() == wanted->first.first);
  REQUIRE(at.tag() == wanted->first.second);
  REQUIRE(at.value() == wanted->second);
}

// Whatever keys look like, the order is that of a map, in both directions and from everywhere.
void check_against_map(const std::function<std::string(std::mt19937_64&)>& key_of, const std::string& prefix) {
  std::mt19937_64 random(7);
  Memtable table(1, prefix);
  Model model;
  for (uint64_t sequence = 1; sequence <= 6000; ++sequence) {
    const std::string key = key_of(random);
    const uint64_t tag = tag_of(sequence, random() % 8 == 0 ? Kind::erase : Kind::put);
    const std::string value = digits(random() % 100000, random() % 7);
    table.add(key, tag, value);
    model[{key, tag}] = value;
  }
  const auto at = table.cursor();
  at->seek({}, ~uint64_t{0});
  for (auto it = model.cbegin(); it != model.cend(); ++it, at->next()) check_same(*at, model, it);
  REQUIRE(!at->valid());
  at->seek_before(nullptr);
  for (auto it = model.crbegin(); it != model.crend(); ++it, at->prev()) check_same(*at, model, std::prev(it.base()));
  REQUIRE(!at->valid());
  for (int i = 0; i < 2000; ++i) {
    std::string key = key_of(random);
    if (random() % 3 == 0) key.resize(key.size() / 2);
    const uint64_t tag = seek_tag(random() % 7000);
    at->seek(key, tag);
    check_same(*at, model, model.lower_bound({key, tag}));
    auto before = model.lower_bound({key, ~uint64_t{0}});
    const Bytes bytes = key;
    at->seek_before(&bytes);
    check_same(*at, model, before == model.begin() ? model.end() : std::prev(before));
    uint64_t found_tag = 0;
    Bytes value;
    const auto wanted = model.lower_bound({key, tag});
    const bool there = wanted != model.end() && wanted->first.first == key;
    REQUIRE(table.find(key, sequence_of(tag), found_tag, value) == there);
    if (there) REQUIRE(value == wanted->second);
  }
}

}  // namespace

TEST_CASE("a memtable orders keys as a map does") {
  SUBCASE("of digits") {
    check_against_map([](auto& random) { return digits(random() % 3000, 16); }, "");
  }
  SUBCASE("that begin as expected") {
    check_against_map([](auto& random) { return digits(random() % 3000, 16); }, "000000");
  }
  SUBCASE("that mostly do not begin as expected") {
    check_against_map([](auto& random) { return digits(random() % 3000, 16); }, "0000000000001");
  }
  SUBCASE("of any bytes and lengths") {
    check_against_map(
        [](auto& random) {
          std::string out(random() % 12, '\0');
          for (char& c : out) c = static_cast<char>(random() % 3 == 0 ? random() : 0);
          return out;
        },
        "");
  }
  SUBCASE("that ascend") {
    uint64_t next = 0;
    check_against_map([&](auto&) { return digits(next++, 16); }, "");
  }
  SUBCASE("that descend") {
    uint64_t next = 100000;
    check_against_map([&](auto&) { return digits(next--, 16); }, "");
  }
  SUBCASE("that are few") {
    check_against_map([](auto& random) { return digits(random() % 3, 4); }, "");
  }
}

TEST_CASE("readers of a memtable see all that was there when they began, in order, while a writer adds") {
  constexpr uint64_t kVersions = 60000;
  constexpr uint64_t kKeys = 20000;
  const auto key_of = [](uint64_t sequence) { return digits(sequence * 7919 % kKeys, 12); };
  Memtable table(1);
  std::atomic<uint64_t> written{0};
  std::atomic<uint64_t> wrong{0};
  std::thread writer([&] {
    for (uint64_t sequence = 1; sequence <= kVersions; ++sequence) {
      table.add(key_of(sequence), tag_of(sequence, Kind::put), std::to_string(sequence));
      written.store(sequence, std::memory_order_release);
    }
  });
  const auto read = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    for (;;) {
      const uint64_t sequence = written.load(std::memory_order_acquire);
      for (int i = 0; i < 200 && sequence > 0; ++i) {
        const uint64_t wanted = 1 + random() % sequence;
        uint64_t tag = 0;
        Bytes value;
        if (!table.find(key_of(wanted), wanted, tag, value) || tag != tag_of(wanted, Kind::put) ||
            value != std::to_string(wanted))
          ++wrong;
      }
      const auto at = table.cursor();
      uint64_t seen = 0;
      std::string last;
      uint64_t last_tag = 0;
      const bool backwards = random() % 2 == 0;
      backwards ? at->seek_before(nullptr) : at->seek({}, ~uint64_t{0});
      for (; at->valid(); backwards ? at->prev() : at->next()) {
        if (sequence_of(at->tag()) <= sequence) ++seen;
        const int order = compare(last, last_tag, at->key(), at->tag());
        if (last_tag != 0 && (backwards ? order <= 0 : order >= 0)) ++wrong;
        last = at->key();
        last_tag = at->tag();
      }
      if (seen != sequence) ++wrong;
      if (sequence == kVersions) return;
    }
  };
  std::thread one([&] { read(1); });
  std::thread two([&] { read(2); });
  writer.join();
  one.join();
  two.join();
  CHECK(wrong == 0);
}
