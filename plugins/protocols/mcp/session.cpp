// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "session.hpp"

#include <charconv>
#include <utility>

namespace orbit::mcp {

Session::Session(std::string id, const Settings& settings, Revision revision, CallerPtr caller, ClientInfo client)
    : id_(std::move(id)), settings_(settings), revision_(revision), caller_(std::move(caller)), client_(std::move(client)) {
  streams_[0];
}

uint64_t Session::open_stream(OutletPtr outlet) {
  const uint64_t number = next_stream_++;
  EventStream& stream = streams_[number];
  outlet->begin({});
  // An event without data from which a client that loses its connection at once can go on. Older clients take it for a message.
  if (revision_ >= Revision::v2025_11_25) outlet->write("id: " + event_id(number, 0) + "\ndata: \n\n");
  stream.outlet = std::move(outlet);
  return number;
}

void Session::append(uint64_t number, std::string data, bool last) {
  const auto found = streams_.find(number);
  if (found == streams_.end()) return;
  EventStream& stream = found->second;
  const uint64_t event = stream.next++;
  if (stream.outlet) {
    stream.outlet->write(event_text(event_id(number, event), data));
    stream.sent = event;
  }
  kept_bytes_ += data.size();
  ++kept_events_;
  stream.kept.push_back({event, std::move(data)});
  if (last) {
    stream.finished = true;
    if (OutletPtr outlet = std::exchange(stream.outlet, nullptr)) {
      outlet->on_closed(nullptr);
      outlet->end();
    }
  }
  forget_surplus();
}

void Session::forget_surplus() {
  while (kept_events_ > settings_.replay_events_max || kept_bytes_ > settings_.replay_bytes_max) {
    // Of finished streams first, the oldest first.
    auto victim = streams_.end();
    for (auto it = streams_.begin(); it != streams_.end(); ++it) {
      if (it->second.kept.empty()) continue;
      if (it->second.finished) {
        victim = it;
        break;
      }
      if (victim == streams_.end()) victim = it;
    }
    if (victim == streams_.end()) return;
    kept_bytes_ -= victim->second.kept.front().data.size();
    --kept_events_;
    victim->second.kept.pop_front();
    if (victim->second.finished && victim->second.kept.empty()) streams_.erase(victim);
  }
}

Result<> Session::attach(OutletPtr outlet, std::string_view last_event_id) {
  uint64_t number = 0;
  uint64_t after = streams_.at(0).sent;
  if (!last_event_id.empty()) {
    const char* const end = last_event_id.data() + last_event_id.size();
    const auto [dash, bad] = std::from_chars(last_event_id.data(), end, number);
    bool good = bad == std::errc() && dash != end && *dash == '-';
    if (good) {
      const auto [rest, wrong] = std::from_chars(dash + 1, end, after);
      good = wrong == std::errc() && rest == end;
    }
    if (!good)
      return fail(Code::invalid_argument, "Last-Event-ID '" + std::string(last_event_id.substr(0, 64)) + "' is none of this session's");
  }
  const auto found = streams_.find(number);
  if (found == streams_.end() || after >= found->second.next)
    return fail(Code::not_found, "event '" + std::string(last_event_id.substr(0, 64)) + "' is none that this session keeps (replay_events_max, replay_bytes_max)");
  EventStream& stream = found->second;
  const uint64_t first = stream.kept.empty() ? stream.next : stream.kept.front().number;
  if (!last_event_id.empty() && after + 1 < first)
    return fail(Code::not_found, "events behind '" + std::string(last_event_id.substr(0, 64)) + "' are not kept any more (replay_events_max, replay_bytes_max)");
  if (OutletPtr before = std::exchange(stream.outlet, nullptr)) {
    before->on_closed(nullptr);
    before->end();
  }
  outlet->begin({});
  if (last_event_id.empty() && revision_ >= Revision::v2025_11_25)
    outlet->write("id: " + event_id(number, after) + "\ndata: \n\n");
  for (const EventStream::Event& event : stream.kept)
    if (event.number > after) outlet->write(event_text(event_id(number, event.number), event.data));
  stream.sent = stream.next - 1;
  if (stream.finished)
    outlet->end();
  else
    stream.outlet = std::move(outlet);
  return {};
}

void Session::detach(uint64_t number, const Outlet* outlet) {
  const auto found = streams_.find(number);
  if (found != streams_.end() && found->second.outlet.get() == outlet) found->second.outlet = nullptr;
}

void Session::drop_stream(uint64_t number) {
  const auto found = streams_.find(number);
  if (found == streams_.end()) return;
  for (const EventStream::Event& event : found->second.kept) kept_bytes_ -= event.data.size();
  kept_events_ -= found->second.kept.size();
  if (const OutletPtr outlet = found->second.outlet) {
    outlet->on_closed(nullptr);
    outlet->end();
  }
  streams_.erase(found);
}

void Session::keep_alive() {
  for (auto& [number, stream] : streams_)
    if (stream.outlet) stream.outlet->write(":\n\n");
}

void Session::close_streams() {
  for (auto& [number, stream] : streams_)
    if (OutletPtr outlet = std::exchange(stream.outlet, nullptr)) {
      outlet->on_closed(nullptr);
      outlet->end();
    }
}

void Session::ask(Channel& channel, std::string_view method, json::object params, uint64_t deadline_ms, Asked done) {
  const std::string id = "orbit-" + std::to_string(next_question_++);
  questions_.emplace(id, Question{std::move(done), deadline_ms});
  channel.send(make_request(to_json(id), method, std::move(params)));
}

bool Session::answered(const json::value& id, Result<json::object> result) {
  const json::string* const name = id.if_string();
  if (name == nullptr) return false;
  const auto found = questions_.find(std::string(from_json(*name)));
  if (found == questions_.end()) return false;
  const Asked done = std::move(found->second.done);
  questions_.erase(found);
  done(std::move(result));
  return true;
}

void Session::expire_questions(uint64_t now_ms) {
  for (auto it = questions_.begin(); it != questions_.end();) {
    if (it->second.deadline_ms > now_ms) {
      ++it;
      continue;
    }
    const Asked done = std::move(it->second.done);
    it = questions_.erase(it);
    done(fail(Code::deadline_exceeded, "the client gave no answer within " + std::to_string(settings_.ask_timeout_ms) + " ms (ask_timeout_ms)"));
    it = questions_.begin();  // done may have asked again
  }
}

void Session::drop_questions() {
  for (auto& [id, question] : std::exchange(questions_, {}))
    question.done(fail(Code::cancelled, "the session has ended"));
}

void SessionChannel::begin() {
  if (stream_ != 0) return;
  stream_ = session_->open_stream(outlet_);
  // Losing the connection does not cancel the request: the client may come back for the rest.
  outlet_->on_closed([session = std::weak_ptr(session_), number = stream_, raw = outlet_.get()] {
    if (const auto alive = session.lock()) alive->detach(number, raw);
  });
}

void SessionChannel::send(const json::value& message) {
  begin();
  session_->append(stream_, json::serialize(message), false);
}

void SessionChannel::finish(const json::value& message, int status) {
  if (stream_ == 0) return outlet_->answer(json_answer(status, message));
  session_->append(stream_, json::serialize(message), true);
}

void SessionChannel::abandon() {
  if (stream_ == 0) {
    outlet_->begin({});
    return outlet_->end();
  }
  session_->drop_stream(stream_);
}

}  // namespace orbit::mcp
