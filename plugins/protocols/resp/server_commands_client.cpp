// SPDX-License-Identifier: MIT OR BSD-3-Clause
// HELLO, AUTH and CLIENT.
#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "blocking.hpp"
#include "numbers.hpp"
#include "session.hpp"
#include "subcommands.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

// Compares in a time that does not tell how much of the password was right.
bool same_secret(std::string_view a, std::string_view b) noexcept {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i] ^ (b.empty() ? '\0' : b[i % b.size()]));
  }
  return difference == 0;
}

constexpr std::string_view kWrongPassword = "WRONGPASS invalid username-password pair or user is disabled.";

bool log_in(Session& session, std::string_view user, std::string_view password, Reply& reply) {
  const std::string& expected = session.settings().password;
  if (user == "default" && (expected.empty() || same_secret(password, expected))) {
    session.set_authenticated(true);
    return true;
  }
  reply.error(kWrongPassword);
  return false;
}

// Whether authenticators have a user of that name.
bool is_user(const Access& access, std::string_view name) {
  struct Looking {
    std::string_view name;
    bool found = false;
  } looking{name};
  access.api()->users(
      access.host(),
      [](void* ctx, const orbit_identity* user) {
        auto& mine = *static_cast<Looking*>(ctx);
        mine.found = from_c(user->name) == mine.name;
        return mine.found ? 0 : 1;
      },
      &looking);
  return looking.found;
}

// The wire's own password, or what authenticators know; then `after`, with the refusal or nothing. The session lives until its
// slot is finished.
void log_in_by_access(Session& session, std::string_view user, std::string_view password,
                      std::function<void(std::optional<std::string> refusal)> after) {
  const Access& access = session.server().access();
  const auto be = [&session](Result<Principal> who) -> std::optional<std::string> {
    if (who) {
      session.set_principal(std::move(*who));
      session.set_authenticated(true);
      return std::nullopt;
    }
    if (who.error().code == Code::unauthenticated) return std::string(kWrongPassword);
    return refusal(who.error());
  };
  const std::string& expected = session.settings().password;
  if (user == "default" && !expected.empty() && same_secret(password, expected))
    return after(be(access.local("default", session.settings().password_roles)));
  const Caller caller = session.caller();
  // "default" is what clients say that were given no name: what they send is a token, unless somebody is called so.
  const bool token = user == "default" && !is_user(access, user);
  access.authenticate({.mechanism = token ? ORBIT_MECHANISM_BEARER : ORBIT_MECHANISM_PASSWORD,
                       .name = token ? std::string_view() : user,
                       .secret = password,
                       .peer = caller.peer},
                      [be, after = std::move(after)](Result<Principal> who) { after(be(std::move(who))); });
}

void auth_by_access(Session& session, Args args) {
  if (args.size() > 3) return answer(session, [](Reply& reply) { reply.syntax_error(); });
  Slot* const slot = session.begin_operation();
  log_in_by_access(session, args.size() == 3 ? args[1] : std::string_view("default"), args.back(),
                   [&session, slot](const std::optional<std::string>& refusal) {
                     finish_with(session, slot, [&](Reply& reply) { refusal ? reply.error(*refusal) : reply.ok(); });
                   });
}

void auth(Session& session, Args args, Reply& reply) {
  if (args.size() > 3) {
    reply.syntax_error();
    return;
  }
  if (args.size() == 2 && session.settings().password.empty()) {
    reply.error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?");
    return;
  }
  if (log_in(session, args.size() == 3 ? args[1] : std::string_view("default"), args.back(), reply)) reply.ok();
}

// Names have no spaces and no control characters, so that CLIENT LIST stays parseable.
bool good_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= '!' && c <= '~'; });
}

constexpr std::string_view kBadName = "ERR Client names cannot contain spaces, newlines or special characters.";

struct Hello {
  int64_t version = 2;
  bool logs_in = false;
  std::string user;
  std::string password;
  std::optional<std::string> name;
};

