// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What an actor has for streams: an outbox of events and subscriptions on their way, and its place in the streams that it
// subscribes to. Kept in sub-records beside the state. Actor authors do not need this header.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../call.hpp"
#include "../stream.hpp"
#include "reminders.hpp"

namespace orbit::detail {

// Sub-keys; like those of reminders above all other parts of a state.
inline constexpr std::string_view kOutboxPrefix = "\xffo";        // and the sequence, 8 bytes
inline constexpr std::string_view kOutboxHead = "\xffn";
inline constexpr std::string_view kSubscriptionPrefix = "\xffu";  // and the stream's key
inline constexpr std::string_view kOutboxDue = "\xffoutbox";      // in the index of what is due: resumes sending
inline constexpr uint64_t kOutboxCookie = 1;                      // of the timer that sends again
inline constexpr uint64_t kOutboxResumeMs = 5'000;
inline constexpr uint64_t kOutboxRetryMinMs = 50;
inline constexpr uint64_t kOutboxRetryMaxMs = 10'000;
inline constexpr size_t kOutboxBatchMax = 64;

enum class OutboxKind : uint8_t { publish = 1, subscribe = 2, unsubscribe = 3 };

struct OutboxEntry {
  uint64_t sequence = 0;
  OutboxKind kind = OutboxKind::publish;
  std::string stream;
  std::string payload;   // of an event
  uint64_t from = 0;     // of a subscription
};

struct Subscription {
  std::string stream;
  uint64_t number = 0;   // of this subscribing: its sequence in the outbox
  uint64_t taken = 0;    // the last position whose turn is done
  bool operator==(const Subscription&) const = default;
};

class StreamPart {
 public:
  StreamPart() = default;
  StreamPart(const StreamPart&) = delete;
  StreamPart& operator=(const StreamPart&) = delete;
  ~StreamPart() {
    if (link_ != nullptr) link_->part = nullptr;
  }

  // Who it belongs to; once, before anything else.
  void bind(orbit_activation* activation, const char* type, Bytes key) {
    activation_ = activation;
    type_ = type;
    key_ = key;
  }
  Result<> load(const orbit_record* records, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const Bytes subkey = from_c(records[i].subkey);
      const Bytes value = from_c(records[i].value);
      if (subkey == kOutboxHead) {
        if (value.size() != 16) return damaged("outbox", value.size());
        next_ = number_at(value, 0, 8) + 1;
        due_ms_ = stored_due_ms_ = number_at(value, 8, 8);
      } else if (subkey.starts_with(kOutboxPrefix)) {
        if (subkey.size() != 10 || value.size() < 13) return damaged("outbox", value.size());
        OutboxEntry entry;
        entry.sequence = number_at(subkey, 2, 8);
        entry.kind = static_cast<OutboxKind>(value[0]);
        entry.from = number_at(value, 1, 8);
        const size_t stream = number_at(value, 9, 4);
        if (value[0] < 1 || value[0] > 3 || stream > value.size() - 13) return damaged("outbox", value.size());
        entry.stream = value.substr(13, stream);
        entry.payload = value.substr(13 + stream);
        bytes_ += entry.stream.size() + entry.payload.size();
        written_to_ = stored_to_ = entry.sequence;
        entries_.push_back(std::move(entry));
      } else if (subkey.starts_with(kSubscriptionPrefix)) {
        if (value.size() != 16) return damaged("subscription", value.size());
        subscriptions_.push_back({std::string(subkey.substr(kSubscriptionPrefix.size())), number_at(value, 0, 8), number_at(value, 8, 8)});
      }
    }
    if (!entries_.empty()) send_later(0);
    return {};
  }

