// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the conformance suite cannot see from outside: round trips, long keys, conflicts, bounds, what the server is told.
#include <random>

#include "fixture.hpp"

namespace orbit::storage_postgres {
namespace {

using Model = std::map<std::string, std::string>;

Model scanned(Engine& engine, Bytes from, Bytes to, bool reverse) {
  Model out;
  std::string last;
  bool ordered = true;
  const auto done = engine.scan(nullptr, from, to, reverse, [&](Bytes key, Bytes value) {
    ordered = ordered && (out.empty() || (reverse ? key < last : key > last));
    last = key;
    out.emplace(key, value);
    return true;
  });
  CHECK(done);
  CHECK(ordered);
  return out;
}

}  // namespace

TEST_CASE("a batch with conditions takes one round trip, and so do a get and the first page of a scan") {
  Fixture at("round_trips");
  Engine& engine = at.open();
  REQUIRE(put(engine, "a", "1"));  // connects
  get(engine, "a");
  const auto trips_of = [&](auto&& call) {
    const int before = at.counts->round_trips;
    call();
    return at.counts->round_trips - before;
  };
  Result<> written;
  int trips = trips_of([&] { written = put(engine, "b", "1", true); });
  CHECK(written);
  CHECK(trips == 1);

  const orbit_condition conditions[] = {fence("fence", "1"), equals("a", "1"), absent("c")};
  WriteBatch batch;
  batch.erase_range("a", "b");
  batch.put("c", "1");
  batch.erase("b");
  const auto ops = batch.ops();
  Result<FencedOutcome> outcome;
  trips = trips_of([&] { outcome = engine.write_if(Conditions(conditions, 3), WriteOps(ops.data(), ops.size()), true); });
  REQUIRE(outcome);
  CHECK_FALSE(outcome->failed.has_value());
  CHECK(trips == 1);

  std::string value;
  trips = trips_of([&] { value = get(engine, "c"); });
  CHECK(value == "1");
  CHECK(trips == 1);
  Model all;
  trips = trips_of([&] { all = scanned(engine, "", "", false); });
  CHECK((all == Model{{"c", "1"}, {"fence", "1"}}));
  CHECK(trips == 1);
}

TEST_CASE("keys longer than an index entry are kept, found and ordered like others") {
  std::random_device device;
  const uint64_t seed = device();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::string common;
  while (common.size() < 70'000) common += static_cast<char>(random());
  Fixture at("long_keys");
  Engine& engine = at.open();
  Model model;
  const auto random_key = [&] {
    const size_t sizes[] = {kHeadBytesMax - 1, kHeadBytesMax, kHeadBytesMax + 1, kHeadBytesMax + 2, 2704, 65'536};
    std::string key = common.substr(0, sizes[random() % 6]);
    if (random() % 2 == 0) key += static_cast<char>(random() % 3);
    if (random() % 8 == 0) key[kHeadBytesMax - 2] = '\0';
    return key;
  };
  for (int round = 0; round < 60; ++round) {
    WriteBatch batch;
    for (int i = 0; i < 4; ++i) {
      const std::string key = random_key();
      if (random() % 4 == 0) {
        batch.erase(key);
        model.erase(key);
      } else {
        batch.put(key, model[key] = std::to_string(round) + "." + std::to_string(i));
      }
    }
    if (round % 10 == 9) {
      const std::string from = random_key();
      const std::string to = random_key();
      batch.erase_range(from, to);
      if (from < to) model.erase(model.lower_bound(from), model.lower_bound(to));
    }
    REQUIRE(write(engine, batch));
    const std::string from = random_key();
    const std::string to = random_key();
    const Model part = from < to ? Model(model.lower_bound(from), model.lower_bound(to)) : Model();
    const bool reverse = random() % 2 == 0;
    CHECK((scanned(engine, from, to, reverse) == part));
    CHECK((scanned(engine, "", "", !reverse) == model));
    const std::string key = random_key();
    CHECK((get(engine, key) == (model.contains(key) ? model[key] : "(none)")));
  }
}

TEST_CASE("a scan of big values holds some of them at a time, and misses none") {
  Fixture at("big_values");
  Engine& engine = at.open();
  for (int i = 10; i < 40; ++i) REQUIRE(put(engine, "k" + std::to_string(i), std::string(500'000, static_cast<char>(i))));
  for (const bool reverse : {false, true}) {
    const Model all = scanned(engine, "", "", reverse);
    CHECK(all.size() == 30);
    for (const auto& [key, value] : all) CHECK((value == std::string(500'000, static_cast<char>(std::stoi(key.substr(1))))));
  }
}

TEST_CASE("a transaction that the server aborts for the sake of others is tried again") {
  Fixture at("conflicts");
  Engine& engine = at.open();
  Session session;
  // Two transactions fail; a sequence does not go back with them.
  session.run(
      "CREATE SEQUENCE failures; CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ DECLARE n bigint = nextval('failures'); BEGIN "
      "IF n <= 2 THEN RAISE EXCEPTION 'in the way' USING ERRCODE = CASE n WHEN 1 THEN '40001' ELSE '40P01' END; END IF; "
      "RETURN NEW; END $$;"
      "CREATE TRIGGER one BEFORE INSERT ON conflicts FOR EACH ROW EXECUTE FUNCTION fail_twice()");
  REQUIRE(put(engine, "a", "1"));
  CHECK(at.counts->retries == 2);
  CHECK(get(engine, "a") == "1");
  // A condition is checked again with each attempt.
  session.run("ALTER SEQUENCE failures RESTART");
  const auto outcome = put_if(engine, equals("a", "1"), "b", "1");
  REQUIRE(outcome);
  CHECK_FALSE(outcome->failed.has_value());
  CHECK(at.counts->retries == 4);
  CHECK(get(engine, "b") == "1");
}

TEST_CASE("what the server refuses for good is an error with its words, and the next batch works") {
  Fixture at("refusals");
  Engine& engine = at.open();
  Session session;
  session.run("ALTER TABLE refusals ADD CONSTRAINT short CHECK (length(v) < 10)");
  const auto refused = put(engine, "a", "much too long");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("short") != std::string::npos);
  CHECK(refused.error().message.find("SQLSTATE 23514") != std::string::npos);
  CHECK(get(engine, "a") == "(none)");
  CHECK(put(engine, "a", "short"));
  CHECK(get(engine, "a") == "short");
}

TEST_CASE("the server is told which commits may wait for its disk") {
  Fixture at("durabilities");
  Engine& engine = at.open();
  Session session;
  session.run(
      "CREATE TABLE told (key bytea, value text); CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN INSERT INTO told VALUES (NEW.k, current_setting('synchronous_commit')); RETURN NEW; END $$;"
      "CREATE TRIGGER one BEFORE INSERT ON durabilities FOR EACH ROW EXECUTE FUNCTION tell()");
  REQUIRE(put(engine, "sync", "1", true));
  REQUIRE(put(engine, "async", "1", false));
  REQUIRE(put(engine, "sync again", "1", true));
  CHECK(session.run("SELECT string_agg(convert_from(key, 'UTF8') || '=' || value, ',' ORDER BY key) FROM told") ==
        "async=off,sync=on,sync again=on");
}

TEST_CASE("connections and snapshots are bounded, and the error names the bound") {
  Fixture at("bounds");
  at.options.connections_max = 2;
  at.options.snapshots_max = 2;
  at.options.retry_timeout = std::chrono::milliseconds(50);
  Engine& engine = at.open();
  REQUIRE(put(engine, "a", "1"));
  std::string third;
  const auto nested = [&](auto&& inside) {
    return engine.scan(nullptr, "", "", false, [&](Bytes, Bytes) {
      inside();
      return true;
    });
  };
  Result<> inner;
  const auto outer = nested([&] { inner = nested([&] { third = get(engine, "a"); }); });
  CHECK(outer);
  CHECK(inner);
  CHECK(third.find("RESOURCE_EXHAUSTED") == 0);
  CHECK(third.find("connections_max = 2") != std::string::npos);
  CHECK(get(engine, "a") == "1");

  auto one = engine.create_snapshot();
  auto two = engine.create_snapshot();
  REQUIRE((one && two));
  const auto refused = engine.create_snapshot();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::resource_exhausted);
  CHECK(refused.error().message.find("snapshots_max = 2") != std::string::npos);
  REQUIRE(put(engine, "a", "2"));
  CHECK(get(engine, "a", one->get()) == "1");
  one->reset();
  auto again = engine.create_snapshot();
  REQUIRE(again);
  CHECK(get(engine, "a", again->get()) == "2");
}

TEST_CASE("tables that are missing or of another format are refused, and said so") {
  Fixture at("missing");
  at.options.create = false;
  auto missing = Engine::open(at.options, at.counts);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Code::failed_precondition);
  CHECK(missing.error().message.find("\"missing\"") != std::string::npos);

  Session session;
  session.run("CREATE TABLE newer_meta (name varchar(100) PRIMARY KEY, number bigint NOT NULL, at timestamptz DEFAULT now());"
              "INSERT INTO newer_meta VALUES ('format', 2)");
  at.options.table = "newer";
  auto newer = Engine::open(at.options, at.counts);
  REQUIRE_FALSE(newer);
  CHECK(newer.error().message.find("has format 2, expected 1") != std::string::npos);

  at.options.table = "bad\"name";
  auto bad = Engine::open(at.options, at.counts);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == Code::invalid_argument);
}

TEST_CASE("a password opens the door, a wrong one does not and is not told to anybody") {
  Session session;
  session.run("CREATE ROLE guest LOGIN PASSWORD 'right'; GRANT ALL ON SCHEMA public TO guest");
  Fixture at("guests");
  at.options.server.conninfo =
      "host=127.0.0.1 port=" + std::to_string(server().port()) + " user=guest dbname=postgres";
  at.options.server.password = "wrong-password";
  auto refused = Engine::open(at.options, at.counts);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unauthenticated);
  CHECK(refused.error().message.find("127.0.0.1") != std::string::npos);
  CHECK(refused.error().message.find("wrong-password") == std::string::npos);
  at.options.server.password = "right";
  Engine& engine = at.open();
  REQUIRE(put(engine, "a", "1"));
  CHECK(get(engine, "a") == "1");
}

}  // namespace orbit::storage_postgres
