// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One plugin, broken in a way that BREAK chooses; built once for each. It uses the C edge alone, because the SDK's
// classes would not let it be wrong.
#include <orbit/abi.h>

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

#define INTACT 0
#define NO_SYMBOL 1
#define WRONG_MAJOR 2
#define SHORT_STRUCT 3
#define NEWER_MINOR 4
#define MISSING_NEEDS 5
#define FALSE_PROVIDES 6
#define CREATE_FAILS 7
#define CREATE_THROWS 8
#define CREATE_HANGS 9
#define STOP_HANGS 10
#define NULL_DESCRIPTOR 11
#define BAD_DEFAULT 12
#define START_FAILS 13
#define ENTRY_CRASHES 14
#define ENTRY_HANGS 15
#define CREATE_GIVES_NOTHING 16
#define START_HANGS 17

namespace {

[[maybe_unused]] void hang() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

const void* get_extension(void*, const char* id) {
  static const int table = 0;
  return BREAK != FALSE_PROVIDES && std::strcmp(id, "test.thing/1") == 0 ? &table : nullptr;
}

orbit_plugin_instance instance = {sizeof(orbit_plugin_instance),
                                  0,
                                  nullptr,
                                  &get_extension,
                                  [](void*, orbit_error* error) -> orbit_code {
#if BREAK == START_HANGS
                                    hang();
#endif
                                    if (BREAK != START_FAILS) return ORBIT_OK;
                                    std::strcpy(error->message, "the port is taken");
                                    return ORBIT_UNAVAILABLE;
                                  },
                                  [](void*) {
#if BREAK == STOP_HANGS
                                    hang();
#endif
                                  },
                                  [](void*) {}};

orbit_code create(const orbit_host*, const orbit_config*, orbit_plugin_instance** out, orbit_error* error) {
#if BREAK == CREATE_FAILS
  std::strcpy(error->message, "the disk is on fire");
  return ORBIT_UNAVAILABLE;
#elif BREAK == CREATE_THROWS
  throw std::runtime_error("thrown across the edge");
#elif BREAK == CREATE_HANGS
  hang();
#elif BREAK == CREATE_GIVES_NOTHING
  return ORBIT_OK;
#endif
  static_cast<void>(error);
  *out = &instance;
  return ORBIT_OK;
}

const char* const kProvides[] = {"test.thing/1", nullptr};
const char* const kNeeds[] = {BREAK == MISSING_NEEDS ? "orbit.teleport/1" : nullptr, nullptr};
const orbit_option kOptions[] = {{sizeof(orbit_option), ORBIT_OPTION_INTEGER, 0, 0, "count",
                                  BREAK == BAD_DEFAULT ? "1000" : "1", "A number.", nullptr, 0, 10}};

// What a later minor may look like: longer, with fields that this kernel does not know.
struct NewerDescriptor {
  orbit_plugin_descriptor known;
  const char* added[4];
};

const NewerDescriptor kDescriptor = {{BREAK == SHORT_STRUCT  ? 64u
                                      : BREAK == NEWER_MINOR ? static_cast<uint32_t>(sizeof(NewerDescriptor))
                                                             : static_cast<uint32_t>(sizeof(orbit_plugin_descriptor)),
                                      BREAK == WRONG_MAJOR ? uint16_t{9} : uint16_t{ORBIT_ABI_MAJOR},
                                      BREAK == NEWER_MINOR ? uint16_t{99} : uint16_t{ORBIT_ABI_MINOR}, "test.broken",
                                      "0.1.0", "Broken on purpose.", kProvides, kNeeds, kOptions, 1, 0, &create},
                                     {"later", nullptr, nullptr, nullptr}};

}  // namespace

#if BREAK == NO_SYMBOL
#define ENTRY orbit_plugin_of_another_name
#else
#define ENTRY orbit_plugin
#endif

extern "C" __attribute__((visibility("default"))) const orbit_plugin_descriptor* ENTRY(void) {
#if BREAK == ENTRY_CRASHES
  __builtin_trap();
#elif BREAK == ENTRY_HANGS
  hang();
#endif
  return BREAK == NULL_DESCRIPTOR ? nullptr : &kDescriptor.known;
}
