// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One caller at a time: what each function promises.
#include <array>
#include <cstring>

#include "storage_case.hpp"

namespace orbit::testkit {
namespace {

void get_finds_what_was_put(Bench& bench) {
  expect(bench.get("key") == "(none)", "a key was there before it was put");
  bench.put("key", "one");
  expect(bench.get("key") == "one", "the value is " + shown(bench.get("key")));
  bench.put("key", "two");
  expect(bench.get("key") == "two", "a second put did not replace the first");
  bench.erase("key");
  expect(bench.get("key") == "(none)", "an erased key is still there");
  bench.erase("key");
  bench.put("key", "three");
  expect(bench.get("key") == "three", "a put after an erase is lost");
}

void absent_is_a_code(Bench& bench) {
  ErrorOut error;
  const orbit_sink sink{nullptr, [](void*, orbit_bytes) {}};
  const orbit_code code = bench.store.table()->get(bench.store.self(), nullptr, to_c("absent"), sink, &error);
  expect(code == ORBIT_NOT_FOUND, "the code is " + std::string(code_name(code)));
}

void empty_keys_and_values(Bench& bench) {
  bench.put("", "value of the empty key");
  bench.put("a", "");
  expect(bench.get("") == "value of the empty key", "the empty key is lost");
  expect(bench.get("a").empty(), "an empty value is " + shown(bench.get("a")));
  expect_equal(bench, {{"", "value of the empty key"}, {"a", ""}}, nullptr, "empty key and value");
  expect(bench.scan("", "a").size() == 1, "the empty key is not in the range from the empty key");
  expect(bench.scan(std::string_view("\0", 1), "").size() == 1, "the empty key is in a range after it");
  bench.erase("");
  expect(bench.get("") == "(none)", "the empty key was not erased");
}

void keys_are_unsigned_bytes(Bench& bench) {
  Model model;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string key(1, static_cast<char>(byte));
    model[key] = "v" + std::to_string(byte);
    model[key + std::string(1, '\0')] = "longer";
    model[key + "\xff"] = "last of " + std::to_string(byte);
  }
  WriteBatch batch;
  for (const auto& [key, value] : model) batch.put(key, value);
  must(bench.store.write(batch, false));
  // std::map<std::string> orders as memcmp, shorter first.
  expect_equal(bench, model, nullptr, "all bytes");
}

void big_keys_and_values(Bench& bench) {
  Model model;
  const std::string key(size_t{64} << 10, 'k');
  std::string value(size_t{16} << 20, '\0');
  std::mt19937_64 random = bench.random();
  for (size_t i = 0; i + 8 <= value.size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(&value[i], &word, 8);
  }
  model[key] = value;
  model[key + "2"] = "small";
  bench.put(key, value);
  bench.put(key + "2", "small");
  expect_equal(bench, model, nullptr, "a key of 64 KB with a value of 16 MB");
  expect(bench.store.size_bytes() >= value.size(), "size_bytes is " + std::to_string(bench.store.size_bytes()));
}

void multi_get_visits_every_index(Bench& bench) {
  WriteBatch batch;
  for (int i = 0; i < 1000; i += 2) batch.put("k" + std::to_string(i), "v" + std::to_string(i));
  must(bench.store.write(batch, false));
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("k" + std::to_string(i));
  names.push_back("k2");  // asked twice
  const std::vector<Bytes> keys(names.begin(), names.end());
  std::vector<int> visits(keys.size());
  must(bench.store.multi_get(keys, [&](size_t index, bool found, Bytes value) {
    ++visits.at(index);
    expect(found == (names[index].back() % 2 == 0), names[index] + (found ? " was found" : " was not found"));
    if (found) expect(value == "v" + names[index].substr(1), names[index] + " has the value " + shown(value));
  }));
  for (size_t i = 0; i < visits.size(); ++i)
    expect(visits[i] == 1, "index " + std::to_string(i) + " was visited " + std::to_string(visits[i]) + " times");
  must(bench.store.multi_get({}, [](size_t, bool, Bytes) { throw Failure("a multi-get of nothing visits something"); }));
}

void scan_bounds(Bench& bench) {
  Model model;
  for (const char* key : {"a", "b", "ba", "bb", "c", "d", "\xff", "\xff\xff"}) {
    model[key] = std::string("value of ") + key;
    bench.put(key, model[key]);
  }
  const std::string bounds[] = {"", "a", "aa", "b", "bb", "bbb", "c", "d", "e", "\xff", "\xff\xff", "\xff\xff\xff"};
  for (const auto& from : bounds)
    for (const auto& to : bounds)
      for (const bool reverse : {false, true})
        expect(bench.scan(from, to, reverse) == range_of(model, from, to, reverse),
               "the range " + shown(from) + " to " + shown(to) + (reverse ? ", descending" : "") + " differs");
}

void scan_stops(Bench& bench) {
  WriteBatch batch;
  for (int i = 100; i < 300; ++i) batch.put(std::to_string(i), "v");
  must(bench.store.write(batch, false));
  for (const bool reverse : {false, true}) {
    for (const size_t limit : {1, 7, 8, 9, 64, 199}) {
      Entries seen;
      must(bench.store.scan("", "", reverse, [&](Bytes key, Bytes value) {
        seen.emplace_back(key, value);
        return seen.size() < limit;
      }));
      expect(seen.size() == limit, "stopping at " + std::to_string(limit) + " gave " + std::to_string(seen.size()));
      expect(seen[0].first == (reverse ? "299" : "100"), "the scan begins at " + seen[0].first);
    }
  }
}

void batch_order(Bench& bench) {
  bench.put("x", "old");
  bench.put("gone", "old");
  WriteBatch batch;
  batch.put("x", "1");
  batch.erase("x");
  batch.put("x", "2");
  batch.put("y", "1");
  batch.erase("y");
  batch.put("r1", "1");
  batch.erase_range("r", "s");
  batch.put("r2", "2");
  batch.put("gone", "new");
  batch.erase("gone");
  must(bench.store.write(batch, false));
  expect_equal(bench, {{"x", "2"}, {"r2", "2"}}, nullptr, "operations of one batch, in order");
  must(bench.store.write(WriteBatch(), true));
}

void batch_all_or_nothing(Bench& bench) {
  bench.put("a", "old");
  const orbit_write_op ops[] = {
      {ORBIT_WRITE_PUT, 0, to_c("a"), to_c("new")},
      {ORBIT_WRITE_PUT, 0, to_c("b"), to_c("new")},
      {99, 0, to_c("c"), to_c("")},
  };
  expect_error(bench.store.write(ops, false), Code::invalid_argument);
  expect_equal(bench, {{"a", "old"}}, nullptr, "a batch with an unknown operation");
  bench.put("b", "after");
  expect_equal(bench, {{"a", "old"}, {"b", "after"}}, nullptr, "a write after a refused one");
}

void errors_fit_the_callers_struct(Bench& bench) {
  struct {
    orbit_error error;
  } room;
  std::memset(&room, 0x5a, sizeof room);
  room.error.struct_size = offsetof(orbit_error, message) + 8;
  const orbit_write_op op{99, 0, {nullptr, 0}, {nullptr, 0}};
  const orbit_code code = bench.store.table()->write(bench.store.self(), &op, 1, 0, &room.error);
  expect(code == ORBIT_INVALID_ARGUMENT && room.error.code == code, "the code is " + std::string(code_name(code)));
  expect(std::memchr(room.error.message, '\0', 8) != nullptr, "the message does not end within the caller's struct");
  expect(room.error.message[8] == 0x5a, "the message was written past the caller's struct");
}

void delete_range(Bench& bench) {
  Model model;
  const auto fill = [&] {
    WriteBatch batch;
    for (int i = 0; i < 1000; ++i) {
      const std::string key = "k" + std::to_string(1000 + i);
      batch.put(key, model[key] = "v");
    }
    must(bench.store.write(batch, false));
  };
  const auto erase = [&](const std::string& from, const std::string& to) {
    WriteBatch batch;
    batch.erase_range(from, to);
    must(bench.store.write(batch, false));
    if (to.empty() || from < to) model.erase(model.lower_bound(from), to.empty() ? model.end() : model.lower_bound(to));
    expect_equal(bench, model, nullptr, "erasing " + shown(from) + " to " + shown(to));
  };
  fill();
  erase("k1500", "k1600");
  erase("k1550", "k1550");
  erase("k1700", "k1650");
  erase("a", "b");
  erase("k1900", "");
  fill();
  erase("", "k1002");
  bench.put("k1000", model["k1000"] = "again");
  erase("k1001", "k19");
  WriteBatch batch;
  batch.put("zz", "put before an open-ended erase of one batch");
  batch.erase_range("k", "");
  batch.put("k1", model["k1"] = "put after it");
  must(bench.store.write(batch, false));
  model = {{"k1", "put after it"}};
  expect_equal(bench, model, nullptr, "an open-ended erase between puts");
}

void sync_and_recover(Bench& bench) {
  bench.put("a", "1", true);
  bench.put("b", "2", false);
  must(bench.store.sync());
  must(bench.store.sync());
  must(bench.store.recover());
  bench.put("c", "3", true);
  expect_equal(bench, {{"a", "1"}, {"b", "2"}, {"c", "3"}}, nullptr, "after sync and recover");
}

void reopen(Bench& bench) {
  if (!bench.suite.durable) throw Skip{"the engine is not durable"};
  Model model;
  for (int round = 0; round < 5; ++round) {
    WriteBatch batch;
    for (int i = 0; i < 200; ++i) {
      const std::string key = "k" + std::to_string(round * 100 + i);
      batch.put(key, model[key] = "round " + std::to_string(round));
    }
    batch.erase("k" + std::to_string(round * 100 + 7));
    model.erase("k" + std::to_string(round * 100 + 7));
    must(bench.store.write(batch, round % 2 == 0));
    bench.reopen();
    expect_equal(bench, model, nullptr, "after reopening");
  }
  WriteBatch batch;
  batch.erase_range("k2", "k4");
  must(bench.store.write(batch, false));
  model.erase(model.lower_bound("k2"), model.lower_bound("k4"));
  bench.reopen();
  expect_equal(bench, model, nullptr, "after erasing a range and reopening");
}

void cached(Bench& bench) {
  if (!bench.store.has_cached()) throw Skip{"the plugin does not provide " ORBIT_STORAGE_CACHED_V1};
  std::string value;
  for (int i = 0; i < 200; ++i) {
    const std::string key = "k" + std::to_string(i % 20);
    bench.put(key, std::to_string(i));
    const CachedGet outcome = must(bench.store.get_cached(key, value));
    expect(outcome != CachedGet::absent, "a key that was put is said to be absent");
    if (outcome == CachedGet::found) expect(value == std::to_string(i), "a cached get is stale: " + shown(value));
    expect(must(bench.store.get_cached("absent", value)) != CachedGet::found, "an absent key was found");
    if (i % 3 == 0) {
      bench.erase(key);
      expect(must(bench.store.get_cached(key, value)) != CachedGet::found, "an erased key was found");
    }
  }
}

void bound(Bench& bench) {
  if (!bench.suite.bound) throw Skip{"no setting was given that bounds the engine"};
  const std::string name = bench.suite.bound->key;
  const auto instance = must(bench.suite.open({&*bench.suite.bound, 1}));
  const StorageClient store = must(StorageClient::of(instance->raw()));
  const auto put = [&](int i) {
    WriteBatch batch;
    batch.put("k" + std::to_string(i), std::string(4096, 'v'));
    return store.write(batch, false);
  };
  constexpr int kWritesMax = 100'000;
  int stored = 0;
  while (stored < kWritesMax && put(stored)) ++stored;
  expect(stored > 0 && stored < kWritesMax, "the bound was met after " + std::to_string(stored) + " writes");
  const Result<> refused = put(stored);
  expect_error(refused, Code::resource_exhausted);
  expect(refused.error().message.find(name) != std::string::npos, "the error does not name " + name + ": " + refused.error().message);

  std::string value;
  expect(!must(store.get("k" + std::to_string(stored), value)), "a refused write left something");
  for (int i = 0; i < stored; ++i) expect(must(store.get("k" + std::to_string(i), value)), "a read failed at the bound");
  WriteBatch erase;
  erase.erase_range("k", "l");
  must(store.write(erase, false));
  for (int i = 0; i < stored; ++i) must(put(i));
}

void checkpoints(Bench& bench) {
  if (!bench.store.has_checkpoints()) throw Skip{"the plugin does not provide " ORBIT_STORAGE_CHECKPOINT_V1};
  if (bench.suite.path_key.empty()) throw Skip{"no setting was given that says where the data lies"};
  Model model;
  WriteBatch batch;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "k" + std::to_string(i);
    batch.put(key, model[key] = std::string(static_cast<size_t>(i), 'v'));
  }
  must(bench.store.write(batch, false));
  bench.erase("k7");
  model.erase("k7");
  const std::string path = bench.suite.free_path();
  must(bench.store.checkpoint(path));
  bench.put("k1", "after the checkpoint");
  expect(!bench.store.checkpoint(path), "a checkpoint was made where there is one");
  const Setting setting{bench.suite.path_key, path};
  const auto instance = must(bench.suite.open({&setting, 1}));
  const StorageClient copy = must(StorageClient::of(instance->raw()));
  Entries found;
  must(copy.scan("", "", false, [&](Bytes key, Bytes value) { return found.emplace_back(key, value), true; }));
  expect(found == range_of(model, "", "", false), "the checkpoint differs from what was written before it");
  WriteBatch of_copy;
  of_copy.put("k2", "of the copy");
  must(copy.write(of_copy, true));
  model["k1"] = "after the checkpoint";
  expect_equal(bench, model, nullptr, "the original after its checkpoint");
}