// False: the reply says what is wrong.
bool read_hello(Session& session, Args args, Reply& reply, Hello& out) {
  out.version = session.protocol();
  int64_t& version = out.version;
  size_t i = 1;
  if (args.size() > 1) {
    if (!parse_integer(args[1], version)) {
      reply.error("ERR Protocol version is not an integer or out of range");
      return false;
    }
    if (version < 2 || version > 3) {
      reply.error("NOPROTO unsupported protocol version");
      return false;
    }
    i = 2;
  }
  while (i < args.size()) {
    const size_t left = args.size() - i - 1;
    if (equal_ignoring_case(args[i], "auth") && left >= 2) {
      out.logs_in = true;
      out.user = args[i + 1];
      out.password = args[i + 2];
      i += 3;
    } else if (equal_ignoring_case(args[i], "setname") && left >= 1) {
      out.name = args[i + 1];
      if (!good_name(*out.name)) {
        reply.error(kBadName);
        return false;
      }
      i += 2;
    } else {
      reply.error("ERR Syntax error in HELLO option '", args[i]);
      return false;
    }
  }
  return true;
}

void greet(Session& session, const Hello& hello, Reply& reply) {
  const int64_t version = hello.version;
  if (!session.authenticated()) {
    reply.error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> "
        "<pass> option can be used to authenticate the client and select the RESP protocol version at the same time");
    return;
  }
  if (hello.name) session.name = *hello.name;
  session.set_protocol(static_cast<int>(version));
  session.update_subscribed_mode();
  reply.set_protocol(static_cast<int>(version));
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(version);
  reply.bulk("id");
  reply.integer(static_cast<int64_t>(session.id()));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.array(0);
}

void hello(Session& session, Args args, Reply& reply) {
  Hello said;
  if (!read_hello(session, args, reply, said)) return;
  if (said.logs_in && !log_in(session, said.user, said.password, reply)) return;
  greet(session, said, reply);
}

void hello_by_access(Session& session, Args args) {
  Slot* const slot = session.begin_operation();
  auto said = std::make_shared<Hello>();
  bool good = false;
  {
    Reply reply(slot->out, session.protocol());
    good = read_hello(session, args, reply, *said);
    if (!good) session.worker().count_error();
  }
  if (!good) return session.finish(slot);
  const auto rest = [&session, slot, said](const std::optional<std::string>& refusal) {
    finish_with(session, slot, [&](Reply& reply) { refusal ? reply.error(*refusal) : greet(session, *said, reply); });
  };
  if (!said->logs_in) return rest(std::nullopt);
  log_in_by_access(session, said->user, said->password, rest);
}

// ---- CLIENT --------------------------------------------------------------------------------------------------------

void set_info(Session& session, Args args, Reply& reply) {
  if (!good_name(args[3])) {
    std::string text = "ERR ";
    text += args[2];
    reply.error(text, " cannot contain spaces, newlines or special characters.");
  } else if (equal_ignoring_case(args[2], "lib-name")) {
    session.library_name = args[3];
    reply.ok();
  } else if (equal_ignoring_case(args[2], "lib-ver")) {
    session.library_version = args[3];
    reply.ok();
  } else {
    reply.error("ERR Unrecognized option '", std::string(args[2]) + "'");
  }
}

void set_reply_mode(Session& session, Args args, Reply& reply) {
  if (equal_ignoring_case(args[2], "on")) {
    session.set_reply_mode(Session::ReplyMode::kOn);
    reply.ok();
  } else if (equal_ignoring_case(args[2], "off")) {
    session.set_reply_mode(Session::ReplyMode::kOff);
  } else if (equal_ignoring_case(args[2], "skip")) {
    session.set_reply_mode(Session::ReplyMode::kSkip);
  } else {
    reply.syntax_error();
  }
}

struct ClientFilter {
  std::string type;  // empty: any
  std::string address;
  std::string local_address;
  std::string user;
  std::vector<uint64_t> ids;  // empty: any
  uint64_t but_id = 0;

  bool matches(const Session& session) const {
    if (!ids.empty() && std::ranges::find(ids, session.id()) == ids.end()) return false;
    if (but_id != 0 && session.id() == but_id) return false;
    if (type == "pubsub" && !session.subscribed()) return false;
    if (type == "normal" && session.subscribed()) return false;
    if (type == "master" || type == "replica") return false;
    if (!user.empty() && user != session.user()) return false;
    const orbit_net_v1& net = *session.server().interfaces().net;
    char text[80];
    if (!address.empty()) {
      net.peer_address(session.connection(), text, sizeof text);
      if (address != text) return false;
    }
    if (!local_address.empty()) {
      net.local_address(session.connection(), text, sizeof text);
      if (local_address != text) return false;
    }
    return true;
  }
};

