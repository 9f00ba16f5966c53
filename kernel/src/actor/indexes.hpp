// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which secondary indexes are complete, and the building of those that are not: a walk over all stored actors of the
// type, each of which is told to write its entries again. Where the walk has come to is stored, so that it goes on
// after a restart.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "orbit/ext/actors.h"
#include "orbit/result.hpp"

namespace orbit::kernel {

class Runtime;
struct TypeVersion;

enum class IndexStage : uint8_t { ready = 1, building = 2, failed = 3 };

class Indexes {
 public:
  explicit Indexes(Runtime& runtime);
  ~Indexes();

  // Versions of these types were published: compares what they declare with what is stored. [any thread that may post]
  void types_changed(const std::vector<orbit_type*>& types);
  // Calls done once it is known whether the index is complete: with no error, or with one that says what it waits for.
  // May call it at once. [worker]
  void when_known(const orbit_type* type, uint32_t number, std::function<void(Result<>)> done);

  struct Shown {
    std::string stage;    // "ready", "building", "failed", or "unknown" until storage was looked at
    uint64_t actors = 0;  // seen by the walk so far
    std::string error;
  };
  Shown shown(const orbit_type* type, uint32_t number) const;  // [any thread]

 private:
  // As noted in storage.
  struct Note {
    IndexStage stage = IndexStage::building;
    uint32_t flags = 0;
    orbit_index_kind kind = 0;
    uint32_t state_version = 0;
    uint64_t next_hash = 0;
    std::string error;
  };
  struct Walk;
  struct Retry {
    Indexes* indexes = nullptr;
    orbit_type* type = nullptr;
    void (Indexes::*what)(orbit_type*) = nullptr;
  };
  struct Type {
    const TypeVersion* version = nullptr;
    std::map<uint32_t, Note> notes;
    bool known = false;    // notes are those of version
    bool running = false;  // a comparison or a walk is on its way
    bool again = false;    // another version came meanwhile
    uint64_t actors = 0;
    std::vector<std::function<void()>> waiting;
    std::unique_ptr<Walk> page;  // of a walk
    Retry retry;
  };

  static std::string note_key(const orbit_type* type, uint32_t number);
  static std::string note_value(const Note& note);
  static bool read_note(std::string_view value, Note& note);

  void begin(orbit_type* type);  // [worker 0], as everything below
  void compare(orbit_type* type, std::map<uint32_t, Note> stored);
  void stop(orbit_type* type);
  void walk(orbit_type* type);
  void page_done(Walk* walk);
  void later(orbit_type* type, void (Indexes::*what)(orbit_type*));
  void settle(Walk* walk);

  Runtime& runtime_;
  mutable std::mutex mutex_;
  std::map<const orbit_type*, Type> types_;
};

}  // namespace orbit::kernel
