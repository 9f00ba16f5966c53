// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "session.hpp"
#include "subcommands.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

// Sharded subscriptions are counted for themselves, as in Redis.
size_t counted(const SessionSubscriptions& all, SubscriptionKind kind) {
  if (kind == SubscriptionKind::kShard) return all.count(kind);
  return all.count(SubscriptionKind::kChannel) + all.count(SubscriptionKind::kPattern);
}

void confirm(Session& session, SubscriptionKind kind, std::string_view word, const std::string_view* name,
             Reply& reply) {
  reply.push(3);
  reply.bulk(word);
  if (name != nullptr) {
    reply.bulk(*name);
  } else {
    reply.null();
  }
  reply.integer(static_cast<int64_t>(counted(session.subscriptions(), kind)));
}

template <SubscriptionKind kKind>
void subscribe(Session& session, Args args, Reply& reply) {
  constexpr std::string_view kWords[] = {"subscribe", "psubscribe", "ssubscribe"};
  const uint32_t most = session.settings().subscriptions_max;
  for (const std::string_view name : args.subspan(1)) {
    SessionSubscriptions& all = session.subscriptions();
    if (all.total() >= most && !all.contains(kKind, name)) {
      reply.error("ERR too many subscriptions; the bound is subscriptions_max = " + std::to_string(most));
      break;
    }
    all.add(session, kKind, name);
    confirm(session, kKind, kWords[static_cast<size_t>(kKind)], &name, reply);
  }
  session.update_subscribed_mode();
}

template <SubscriptionKind kKind>
void unsubscribe(Session& session, Args args, Reply& reply) {
  constexpr std::string_view kWords[] = {"unsubscribe", "punsubscribe", "sunsubscribe"};
  constexpr std::string_view kWord = kWords[static_cast<size_t>(kKind)];
  std::vector<std::string> names(args.begin() + 1, args.end());
  if (names.empty()) names = session.subscriptions().names(kKind);
  for (const std::string& name : names) {
    session.subscriptions().remove(session, kKind, name);
    const std::string_view view = name;
    confirm(session, kKind, kWord, &view, reply);
  }
  if (names.empty()) confirm(session, kKind, kWord, nullptr, reply);
  session.update_subscribed_mode();
}

template <SubscriptionKind kKind>
void publish_message(Session& session, Args args, Reply& reply) {
  reply.integer(static_cast<int64_t>(publish(session, kKind, args[1], args[2])));
}

void list_channels(Session& session, SubscriptionKind kind, Args args, Reply& reply) {
  const auto names = session.server().pubsub.channels(kind, args.size() > 2 ? args[2] : std::string_view());
  reply.array(names.size());
  for (const auto& name : names) reply.bulk(name);
}

void count_subscribers(Session& session, SubscriptionKind kind, Args args, Reply& reply) {
  reply.array((args.size() - 2) * 2);
  for (const std::string_view name : args.subspan(2)) {
    reply.bulk(name);
    reply.integer(static_cast<int64_t>(session.server().pubsub.subscribers(kind, name)));
  }
}

void pubsub(Session& session, Args args, Reply& reply) {
  if (answer_subcommand("pubsub", args, reply)) return;
  const std::string word = lower(args[1]);
  if (word == "channels" && args.size() <= 3) {
    list_channels(session, SubscriptionKind::kChannel, args, reply);
  } else if (word == "shardchannels" && args.size() <= 3) {
    list_channels(session, SubscriptionKind::kShard, args, reply);
  } else if (word == "numsub") {
    count_subscribers(session, SubscriptionKind::kChannel, args, reply);
  } else if (word == "shardnumsub") {
    count_subscribers(session, SubscriptionKind::kShard, args, reply);
  } else if (word == "numpat" && args.size() == 2) {
    reply.integer(static_cast<int64_t>(session.server().pubsub.patterns()));
  } else {
    reply_unknown_subcommand(args, reply);
  }
}

constexpr SessionCommand kPubsubCommands[] = {
    {.name = "subscribe",
     .function = &subscribe<SubscriptionKind::kChannel>,
     .after_replies = true,
     .connection = true},
    {.name = "psubscribe",
     .function = &subscribe<SubscriptionKind::kPattern>,
     .after_replies = true,
     .connection = true},
    {.name = "ssubscribe", .function = &subscribe<SubscriptionKind::kShard>, .after_replies = true, .connection = true},
    {.name = "unsubscribe",
     .function = &unsubscribe<SubscriptionKind::kChannel>,
     .after_replies = true,
     .connection = true},
    {.name = "punsubscribe",
     .function = &unsubscribe<SubscriptionKind::kPattern>,
     .after_replies = true,
     .connection = true},
    {.name = "sunsubscribe",
     .function = &unsubscribe<SubscriptionKind::kShard>,
     .after_replies = true,
     .connection = true},
    {.name = "publish", .function = &publish_message<SubscriptionKind::kChannel>},
    {.name = "spublish", .function = &publish_message<SubscriptionKind::kShard>},
    {.name = "pubsub", .function = &pubsub},
};

}  // namespace

std::span<const SessionCommand> pubsub_commands() { return kPubsubCommands; }

}  // namespace orbit::resp