constexpr Case kPlainCases[] = {
    {"get finds what was put, and nothing that was erased", get_finds_what_was_put},
    {"a get of an absent key says NOT_FOUND", absent_is_a_code},
    {"the empty key and the empty value are like any other", empty_keys_and_values},
    {"keys are ordered as unsigned bytes, shorter first", keys_are_unsigned_bytes},
    {"a key of 64 KB and a value of 16 MB come back whole", big_keys_and_values},
    {"a multi-get visits every index once", multi_get_visits_every_index},
    {"a scan includes its lower and excludes its upper bound, both ways", scan_bounds},
    {"a scan stops when the visitor says so", scan_stops},
    {"the operations of a batch apply in order", batch_order},
    {"a batch that is refused changes nothing", batch_all_or_nothing},
    {"an error fits the struct of the caller", errors_fit_the_callers_struct},
    {"erasing a range erases it and nothing else", delete_range},
    {"sync and recover may be called at any time", sync_and_recover},
    {"what was written is there after a reopen", reopen},
    {"a cached get is never wrong, at most it does not know", cached},
    {"a checkpoint is a database of its own, of what was written before it", checkpoints},
    {"at its bound the engine refuses, names the bound, and recovers", bound},
};

}  // namespace

std::span<const Case> plain_cases() { return kPlainCases; }

}  // namespace orbit::testkit
