// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The server goes away, at once and in the middle of what it was doing.
#include <thread>

#include "fixture.hpp"

namespace orbit::storage_postgres {

TEST_CASE("without a server the engine does not open, and says where it looked") {
  test::TemporaryFolder empty;
  Fixture at("nobody");
  at.options.server.conninfo = "host=" + empty.path + " user=orbit";
  auto refused = Engine::open(at.options, at.counts);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unavailable);
  CHECK(refused.error().message.find(empty.path) != std::string::npos);
}

TEST_CASE("the server is killed again and again: every write is applied once, and what was acknowledged is there") {
  constexpr int kKills = 3;
  constexpr int kWritesBetween = 150;
  Fixture at("killed");
  Engine& engine = at.open();
  REQUIRE(put_if(engine, absent("sum"), "sum", "0"));
  std::atomic<int> sum = 0;
  std::atomic<bool> done = false;
  std::string wrong;
  // Each write depends on the one before: one that is lost, or applied twice, makes the next condition fail.
  std::thread writer([&] {
    while (!done && wrong.empty()) {
      const std::string before = std::to_string(sum.load());
      const std::string after = std::to_string(sum + 1);
      const auto outcome = put_if(engine, equals("sum", before), "sum", after);
      if (!outcome)
        wrong = outcome.error().message;
      else if (outcome->failed)
        wrong = "expected " + before + ", found " + outcome->found.value_or("nothing");
      else
        ++sum;
    }
    done = true;
  });
  for (int kills = 0; kills < kKills; ++kills) {
    for (const int from = sum; sum < from + kWritesBetween && !done;) std::this_thread::yield();
    server().kill();
    server().start();
  }
  for (const int from = sum; sum < from + kWritesBetween && !done;) std::this_thread::yield();
  done = true;
  writer.join();
  CHECK(wrong == "");
  CHECK(get(engine, "sum") == std::to_string(sum));
  CHECK(at.counts->losses >= 1);
  CHECK(at.counts->settled_applied + at.counts->settled_not >= 1);
}

TEST_CASE("a commit that the server did not get to is settled as not applied, and sent again") {
  Fixture at("cut_off");
  Engine& engine = at.open();
  REQUIRE(put(engine, "a", "0"));
  Session session;
  session.run("BEGIN; SELECT v FROM cut_off WHERE k = 'a' FOR UPDATE");
  Result<FencedOutcome> outcome;
  std::thread writer([&] { outcome = put_if(engine, equals("a", "0"), "a", "1"); });
  Session watch;
  const std::string blocked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orbit' AND wait_event_type = 'Lock'";
  watch.wait_for(blocked, "1");
  const std::string pid = watch.run("SELECT pid FROM pg_stat_activity WHERE application_name = 'orbit' AND wait_event_type = 'Lock'");
  watch.run("SELECT pg_terminate_backend(" + pid + ")");
  watch.wait_for("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid, "0");
  watch.wait_for(blocked, "1");  // it is back, and tries again
  session.run("COMMIT");
  writer.join();
  REQUIRE(outcome);
  CHECK_FALSE(outcome->failed.has_value());
  CHECK(get(engine, "a") == "1");
  CHECK(at.counts->settled_not == 1);
  CHECK(at.counts->settled_applied == 0);
}

TEST_CASE("while the server is away calls fail in time, and work again when it is back") {
  Fixture at("away");
  at.options.retry_timeout = std::chrono::milliseconds(50);
  Engine& engine = at.open();
  REQUIRE(put(engine, "a", "1", true));
  auto snapshot = engine.create_snapshot();
  REQUIRE(snapshot);
  server().kill();
  CHECK(get(engine, "a").find("UNAVAILABLE") == 0);
  CHECK(get(engine, "a", snapshot->get()).find("UNAVAILABLE: a snapshot cannot be read any more") == 0);
  const auto refused = put(engine, "b", "1");
  REQUIRE_FALSE(refused);
  CHECK((refused.error().code == Code::unavailable || refused.error().code == Code::unknown));
  CHECK_FALSE(engine.recover());
  server().start();
  snapshot->reset();
  while (!engine.recover()) std::this_thread::yield();
  CHECK(get(engine, "a") == "1");
  CHECK(put(engine, "b", "2"));
  CHECK(get(engine, "b") == "2");
  CHECK(engine.create_snapshot());
}

}  // namespace orbit::storage_postgres
