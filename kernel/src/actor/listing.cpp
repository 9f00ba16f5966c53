// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/listing.hpp"

#include <memory>
#include <string>

#include "actor/runtime.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

// A scan over a type's main records (or a look at their count) on the I/O pool, after everything in memory was written out.
struct Scan {
  Runtime* runtime;
  const orbit_type* type;
  uint32_t home;
  uint64_t from_hash;
  size_t limit;              // 0: only count
  const orbit_type* const* types = nullptr;  // to count instead of `type`
  size_t type_count = 0;
  uint64_t* counts = nullptr;
  orbit_visit_actor visit;
  void* ctx;
  std::function<void(const Scan&)> done;
  uint64_t seen = 0;
  uint64_t last_hash = 0;
  uint64_t next_hash = 0;
  bool stopped = false;
  orbit_code code = ORBIT_OK;
  std::string message;

  // 0 ends the scan. All actors of one hash go together.
  int entry(orbit_bytes key_bytes) {
    std::string_view in = from_c(key_bytes).substr(1);
    const auto address = take_actor(in);
    if (!address) {
      code = ORBIT_DATA_LOSS;
      message = address.error().message;
      return 0;
    }
    if ((stopped || seen >= limit) && address->hash != last_hash) {
      next_hash = address->hash;
      return 0;
    }
    ++seen;
    last_hash = address->hash;
    if (visit != nullptr && visit(ctx, to_c(address->key), address->hash) == 0) stopped = true;
    return 1;
  }

  void run() {
    if (limit == 0) {
      for (size_t i = 0; i < type_count && code == ORBIT_OK; ++i) {
        const auto counted = runtime->store_of(*types[i]).committer.count(types[i]->name);
        if (counted) {
          counts[i] = *counted;
        } else {
          code = static_cast<orbit_code>(counted.error().code);
          message = counted.error().message;
        }
      }
      return;
    }
    std::string from = type->main_prefix;
    append_u64_be(from, from_hash);
    const std::string to = prefix_end(type->main_prefix);
    const Engine& engine = runtime->store_of(*type).committer.engine();
    ErrorOut error;
    const orbit_code scanned = engine.table->scan(
        engine.self, nullptr, to_c(from), to_c(to), 0,
        [](void* self, orbit_bytes key, orbit_bytes) -> int { return static_cast<Scan*>(self)->entry(key); }, this, &error);
    if (scanned == ORBIT_OK) return;
    code = scanned;
    message = error.take(scanned).message;
  }

  static void start(std::unique_ptr<Scan> owned) {
    Scan* scan = owned.release();
    Stores stores = 0;
    if (scan->type != nullptr) stores = scan->runtime->stores_of(*scan->type);
    for (size_t i = 0; i < scan->type_count; ++i) stores |= scan->runtime->stores_of(*scan->types[i]);
    scan->runtime->flush_everywhere(
        scan->home, stores,
        [scan] {
          const bool queued = scan->runtime->executor().blocking(
              [](void* self) {
                auto* running = static_cast<Scan*>(self);
                running->run();
                running->runtime->post(running->home, [running] {
                  const std::unique_ptr<Scan> finished(running);
                  finished->done(*finished);
                });
              },
              scan);
          if (queued) return;
          const std::unique_ptr<Scan> refused(scan);
          refused->code = ORBIT_RESOURCE_EXHAUSTED;
          refused->message = "io_queue_max: the I/O pool's queue is full; try again later";
          refused->done(*refused);
        });
  }
};

std::unique_ptr<Scan> make_scan(const orbit_type* type, uint64_t from_hash, size_t limit, orbit_visit_actor visit, void* ctx) {
  auto scan = std::make_unique<Scan>();
  scan->runtime = this_runtime();
  scan->type = type;
  scan->home = this_scheduler()->worker();
  scan->from_hash = from_hash;
  scan->limit = limit;
  scan->visit = visit;
  scan->ctx = ctx;
  return scan;
}

}  // namespace

void list_actors(const orbit_type* type, uint64_t from_hash, size_t limit, orbit_visit_actor visit,
                 void (*done)(void*, uint64_t, orbit_code, const char*), void* ctx) {
  auto scan = make_scan(type, from_hash, limit == 0 ? 1 : limit, visit, ctx);
  scan->done = [done, ctx](const Scan& finished) { done(ctx, finished.next_hash, finished.code, finished.message.c_str()); };
  Scan::start(std::move(scan));
}

void count_actors(const orbit_type* type, void (*done)(void*, uint64_t, orbit_code, const char*), void* ctx) {
  auto scan = make_scan(type, 0, 0, nullptr, nullptr);
  scan->types = &scan->type;
  scan->type_count = 1;
  scan->counts = &scan->seen;
  scan->done = [done, ctx](const Scan& finished) { done(ctx, finished.seen, finished.code, finished.message.c_str()); };
  Scan::start(std::move(scan));
}

void count_actors_of_types(const orbit_type* const* types, size_t type_count, uint64_t* counts,
                           void (*done)(void*, orbit_code, const char*), void* ctx) {
  auto scan = make_scan(nullptr, 0, 0, nullptr, nullptr);
  scan->types = types;
  scan->type_count = type_count;
  scan->counts = counts;
  scan->done = [done, ctx](const Scan& finished) { done(ctx, finished.code, finished.message.c_str()); };
  Scan::start(std::move(scan));
}

}  // namespace orbit::kernel