  // ---- in a turn ------------------------------------------------------------------------------------------------------
  void publish(const std::string& stream, std::string payload) {
    if (payload.size() > ORBIT_STREAM_EVENT_MAX)
      throw CallError(Code::invalid_argument, "an event has " + std::to_string(payload.size()) + " bytes, at most " +
                                                  std::to_string(ORBIT_STREAM_EVENT_MAX) + " are allowed");
    add({0, OutboxKind::publish, stream, std::move(payload), 0});
  }
  void subscribe(const std::string& stream, uint64_t from) {
    Subscription* known = find(stream);
    if (known == nullptr && subscriptions_.size() >= kSubscriptionsMax)
      throw CallError(Code::resource_exhausted, "subscriptions_max: the actor has " + std::to_string(kSubscriptionsMax) +
                                                    " subscriptions, the limit");
    add({0, OutboxKind::subscribe, stream, {}, from});
    begin_change();
    known = find(stream);
    if (known == nullptr) known = &subscriptions_.emplace_back(Subscription{stream, 0, 0});
    known->number = next_ - 1;
    if (from != ORBIT_STREAM_NEW) known->taken = from - 1;
  }
  bool unsubscribe(const std::string& stream) {
    if (find(stream) == nullptr) return false;
    add({0, OutboxKind::unsubscribe, stream, {}, 0});
    begin_change();
    std::erase_if(subscriptions_, [&](const Subscription& one) { return one.stream == stream; });
    return true;
  }
  bool idle() const noexcept { return entries_.empty(); }
  Subscription* find(std::string_view stream) noexcept {
    for (Subscription& one : subscriptions_)
      if (one.stream == stream) return &one;
    return nullptr;
  }
  void took(std::string_view stream, uint64_t position) {
    begin_change();
    find(stream)->taken = position;
  }
  void remove_subscriptions() {
    if (subscriptions_.empty()) return;
    begin_change();
    subscriptions_.clear();
  }
  // The moment to go on sending has come, because of a crash or of a stream that does not take what it is sent.
  void due(uint64_t due_ms, uint64_t now_ms) {
    if (due_ms == due_ms_)
      due_ms_ = entries_.empty() ? 0 : now_ms + kOutboxResumeMs;
    else if (due_ms != stored_due_ms_)
      orphan_due_ms_ = due_ms;
  }

  void keep() noexcept {
    added_ = 0;
    if (!in_turn_) return;
    if (!changed_) written_.swap(before_);
    changed_ = true;
    in_turn_ = false;
    before_.clear();
  }
  void undo() noexcept {
    for (; added_ != 0; --added_) {
      bytes_ -= entries_.back().stream.size() + entries_.back().payload.size();
      entries_.pop_back();
      --next_;
    }
    if (!in_turn_) return;
    subscriptions_.swap(before_);
    before_.clear();
    in_turn_ = false;
  }

