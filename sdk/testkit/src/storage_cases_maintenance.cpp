// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Checking and compacting an engine in use, and filling an empty one at once.
#include "storage_case.hpp"

namespace orbit::testkit {
namespace {

Model random_model(const Bench& bench, size_t count) {
  std::mt19937_64 random = bench.random();
  Model model;
  while (model.size() < count) {
    std::string key(1 + random() % 40, '\0');
    for (char& c : key) c = static_cast<char>(random());
    model[key] = std::string(random() % (model.size() % 100 == 7 ? 20'000 : 200), static_cast<char>(random()));
  }
  model[""] = "of the empty key";
  return model;
}

Result<> load(const Bench& bench, const Model& model) {
  auto at = model.begin();
  return bench.store.bulk_load([&](Bytes& key, Bytes& value) {
    if (at == model.end()) return false;
    key = at->first;
    value = at->second;
    ++at;
    return true;
  });
}

void checks_and_compacts(Bench& bench) {
  if (!bench.store.has_maintenance()) throw Skip{"the plugin does not provide " ORBIT_STORAGE_MAINTENANCE_V1};
  Model model = random_model(bench, 2000);
  WriteBatch batch;
  for (const auto& [key, value] : model) batch.put(key, value);
  must(bench.store.write(batch, true));
  must(bench.store.verify());
  for (int round = 0; round < 3; ++round) {
    const std::string to = std::next(model.begin(), 300)->first;
    WriteBatch erase;
    erase.erase_range(model.begin()->first, to);
    must(bench.store.write(erase, false));
    model.erase(model.begin(), model.find(to));
    must(bench.store.compact());
    expect_equal(bench, model, nullptr, "after compacting");
    must(bench.store.verify());
  }
  if (!bench.suite.durable) return;
  bench.reopen();
  expect_equal(bench, model, nullptr, "after compacting and a reopen");
}

void bulk_loads(Bench& bench) {
  if (!bench.store.has_bulk_load()) throw Skip{"the plugin does not provide " ORBIT_STORAGE_BULK_LOAD_V1};
  const Model model = random_model(bench, 3000);

  int given = 0;
  struct GivenUp {};
  bool thrown = false;
  try {
    (void)bench.store.bulk_load([&](Bytes& key, Bytes& value) {
      if (++given > 500) throw GivenUp();
      key = std::next(model.begin(), given)->first;
      value = "never";
      return true;
    });
  } catch (const GivenUp&) {
    thrown = true;
  }
  expect(thrown, "what the source throws did not reach the caller");
  expect_equal(bench, {}, nullptr, "after a load that was given up");

  given = 0;
  expect_error(bench.store.bulk_load([&](Bytes& key, Bytes& value) {
    key = given < 700 ? Bytes(std::next(model.begin(), given)->first) : Bytes("\xff\xff");  // and that again
    value = "never";
    return ++given < 1000;
  }),
               Code::invalid_argument);
  expect_equal(bench, {}, nullptr, "after a load whose keys did not ascend");

  must(bench.store.bulk_load([](Bytes&, Bytes&) { return false; }));
  expect_equal(bench, {}, nullptr, "after a load of nothing");

  must(load(bench, model));
  expect_equal(bench, model, nullptr, "after a load");
  if (bench.suite.durable) {
    bench.reopen();
    expect_equal(bench, model, nullptr, "after a load and a reopen");
  }
  expect_error(load(bench, model), Code::failed_precondition);
  Model more = model;
  bench.put("put after the load", more["put after the load"] = "value");
  bench.erase(model.rbegin()->first);
  more.erase(model.rbegin()->first);
  expect_equal(bench, more, nullptr, "after writes behind a load");
  bench.clear();
  must(load(bench, model));
  expect_equal(bench, model, nullptr, "after a load into what was erased");
}

constexpr Case kMaintenanceCases[] = {
    {"a check and a compaction change nothing that is seen", checks_and_compacts},
    {"a bulk load is there whole or not at all, and wants an empty store", bulk_loads},
};

}  // namespace

std::span<const Case> maintenance_cases() { return kMaintenanceCases; }

}  // namespace orbit::testkit
