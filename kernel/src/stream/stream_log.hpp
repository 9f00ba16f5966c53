// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a stream knows: its events, who published up to where, who has taken up to where. Knows neither actors nor storage;
// StreamActor (stream_actor.cpp) keeps it in records and delivers.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "orbit/ext/streams.h"
#include "orbit/result.hpp"

namespace orbit::kernel {

struct StreamLimits {
  size_t backlog_max = 10'000;                   // events that some subscriber has not taken
  size_t backlog_bytes_max = size_t{32} << 20;
  size_t retained_max = 1'000;                   // events kept beyond that, for replay
  size_t retained_bytes_max = size_t{8} << 20;
  size_t subscribers_max = 10'000;
  size_t publishers_max = 100'000;               // whose last sequence is remembered
  uint64_t dead_after_ms = 3'600'000;            // a subscriber that took nothing for so long no longer holds events back
};

// An actor: type and key as one string.
std::string actor_id(std::string_view type, std::string_view key);
struct ActorParts {
  std::string_view type;
  std::string_view key;
};
ActorParts parts_of(std::string_view id) noexcept;

struct StreamEvent {
  uint64_t position = 0;
  uint64_t sequence = 0;
  uint64_t time_ms = 0;
  std::string publisher;
  std::string payload;
};

struct StreamSubscriber {
  uint64_t taken = 0;          // position of the last event that it took
  uint64_t subscription = 0;
  bool dead = false;
  // Not stored.
  uint64_t stored_taken = 0;
  uint32_t failures = 0;
  uint64_t failing_since_ms = 0;
  uint64_t next_try_ms = 0;
  uint32_t batch = 1;
  bool in_flight = false;
};

class StreamLog {
 public:
  explicit StreamLog(const StreamLimits& limits) : limits_(limits) {}

  // All or nothing. Returns how many were new.
  Result<size_t> append(const std::string& publisher, const std::vector<orbit_stream_publish>& events, uint64_t now_ms);
  Result<> subscribe(const std::string& id, uint64_t from, uint64_t subscription);
  void unsubscribe(const std::string& id, uint64_t subscription);
  // The subscriber took everything up to there. True when that should be stored.
  bool taken(StreamSubscriber& subscriber, const std::string& id, uint64_t position);
  // True when it is dead from now on.
  bool failed(StreamSubscriber& subscriber, const std::string& id, uint64_t now_ms);

  uint64_t last() const noexcept { return next_ - 1; }
  uint64_t first() const noexcept { return events_.empty() ? next_ : events_.front()->position; }
  std::shared_ptr<const StreamEvent> at(uint64_t position) const noexcept { return events_[position - first()]; }
  bool has_backlog() const noexcept;
  std::map<std::string, StreamSubscriber>& subscribers() noexcept { return subscribers_; }
  size_t bytes() const noexcept { return bytes_; }

  // ---- records --------------------------------------------------------------------------------------------------------
  // Sub-key and value of each; docs/formats/streams.md.
  Result<> load(Bytes subkey, Bytes value);
  Result<> load_main(Bytes value);
  // When the stream wants to be woken to go on delivering; kept in the main record. 0: not.
  uint64_t resume_ms = 0;
  uint64_t stored_resume_ms = 0;
  std::string main_record() const;
  void collect(const orbit_writer* writer);

 private:
  void trim();
  uint64_t low() const noexcept;  // every living subscriber has taken up to there
  void forget_publishers();

  const StreamLimits& limits_;
  std::deque<std::shared_ptr<const StreamEvent>> events_;
  uint64_t next_ = 1;
  size_t bytes_ = 0;
  struct Publisher {
    uint64_t sequence = 0;
    uint64_t position = 0;  // of its last event
  };
  std::map<std::string, Publisher, std::less<>> publishers_;
  std::map<std::string, StreamSubscriber> subscribers_;

  // Not written yet.
  uint64_t written_to_ = 0;
  std::vector<uint64_t> trimmed_;
  std::set<std::string> changed_publishers_;
  std::set<std::string> changed_subscribers_;
};

}  // namespace orbit::kernel
