// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <rocksdb/db.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "bench_node.hpp"
#include "sides.hpp"
#include "ticks.hpp"

namespace orbit::bench {

namespace {

using Clock = std::chrono::steady_clock;

::bench::Plan plan_of(const Sending& what) {
  ::bench::Plan plan;
  plan.set_messages(what.messages);
  plan.set_batch(what.batch);
  plan.set_actors(what.actors);
  return plan;
}

double one_way(const Sending& what) { return BenchNode(1).rate("OneWay", plan_of(what)); }

double request_reply(int64_t requests) { return BenchNode(1).rate("RequestReply", plan_of({requests, 1, 1})); }

double random(const Sending& what, uint32_t workers) { return BenchNode(workers).rate("Random", plan_of(what), workers); }

std::vector<double> ping_pong(int64_t balls, bool two_workers) {
  BenchNode node(two_workers ? 2 : 1);
  const int64_t first = node.key_on_worker("bench.Player", 0);
  const int64_t second = node.key_on_worker("bench.Player", two_workers ? 1 : 0, first + 1);
  ::bench::Match match;
  match.set_partner(first);
  node.call({{"bench.Player", second, "Begin", match.SerializeAsString()}});
  match.set_partner(second);
  match.set_balls(balls);
  node.call({{"bench.Player", first, "Begin", match.SerializeAsString()}});
  ::bench::Quantiles quantiles;
  quantiles.set_ticks_per_ns(::bench::ticks_per_ns());
  for (const double at : kQuantiles) quantiles.add_at(at);
  ::bench::Score score;
  while (!score.over()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    score.ParseFromString(node.call({{"bench.Player", first, "Read", quantiles.SerializeAsString()}})[0]);
  }
  return {score.nanoseconds().begin(), score.nanoseconds().end()};
}

double idle_bytes(int64_t actors) {
  BenchNode node(1);
  node.drive("WakeSinks", plan_of({0, 1, 1000}));
  const double before = resident_bytes();
  node.drive("WakeSinks", plan_of({0, 1, actors + 1000}));
  return (resident_bytes() - before) / static_cast<double>(actors);
}

double resident_bytes_with(int64_t actors, int64_t state_bytes) {
  BenchNode node(1);
  ::bench::Plan plan = plan_of({0, 1000, actors});
  plan.set_bytes(state_bytes);
  node.drive("FillHolders", plan);
  node.drive("TouchHolders", plan);
  return resident_bytes();
}

}  // namespace

const Side kOrbit = {&one_way, &request_reply, &random, &ping_pong, &idle_bytes, &resident_bytes_with};

double orbit_activations(int64_t actors, int64_t state_bytes, const std::string& folder) {
  BenchNode node(1, folder.empty() ? Engine(MEMORY_PLUGIN, {}) : Engine(ROCKSDB_PLUGIN, {{"path", folder}}));
  ::bench::Plan plan = plan_of({0, 1000, actors});
  plan.set_bytes(state_bytes);
  node.drive("FillHolders", plan);
  node.put_out("bench.Holder");
  return node.rate("TouchHolders", plan);
}

std::vector<double> orbit_calls_beside(bool burner, int64_t calls, const std::string& folder) {
  BenchNode node(2, folder.empty() ? Engine() : Engine(ROCKSDB_PLUGIN, {{"path", folder}}));
  if (burner) {
    ::bench::Fire fire;
    fire.set_nanoseconds(20'000'000);
    fire.set_turns(folder.empty() ? 150 : 400);  // longer than the calls take
    node.call({{"bench.Burner", node.key_on_worker("bench.Burner", 1), "Burn", fire.SerializeAsString()}});
  }
  ::bench::Plan plan = plan_of({calls, 1, 1});
  plan.set_durable(!folder.empty());
  plan.mutable_quantiles()->set_ticks_per_ns(::bench::ticks_per_ns());
  for (const double at : kQuantiles) plan.mutable_quantiles()->add_at(at);
  const char* const asked = folder.empty() ? "bench.Sink" : "bench.Durable";
  int64_t key = node.key_on_worker("bench.Driver", 0);
  while (node.key_on_worker(asked, 0, key * 1000) != key * 1000) key = node.key_on_worker("bench.Driver", 0, key + 1);
  ::bench::Score score;
  score.ParseFromString(node.call({{"bench.Driver", key, "Latencies", plan.SerializeAsString()}})[0]);
  return {score.nanoseconds().begin(), score.nanoseconds().end()};
}

namespace {

// Keeps one call to an actor of its own in flight, until the time is over.
struct Writer {
  std::string key;
  uint64_t hint[2] = {0, 0};
  struct Writers* all = nullptr;
};
struct Writers {
  std::vector<Writer> writers;
  std::atomic<size_t> left{0};
  std::atomic<uint64_t> turns{0};
  Clock::time_point until;
  std::string request;

  void send(Writer& writer) {
    const orbit_actors_v1* api = kernel::Runtime::api();
    orbit_envelope* envelope = api->allocate();
    envelope->type = api->type("bench.Durable");
    envelope->key = to_c(Bytes(writer.key));
    envelope->method = orbit_method_id("Add", 3);
    envelope->payload = new std::string(request);
    envelope->ops = &kBytesOps;
    envelope->reply_ctx = &writer;
    envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
      auto& its = *static_cast<Writer*>(ctx);
      if (reply->code != ORBIT_OK) die(reply->message);
      kernel::Runtime::api()->free_envelope(reply);
      ++its.all->turns;
      if (Clock::now() < its.all->until)
        its.all->send(its);
      else
        --its.all->left;
    };
    api->send(envelope, writer.hint);
  }
};

}  // namespace

double orbit_durable_turns(uint32_t in_flight, uint32_t milliseconds, const std::string& folder) {
  BenchNode node(1, Engine(ROCKSDB_PLUGIN, {{"path", folder}}));
  Writers all;
  ::bench::Number one;
  one.set_value(1);
  all.request = one.SerializeAsString();
  all.writers.resize(in_flight);
  all.left = in_flight;
  const auto begin = Clock::now();
  all.until = begin + std::chrono::milliseconds(milliseconds);
  node.runtime().post(0, [&all] {
    for (size_t i = 0; i < all.writers.size(); ++i) {
      all.writers[i].key = std::to_string(i);
      all.writers[i].all = &all;
      all.send(all.writers[i]);
    }
  });
  while (all.left != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
  return static_cast<double>(all.turns) / took.count();
}

double rocksdb_durable_puts(uint32_t milliseconds, const std::string& folder) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  if (const auto opened = rocksdb::DB::Open(options, folder, &raw); !opened.ok()) die(opened.ToString());
  const std::unique_ptr<rocksdb::DB> database(raw);
  rocksdb::WriteOptions durable;
  durable.sync = true;
  // As large as the record of a durable turn.
  const std::string value(40, 'x');
  const auto begin = Clock::now();
  const auto until = begin + std::chrono::milliseconds(milliseconds);
  uint64_t puts = 0;
  while (Clock::now() < until) {
    if (const auto written = database->Put(durable, "durable-" + std::to_string(puts % 1000), value); !written.ok())
      die(written.ToString());
    ++puts;
  }
  const std::chrono::duration<double, std::milli> took = Clock::now() - begin;
  return static_cast<double>(puts) / took.count();
}

}  // namespace orbit::bench