bool read_type(std::string_view word, ClientFilter& filter, Reply& reply) {
  filter.type = lower(word);
  if (filter.type == "slave") filter.type = "replica";
  if (filter.type == "normal" || filter.type == "pubsub" || filter.type == "master" || filter.type == "replica")
    return true;
  reply.error("ERR Unknown client type '", std::string(word) + "'");
  return false;
}

bool read_id(std::string_view word, ClientFilter& filter, Reply& reply, const char* error) {
  int64_t id = 0;
  if (parse_integer(word, id) && id > 0) {
    filter.ids.push_back(static_cast<uint64_t>(id));
    return true;
  }
  reply.error(error);
  return false;
}

bool read_list_filter(Args args, ClientFilter& filter, Reply& reply) {
  if (args.size() == 2) return true;
  if (args.size() == 4 && equal_ignoring_case(args[2], "type")) return read_type(args[3], filter, reply);
  if (args.size() >= 4 && equal_ignoring_case(args[2], "id")) {
    return std::ranges::all_of(args.subspan(3),
                               [&](std::string_view id) { return read_id(id, filter, reply, "ERR Invalid client ID"); });
  }
  reply.syntax_error();
  return false;
}

void list_clients(Session& session, Args args) {
  auto filter = std::make_shared<ClientFilter>();
  Slot* const slot = session.begin_operation();
  Reply reply(slot->out, session.protocol());
  if (!read_list_filter(args, *filter, reply)) {
    session.worker().count_error();
    session.finish(slot);
    return;
  }
  struct Gathered {
    std::mutex mutex;
    std::string text;
  };
  auto gathered = std::make_shared<Gathered>();
  on_all_workers(
      session.server(),
      [filter, gathered](Worker& worker) {
        std::string text;
        for (const auto& [id, each] : worker.sessions) {
          if (filter->matches(*each)) text += each->describe() + '\n';
        }
        const std::lock_guard lock(gathered->mutex);
        gathered->text += text;
      },
      [&session, slot, gathered] {
        finish_with(session, slot, [&](Reply& done) { done.verbatim("txt", gathered->text); });
      });
}

bool read_kill_filter(Session& session, Args args, ClientFilter& filter, bool& old_form, Reply& reply) {
  if (args.size() == 3) {
    filter.address = args[2];
    old_form = true;
    return true;
  }
  filter.but_id = session.id();
  if (args.size() % 2 != 0 || args.size() < 4) return reply.syntax_error(), false;
  for (size_t i = 2; i < args.size(); i += 2) {
    const std::string word = lower(args[i]);
    const std::string_view value = args[i + 1];
    if (word == "id") {
      if (!read_id(value, filter, reply, "ERR client-id should be greater than 0")) return false;
    } else if (word == "type") {
      if (!read_type(value, filter, reply)) return false;
    } else if (word == "addr") {
      filter.address = value;
    } else if (word == "laddr") {
      filter.local_address = value;
    } else if (word == "user") {
      filter.user = value;
    } else if (word == "skipme" && (equal_ignoring_case(value, "yes") || equal_ignoring_case(value, "no"))) {
      filter.but_id = equal_ignoring_case(value, "yes") ? session.id() : 0;
    } else {
      return reply.syntax_error(), false;
    }
  }
  return true;
}

void kill_clients(Session& session, Args args) {
  auto filter = std::make_shared<ClientFilter>();
  bool old_form = false;
  Slot* const slot = session.begin_operation();
  Reply reply(slot->out, session.protocol());
  if (!read_kill_filter(session, args, *filter, old_form, reply)) {
    session.worker().count_error();
    session.finish(slot);
    return;
  }
  struct Killed {
    std::atomic<uint64_t> count{0};
    std::atomic<bool> self{false};
  };
  auto killed = std::make_shared<Killed>();
  on_all_workers(
      session.server(),
      [filter, killed, self_id = session.id()](Worker& worker) {
        for (const auto& [id, each] : worker.sessions) {
          if (!filter->matches(*each)) continue;
          killed->count.fetch_add(1);
          if (id == self_id) {
            killed->self = true;
          } else {
            each->kill();
          }
        }
      },
      [&session, slot, killed, old_form] {
        if (killed->self) session.close_after_replies();
        finish_with(session, slot, [&](Reply& done) {
          if (!old_form) return done.integer(static_cast<int64_t>(killed->count.load()));
          killed->count != 0 ? done.ok() : done.error("ERR No such client");
        });
      });
}

