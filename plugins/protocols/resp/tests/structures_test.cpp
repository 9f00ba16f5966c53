// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The containers behind the values, against plain ones.
#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <random>
#include <set>

#include "list.hpp"
#include "seed.hpp"
#include "sorted_set.hpp"

namespace orbit::resp::testing {
namespace {

TEST_CASE("a sorted set keeps order, ranks and counts like a plain set of pairs") {
  const uint64_t seed = seed_of_this_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  SortedSet ours;
  std::set<std::pair<double, std::string>> plain;
  std::map<std::string, double> scores;
  for (int i = 0; i < 60'000; ++i) {
    // First it grows, then it shrinks, so that nodes are split and joined.
    const bool growing = i < 35'000;
    const std::string name = "n" + std::to_string(random() % 20'000);
    const double score = static_cast<double>(random() % 500);
    const uint32_t id = ours.find(name);
    REQUIRE((id != SortedSet::kNone) == (scores.count(name) == 1));
    if (id == SortedSet::kNone) {
      if (!growing && random() % 4 != 0) continue;
      ours.add(name, score);
      plain.emplace(score, name);
      scores[name] = score;
    } else if (growing) {
      plain.erase({scores[name], name});
      ours.set_score(id, score);
      plain.emplace(score, name);
      scores[name] = score;
    } else {
      plain.erase({scores[name], name});
      ours.remove(id);
      scores.erase(name);
    }
    if (i % 5000 != 0) continue;
    REQUIRE(ours.size() == plain.size());
    size_t rank = 0;
    auto place = ours.at(0);
    for (const auto& [wanted_score, wanted_name] : plain) {
      REQUIRE(place.item().score == wanted_score);
      REQUIRE(ours.name(place.item().id) == wanted_name);
      if (rank % 97 == 0) {
        REQUIRE(ours.rank(place.item().id) == rank);
        REQUIRE(ours.at(rank).item().id == place.item().id);
      }
      place.forward();
      ++rank;
    }
    REQUIRE(!place.valid());
    const auto below = static_cast<size_t>(std::distance(plain.begin(), plain.lower_bound({250.0, ""})));
    REQUIRE(ours.count_below(250.0) == below);
  }
}

TEST_CASE("a sorted set that is emptied gives its tree back") {
  SortedSet set;
  for (int i = 0; i < 10'000; ++i) set.add(std::to_string(i), i);
  for (int i = 0; i < 10'000; ++i) set.remove(set.at(set.size() / 2).item().id);
  CHECK(set.size() == 0);
  set.add("again", 1);
  CHECK(set.name(set.at(0).item().id) == "again");
}

TEST_CASE("a list behaves like a deque") {
  const uint64_t seed = seed_of_this_run();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    List ours;
    std::deque<std::string> plain;
    for (int i = 0; i < 3000; ++i) {
      const std::string element =
          random() % 40 == 0 ? std::string(random() % 6000, 'y') : std::to_string(random() % 30);
      const size_t at = plain.empty() ? 0 : random() % plain.size();
      switch (random() % (plain.size() > 1500 ? 12 : 8)) {
        case 0:
        case 1:
          ours.push_front(element);
          plain.push_front(element);
          break;
        case 2:
        case 3:
          ours.push_back(element);
          plain.push_back(element);
          break;
        case 4:
        case 5:
          if (plain.empty()) break;
          ours.insert(ours.place(at), element);
          plain.insert(plain.begin() + static_cast<long>(at), element);
          break;
        case 6:
          if (plain.empty()) break;
          ours.replace(ours.place(at), element);
          plain[at] = element;
          break;
        case 7: {
          if (random() % 50 != 0) break;
          const size_t removed = ours.remove(element, SIZE_MAX, random() % 2 == 0);
          REQUIRE(removed == std::erase(plain, element));
          break;
        }
        case 8:
          ours.pop_front();
          plain.pop_front();
          break;
        case 9:
          ours.pop_back();
          plain.pop_back();
          break;
        case 10:
          if (random() % 100 != 0) break;
          ours.trim(at / 2, plain.size() / 2);
          plain = std::deque<std::string>(plain.begin() + static_cast<long>(at / 2),
                                          plain.begin() + static_cast<long>(at / 2 + plain.size() / 2));
          break;
        default:
          break;
      }
      REQUIRE(ours.size() == plain.size());
      if (!plain.empty()) {
        const size_t probe = random() % plain.size();
        REQUIRE(ours.at(ours.place(probe)) == plain[probe]);
      }
    }
    size_t i = 0;
    for (List::Place place = ours.begin(); ours.valid(place); place = ours.next(place)) {
      REQUIRE(ours.at(place) == plain[i++]);
    }
    REQUIRE(i == plain.size());
    if (!plain.empty()) {
      for (List::Place place = ours.place(plain.size() - 1); ours.valid(place); place = ours.previous(place)) {
        REQUIRE(ours.at(place) == plain[--i]);
      }
      REQUIRE(i == 0);
    }
  }
}

TEST_CASE("chunks go on between neighbours whose numbers leave no room") {
  List list;
  for (int i = 0; i < 200; ++i) list.push_back("end");
  // Each insertion behind the first chunk halves the distance of the numbers there.
  for (int i = 0; i < 20'000; ++i) list.insert(list.place(100), std::string(100, 'm'));
  CHECK(list.size() == 20'200);
  CHECK(list.at(list.place(99)) == "end");
  CHECK(list.at(list.place(20'100)) == "end");
}

}  // namespace
}  // namespace orbit::resp::testing
