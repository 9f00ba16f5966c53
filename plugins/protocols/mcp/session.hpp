// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A session of the revisions before 2026-07-28: what the client said when it began, its calls that are at work, what it was asked
// and has not answered, and its event streams, which a client that lost its connection can go on with.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "backend.hpp"
#include "channel.hpp"
#include "message.hpp"
#include "settings.hpp"

namespace orbit::mcp {

class ActorCall;

struct ClientInfo {
  json::object capabilities;
  std::string name;
  std::string version;
};

// A resource that somebody watches.
struct Watch {
  std::string uri;
  std::string seen;  // what it was when it was looked at last
  bool known = false;
  bool busy = false;  // it is being looked at
};

// Events of one stream, numbered from 1. Stream 0 is the one that GET opens.
struct EventStream {
  struct Event {
    uint64_t number;
    std::string data;
  };
  std::deque<Event> kept;
  uint64_t next = 1;
  uint64_t sent = 0;      // the last that went to a client
  bool finished = false;  // the answer was among them
  OutletPtr outlet;       // null: nobody listens
};

class Session {
 public:
  using Asked = std::function<void(Result<json::object>)>;

  Session(std::string id, const Settings& settings, Revision revision, CallerPtr caller, ClientInfo client);

  const std::string& id() const noexcept { return id_; }
  Revision revision() const noexcept { return revision_; }
  const CallerPtr& caller() const noexcept { return caller_; }
  // The same caller with newer credentials.
  void renew(CallerPtr caller) { caller_ = std::move(caller); }
  const ClientInfo& client() const noexcept { return client_; }

  // ---- streams ----
  uint64_t open_stream(OutletPtr outlet);
  void append(uint64_t stream, std::string data, bool last);
  // GET: goes on where the client was (empty: with what nobody got yet of stream 0). The error: that is not kept any more.
  Result<> attach(OutletPtr outlet, std::string_view last_event_id);
  void detach(uint64_t stream, const Outlet* outlet);
  void drop_stream(uint64_t stream);
  void keep_alive();
  void close_streams();

  // ---- questions to the client ----
  void ask(Channel& channel, std::string_view method, json::object params, uint64_t deadline_ms, Asked done);
  // False: nothing was asked with that id.
  bool answered(const json::value& id, Result<json::object> result);
  void expire_questions(uint64_t now_ms);
  void drop_questions();

  std::map<std::string, std::weak_ptr<ActorCall>> calls;  // at work, by id of the request
  std::map<std::string, Watch> watches;
  int log_level = 1;
  uint64_t used_ms = 0;

 private:
  void forget_surplus();
  std::string event_id(uint64_t stream, uint64_t number) const { return std::to_string(stream) + "-" + std::to_string(number); }

  struct Question {
    Asked done;
    uint64_t deadline_ms;
  };

  const std::string id_;
  const Settings& settings_;
  const Revision revision_;
  CallerPtr caller_;
  const ClientInfo client_;
  std::map<uint64_t, EventStream> streams_;
  uint64_t next_stream_ = 1;
  uint64_t kept_bytes_ = 0;
  size_t kept_events_ = 0;
  std::map<std::string, Question> questions_;
  uint64_t next_question_ = 1;
};

class SessionChannel final : public Channel {
 public:
  SessionChannel(std::shared_ptr<Session> session, OutletPtr outlet) : session_(std::move(session)), outlet_(std::move(outlet)) {}
  void send(const json::value& message) override;
  void finish(const json::value& message, int status) override;
  void abandon() override;

 private:
  void begin();

  std::shared_ptr<Session> session_;
  OutletPtr outlet_;
  uint64_t stream_ = 0;
};

}  // namespace orbit::mcp
