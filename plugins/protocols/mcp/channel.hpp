// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Where the messages that belong to one JSON-RPC request go: its HTTP response, which becomes an event stream when something
// comes before the answer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backend.hpp"
#include "json.hpp"

namespace orbit::mcp {

// "data: ...\n\n", with an id if there is one.
std::string event_text(std::string_view id, std::string_view data);
Answer json_answer(int status, const json::value& message);

class Channel {
 public:
  virtual ~Channel() = default;
  // A notification, or a request to the client.
  virtual void send(const json::value& message) = 0;
  // The answer; the last.
  virtual void finish(const json::value& message, int status) = 0;
  // There is no answer: the client has cancelled.
  virtual void abandon() = 0;
};

// Without a session: what the client does not get is lost.
class DirectChannel final : public Channel {
 public:
  explicit DirectChannel(OutletPtr outlet) : outlet_(std::move(outlet)) {}
  void send(const json::value& message) override;
  void finish(const json::value& message, int status) override;
  void abandon() override;
  void comment();
  void begin();

 private:
  OutletPtr outlet_;
  bool begun_ = false;
};

}  // namespace orbit::mcp
