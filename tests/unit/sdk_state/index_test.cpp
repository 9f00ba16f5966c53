// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Secondary indexes: in step with the state, unique where they say so, built when they are new.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "actor/indexes.hpp"
#include "people.hpp"
#include "state/record_format.hpp"
#include "typed_node.hpp"

using namespace people;

namespace test {
namespace {

using Names = std::vector<std::string>;

template <class Proxy>
Names names(const orbit::Page<Proxy>& page) {
  Names out;
  for (const Proxy& proxy : page.actors) out.push_back(proxy.key());
  return out;
}

PersonState person(std::string email, std::string town, int64_t cents = 0) {
  PersonState state;
  state.set_email(std::move(email));
  state.set_town(std::move(town));
  state.set_cents(cents);
  return state;
}

struct PeopleNode : TypedNode {
  explicit PeopleNode(Disk& disk, uint64_t seed = 1, uint32_t workers = 3) : TypedNode(disk, seed, workers) {
    REQUIRE(publish<PersonActor, GuestActor>("people"));
    ready("people.Person");
    ready("people.Guest");
  }
  void ready(const std::string& type) {
    const orbit_type* handle = runtime.types().find(type);
    REQUIRE(run_until([&] {
      const TypeVersion* version = handle->current.load();
      return std::all_of(version->indexes.begin(), version->indexes.end(), [&](const orbit_index& index) {
        return runtime.indexes().shown(handle, index.number).stage == "ready";
      });
    }));
  }
  template <class Proxy = Person>
  orbit::Result<Nothing> set(const std::string& key, PersonState state, bool then_error = false, bool save = false) {
    Change change;
    *change.mutable_state() = std::move(state);
    change.set_then_error(then_error);
    change.set_save(save);
    return ask(Proxy(key), ORBIT_TEST_METHOD(set), change);
  }
  template <class Proxy, class Value>
  orbit::Result<orbit::Page<Proxy>> find(orbit::IndexQuery<Proxy, Value> query) {
    auto task = [](orbit::IndexQuery<Proxy, Value> its) -> orbit::Task<orbit::Page<Proxy>> {
      orbit::Page<Proxy> page = co_await its;
      co_return page;
    };
    return wait(task(std::move(query)));
  }
  template <class Proxy, class Value>
  Names found(orbit::IndexQuery<Proxy, Value> query) {
    auto page = find(std::move(query));
    REQUIRE_MESSAGE(page, page.error().message);
    return names(*page);
  }
  size_t entries(std::string_view type) const { return count_keys(disk, 'i', type); }
  Disk& disk = *disk_;
  static inline Disk* disk_ = nullptr;
};

struct WithDisk {
  explicit WithDisk(Disk& disk) { PeopleNode::disk_ = &disk; }
};

TEST_CASE("actors are found by equality and by range, in order, and page by page") {
  Disk disk;
  const WithDisk with(disk);
  PeopleNode node(disk);
  for (int i = 0; i < 20; ++i)
    REQUIRE(
        node.set("k" + std::to_string(i), person("e" + std::to_string(i), i % 2 == 0 ? "bern" : "basel", i * 10 - 50)));
  CHECK(node.found(Person::by_email("e7")) == Names{"k7"});
  CHECK(node.found(Person::by_email("e")).empty());
  CHECK(node.found(Person::by_town("bern")).size() == 10);
  CHECK(node.found(Person::by_town().starts_with("b")).size() == 20);
  CHECK(node.found(Person::by_town().starts_with("ba")).size() == 10);
  CHECK(node.found(Person::by_balance().at_least(-30).less_than(0)) == Names{"k2", "k3", "k4"});
  CHECK(node.found(Person::by_balance().more_than(-30).at_most(0)) == Names{"k3", "k4", "k5"});
  CHECK(node.found(Person::by_balance().less_than(-30).descending()) == Names{"k1", "k0"});
  CHECK(node.found(Person::by_balance().at_least(5).less_than(5)).empty());
  for (const bool descending : {false, true}) {
    Names all;
    std::string next;
    for (int pages = 0; pages < 20; ++pages) {
      auto query = Person::by_balance().limit(3).after(next);
      auto page = node.find(descending ? std::move(query).descending() : std::move(query));
      REQUIRE(page);
      const Names some = names(*page);
      all.insert(all.end(), some.begin(), some.end());
      next = page->next;
      if (next.empty()) break;
    }
    REQUIRE(all.size() == 20);
    CHECK(all[0] == (descending ? "k19" : "k0"));
    CHECK(all[19] == (descending ? "k0" : "k19"));
  }
  CHECK(node.find(Person::by_balance().limit(0)).error().code == orbit::Code::invalid_argument);
  CHECK(node.find(Person::by_balance().limit(10'001)).error().code == orbit::Code::invalid_argument);
}

TEST_CASE("every kind of field is found by its value") {
  Disk disk;
  const WithDisk with(disk);
  PeopleNode node(disk);
  PersonState state = person("a@x", "bern", std::numeric_limits<int64_t>::min());
  state.add_tags("red");
  state.add_tags("blue");
  state.add_tags("red");
  state.set_member(true);
  state.set_score(-1.5);
  state.set_token(std::string("\0\1\xff", 3));
  state.set_age(4'000'000'000);
  state.set_rank(RANK_HIGH);
  REQUIRE(node.set("a", state));
  REQUIRE(node.set("b", person("b@x", "bern")));
  CHECK(node.found(Person::by_tag("red")) == Names{"a"});
  CHECK(node.found(Person::by_tag("blue")) == Names{"a"});
  CHECK(node.found(Person::by_member(true)) == Names{"a"});
  CHECK(node.found(Person::by_member()) == Names{"a"});  // not set: no entry
  CHECK(node.found(Person::by_score(-1.5)) == Names{"a"});
  CHECK(node.found(Person::by_score(-0.0)) == Names{"b"});
  CHECK(node.found(Person::by_token(std::string_view("\0\1\xff", 3))) == Names{"a"});
  CHECK(node.found(Person::by_age(4'000'000'000)) == Names{"a"});
  CHECK(node.found(Person::by_rank(RANK_HIGH)) == Names{"a"});
  CHECK(node.found(Person::by_balance(std::numeric_limits<int64_t>::min())) == Names{"a"});
}

TEST_CASE("entries follow the state: changed, failed, erased, expired turns") {
  Disk disk;
  const WithDisk with(disk);
  PeopleNode node(disk);
  REQUIRE(node.set("a", person("a@x", "bern")));
  const auto stored = disk.data;
  CHECK_FALSE(node.set("a", person("other@x", "basel"), true));
  CHECK(disk.data == stored);
  CHECK(node.found(Person::by_town("basel")).empty());
  REQUIRE(node.set("a", person("a@x", "basel")));
  CHECK(node.found(Person::by_town("bern")).empty());
  CHECK(node.found(Person::by_town("basel")) == Names{"a"});
  node.deactivate_all();
  REQUIRE(node.set("a", person("a@x", "chur")));
  CHECK(node.found(Person::by_town("basel")).empty());
  REQUIRE(node.ask(Person("a"), ORBIT_TEST_METHOD(erase), Nothing()));
  CHECK(node.entries("people.Person") == 0);
}

TEST_CASE("two actors cannot have one unique value, however close together they ask for it") {
  Disk disk;
  const WithDisk with(disk);
  PeopleNode node(disk);
  REQUIRE(node.set("a", person("one@x", "bern")));
  const auto taken = node.set("b", person("one@x", "basel"));
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == orbit::Code::already_exists);
  CHECK(taken.error().message.find("email") != std::string::npos);
  CHECK(taken.error().message.find("\"one@x\"") != std::string::npos);
  CHECK(node.found(Person::by_town("basel")).empty());
  // An actor keeps its own, and what it gives up is free.
  REQUIRE(node.set("a", person("one@x", "chur")));
  REQUIRE(node.set("a", person("two@x", "chur")));
  REQUIRE(node.set("b", person("one@x", "basel")));
  // Empty is no value.
  REQUIRE(node.set("c", person("", "basel")));
  REQUIRE(node.set("d", person("", "basel")));
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::deque<std::optional<orbit::Result<Nothing>>> outs;
    for (int i = 0; i < 8; ++i) {
      auto task = [](std::string key, std::string email) -> orbit::Task<Nothing> {
        const Person to(key);
        Change change;
        *change.mutable_state() = person(email, "race");
        Nothing out = co_await to.set(change);
        co_return out;
      };
      node.start(task("r" + std::to_string(i), "race" + std::to_string(seed)), outs.emplace_back(),
                 static_cast<uint32_t>(i % 3));
    }
    REQUIRE(node.run_until(
        [&] { return std::all_of(outs.begin(), outs.end(), [](const auto& out) { return out.has_value(); }); }));
    CHECK(std::count_if(outs.begin(), outs.end(), [](const auto& out) { return out->has_value(); }) == 1);
    CHECK(node.found(Person::by_email("race" + std::to_string(seed))).size() == 1);
    for (int i = 0; i < 8; ++i) REQUIRE(node.ask(Person("r" + std::to_string(i)), ORBIT_TEST_METHOD(erase), Nothing()));
  }
}

TEST_CASE("a unique value that was given up is free at once, also when storage does not know yet") {
  Disk disk;
  const WithDisk with(disk);
  PeopleNode node(disk);
  REQUIRE(node.set<Guest>("a", person("one@x", "bern")));
  CHECK_FALSE(node.set<Guest>("b", person("one@x", "bern")));
  REQUIRE(node.set<Guest>("a", person("two@x", "bern")));
  REQUIRE(node.set<Guest>("b", person("one@x", "bern")));
  REQUIRE(node.set<Guest>("a", person("three@x", "bern")));
  REQUIRE(node.set<Guest>("a", person("two@x", "bern")));
  CHECK_FALSE(node.set<Guest>("b", person("two@x", "bern")));
  // A query stores what is in memory first.
  CHECK(node.found(Guest::by_email("two@x")) == Names{"a"});
  CHECK(node.found(Guest::by_town("bern")) == Names{"a", "b"});
}

TEST_CASE("a unique value is taken by a save in the middle of a turn, and a refused write gives it back") {
  Disk disk;
  const WithDisk with(disk);
  PeopleNode node(disk);
  CHECK_FALSE(node.set("a", person("one@x", "bern"), true, true));
  CHECK(node.found(Person::by_email("one@x")) == Names{"a"});
  CHECK_FALSE(node.set("b", person("one@x", "bern"), false, true));
  disk.full = true;
  CHECK_FALSE(node.set("c", person("three@x", "bern")));
  disk.full = false;
  node.pass_ms(5000);
  REQUIRE(node.set("d", person("three@x", "bern")));
  CHECK(node.found(Person::by_email("three@x")) == Names{"d"});
}

TEST_CASE("a turn asks the index and calls whom it found") {
  Disk disk;
  const WithDisk with(disk);
  PeopleNode node(disk);
  for (const char* key : {"a", "b", "c"}) REQUIRE(node.set(key, person(key, "bern")));
  const auto keys = node.ask(Person("b"), ORBIT_TEST_METHOD(neighbours), Nothing());
  REQUIRE_MESSAGE(keys, keys.error().message);
  REQUIRE(keys->key_size() == 2);
  CHECK(keys->key(0) == "a in bern");
  CHECK(keys->key(1) == "c in bern");
}

TEST_CASE("a value or a number of values over the bound fails the turn with the bound's name") {
  Disk disk;
  const WithDisk with(disk);
  PeopleNode node(disk);
  const auto large = node.set("a", person("a@x", std::string(2000, 'x')));
  REQUIRE_FALSE(large);
  CHECK(large.error().code == orbit::Code::invalid_argument);
  CHECK(large.error().message.find("town") != std::string::npos);
  PersonState many = person("a@x", "bern");
  for (int i = 0; i < 1001; ++i) many.add_tags(std::to_string(i));
  CHECK_FALSE(node.set("a", many));
}

// The types as an earlier version of the module had them: without indexes, or with one of another kind.
const orbit_actor_type* with_indexes(uint32_t count) {
  static std::deque<orbit_actor_type> types;
  orbit_actor_type& type = types.emplace_back(*orbit::detail::actor_type<PersonActor>());
  type.index_count = count;
  return &type;
}

TEST_CASE(
    "an index that is new is built from what is stored, goes on after a crash, and goes when it is no longer "
    "declared") {
  Disk disk;
  const WithDisk with(disk);
  constexpr int kActors = 700;
  {
    PeopleNode node(disk);
    for (int i = 0; i < kActors; ++i)
      REQUIRE(node.set("k" + std::to_string(i), person("e" + std::to_string(i), "bern", i)));
  }
  // As a module without indexes left it.
  std::erase_if(disk.data,
                [](const auto& entry) { return entry.first[0] == 'i' || entry.first.starts_with("mindex/"); });
  for (int crash = 0; crash < 3; ++crash) {
    TypedNode node(disk, 50 + static_cast<uint64_t>(crash), 2);
    REQUIRE(node.publish<PersonActor, GuestActor>("people"));
    for (int i = 0; i < 2500; ++i) node.executor.step();
    const auto left = disk.data;
    node.pass_ms(3000);
    disk.data = left;
  }
  {
    PeopleNode node(disk, 60);
    CHECK(node.entries("people.Person") == kActors * 7);
    CHECK(node.found(Person::by_balance().at_least(690)).size() == 10);
  }
  TypedNode node(disk, 70, 2);
  const orbit_actor_type* fewer[] = {with_indexes(1)};
  REQUIRE(node.runtime.publish_module("people", "2", "people.so", fewer));
  REQUIRE(node.run_until([&] { return count_keys(disk, 'i', "people.Person") == kActors; }));
}

TEST_CASE("a query is refused while the index is being built, and when it cannot be built it says which actor is why") {
  Disk disk;
  const WithDisk with(disk);
  {
    PeopleNode node(disk);
    REQUIRE(node.set("a", person("same@x", "bern")));
  }
  // What one actor holds is copied to another one's record, behind the node's back.
  const auto find = [&](std::string_view key) {
    return std::find_if(disk.data.begin(), disk.data.end(),
                        [&](const auto& entry) { return entry.first[0] == 'a' && entry.first.ends_with(key); });
  };
  std::string copy = find("a")->first;
  std::string value = find("a")->second;
  copy.back() = 'z';
  const uint64_t hash = key_hash("z");
  for (size_t i = 0; i < 8; ++i) copy[copy.size() - 10 + i] = static_cast<char>(hash >> (56 - 8 * i));
  disk.data[copy] = value;
  std::erase_if(disk.data,
                [](const auto& entry) { return entry.first[0] == 'i' || entry.first.starts_with("mindex/"); });
  TypedNode node(disk, 2, 2);
  REQUIRE(node.publish<PersonActor, GuestActor>("people"));
  const orbit_type* type = node.runtime.types().find("people.Person");
  auto ask = [&] {
    auto task = []() -> orbit::Task<orbit::Page<Person>> {
      orbit::Page<Person> page = co_await Person::by_email("same@x");
      co_return page;
    };
    return node.wait(task());
  };
  const auto early = ask();
  REQUIRE_FALSE(early);
  CHECK(early.error().code == orbit::Code::failed_precondition);
  REQUIRE(node.run_until([&] { return node.runtime.indexes().shown(type, 1).stage == "failed"; }));
  const auto failed = ask();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message.find("same@x") != std::string::npos);
}

std::string asked(TypedNode& node, std::string index, std::string query, orbit_code expected = ORBIT_OK) {
  struct Answer {
    bool arrived = false;
    orbit_code code = ORBIT_OK;
    std::string text;
  } answer;
  node.runtime.post(1, [&] {
    Runtime::api()->query_json(
        {"people.Person", 13}, orbit::to_c(index), orbit::to_c(query),
        [](void* ctx, orbit_code code, orbit_bytes text) {
          auto* to = static_cast<Answer*>(ctx);
          *to = {true, code, std::string(orbit::from_c(text))};
        },
        &answer);
  });
  REQUIRE(node.run_until([&] { return answer.arrived; }));
  CHECK_MESSAGE(answer.code == expected, answer.text);
  return answer.text;
}

TEST_CASE("a query as JSON") {
  Disk disk;
  const WithDisk with(disk);
  PeopleNode node(disk);
  REQUIRE(node.set("a/b", person("a@x", "bern", -5)));
  REQUIRE(node.set("c", person("c@x", "bern", 7)));
  CHECK(asked(node, "email", R"({"equals": "c@x"})") == R"({"actors":[{"key":"c","value":"c@x"}],"next":null})");
  CHECK(asked(node, "balance", R"({"from": -5, "to": "7"})") ==
        R"({"actors":[{"key":"a/b","value":"-5"}],"next":null})");
  const std::string page = asked(node, "balance", R"({"descending": true, "limit": 1})");
  const std::string start = R"({"actors":[{"key":"c","value":"7"}],"next":")";
  REQUIRE(page.starts_with(start));
  const std::string next = page.substr(start.size(), page.size() - start.size() - 2);
  CHECK(asked(node, "balance", R"({"descending": true, "limit": 1, "after": ")" + next + "\"}")
            .starts_with(R"({"actors":[{"key":"a/b","value":"-5"}],"next":)"));
  CHECK(asked(node, "nothing", "{}", ORBIT_NOT_FOUND).find("it has email, town") != std::string::npos);
  for (const char* bad :
       {"[]", "{", R"({"equal": 1})", R"({"equals": true})", R"({"equals": 1.5})", R"({"equals": 1, "from": 2})",
        R"({"limit": -1})", R"({"limit": 0})", R"({"after": "xyz"})", R"({"descending": 1})"})
    CHECK_FALSE(asked(node, "balance", bad, ORBIT_INVALID_ARGUMENT).empty());
}

// ---- the encoding

template <class T>
std::string encoded(const T& value) {
  std::string out;
  orbit::append_index_value(out, value);
  return out;
}

template <class T>
void check_order(const T& a, const T& b) {
  const std::string ea = encoded(a);
  const std::string eb = encoded(b);
  CHECK((a < b) == (ea < eb));
  CHECK((a == b) == (ea == eb));
  // No value's encoding begins another's: what follows an entry's value is the key.
  if (ea != eb) CHECK_FALSE(eb.starts_with(ea));
}

TEST_CASE("encoded values compare as the values do, and are read back") {
  Prng random(20261122);
  const auto number = [&] {
    uint64_t value = random.next() >> (random.next() % 64);
    if (random.next() % 4 == 0) value = random.next() % 3 - 1;
    return value;
  };
  const auto text = [&] {
    std::string out;
    for (uint64_t n = random.next() % 6; n != 0; --n) out.push_back("\0\1\2a\xfe\xff"[random.next() % 6]);
    return out;
  };
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t u1 = number(), u2 = number();
    check_order<uint64_t>(u1, u2);
    check_order<int64_t>(static_cast<int64_t>(u1), static_cast<int64_t>(u2));
    check_order<bool>((u1 & 1) != 0, (u2 & 1) != 0);
    const double d1 = std::bit_cast<double>(u1 << (u2 % 60)), d2 = i % 2 == 0
                                                                       ? std::bit_cast<double>(u2 << (u1 % 60))
                                                                       : static_cast<double>(static_cast<int64_t>(u2));
    if (!std::isnan(d1) && !std::isnan(d2)) check_order<double>(d1, d2);
    const std::string s1 = text(), s2 = text();
    check_order<std::string>(s1, s2);
    CHECK(orbit::index_unsigned_of(encoded(u1)) == u1);
    CHECK(orbit::index_signed_of(encoded(static_cast<int64_t>(u1))) == static_cast<int64_t>(u1));
    if (!std::isnan(d1)) CHECK(orbit::index_float_of(encoded(d1)) == d1);
    CHECK(orbit::index_text_of(encoded(s1)) == s1);
    CHECK(orbit::index_value_size(ORBIT_INDEX_BYTES, encoded(s1) + s2) == encoded(s1).size());
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(encoded(std::numeric_limits<double>::infinity()) < encoded(nan));
  CHECK(encoded(-nan) == encoded(nan));
  CHECK(encoded(-0.0) == encoded(0.0));
  CHECK(encoded(-std::numeric_limits<double>::infinity()) < encoded(std::numeric_limits<double>::lowest()));
  CHECK(orbit::index_value_size(ORBIT_INDEX_TEXT, "abc") == 0);
  CHECK(orbit::index_value_size(ORBIT_INDEX_SIGNED, "abc") == 0);
}

}  // namespace
}  // namespace test