  // ---- between turns --------------------------------------------------------------------------------------------------
  bool stored() const noexcept { return next_ != 0; }
  void collect(const orbit_writer* writer) {
    std::string subkey;
    std::string value;
    const size_t ended = entries_.size() - added_;
    bool fresh = false;
    for (size_t i = 0; i < ended; ++i) {
      const OutboxEntry& entry = entries_[i];
      if (entry.sequence <= written_to_) continue;
      value.assign(1, static_cast<char>(entry.kind));
      append_number(value, entry.from, 8);
      append_number(value, entry.stream.size(), 4);
      value.append(entry.stream).append(entry.payload);
      writer->put(writer->ctx, to_c(outbox_key(subkey, entry.sequence)), to_c(value));
      written_to_ = entry.sequence;
      fresh = true;
    }
    for (const uint64_t sequence : done_) writer->remove(writer->ctx, to_c(outbox_key(subkey, sequence)));
    if (fresh && due_ms_ == 0 && host_workers != nullptr) due_ms_ = host_workers->unix_ms(module_host) + kOutboxResumeMs;
    if (fresh || !done_.empty() || due_ms_ != stored_due_ms_) {
      value.clear();
      append_number(value, next_ - 1 - added_, 8);
      append_number(value, due_ms_, 8);
      writer->put(writer->ctx, to_c(kOutboxHead), to_c(value));
      writer->set_due(writer->ctx, to_c(kOutboxDue), stored_due_ms_, due_ms_);
      stored_due_ms_ = due_ms_;
    }
    done_.clear();
    if (orphan_due_ms_ != 0) writer->set_due(writer->ctx, to_c(kOutboxDue), std::exchange(orphan_due_ms_, 0), 0);
    if (fresh) writer->when_stored(writer->ctx, written_to_);
    if (!changed_) return;
    const std::vector<Subscription>& now = in_turn_ ? before_ : subscriptions_;
    const auto in = [](const std::vector<Subscription>& list, const std::string& stream) -> const Subscription* {
      for (const Subscription& one : list)
        if (one.stream == stream) return &one;
      return nullptr;
    };
    for (const Subscription& was : written_) {
      if (in(now, was.stream) != nullptr) continue;
      subkey.assign(kSubscriptionPrefix).append(was.stream);
      writer->remove(writer->ctx, to_c(subkey));
    }
    for (const Subscription& is : now) {
      const Subscription* was = in(written_, is.stream);
      if (was != nullptr && *was == is) continue;
      subkey.assign(kSubscriptionPrefix).append(is.stream);
      value.clear();
      append_number(value, is.number, 8);
      append_number(value, is.taken, 8);
      writer->put(writer->ctx, to_c(subkey), to_c(value));
    }
    written_.clear();
    changed_ = false;
  }
  // The actor's records go as a whole; nothing is on its way then.
  void erased(const orbit_writer* writer) {
    writer->remove_all_subrecords(writer->ctx);
    writer->set_due(writer->ctx, to_c(kOutboxDue), stored_due_ms_, 0);
    if (orphan_due_ms_ != 0) writer->set_due(writer->ctx, to_c(kOutboxDue), std::exchange(orphan_due_ms_, 0), 0);
    due_ms_ = stored_due_ms_ = 0;
    done_.clear();
    written_.clear();
    changed_ = false;
  }
  // Everything up to there is in storage.
  void stored_to(uint64_t sequence) {
    stored_to_ = std::max(stored_to_, std::min(sequence, written_to_));
    send();
  }
  // Sends to every stream what it may have and has not: one message at a time, so that order is kept.
  void send() {
    if (entries_.empty()) return;
    const orbit_streams_v1* streams = host_streams();
    if (streams == nullptr) return;
    if (link_ == nullptr) link_ = std::make_shared<Link>(Link{this});
    const uint64_t now_ns = host_workers->monotonic_ns(module_host);
    std::vector<std::string> names;
    for (const OutboxEntry& entry : entries_)
      if (entry.sequence <= stored_to_ && std::find(names.begin(), names.end(), entry.stream) == names.end())
        names.push_back(entry.stream);
    uint64_t again_ns = UINT64_MAX;
    for (const std::string& name : names) {
      Lane& lane = lanes_[name];
      if (lane.in_flight) continue;
      if (lane.next_try_ns > now_ns) {
        again_ns = std::min(again_ns, lane.next_try_ns);
        continue;
      }
      lane.in_flight = true;
      send_to(*streams, name);
    }
    if (again_ns != UINT64_MAX) send_later((again_ns - now_ns) / 1'000'000 + 1);
  }
  // The timer of kOutboxCookie.
  void ticked() {
    retry_timer_ = 0;
    send();
  }

  size_t heap_bytes() const noexcept { return bytes_ + entries_.size() * sizeof(OutboxEntry) + subscriptions_.capacity() * sizeof(Subscription); }

 private:
  struct Link {
    StreamPart* part;  // null: the actor has left memory
  };
  struct Sending {
    std::shared_ptr<Link> link;
    std::string stream;
    std::vector<uint64_t> sequences;
  };
  struct Lane {
    bool in_flight = false;
    uint32_t failures = 0;
    uint64_t next_try_ns = 0;
  };

  static Result<> damaged(std::string_view what, size_t size) {
    return fail(Code::data_loss, "a record of the " + std::string(what) + " (" + std::to_string(size) + " bytes) is damaged");
  }
  static const std::string& outbox_key(std::string& out, uint64_t sequence) {
    out.assign(kOutboxPrefix);
    append_number(out, sequence, 8);
    return out;
  }
  static const orbit_streams_v1* host_streams() noexcept {
    return static_cast<const orbit_streams_v1*>(module_host->get_extension(module_host, ORBIT_STREAMS_V1));
  }

