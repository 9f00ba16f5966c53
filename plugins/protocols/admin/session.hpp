// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One connection of the admin API: requests in, answers out, in order. All on the worker that owns the connection.
#pragma once

#include <memory>
#include <string_view>

#include "request_parser.hpp"
#include "routes.hpp"
#include "server.hpp"
#include "target.hpp"

namespace orbit::admin {

class Session : public std::enable_shared_from_this<Session> {
 public:
  // After an answer that ends the connection early, how long the client may go on sending before the socket closes:
  // closing at once would reset the connection and take the answer away from a client that still sends.
  static constexpr uint64_t kLingerMs = 1000;

  // Keeps itself alive until closed(); answers that come later find it and go nowhere.
  static Session* open(const Server& server, orbit_connection* connection);

  explicit Session(const Server& server, orbit_connection* connection);

  size_t received(std::string_view data) noexcept;
  void drained() noexcept;
  void closed() noexcept;

 private:
  struct Ticket;

  size_t consume(std::string_view data);
  bool output_is_full() const noexcept;
  // Looks at the head: picks the route, or refuses. Returns false when the session has refused.
  bool judge_head();
  void dispatch();
  void answer(const Response& response);
  // ends: the connection does not go on after it.
  void send(const Response& response, bool ends);
  void arm(uint64_t delay_ms);
  void disarm();
  void timer_fired();

  const Server& server_;
  orbit_connection* connection_;
  std::shared_ptr<Session> self_;
  RequestParser parser_;
  Target target_;
  Match match_;
  Framing framing_;
  Ticket* ticket_ = nullptr;
  orbit_timer timer_ = 0;
  bool in_received_ = false;
  bool judged_ = false;     // the current request's head
  bool waiting_ = false;    // for an answer
  bool lingering_ = false;  // whatever comes is thrown away until the timer closes
  bool closing_ = false;
};

}  // namespace orbit::admin
