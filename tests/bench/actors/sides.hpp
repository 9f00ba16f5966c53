// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What is measured, the same on every side. Each function runs in a process of its own, and ends it when something is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace orbit::bench {

[[noreturn]] void die(const std::string& why);

inline constexpr double kQuantiles[] = {0.5, 0.99, 0.999};

struct Sending {
  int64_t messages = 0;
  int64_t batch = 0;  // sent before the sender waits for them
  int64_t actors = 0; // of each sender
};

// Millions of messages a second.
struct Side {
  double (*one_way)(const Sending& what);
  double (*request_reply)(int64_t requests);
  double (*random)(const Sending& what, uint32_t workers);
  // Half round trips in nanoseconds, at kQuantiles.
  std::vector<double> (*ping_pong)(int64_t balls, bool two_workers);
  // Bytes of the process (resident) that one idle actor adds.
  double (*idle_bytes)(int64_t actors);
  // Bytes of the whole process with so many actors of so many bytes of state, all of which have taken messages.
  double (*resident_bytes)(int64_t actors, int64_t state_bytes);
};

extern const Side kOrbit;
extern const Side kCaf;

// Millions of activations a second; the states are in an engine of `folder`, or (empty) in the memory engine.
double orbit_activations(int64_t actors, int64_t state_bytes, const std::string& folder);
// The peer's nearest: actors made that have taken their first message, millions a second.
double caf_spawns(int64_t actors);
// Thousands a second.
double orbit_durable_turns(uint32_t in_flight, uint32_t milliseconds, const std::string& folder);
double rocksdb_durable_puts(uint32_t milliseconds, const std::string& folder);

// A worker's calls to its own actors, one in flight, while an actor of the other worker burns turns of 20 ms, or while nothing
// does; nanoseconds at kQuantiles. `folder`: turns are durable, in an engine there; empty: they only read.
std::vector<double> orbit_calls_beside(bool burner, int64_t calls, const std::string& folder);

// Of this process, now.
double resident_bytes();

}  // namespace orbit::bench
