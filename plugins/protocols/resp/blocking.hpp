// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Commands that wait for an element: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP, BZPOPMIN, BZPOPMAX, BZMPOP. Each is
// tried over a hold of its keys; when there is nothing, the keys' actors remember the client and wake it when there may
// be something, the longest waiting first; then it is tried again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "multi_key.hpp"
#include "orbit/ext/workers.h"

namespace orbit::resp {

class BlockedCall final : public HoldCall {
 public:
  BlockedCall(Session& session, const CommandEntry& entry, Args args, std::span<const uint32_t> positions);

  void start();
  // There may be an element.
  void wake();
  // The type of its keys' actors.
  const orbit_type* database() const noexcept { return refs_[0].type; }
  // Its database was erased or exchanged. First the actors of the keys must know of all that wait, then they wake those
  // that there is something for, who waited longest first. Also while the gate is closed; lets go of `until` when done.
  enum Settling : uint8_t { kBeKnown = 1, kHaveWoken = 2 };
  void settle(Settling what, std::shared_ptr<void> until);
  // The client gets nothing: as after the timeout, or the error.
  void cancel(const char* error = nullptr);

 private:
  void use(KeyActor* const* actors) override;
  bool writes() const override { return true; }
  void failed(orbit_code code, const char* message) override;
  void ended() override;

  void try_again();
  void begin_settling();
  bool moved() const noexcept;
  void attempt(KeyActor* const* actors);
  bool narrow(KeyActor* const* actors);
  void be_known(KeyActor* const* actors);
  void have_woken(KeyActor* const* actors) const;
  void forget(KeyActor* const* actors);
  void finish();

  Session& client_;
  Slot* const place_;
  const CommandEntry& entry_;
  const uint64_t id_;
  Worker& home_;
  const uint32_t database_;
  const ValueType type_;
  bool only_source_;  // the second key is where the element goes
  Args args_;         // kept in the slot
  std::vector<uint32_t> positions_;
  // What is run when the value of some key is of another type: without that key.
  std::vector<std::string_view> some_args_;
  std::vector<uint32_t> some_positions_;
  std::vector<size_t> some_;  // which of positions_
  std::string some_count_;
  std::vector<OpenKey> open_;
  std::vector<KeyActor::WatchMark> marks_;  // empty: the actors do not know of it
  uint64_t since_ = 0;                      // its place among all that wait; 0: it does not yet
  orbit_timer timer_ = 0;
  const char* error_ = nullptr;
  std::vector<std::shared_ptr<void>> until_settled_;
  uint8_t to_settle_ = 0;  // what of Settling has to follow
  uint8_t settles_ = 0;    // what the hold does of it; 0: it is a try
  bool trying_ = false;   // a hold is on its way
  bool waiting_ = false;  // there was nothing the first time
  bool again_ = false;
  bool queued_ = false;  // behind the gate
  bool cancelled_ = false;
  bool answered_ = false;
};

// For KeyEnvironment.
void wake_blocked(void* server, uint32_t worker, uint64_t client);

}  // namespace orbit::resp
