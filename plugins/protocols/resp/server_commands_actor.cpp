// SPDX-License-Identifier: MIT OR BSD-3-Clause
// ACTOR.CALL, ACTOR.LIST and ACTOR.TYPES: every actor module of the node, from any Redis client.
#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "node_json.hpp"
#include "numbers.hpp"
#include "orbit/result.hpp"
#include "session.hpp"
#include "uncommitted.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

// ACTOR.CALL type key method [json]
void call(Session& session, Args args) {
  if (args.size() > 5) return answer(session, [](Reply& reply) { reply_wrong_arguments("actor.call", reply); });
  if (const auto good = check_actor(session.caller(), args[1], args[2], args[3], false); !good)
    return answer(session, [&](Reply& reply) { reply.error(refusal(good.error())); });
  const std::string_view user = session.principal().name();
  const orbit_context_entry context{{"user", 4}, to_c(user)};
  auto* waiting = new Waiting{session, session.begin_operation()};
  session.server().interfaces().actors->start_json(
      to_c(args[1]), to_c(args[2]), to_c(args[3]), to_c(args.size() == 5 ? args[4] : std::string_view()),
      session.worker().deadline_ns(), &context, user.empty() ? 0 : 1,
      [](void* ctx, orbit_code code, orbit_bytes json_or_message) {
        const std::unique_ptr<Waiting> done(static_cast<Waiting*>(ctx));
        finish_with(done->session, done->slot, [&](Reply& reply) {
          if (code == ORBIT_OK) return reply.bulk(from_c(json_or_message));
          write_error(reply, false, code, from_c(json_or_message));  // the actor's own code, whatever it writes
        });
      },
      waiting);
}

struct ActorListing {
  Session& session;
  Slot* slot;
  std::vector<std::string> keys;
  bool out_of_memory = false;
};

constexpr size_t kListCountMax = 10'000;

// Null, or the error.
const char* read_list(Args args, uint64_t& cursor, size_t& count) {
  size_t i = 2;
  if (i < args.size() && !equal_ignoring_case(args[i], "count")) {
    const char* const end = args[i].data() + args[i].size();
    const auto [at, code] = std::from_chars(args[i].data(), end, cursor);
    if (code != std::errc() || at != end) return "ERR invalid cursor";
    ++i;
  }
  if (i == args.size()) return nullptr;
  int64_t wanted = 0;
  if (i + 2 != args.size() || !equal_ignoring_case(args[i], "count")) return "ERR syntax error";
  if (!parse_integer(args[i + 1], wanted) || wanted < 1) return "ERR value is not an integer or out of range";
  count = std::min<size_t>(static_cast<size_t>(wanted), kListCountMax);
  return nullptr;
}

// ACTOR.LIST type [cursor] [COUNT n]; answers as SCAN does.
void list(Session& session, Args args) {
  uint64_t cursor = 0;
  size_t count = 10;
  if (const char* error = read_list(args, cursor, count))
    return answer(session, [&](Reply& reply) { reply.error(error); });
  const std::string type(args[1]);
  // Handles of type names live forever: only names that exist get one.
  const auto types = node_json(session.server(), &orbit_node_v1::types);
  const bool known = types.is_array() && std::ranges::any_of(types.get_array(), [&](const boost::json::value& each) {
    return json_text(each, "name") == type;
  });
  if (!known) return answer(session, [&](Reply& reply) { reply.error("ERR NOT_FOUND: no actor type '", type + "'"); });
  if (const auto good = check_actor(session.caller(), type, "*", "list", true); !good)
    return answer(session, [&](Reply& reply) { reply.error(refusal(good.error())); });
  auto* listing = new ActorListing{session, session.begin_operation(), {}, false};
  list_keys(
      session, session.server().interfaces().actors->type(type.c_str()), cursor, count,
      [](void* ctx, orbit_bytes key, uint64_t) {
        auto& found = *static_cast<ActorListing*>(ctx);
        try {
          found.keys.emplace_back(from_c(key));
          return 1;
        } catch (const std::exception&) {
          found.out_of_memory = true;
          return 0;
        }
      },
      [](void* ctx, uint64_t next_hash, orbit_code code, const char* message) {
        const std::unique_ptr<ActorListing> done(static_cast<ActorListing*>(ctx));
        finish_with(done->session, done->slot, [&](Reply& reply) {
          if (done->out_of_memory) throw std::bad_alloc();
          if (code != ORBIT_OK) return write_error(reply, false, code, message != nullptr ? message : "");
          reply.array(2);
          reply.bulk(std::to_string(next_hash));
          reply.array(done->keys.size());
          for (const auto& key : done->keys) reply.bulk(key);
        });
      },
      listing);
}

// One map per type: name, module, durability, methods (their names).
void types(Session& session, Args, Reply& reply) {
  const auto all = node_json(session.server(), &orbit_node_v1::types);
  if (!all.is_array()) return reply.error("ERR UNAVAILABLE: this node does not tell its actor types");
  // Of each type the methods that this connection may call with some key.
  const Caller caller = session.caller();
  const auto sees = [&caller](std::string_view type, const boost::json::value& method) {
    const auto* read_only = method.is_object() ? method.get_object().if_contains("read_only") : nullptr;
    return caller.access.may(caller.principal, {.type = type,
                                                .method = json_text(method, "name"),
                                                .read_only = read_only != nullptr && read_only->is_bool() && read_only->get_bool()});
  };
  std::vector<std::pair<const boost::json::value*, std::vector<std::string>>> seen;
  for (const auto& type : all.get_array()) {
    std::vector<std::string> names;
    const auto* methods = type.is_object() ? type.get_object().if_contains("methods") : nullptr;
    if (methods != nullptr && methods->is_array())
      for (const auto& method : methods->get_array())
        if (sees(json_text(type, "name"), method)) names.emplace_back(json_text(method, "name"));
    if (!names.empty() || !caller.access.enabled()) seen.emplace_back(&type, std::move(names));
  }
  reply.array(seen.size());
  for (const auto& [each, names] : seen) {
    const boost::json::value& type = *each;
    reply.map(4);
    for (const char* field : {"name", "module", "durability"}) {
      reply.bulk(field);
      reply.bulk(json_text(type, field));
    }
    reply.bulk("methods");
    reply.array(names.size());
    for (const std::string& name : names) reply.bulk(name);
  }
}

constexpr SessionCommand kActorCommands[] = {
    {.name = "actor.call", .operation = &call},
    {.name = "actor.list", .operation = &list},
    {.name = "actor.types", .function = &types},
};

}  // namespace

std::span<const SessionCommand> actor_commands() { return kActorCommands; }

}  // namespace orbit::resp
