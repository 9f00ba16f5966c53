// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Commands over several keys: all their actors are held, the command runs over the opened values, and what changed
// commits as one batch, with whole databases that are erased.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server.hpp"
#include "slot.hpp"

namespace orbit::resp {

class Session;
class Worker;

// One hold on its way: taken, used, released, committed. Runs on the worker that began it. The session, if any, lives
// until its slot is finished.
class HoldCall {
 public:
  HoldCall() = default;
  HoldCall(const HoldCall&) = delete;
  HoldCall& operator=(const HoldCall&) = delete;
  virtual ~HoldCall() = default;

 protected:
  // Takes refs_. slot may be null: nobody waits for a reply. Ends with ended(), perhaps before this returns.
  void begin(Worker& worker, Session* session, Slot* slot, uint64_t deadline_ns);
  // All actors of refs_ are here: use them, write the reply to slot->out, mark changed_[i].
  virtual void use(KeyActor* const* actors) = 0;
  // In use(), before anything is changed: goes_on_ may be set then, and release() called later.
  void keep();
  // What is marked commits. Ends with ended(), perhaps before this returns.
  void release();
  // The hold could not be taken, or its changes could not be made durable; the reply in the slot, if any, is an error
  // already.
  virtual void failed(orbit_code, const char*) {}
  // Whether an error of the storage is one of writing.
  virtual bool writes() const = 0;
  // The kernel has not granted the hold yet: copy what is borrowed.
  virtual void retain() {}
  // The hold is over. True: end_now() follows, later, before which ended() and the end of the slot do not come.
  virtual bool lingers() { return false; }
  // Last call; the object may delete itself.
  virtual void ended() = 0;
  void end_now();

  // False: the storage refuses writes now, and the reply says so.
  bool check_writable(Reply& reply);

  std::vector<orbit_actor_ref> refs_;
  std::vector<uint8_t> changed_;
  bool may_erase_ = false;                   // the hold is one of orbit.erasing/1
  std::vector<const orbit_type*> erasable_;  // types that use() may have erased
  std::vector<uint8_t> erased_;              // erased_[i]: erasable_[i] is; its held actors are cleared and changed
  bool goes_on_ = false;                     // use() returned before its end
  Worker* worker_ = nullptr;
  Session* session_ = nullptr;
  Slot* slot_ = nullptr;

 private:
  static void granted(void* ctx, orbit_hold* hold, void* const* actors, size_t count, orbit_code code,
                      const char* message);
  static void committed(void* ctx, orbit_code code, const char* message);
  void use_safely(KeyActor* const* actors) noexcept;
  void refuse(orbit_code code, const char* message) noexcept;
  void end();

  orbit_hold* hold_ = nullptr;
  bool unusable_ = false;   // what it borrowed is gone
  bool* inside_ = nullptr;  // set while hold() runs; granted() sets what it points to
};

// From the worker's free list.
class MultiKeyCall final : public HoldCall {
 public:
  // `others`: the database of the second key and those behind it.
  void start(Session& session, const CommandEntry& entry, Args args, std::span<const uint32_t> positions,
             uint32_t others);
  bool big() const noexcept { return refs_.capacity() > 256; }

 private:
  void use(KeyActor* const* actors) override;
  bool writes() const override { return (spec_->flags & kWrite) != 0; }
  void retain() override { args_ = slot_->keep(args_); }
  void ended() override;

  const CommandSpec* spec_ = nullptr;
  Args args_;
  std::vector<uint32_t> positions_;
  std::vector<OpenKey> open_;
};

// Where the keys are in args. False: `why` is the error, e.g. more than keys_max keys.
bool find_keys(const CommandSpec& spec, Args args, uint32_t keys_max, std::vector<uint32_t>& positions,
               std::string& why);
// Memory for find_keys that is reused. [worker]
std::vector<uint32_t>& key_positions_scratch();

void run_many_keys(Session& session, const CommandEntry& entry, Args args, std::span<const uint32_t> positions);
// A command whose second key may be of another database; `positions` names one key or two.
void run_two_databases(Session& session, const CommandEntry& entry, Args args, std::vector<uint32_t>& positions);
void run_without_keys(Worker& worker, const CommandEntry& entry, Args args, Reply& reply);

// Runs one command over held actors, those of its keys in order; marks changed[i]. `open` is scratch memory.
void run_held(const CommandSpec& spec, Args args, std::span<const uint32_t> positions, KeyActor* const* actors,
              uint8_t* changed, std::vector<OpenKey>& open, Reply& reply, uint64_t now_ms, uint64_t random,
              size_t output_bytes_max);

std::string key_too_long(size_t size);
// The first word of an HTTP request: somebody makes a browser talk to this port.
bool is_http(std::string_view word);

}  // namespace orbit::resp
