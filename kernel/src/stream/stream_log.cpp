// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "stream/stream_log.hpp"

#include <algorithm>

#include "state/record_format.hpp"

namespace orbit::kernel {

namespace {

constexpr char kLogFormat = 1;
constexpr char kEventKey = 'e';
constexpr char kPublisherKey = 'p';
constexpr char kSubscriberKey = 'u';
constexpr uint64_t kTakenUnstoredMax = 256;  // events that a subscriber gets again after a crash, at most
constexpr uint64_t kRetryMinMs = 100;
constexpr uint64_t kRetryMaxMs = 30'000;
constexpr uint32_t kBatchMax = 64;

size_t bytes_of(const StreamEvent& event) noexcept { return event.payload.size() + event.publisher.size() + 64; }

Result<> damaged(Bytes what, size_t size) {
  return fail(Code::data_loss, "a stream's " + std::string(what) + " record (" + std::to_string(size) + " bytes) is damaged");
}

}  // namespace

std::string actor_id(std::string_view type, std::string_view key) {
  std::string id;
  append_type(id, type);
  return id.append(key);
}

ActorParts parts_of(std::string_view id) noexcept {
  if (id.empty()) return {};
  const size_t size = std::min<size_t>(static_cast<uint8_t>(id[0]), id.size() - 1);
  return {id.substr(1, size), id.substr(1 + size)};
}

uint64_t StreamLog::low() const noexcept {
  uint64_t low = last();
  for (const auto& [id, subscriber] : subscribers_)
    if (!subscriber.dead) low = std::min(low, subscriber.taken);
  return low;
}

bool StreamLog::has_backlog() const noexcept { return low() < last(); }

Result<size_t> StreamLog::append(const std::string& publisher, const std::vector<orbit_stream_publish>& events,
                                 uint64_t now_ms) {
  const auto known = publishers_.find(publisher);
  uint64_t sequence = known != publishers_.end() ? known->second.sequence : 0;
  size_t fresh = 0;
  size_t fresh_bytes = 0;
  for (const orbit_stream_publish& event : events) {
    if (event.payload.size > ORBIT_STREAM_EVENT_MAX)
      return fail(Code::invalid_argument, "an event has " + std::to_string(event.payload.size) + " bytes, at most " +
                                              std::to_string(ORBIT_STREAM_EVENT_MAX) + " are allowed");
    if (event.sequence <= sequence) continue;
    sequence = event.sequence;
    ++fresh;
    fresh_bytes += event.payload.size;
  }
  if (fresh == 0) return size_t{0};
  const uint64_t taken = low();
  size_t waiting_bytes = 0;
  for (uint64_t position = std::max(taken + 1, first()); position < next_; ++position)
    waiting_bytes += bytes_of(*events_[position - first()]);
  const uint64_t waiting = last() - taken;
  if (waiting != 0 && (waiting + fresh > limits_.backlog_max || waiting_bytes + fresh_bytes > limits_.backlog_bytes_max)) {
    std::string slowest;
    for (const auto& [id, subscriber] : subscribers_)
      if (!subscriber.dead && subscriber.taken == taken) slowest = std::string(parts_of(id).type) + "/" + std::string(parts_of(id).key);
    return fail(Code::resource_exhausted, "backlog_max: " + std::to_string(waiting) + " events (" + std::to_string(waiting_bytes) +
                                              " bytes) wait for " + slowest + "; a stream holds " +
                                              std::to_string(limits_.backlog_max) + " events or " +
                                              std::to_string(limits_.backlog_bytes_max) + " bytes; try again later");
  }
  sequence = known != publishers_.end() ? known->second.sequence : 0;
  for (const orbit_stream_publish& event : events) {
    if (event.sequence <= sequence) continue;
    sequence = event.sequence;
    events_.push_back(std::make_shared<const StreamEvent>(
        StreamEvent{next_++, sequence, now_ms, publisher, std::string(from_c(event.payload))}));
    bytes_ += bytes_of(*events_.back());
  }
  publishers_[publisher] = {sequence, last()};
  changed_publishers_.insert(publisher);
  forget_publishers();
  trim();
  return fresh;
}

// The one whose last event is the oldest.
void StreamLog::forget_publishers() {
  if (publishers_.size() <= limits_.publishers_max) return;
  auto oldest = publishers_.begin();
  for (auto at = publishers_.begin(); at != publishers_.end(); ++at)
    if (at->second.position < oldest->second.position) oldest = at;
  changed_publishers_.insert(oldest->first);
  publishers_.erase(oldest);
}

Result<> StreamLog::subscribe(const std::string& id, uint64_t from, uint64_t subscription) {
  const auto known = subscribers_.find(id);
  if (known != subscribers_.end() && subscription <= known->second.subscription) return {};
  if (known == subscribers_.end() && subscribers_.size() >= limits_.subscribers_max)
    return fail(Code::resource_exhausted,
                "subscribers_max: the stream has " + std::to_string(subscribers_.size()) + " subscribers, the limit");
  uint64_t taken = last();
  if (from != ORBIT_STREAM_NEW)
    taken = std::clamp<uint64_t>(from, first(), next_) - 1;
  else if (known != subscribers_.end())
    taken = std::max(known->second.taken, first() - 1);
  StreamSubscriber& subscriber = subscribers_[id];
  const bool in_flight = subscriber.in_flight;
  subscriber = {};
  subscriber.taken = taken;
  subscriber.subscription = subscription;
  subscriber.in_flight = in_flight;
  changed_subscribers_.insert(id);
  return {};
}

void StreamLog::unsubscribe(const std::string& id, uint64_t subscription) {
  const auto known = subscribers_.find(id);
  if (known == subscribers_.end() || subscription < known->second.subscription) return;
  subscribers_.erase(known);
  changed_subscribers_.insert(id);
  trim();
}

bool StreamLog::taken(StreamSubscriber& subscriber, const std::string& id, uint64_t position) {
  subscriber.taken = std::clamp(position, subscriber.taken, last());
  subscriber.failures = 0;
  subscriber.failing_since_ms = 0;
  subscriber.next_try_ms = 0;
  subscriber.batch = std::min(subscriber.batch * 2, kBatchMax);
  const size_t trimmed = trimmed_.size();
  trim();
  if (subscriber.taken != last() && subscriber.taken - subscriber.stored_taken < kTakenUnstoredMax && trimmed_.size() == trimmed)
    return false;
  changed_subscribers_.insert(id);
  return true;
}

bool StreamLog::failed(StreamSubscriber& subscriber, const std::string& id, uint64_t now_ms) {
  if (subscriber.failures == 0) subscriber.failing_since_ms = now_ms;
  subscriber.next_try_ms = now_ms + std::min(kRetryMinMs << std::min<uint32_t>(subscriber.failures, 16), kRetryMaxMs);
  ++subscriber.failures;
  subscriber.batch = 1;  // so that one bad event does not keep others back
  if (now_ms - subscriber.failing_since_ms < limits_.dead_after_ms) return false;
  subscriber.dead = true;
  changed_subscribers_.insert(id);
  trim();
  return true;
}

void StreamLog::trim() {
  const uint64_t taken = low();
  size_t waiting_bytes = 0;
  for (uint64_t position = std::max(taken + 1, first()); position < next_; ++position)
    waiting_bytes += bytes_of(*events_[position - first()]);
  while (!events_.empty() && events_.front()->position <= taken &&
         (taken + 1 - events_.front()->position > limits_.retained_max || bytes_ - waiting_bytes > limits_.retained_bytes_max)) {
    bytes_ -= bytes_of(*events_.front());
    trimmed_.push_back(events_.front()->position);
    events_.pop_front();
  }
}

std::string StreamLog::main_record() const {
  std::string out(1, kLogFormat);
  append_u64_be(out, next_);
  append_u64_be(out, resume_ms);
  return out;
}

Result<> StreamLog::load_main(Bytes value) {
  if (value.size() != 17 || value[0] != kLogFormat) return damaged("main", value.size());
  value.remove_prefix(1);
  next_ = *take_u64_be(value);
  resume_ms = stored_resume_ms = *take_u64_be(value);
  written_to_ = last();
  return {};
}

Result<> StreamLog::load(Bytes subkey, Bytes value) {
  if (subkey.empty()) return damaged("sub", 0);
  const char kind = subkey[0];
  subkey.remove_prefix(1);
  const size_t size = value.size();
  if (kind == kEventKey && subkey.size() == 8 && size >= 20) {
    StreamEvent event;
    event.position = *take_u64_be(subkey);
    event.sequence = *take_u64_be(value);
    event.time_ms = *take_u64_be(value);
    uint32_t publisher = 0;
    for (int i = 0; i < 4; ++i) publisher = publisher << 8 | static_cast<uint8_t>(value[static_cast<size_t>(i)]);
    value.remove_prefix(4);
    if (publisher > value.size() || event.position >= next_ ||
        (!events_.empty() && event.position != events_.back()->position + 1))
      return damaged("event", size);
    event.publisher = value.substr(0, publisher);
    event.payload = value.substr(publisher);
    bytes_ += bytes_of(event);
    events_.push_back(std::make_shared<const StreamEvent>(std::move(event)));
    return {};
  }
  if (kind == kPublisherKey && size == 16) {
    Publisher& publisher = publishers_[std::string(subkey)];
    publisher.sequence = *take_u64_be(value);
    publisher.position = *take_u64_be(value);
    return {};
  }
  if (kind == kSubscriberKey && size == 17) {
    StreamSubscriber& subscriber = subscribers_[std::string(subkey)];
    subscriber.taken = subscriber.stored_taken = *take_u64_be(value);
    subscriber.subscription = *take_u64_be(value);
    subscriber.dead = value[0] != 0;
    if (subscriber.taken >= next_) return damaged("subscriber", size);
    return {};
  }
  return damaged("sub", size);
}

void StreamLog::collect(const orbit_writer* writer) {
  const std::string main = main_record();
  writer->put_main(writer->ctx, to_c(main), 0, 1);
  std::string key;
  std::string value;
  for (uint64_t position = std::max(written_to_ + 1, first()); position < next_; ++position) {
    const StreamEvent& event = *at(position);
    key.assign(1, kEventKey);
    append_u64_be(key, position);
    value.clear();
    append_u64_be(value, event.sequence);
    append_u64_be(value, event.time_ms);
    for (int shift = 24; shift >= 0; shift -= 8) value.push_back(static_cast<char>(event.publisher.size() >> shift));
    value.append(event.publisher).append(event.payload);
    writer->put(writer->ctx, to_c(key), to_c(value));
  }
  for (const uint64_t position : trimmed_) {
    key.assign(1, kEventKey);
    append_u64_be(key, position);
    if (position <= written_to_) writer->remove(writer->ctx, to_c(key));
  }
  written_to_ = last();
  trimmed_.clear();
  for (const std::string& id : changed_publishers_) {
    key.assign(1, kPublisherKey).append(id);
    const auto publisher = publishers_.find(id);
    if (publisher == publishers_.end()) {
      writer->remove(writer->ctx, to_c(key));
      continue;
    }
    value.clear();
    append_u64_be(value, publisher->second.sequence);
    append_u64_be(value, publisher->second.position);
    writer->put(writer->ctx, to_c(key), to_c(value));
  }
  changed_publishers_.clear();
  for (const std::string& id : changed_subscribers_) {
    key.assign(1, kSubscriberKey).append(id);
    const auto subscriber = subscribers_.find(id);
    if (subscriber == subscribers_.end()) {
      writer->remove(writer->ctx, to_c(key));
      continue;
    }
    subscriber->second.stored_taken = subscriber->second.taken;
    value.clear();
    append_u64_be(value, subscriber->second.taken);
    append_u64_be(value, subscriber->second.subscription);
    value.push_back(subscriber->second.dead ? 1 : 0);
    writer->put(writer->ctx, to_c(key), to_c(value));
  }
  changed_subscribers_.clear();
}

}  // namespace orbit::kernel
