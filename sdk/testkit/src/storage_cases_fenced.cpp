// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Writes with conditions, and several instances on one map.
#include <array>
#include <exception>
#include <thread>

#include "storage_case.hpp"

namespace orbit::testkit {
namespace {

void need_fenced(const Bench& bench) {
  if (!bench.store.has_fenced()) throw Skip{"the plugin does not provide " ORBIT_STORAGE_FENCED_V1};
}
void need_shared(const Bench& bench) {
  if (!bench.store.is_shared()) throw Skip{"the plugin does not provide " ORBIT_STORAGE_SHARED_V1};
}

WriteBatch one_put(Bytes key, Bytes value) {
  WriteBatch batch;
  batch.put(key, value);
  return batch;
}

// The write is refused for the condition of that index, and the message names its key.
void expect_refused(const Bench& bench, std::span<const orbit_condition> conditions, const WriteBatch& batch, size_t index,
                    std::source_location where = std::source_location::current()) {
  size_t failed = ~size_t{0};
  const Result<> result = bench.store.write_if(conditions, batch, false, &failed);
  expect_error(result, Code::aborted, where);
  expect(failed == index, "condition " + std::to_string(failed) + " is said to have failed, expected " +
                              std::to_string(index), where);
  const std::string key = shown(from_c(conditions[index].key));
  expect(result.error().message.find(key) != std::string::npos,
         "the error does not name the key " + key + ": " + result.error().message, where);
}

void conditions_decide(Bench& bench) {
  need_fenced(bench);
  const orbit_condition new_a[] = {absent("a")};
  must(bench.store.write_if(new_a, one_put("a", "1"), true));
  expect_refused(bench, new_a, one_put("a", "2"), 0);
  const orbit_condition a_is_1[] = {equals("a", "1")};
  const orbit_condition a_is_2[] = {equals("a", "2")};
  expect_refused(bench, a_is_2, one_put("a", "3"), 0);
  must(bench.store.write_if(a_is_1, one_put("a", "2"), false));
  expect_refused(bench, a_is_1, one_put("a", "3"), 0);
  expect_equal(bench, {{"a", "2"}}, nullptr, "after writes on conditions");

  const orbit_condition mixed[] = {equals("a", "2"), absent("b"), equals("c", "")};
  WriteBatch batch = one_put("b", "1");
  batch.erase("a");
  batch.erase_range("", "");
  batch.put("d", "1");
  expect_refused(bench, mixed, batch, 2);
  expect_equal(bench, {{"a", "2"}}, nullptr, "after a refused batch of several operations");
  bench.put("c", "");
  must(bench.store.write_if(mixed, batch, false));
  expect_equal(bench, {{"d", "1"}}, nullptr, "after the same batch was accepted");

  const orbit_condition empty_key[] = {absent("")};
  must(bench.store.write_if(empty_key, one_put("", ""), false));
  expect_refused(bench, empty_key, one_put("", "2"), 0);
  const orbit_condition empty_value[] = {equals("", "")};
  must(bench.store.write_if(empty_value, WriteBatch(), false));
  must(bench.store.write_if({}, one_put("e", "without a condition"), false));
  expect_equal(bench, {{"", ""}, {"d", "1"}, {"e", "without a condition"}}, nullptr, "empty keys, values and lists");
}

// The keys of conditions are not written unless the batch does so, and long ones are as good as short ones.
void conditions_leave_their_keys(Bench& bench) {
  need_fenced(bench);
  std::mt19937_64 random = bench.random();
  std::string long_key;
  while (long_key.size() < 20'000) long_key += static_cast<char>(random());
  Model model;
  for (const std::string& key : {std::string("k"), long_key, long_key.substr(0, 2000), long_key + '\0'}) {
    const orbit_condition missing[] = {absent(key)};
    must(bench.store.write_if(missing, WriteBatch(), false));
    expect_equal(bench, model, nullptr, "a condition wrote its key");
    must(bench.store.write_if(missing, one_put(key, key), false));
    model[key] = key;
    expect_equal(bench, model, nullptr, "a batch that puts the key of its condition");
    expect_refused(bench, missing, one_put(key, "2"), 0);
    const orbit_condition there[] = {equals(key, key)};
    WriteBatch erase;
    erase.erase(key);
    must(bench.store.write_if(there, erase, false));
    expect_refused(bench, there, erase, 0);
    must(bench.store.write_if(missing, one_put(key, key), false));
  }
  expect_equal(bench, model, nullptr, "after all");
}

void fences(Bench& bench) {
  need_fenced(bench);
  const auto epoch = [](unsigned number) { return std::string("\0\0", 2) + static_cast<char>(number); };
  const auto write = [&](unsigned number, Bytes value, std::source_location where = std::source_location::current()) {
    const std::string mine = epoch(number);
    const orbit_condition fences[] = {fence("fence", mine)};
    must(bench.store.write_if(fences, one_put("state", value), false), where);
    expect_equal(bench, {{"fence", mine}, {"state", std::string(value)}}, nullptr, "epoch " + std::to_string(number));
  };
  write(1, "first");
  write(1, "again");
  write(7, "taken over");
  for (const unsigned late : {1, 6, 0}) {
    const std::string mine = epoch(late);
    const orbit_condition fences[] = {fence("fence", mine)};
    expect_refused(bench, fences, one_put("state", "too late"), 0);
  }
  expect_equal(bench, {{"fence", epoch(7)}, {"state", "taken over"}}, nullptr, "after writes that came too late");
  write(200, "bytes are unsigned");
  const std::string low = epoch(129);
  const orbit_condition late[] = {fence("fence", low)};
  expect_refused(bench, late, one_put("state", "too late"), 0);

  const std::string next = epoch(201);
  const orbit_condition with_another[] = {fence("fence", next), absent("state")};
  expect_refused(bench, with_another, one_put("state", "no"), 1);
  expect_equal(bench, {{"fence", epoch(200)}, {"state", "bytes are unsigned"}}, nullptr,
               "a fence was raised by a batch that another condition refused");
  const orbit_condition only[] = {fence("fence", next)};
  WriteBatch over;
  over.put("fence", "the batch's own operations come after");
  over.erase("state");
  must(bench.store.write_if(only, over, false));
  expect_equal(bench, {{"fence", "the batch's own operations come after"}}, nullptr, "a batch that writes its fence");
}

void bad_conditions(Bench& bench) {
  need_fenced(bench);
  bench.put("a", "1");
  const orbit_condition unknown[] = {{99, 0, to_c("a"), to_c("1")}};
  expect_error(bench.store.write_if(unknown, one_put("a", "2"), false), Code::invalid_argument);
  const orbit_condition twice[] = {equals("a", "1"), absent("b"), fence("a", "2")};
  expect_error(bench.store.write_if(twice, one_put("a", "2"), false), Code::invalid_argument);
  std::vector<std::string> keys;
  for (size_t i = 0; i <= ORBIT_CONDITIONS_MAX; ++i) keys.push_back("k" + std::to_string(i));
  std::vector<orbit_condition> many;
  for (const std::string& key : keys) many.push_back(absent(key));
  expect_error(bench.store.write_if(many, one_put("a", "2"), false), Code::invalid_argument);
  expect_equal(bench, {{"a", "1"}}, nullptr, "after conditions that make no sense");
  many.pop_back();
  must(bench.store.write_if(many, one_put("a", "3"), false));
  expect_equal(bench, {{"a", "3"}}, nullptr, "with as many conditions as are allowed");
}

void fenced_survive(Bench& bench) {
  need_fenced(bench);
  if (!bench.suite.durable) throw Skip{"the engine is not durable"};
  const orbit_condition first[] = {fence("fence", "1"), absent("a")};
  must(bench.store.write_if(first, one_put("a", "1"), true));
  bench.reopen();
  expect_equal(bench, {{"a", "1"}, {"fence", "1"}}, nullptr, "after a reopen");
  const orbit_condition late[] = {fence("fence", "0")};
  expect_refused(bench, late, one_put("a", "2"), 0);
}

struct Other {
  explicit Other(const Bench& bench) : instance(must(bench.suite.open({}))), store(must(StorageClient::of(instance->raw()))) {}
  std::unique_ptr<PluginInstance> instance;
  StorageClient store;
};

void instances_see_each_other(Bench& bench) {
  need_shared(bench);
  const Other other(bench);
  std::string value;
  for (int i = 0; i < 100; ++i) {
    const std::string number = std::to_string(i);
    bench.put("a", number, i % 2 == 0);
    expect(must(other.store.get("a", value)) && value == number, "the other instance reads " + shown(value) + ", not " + number);
    must(other.store.write(one_put("b", number), false));
    expect(bench.get("b") == number, "this instance reads " + bench.get("b") + ", not " + number);
  }
}

// Each instance adds to a number, with what it read as the condition. A sum that is too small is a lost update.
void instances_do_not_lose_updates(Bench& bench) {
  need_shared(bench);
  need_fenced(bench);
  constexpr size_t kInstances = 3;
  constexpr int kEach = 60;
  std::array<std::exception_ptr, kInstances> thrown;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kInstances; ++i)
    threads.emplace_back([&, i] {
      try {
        const Other mine(bench);
        std::string value;
        for (int added = 0; added < kEach;) {
          const bool exists = must(mine.store.get("sum", value));
          const orbit_condition unchanged[] = {exists ? equals("sum", value) : absent("sum")};
          const Result<> written = mine.store.write_if(
              unchanged, one_put("sum", std::to_string((exists ? std::stoi(value) : 0) + 1)), false);
          if (written)
            ++added;
          else
            expect_error(written, Code::aborted);
        }
      } catch (...) {
        thrown[i] = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& one : thrown)
    if (one) std::rethrow_exception(one);
  expect(bench.get("sum") == std::to_string(kInstances * kEach), "updates were lost: the sum is " + bench.get("sum"));
}

void an_overtaken_instance(Bench& bench) {
  need_shared(bench);
  need_fenced(bench);
  const orbit_condition mine[] = {fence("fence", "1")};
  must(bench.store.write_if(mine, one_put("state", "mine"), false));
  {
    const Other other(bench);
    const orbit_condition theirs[] = {fence("fence", "2")};
    must(other.store.write_if(theirs, one_put("state", "theirs"), false));
  }
  expect_refused(bench, mine, one_put("state", "mine again"), 0);
  expect(bench.get("state") == "theirs", "an overtaken instance wrote " + bench.get("state"));
}

constexpr Case kFencedCases[] = {
    {"a batch is applied if its conditions hold, and not at all if one does not", conditions_decide},
    {"a condition does not write its key", conditions_leave_their_keys},
    {"a fence lets epochs pass that are not lower, and remembers them", fences},
    {"conditions that make no sense are refused", bad_conditions},
    {"a fence is there after a reopen", fenced_survive},
    {"instances see what others have written", instances_see_each_other},
    {"instances that write on conditions lose no update", instances_do_not_lose_updates},
    {"an instance that was overtaken cannot write", an_overtaken_instance},
};

}  // namespace

std::span<const Case> fenced_cases() { return kFencedCases; }

}  // namespace orbit::testkit
