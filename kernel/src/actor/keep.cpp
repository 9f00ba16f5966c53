// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/keep.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "actor/names.hpp"
#include "actor/scheduler.hpp"
#include "orbit/ext/node.h"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

struct Keeping {
  Runtime* runtime;
  orbit_type* type;
  std::string key;
  uint64_t duration_ms;
  uint64_t deadline_ns;
  Runtime::Done done;
  uint32_t home;
  bool activated = false;

  uint64_t mixed() const { return ActivationTable::mix(type, key_hash(key)); }

  // One that is in memory is kept at once, whatever its turn does.
  static void look(std::unique_ptr<Keeping> self) {
    Runtime& runtime = *self->runtime;
    const uint32_t owner = runtime.worker_of(self->mixed());
    runtime.post(owner, [owner, it = std::shared_ptr<Keeping>(std::move(self))] {
      Scheduler& scheduler = it->runtime->scheduler(owner);
      scheduler.settle();
      orbit_activation* a = scheduler.table().find(it->type, it->mixed(), it->key);
      const bool here = a != nullptr && a->stage == Stage::active && !a->leaving;
      const uint64_t kept_ns = here ? scheduler.keep(a, it->duration_ms * 1'000'000) : 0;
      it->runtime->post(it->home, [it, here, kept_ns] {
        if (here) return it->done(ORBIT_OK, "{\"kept_ms\":" + std::to_string(kept_ns / 1'000'000) + "}");
        if (it->activated)
          return it->done(ORBIT_UNAVAILABLE,
                          actor_name(it->type->name, it->key) + " left memory as soon as it was there; try again");
        activate(std::make_unique<Keeping>(std::move(*it)));
      });
    });
  }

  // A hold brings it into memory, and tells why it cannot.
  static void activate(std::unique_ptr<Keeping> self) {
    self->activated = true;
    Keeping* const it = self.release();
    const orbit_actor_ref ref{it->type, to_c(Bytes(it->key))};
    this_scheduler()->hold(
        &ref, 1, it->deadline_ns,
        [](void* ctx, orbit_hold* hold, void* const*, size_t, orbit_code code, const char* message) {
          std::unique_ptr<Keeping> keeping(static_cast<Keeping*>(ctx));
          if (code != ORBIT_OK) return keeping->done(code, message != nullptr ? message : "");
          const uint8_t clean = 0;
          this_scheduler()->release(hold, &clean, nullptr, nullptr);
          look(std::move(keeping));
        },
        it);
  }
};

}  // namespace

void keep_activation(Runtime& runtime, std::string type, std::string key, uint64_t duration_ms, uint64_t deadline_ns,
                     Runtime::Done done) {
  orbit_type* const its_type = runtime.types().find(type);
  const TypeVersion* const version = its_type != nullptr ? its_type->current.load(std::memory_order_acquire) : nullptr;
  if (version == nullptr) return done(ORBIT_NOT_FOUND, "no actor type is named " + type);
  if (version->stateless_copies != 0)
    return done(ORBIT_FAILED_PRECONDITION, type + " is stateless: its copies come and go, and none can be kept");
  Keeping::look(std::make_unique<Keeping>(Keeping{&runtime, its_type, std::move(key),
                                                  std::min<uint64_t>(duration_ms, ORBIT_KEEP_MS_MAX), deadline_ns,
                                                  std::move(done), this_scheduler()->worker()}));
}

}  // namespace orbit::kernel
