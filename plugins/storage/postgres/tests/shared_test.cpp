// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Two engines on one table, as two nodes have them: each sees what the other commits, and who was taken over from
// writes no more.
#include <algorithm>
#include <map>
#include <random>
#include <thread>

#include "fixture.hpp"
#include "tests/effort.hpp"
#include "tests/seed.hpp"

namespace orbit::storage_postgres {
namespace {

// Of equal length, so that they compare as numbers do.
std::string epoch_text(uint64_t number) {
  std::string out = std::to_string(number);
  return std::string(8 - out.size(), '0') + out;
}
std::string tally_of(uint64_t epoch) { return "tally/" + epoch_text(epoch); }

Result<FencedOutcome> write_in(Engine& engine, uint64_t epoch, const WriteBatch& batch) {
  const std::string text = epoch_text(epoch);
  const orbit_condition condition = fence("epoch", text);
  const auto ops = batch.ops();
  return engine.write_if(Conditions(&condition, 1), WriteOps(ops.data(), ops.size()), true);
}

// One of two owners. It takes over, writes until it is refused, and so on.
struct Owner {
  Engine& engine;
  std::map<uint64_t, uint64_t> acknowledged;  // by epoch
  std::map<uint64_t, std::string> seen;       // of an epoch that this one ended: what it had written, right after that
  size_t refused = 0;
  std::string wrong;

  void run(const Owner& other, size_t handovers, uint64_t seed) {
    std::mt19937_64 random(seed);
    while (refused < handovers && wrong.empty()) {
      const std::string found = get(engine, "epoch");
      const uint64_t mine = (found == "(none)" ? 0 : std::stoull(found)) + 1;
      WriteBatch take;
      take.put(tally_of(mine), "0");
      // Not lower is enough for a fence, so that two may take the same: whoever finds the tally there has come too
      // late.
      const std::string text = epoch_text(mine);
      const std::string tally = tally_of(mine);
      const orbit_condition conditions[] = {fence("epoch", text), absent(tally)};
      const auto ops = take.ops();
      const auto taken = engine.write_if(Conditions(conditions, 2), WriteOps(ops.data(), ops.size()), true);
      if (!taken) return stop(taken.error());
      if (taken->failed) continue;
      acknowledged[mine] = 0;
      for (uint64_t before = mine; before-- > 1;) seen.emplace(before, get(engine, tally_of(before)));
      for (;;) {
        WriteBatch batch;
        batch.put(tally_of(mine), std::to_string(acknowledged[mine] + 1));
        batch.put("state", epoch_text(mine));
        const auto written = write_in(engine, mine, batch);
        if (!written) return stop(written.error());
        if (written->failed) {
          if (*written->failed != 0 || !written->found || *written->found <= epoch_text(mine))
            wrong = "refused without a later epoch, but with " + written->found.value_or("nothing");
          ++refused;
          break;
        }
        ++acknowledged[mine];
      }
      // The other one has begun to write, or even that not.
      const std::string now = get(engine, "epoch");
      for (const uint64_t some = random() % 6; !other.done;) {
        const std::string count = get(engine, tally_of(std::stoull(now)));
        if (count != "(none)" && std::stoull(count) >= some) break;
        if (get(engine, "epoch") != now) break;
      }
    }
    done = true;
  }
  void stop(const Error& error) {
    wrong = error.message;
    done = true;
  }
  std::atomic<bool> done{false};
};

}  // namespace

TEST_CASE("two engines on one table see each other's commits at once, in snapshots not") {
  Fixture at("two_see");
  Fixture other("two_see");
  Engine& first = at.open();
  Engine& second = other.open();
  for (int i = 0; i < 20; ++i) {
    Engine& writer = i % 2 == 0 ? first : second;
    Engine& reader = i % 2 == 0 ? second : first;
    const std::string value = std::to_string(i);
    auto before = reader.create_snapshot();
    REQUIRE(before);
    const std::string old = get(reader, "key");
    REQUIRE(put(writer, "key", value, i % 4 < 2));
    CHECK(get(reader, "key") == value);
    CHECK(get(writer, "key") == value);
    CHECK(get(reader, "key", before->get()) == old);
    before->reset();
  }
  WriteBatch batch;
  batch.erase_range("a", "z");
  REQUIRE(write(second, batch));
  CHECK(get(first, "key") == "(none)");
}

TEST_CASE("a writer that was taken over from is refused with the epoch that did it, and its batch leaves no trace") {
  Fixture at("two_fence");
  Fixture other("two_fence");
  Engine& first = at.open();
  Engine& second = other.open();
  WriteBatch batch;
  batch.put("state", "of the first");
  REQUIRE_FALSE(write_in(first, 1, batch)->failed.has_value());
  batch.clear();
  batch.put("state", "of the second");
  REQUIRE_FALSE(write_in(second, 2, batch)->failed.has_value());
  batch.clear();
  batch.put("state", "too late");
  batch.put("another", "too late");
  const auto refused = write_in(first, 1, batch);
  REQUIRE(refused);
  REQUIRE(refused->failed == std::optional<size_t>(0));
  CHECK(refused->found == std::optional(epoch_text(2)));
  const std::string mine = epoch_text(1);
  const orbit_condition condition = fence("epoch", mine);
  const Error told = detail::condition_failed(Conditions(&condition, 1), *refused);
  CHECK(told.code == Code::aborted);
  CHECK(told.message ==
        "nothing was written: the key \"epoch\" is expected to be at most \"00000001\", found \"00000002\"");
  for (Engine* engine : {&first, &second}) {
    CHECK(get(*engine, "state") == "of the second");
    CHECK(get(*engine, "another") == "(none)");
  }
}

TEST_CASE("two engines that take over from each other while they write: nothing of an epoch comes after its end") {
  Fixture at("two_race");
  Fixture other("two_race");
  Owner owners[] = {{.engine = at.open()}, {.engine = other.open()}};
  const size_t handovers = std::max<size_t>(testing::with_effort(40), 5);
  const uint64_t seed = testing::seed_of_this_run();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      owners[i].run(owners[1 - i], handovers, seed + i);
      // The other one goes on until it was refused as often.
      uint64_t epoch = 0;
      while (!owners[1 - i].done) {
        WriteBatch nothing;
        const std::string found = get(owners[i].engine, "epoch");
        if (found > epoch_text(epoch)) {
          epoch = std::stoull(found) + 1;
          (void)write_in(owners[i].engine, epoch, nothing);
        } else {
          std::this_thread::yield();
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  size_t compared = 0;
  size_t writes = 0;
  for (Owner& owner : owners) {
    CHECK(owner.wrong == "");
    CHECK(owner.refused == handovers);
    for (const auto& [epoch, count] : owner.acknowledged) {
      CHECK(get(*at.engine, tally_of(epoch)) == std::to_string(count));
      writes += count;
    }
    for (const auto& [epoch, value] : owner.seen) {
      CHECK(get(*other.engine, tally_of(epoch)) == value);
      ++compared;
    }
  }
  MESSAGE(writes << " writes, " << owners[0].acknowledged.size() + owners[1].acknowledged.size() << " epochs, "
                 << compared << " compared");
  CHECK(writes > 0);
  CHECK(compared > handovers);
}

}  // namespace orbit::storage_postgres
