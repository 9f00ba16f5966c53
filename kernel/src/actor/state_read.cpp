// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/state_read.hpp"

#include <memory>
#include <string>

#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

struct Reading {
  Runtime* runtime;
  const orbit_type* type;
  uint32_t home;
  std::string key;
  void (*done)(void*, orbit_bytes, uint64_t, orbit_code, const char*);
  void* ctx;
  std::string record;
  std::string_view value;
  uint64_t version = 0;
  orbit_code code = ORBIT_OK;
  std::string message;

  void run() {
    std::string main_key(1, kMainSpace);
    append_actor(main_key, type->name, key_hash(key), key);
    const Engine& engine = runtime->store_of(*type).committer.engine();
    ErrorOut error;
    const orbit_sink sink{&record, [](void* out, orbit_bytes part) { static_cast<std::string*>(out)->append(from_c(part)); }};
    code = engine.table->get(engine.self, nullptr, to_c(std::string_view(main_key)), sink, &error);
    if (code == ORBIT_NOT_FOUND) return say_none();
    if (code != ORBIT_OK) {
      message = error.take(code).message;
      return;
    }
    value = record;
    const auto header = take_main_header(value);
    if (!header) {
      code = ORBIT_DATA_LOSS;
      message = header.error().message;
      return;
    }
    if (header->expires_at_ms != 0 && header->expires_at_ms <= runtime->executor().unix_ms()) return say_none();
    version = header->version;
  }
  void say_none() {
    code = ORBIT_NOT_FOUND;
    message = actor_name(type->name, key) + " has no state";
    value = {};
  }
  void answer() const { done(ctx, to_c(value), version, code, message.c_str()); }
};

void start(Reading* reading) {
  const bool queued = reading->runtime->executor().blocking(
      [](void* self) {
        auto* running = static_cast<Reading*>(self);
        running->run();
        running->runtime->post(running->home, [running] {
          const std::unique_ptr<Reading> finished(running);
          finished->answer();
        });
      },
      reading);
  if (queued) return;
  const std::unique_ptr<Reading> refused(reading);
  refused->code = ORBIT_RESOURCE_EXHAUSTED;
  refused->message = "io_queue_max: the I/O pool's queue is full; try again later";
  refused->answer();
}

}  // namespace

void read_state(const orbit_type* type, orbit_bytes key,
                void (*done)(void*, orbit_bytes, uint64_t, orbit_code, const char*), void* ctx) {
  Runtime* runtime = this_runtime();
  const TypeVersion* version = type != nullptr ? type->current.load(std::memory_order_acquire) : nullptr;
  const auto refuse = [&](orbit_code code, const std::string& message) { done(ctx, {nullptr, 0}, 0, code, message.c_str()); };
  if (version == nullptr)
    return refuse(ORBIT_NOT_FOUND, type == nullptr ? "the question names no actor type"
                                                   : "no actor type " + type->name + " is loaded on this node");
  if (key.size > ORBIT_ACTOR_KEY_MAX)
    return refuse(ORBIT_INVALID_ARGUMENT, "the actor key has " + std::to_string(key.size) + " bytes, at most " +
                                              std::to_string(ORBIT_ACTOR_KEY_MAX) + " are allowed");
  if (version->stateless_copies != 0)
    return refuse(ORBIT_NOT_FOUND, actor_name(type->name, from_c(key)) + " is a stateless worker");
  auto* reading = new Reading{runtime, type, this_scheduler()->worker(), std::string(from_c(key)), done, ctx, {}, {}, 0,
                              ORBIT_OK, {}};
  // What a SYNC turn changed is stored before anybody hears of it.
  if (version->def->durability == ORBIT_DURABILITY_SYNC) return start(reading);
  runtime->flush_everywhere(reading->home, runtime->stores_of(*type), [reading] { start(reading); });
}

}  // namespace orbit::kernel
