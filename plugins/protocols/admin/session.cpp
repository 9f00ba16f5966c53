// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "session.hpp"

#include <algorithm>
#include <exception>

namespace orbit::admin {

// What a timer points to. It may fire after the session is gone, and belongs to the timer from then on.
struct Session::Ticket {
  std::weak_ptr<Session> session;

  static void fired(void* ctx) {
    const std::unique_ptr<Ticket> ticket(static_cast<Ticket*>(ctx));
    if (const auto session = ticket->session.lock(); session && session->ticket_ == ticket.get()) {
      session->ticket_ = nullptr;
      session->timer_fired();
    }
  }
};

namespace {

// Parts of "application/json; charset=utf-8" that matter.
bool is_json(std::string_view content_type) {
  std::string_view media = content_type.substr(0, content_type.find(';'));
  while (media.ends_with(' ') || media.ends_with('\t')) media.remove_suffix(1);
  return std::equal(media.begin(), media.end(), kJson.begin(), kJson.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

std::string unknown_parameter(const Route& route, std::string_view name) {
  std::string detail = "unknown query parameter '" + std::string(name) + "'; ";
  if (route.query.empty()) return detail + "this path has none";
  detail += "known:";
  for (const Parameter& known : route.query) detail.append(" ").append(known.name);
  return detail;
}

}  // namespace

Session* Session::open(const Server& server, orbit_connection* connection) {
  auto session = std::make_shared<Session>(server, connection);
  session->self_ = session;
  return session.get();
}

Session::Session(const Server& server, orbit_connection* connection)
    : server_(server), connection_(connection), parser_(server.options().limits) {}

size_t Session::received(std::string_view data) noexcept {
  if (lingering_ || closing_) return data.size();
  in_received_ = true;
  size_t consumed = 0;
  try {
    consumed = consume(data);
  } catch (const std::exception& e) {
    server_.host().error(std::string("admin connection closed: ") + e.what());
    closing_ = true;
    server_.net().close(connection_);
  }
  in_received_ = false;
  if (lingering_ || closing_) return data.size();
  const bool inside_request = parser_.stage() == RequestParser::Stage::body || consumed < data.size();
  if (waiting_ || !inside_request || output_is_full())
    disarm();
  else if (ticket_ == nullptr)
    arm(server_.options().request_timeout_ms);
  if (waiting_) server_.net().pause(connection_);
  return consumed;
}

bool Session::output_is_full() const noexcept {
  return server_.net().output_bytes(connection_) > Server::kOutputPauseBytes;
}

size_t Session::consume(std::string_view data) {
  size_t consumed = 0;
  while (!waiting_ && !lingering_ && !closing_ && !output_is_full()) {
    const auto before = parser_.stage();
    const size_t taken = parser_.feed(data.substr(consumed));
    consumed += taken;
    const auto stage = parser_.stage();
    if (stage == RequestParser::Stage::failed) {
      const ParseFailure& failure = parser_.failure();
      const Code code = failure.status == 400   ? Code::invalid_argument
                        : failure.status == 505 ? Code::unimplemented
                                                : Code::resource_exhausted;
      framing_ = {};
      send(problem(failure.status, code, failure.detail, {}), true);
      break;
    }
    if (!judged_ && stage != RequestParser::Stage::head) {
      if (!judge_head()) continue;
      if (stage == RequestParser::Stage::body && parser_.head().expects_continue && consumed == data.size()) {
        constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        server_.net().write(connection_, kContinue.data(), kContinue.size());
      }
    }
    if (stage == RequestParser::Stage::complete)
      dispatch();
    else if (taken == 0 && stage == before)
      break;
  }
  return consumed;
}

bool Session::judge_head() {
  judged_ = true;
  const Request& head = parser_.head();
  framing_ = {head.method == "HEAD", head.keep_alive, head.version, 0};
  // What follows a refusal may be a body that nobody reads: such a connection does not go on.
  const bool ends = head.has_body;
  auto parsed = parse_target(head.target);
  if (!parsed) {
    send(problem(400, Code::invalid_argument, parsed.error().message, {}), ends);
    return false;
  }
  target_ = std::move(*parsed);
  match_ = match_route(head.method, target_.segments);
  const bool open = match_.route != nullptr && match_.route->open;
  if (auto refusal = server_.guard().refuse(head, target_.authority, open)) {
    send(*refusal, ends);
    return false;
  }
  const auto object = [&](int status, Code code, std::string_view detail) {
    send(problem(status, code, detail, head.target), ends);
    return false;
  };
  if (match_.route == nullptr) {
    if (match_.allow.empty()) return object(404, Code::not_found, "no such path; GET /openapi.json describes all");
    Response response = problem(405, Code::unimplemented, "this path has " + match_.allow + " only", head.target);
    response.headers.emplace_back("Allow", match_.allow);
    send(response, ends);
    return false;
  }
  const Route& route = *match_.route;
  for (const auto& [name, value] : target_.query) {
    const bool known =
        std::any_of(route.query.begin(), route.query.end(), [&](const Parameter& said) { return said.name == name; });
    if (!known) return object(400, Code::invalid_argument, unknown_parameter(route, name));
  }
  if (head.has_body && route.body == nullptr) return object(400, Code::invalid_argument, "this request takes no body");
  // Asked for strictly: a page of another site can post anything but JSON without asking the node first.
  if (head.has_body && !is_json(head.content_type))
    return object(415, Code::invalid_argument, "the body must be JSON: send 'Content-Type: application/json'");
  return true;
}

void Session::dispatch() {
  waiting_ = true;
  // The idle timeout is for a silent client, not for a long call.
  server_.net().set_idle_timeout(connection_, 0);
  const Route& route = *match_.route;
  auto exchange = std::make_unique<Exchange>(parser_.take(), std::move(match_.parameters), std::move(target_.query),
                                             [session = shared_from_this()](Response response) {
                                               if (session->connection_ != nullptr) session->answer(response);
                                             });
  try {
    if (route.body_required && exchange->request().body.empty())
      exchange->fail(Code::invalid_argument, "this request needs a JSON body");
    else
      route.handle(server_.services(), std::move(exchange));
  } catch (const std::exception& e) {
    // The exchange has answered INTERNAL when it was unwound; what happened is for the operator.
    server_.host().error(std::string("admin request ") + route.operation + " failed: " + e.what());
  }
}

void Session::answer(const Response& response) {
  waiting_ = false;
  server_.net().set_idle_timeout(connection_, server_.options().idle_timeout_ms);
  send(response, false);
  if (!in_received_ && !closing_) server_.net().resume(connection_);
}

void Session::send(const Response& response, bool ends) {
  judged_ = false;
  disarm();
  const bool keep_alive = framing_.keep_alive && !ends && !server_.stopping();
  if (parser_.stage() == RequestParser::Stage::complete) parser_.take();
  Framing framing = framing_;
  framing.keep_alive = keep_alive;
  framing.unix_ms = server_.workers().unix_ms(server_.host().raw());
  const std::string bytes = serialize(response, framing);
  server_.net().write(connection_, bytes.data(), bytes.size());
  server_.count_answer(response.status);
  if (keep_alive) return;
  if (ends) {
    lingering_ = true;
    arm(kLingerMs);
  } else {
    closing_ = true;
    server_.net().close(connection_);
  }
}

void Session::drained() noexcept { server_.net().resume(connection_); }

void Session::closed() noexcept {
  disarm();
  connection_ = nullptr;
  const std::shared_ptr<Session> last = std::move(self_);
}

void Session::arm(uint64_t delay_ms) {
  auto ticket = std::make_unique<Ticket>(Ticket{weak_from_this()});
  ticket_ = ticket.get();
  timer_ = server_.workers().after(server_.host().raw(), delay_ms, &Ticket::fired, ticket.release());
}

void Session::disarm() {
  Ticket* const ticket = std::exchange(ticket_, nullptr);
  if (ticket != nullptr && server_.workers().cancel(server_.host().raw(), timer_) != 0) delete ticket;
}

void Session::timer_fired() {
  if (connection_ == nullptr || closing_) return;
  if (lingering_) {
    closing_ = true;
    return server_.net().close(connection_);
  }
  framing_ = {};
  send(problem(408, Code::deadline_exceeded,
               "the request was not complete after request_timeout_ms, " +
                   std::to_string(server_.options().request_timeout_ms),
               {}),
       true);
}

}  // namespace orbit::admin