  // Without a timer the entry in the index of what is due does it later.
  void send_later(uint64_t delay_ms) noexcept {
    if (retry_timer_ != 0) return;
    ErrorOut ignored;
    static_cast<void>(host_actors.start_timer(activation_, delay_ms, 0, kOutboxCookie, 0, &retry_timer_, &ignored));
  }
  void add(OutboxEntry entry) {
    if (host_workers == nullptr || host_streams() == nullptr)
      throw CallError(Code::failed_precondition, "this node has no " ORBIT_STREAMS_V1);
    const size_t bytes = entry.stream.size() + entry.payload.size();
    if (entries_.size() >= kOutboxMax || bytes_ + bytes > kOutboxBytesMax)
      throw CallError(Code::resource_exhausted,
                      "outbox_max: " + std::to_string(entries_.size()) + " events and subscriptions (" + std::to_string(bytes_) +
                          " bytes) wait for streams to take them, the limit is " + std::to_string(kOutboxMax) + " or " +
                          std::to_string(kOutboxBytesMax) + " bytes; try again later");
    // The first one ever: greater than any number of an earlier life of this actor, which a stream may remember.
    if (next_ == 0) next_ = host_workers->unix_ms(module_host) << 20;
    entry.sequence = next_++;
    bytes_ += bytes;
    ++added_;
    entries_.push_back(std::move(entry));
  }
  void begin_change() {
    if (in_turn_) return;
    before_ = subscriptions_;
    in_turn_ = true;
  }

  void send_to(const orbit_streams_v1& streams, const std::string& name) {
    auto sending = std::make_unique<Sending>(Sending{link_, name, {}});
    std::vector<orbit_stream_publish> events;
    const OutboxEntry* single = nullptr;
    for (const OutboxEntry& entry : entries_) {
      if (entry.sequence > stored_to_ || events.size() >= kOutboxBatchMax) break;
      if (entry.stream != name) continue;
      if (entry.kind != OutboxKind::publish) {
        if (events.empty()) single = &entry;
        break;
      }
      events.push_back({entry.sequence, to_c(entry.payload)});
      sending->sequences.push_back(entry.sequence);
    }
    const orbit_bytes stream = to_c(sending->stream);
    const orbit_bytes type = {type_, std::char_traits<char>::length(type_)};
    if (single == nullptr) {
      streams.append(stream, type, to_c(key_), events.data(), events.size(), &sent, sending.release());
      return;
    }
    sending->sequences.push_back(single->sequence);
    if (single->kind == OutboxKind::subscribe)
      streams.subscribe(stream, type, to_c(key_), single->from, single->sequence, &sent, sending.release());
    else
      streams.unsubscribe(stream, type, to_c(key_), single->sequence, &sent, sending.release());
  }
  static void sent(void* ctx, orbit_code code, const char*) {
    const std::unique_ptr<Sending> sending(static_cast<Sending*>(ctx));
    if (sending->link->part != nullptr) sending->link->part->answered(*sending, code);
  }
  void answered(const Sending& sending, orbit_code code) {
    Lane& lane = lanes_[sending.stream];
    lane.in_flight = false;
    // What can never be taken must not keep back what comes after it.
    if (code == ORBIT_OK || code == ORBIT_INVALID_ARGUMENT) {
      for (const uint64_t sequence : sending.sequences) {
        const auto at = std::find_if(entries_.begin(), entries_.end(),
                                     [&](const OutboxEntry& entry) { return entry.sequence == sequence; });
        if (at == entries_.end()) continue;
        bytes_ -= at->stream.size() + at->payload.size();
        entries_.erase(at);
        done_.push_back(sequence);
      }
      lanes_.erase(sending.stream);
    } else {
      lane.next_try_ns = host_workers->monotonic_ns(module_host) +
                         1'000'000 * std::min(kOutboxRetryMinMs << std::min<uint32_t>(lane.failures, 16), kOutboxRetryMaxMs);
      ++lane.failures;
    }
    send();
  }

  orbit_activation* activation_ = nullptr;
  const char* type_ = nullptr;
  std::string key_;
  std::deque<OutboxEntry> entries_;   // by sequence
  size_t added_ = 0;                  // the last of them, by the running turn
  size_t bytes_ = 0;
  uint64_t next_ = 0;                 // 0: never used
  uint64_t written_to_ = 0;
  uint64_t stored_to_ = 0;
  std::vector<uint64_t> done_;        // taken by their streams, to be removed from storage
  uint64_t due_ms_ = 0;
  uint64_t stored_due_ms_ = 0;
  uint64_t orphan_due_ms_ = 0;        // an entry of the index that is not ours any more
  std::map<std::string, Lane> lanes_;
  uint64_t retry_timer_ = 0;
  std::shared_ptr<Link> link_;

  std::vector<Subscription> subscriptions_;
  std::vector<Subscription> before_;
  std::vector<Subscription> written_;
  bool in_turn_ = false;
  bool changed_ = false;
};

}  // namespace orbit::detail