// CLIENT PAUSE milliseconds [WRITE|ALL] and CLIENT UNPAUSE, on every worker before it is answered.
void pause_clients(Session& session, Args args) {
  const bool ends = args.size() == 2;
  const bool all = !ends && (args.size() == 3 || equal_ignoring_case(args[3], "all"));
  int64_t ms = 0;
  // So that an end can be told in nanoseconds.
  if (!ends && (!parse_integer(args[2], ms) || ms > INT64_MAX / 2'000'000)) {
    return answer(session, [](Reply& reply) { reply.error("ERR timeout is not an integer or out of range"); });
  }
  if (ms < 0) return answer(session, [](Reply& reply) { reply.error("ERR timeout is negative"); });
  if (!ends && !all && !equal_ignoring_case(args[3], "write")) {
    return answer(session, [](Reply& reply) { reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL"); });
  }
  const Interfaces& node = session.server().interfaces();
  const uint64_t until_ns = node.workers->monotonic_ns(node.host) + static_cast<uint64_t>(ms) * 1'000'000;
  Slot* const slot = session.begin_operation();
  on_all_workers(
      session.server(), [=](Worker& worker) { ends ? worker.unpause() : worker.pause(until_ns, all); },
      [&session, slot] { finish_with(session, slot, [](Reply& reply) { reply.ok(); }); });
}

// CLIENT UNBLOCK id [TIMEOUT|ERROR]
void unblock_client(Session& session, Args args) {
  int64_t id = 0;
  const bool error = args.size() == 4 && equal_ignoring_case(args[3], "error");
  if (!parse_integer(args[2], id)) {
    return answer(session, [](Reply& reply) { reply.not_an_integer(); });
  }
  if (args.size() == 4 && !error && !equal_ignoring_case(args[3], "timeout")) {
    return answer(session, [](Reply& reply) { reply.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"); });
  }
  Slot* const slot = session.begin_operation();
  auto found = std::make_shared<std::atomic<bool>>(false);
  on_all_workers(
      session.server(),
      [=](Worker& worker) {
        const auto blocked = worker.blocked.find(static_cast<uint64_t>(id));
        if (blocked == worker.blocked.end()) return;
        *found = true;
        worker.refresh_time();
        blocked->second->cancel(error ? "UNBLOCKED client unblocked via CLIENT UNBLOCK" : nullptr);
      },
      [&session, slot, found] { finish_with(session, slot, [&](Reply& reply) { reply.integer(*found ? 1 : 0); }); });
}

void client(Session& session, Args args) {
  const std::string word = lower(args[1]);
  const size_t count = args.size();
  if (word == "list") return list_clients(session, args);
  if (word == "kill" && count >= 3) return kill_clients(session, args);
  if (word == "pause" && (count == 3 || count == 4)) return pause_clients(session, args);
  if (word == "unpause" && count == 2) return pause_clients(session, args);
  if (word == "unblock" && (count == 3 || count == 4)) return unblock_client(session, args);
  answer(session, [&](Reply& reply) {
    if (answer_subcommand("client", args, reply)) return;
    if (word == "id" && count == 2) {
      reply.integer(static_cast<int64_t>(session.id()));
    } else if (word == "info" && count == 2) {
      reply.verbatim("txt", session.describe() + '\n');
    } else if (word == "getname" && count == 2) {
      if (session.name.empty()) {
        reply.null();
      } else {
        reply.bulk(session.name);
      }
    } else if (word == "setname" && count == 3) {
      if (!good_name(args[2])) return reply.error(kBadName);
      session.name = args[2];
      reply.ok();
    } else if (word == "setinfo" && count == 4) {
      set_info(session, args, reply);
    } else if (word == "reply" && count == 3) {
      set_reply_mode(session, args, reply);
    } else if ((word == "no-evict" || word == "no-touch") && count == 3) {
      if (!equal_ignoring_case(args[2], "on") && !equal_ignoring_case(args[2], "off")) return reply.syntax_error();
      reply.ok();  // nothing is evicted, and no access time is kept
    } else if (word == "getredir" && count == 2) {
      reply.integer(-1);
    } else {
      reply_unknown_subcommand(args, reply);
    }
  });
}

constexpr SessionCommand kClientCommands[] = {
    {.name = "auth", .function = &auth, .operation = &auth_by_access},
    {.name = "hello", .function = &hello, .operation = &hello_by_access, .after_replies = true},
    {.name = "client", .operation = &client, .connection = true},
};

}  // namespace

std::span<const SessionCommand> client_commands() { return kClientCommands; }

}  // namespace orbit::resp
