/* SPDX-License-Identifier: MIT OR BSD-3-Clause
 *
 * orbit.descriptors/1: provided by the host; what a wire needs to know of the actor types that clients outside can call: their
 * methods and messages, as the modules carry them. With it a wire works for every actor type, also for one that is loaded later.
 *
 * A wire keeps what it makes of the descriptors and compares `generation` before each use, one load of an atomic. orbit/wire_types.hpp
 * does that in C++ with a descriptor pool of its own: descriptors are data here, and nothing of them is registered with protobuf.
 */
#ifndef ORBIT_EXT_DESCRIPTORS_H
#define ORBIT_EXT_DESCRIPTORS_H

#include "actors.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ORBIT_DESCRIPTORS_V1 "orbit.descriptors/1"

/* What a type's keys are; the numbers of orbit.v1.KeyKind. */
typedef uint32_t orbit_key_kind;
enum {
  ORBIT_KEY_STRING = 1, /* UTF-8 */
  ORBIT_KEY_INT64 = 2,  /* decimal digits, in the one shortest form */
  ORBIT_KEY_BYTES = 3
};

/* A type whose methods have protobuf messages, in the version that new calls reach. All pointers stay valid until the plugin's
 * stop has returned, also when the module is replaced or retired meanwhile. */
typedef struct orbit_callable_type {
  uint32_t struct_size;
  orbit_key_kind key_kind;
  const orbit_type* type;             /* for orbit_envelope.type */
  const orbit_actor_type* definition; /* name, methods with their ids, descriptor_set with all imports */
  const char* module;                 /* name and version of the module that it comes from */
  const char* module_version;
  uint64_t module_generation;
} orbit_callable_type;

typedef struct orbit_descriptors_v1 {
  uint32_t struct_size;
  uint32_t reserved;
  /* Changes whenever a module is loaded, replaced or retired; never 0. [any thread] */
  uint64_t (*generation)(void);
  /* Visits the callable types, ordered by name; returns the generation that they are of. [any thread] */
  uint64_t (*each)(void (*visit)(void* ctx, const orbit_callable_type* type), void* ctx);
  /* The worker where the turns of that actor run: who may choose saves a hand-over by sending from there. Of a stateless type
   * any worker is as good. [any thread] */
  uint32_t (*worker_of)(const orbit_type* type, orbit_bytes key);
} orbit_descriptors_v1;

#ifdef __cplusplus
}
#endif
#endif
