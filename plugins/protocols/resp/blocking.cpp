// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "blocking.hpp"

#include <exception>
#include <memory>
#include <utility>

#include "command_helpers.hpp"
#include "orbit/result.hpp"
#include "session.hpp"

namespace orbit::resp {
namespace {

bool starts_with(std::string_view text, std::string_view head) { return text.substr(0, head.size()) == head; }

// BLMPOP and BZMPOP have it in front, the others at the end.
std::string_view timeout_of(const CommandSpec& spec, Args args) {
  return std::string_view(spec.name).ends_with("mpop") ? args[1] : args.back();
}

// A blocking command answers null when there was nothing, and only then.
bool is_null(std::string_view reply) { return reply == "*-1\r\n" || reply == "$-1\r\n" || reply == "_\r\n"; }

}  // namespace

BlockedCall::BlockedCall(Session& session, const CommandEntry& entry, Args args, std::span<const uint32_t> positions)
    : client_(session),
      place_(session.begin_operation()),
      entry_(entry),
      id_(session.id()),
      home_(session.worker()),
      database_(session.database()),
      type_(starts_with(entry.spec->name, "bz") ? ValueType::zset : ValueType::list),
      only_source_(std::string_view(entry.spec->name) == "blmove" ||
                   std::string_view(entry.spec->name) == "brpoplpush"),
      args_(place_->keep(args)),
      positions_(positions.begin(), positions.end()) {
  const orbit_type* database = session.server().database(database_);
  for (const uint32_t position : positions_) refs_.push_back({database, to_c(args_[position])});
}

void BlockedCall::start() {
  client_.set_waiting(this);
  home_.blocked.emplace(id_, this);
  home_.server.blocking_calls.fetch_add(1, std::memory_order_relaxed);
  trying_ = true;
  begin(home_, nullptr, nullptr, home_.deadline_ns());
}

void BlockedCall::wake() { try_again(); }

void BlockedCall::cancel(const char* error) {
  if (cancelled_ || answered_) return;
  cancelled_ = true;
  error_ = error;
  try_again();
}

void BlockedCall::try_again() {
  if (trying_ || queued_) {
    again_ = true;
    return;
  }
  if (home_.gate_closed()) {
    queued_ = true;
    home_.when_open([this] {
      queued_ = false;
      try_again();
    });
    return;
  }
  again_ = false;
  trying_ = true;
  home_.began();
  begin(home_, nullptr, nullptr, 0);
}

void BlockedCall::settle(Settling what, std::shared_ptr<void> until) {
  until_settled_.push_back(std::move(until));
  to_settle_ |= what;
  if (!trying_) begin_settling();
}

void BlockedCall::begin_settling() {
  settles_ = std::exchange(to_settle_, uint8_t{0});
  trying_ = true;
  home_.began();
  begin(home_, nullptr, nullptr, 0);
}

// Its database is another type than when it began to wait.
bool BlockedCall::moved() const noexcept { return database() != home_.server.database(database_); }

void BlockedCall::use(KeyActor* const* actors) {
  if (settles_ != 0) {
    if (moved()) return forget(actors);
    if ((settles_ & kBeKnown) != 0) be_known(actors);
    if ((settles_ & kHaveWoken) != 0) have_woken(actors);
    return;
  }
  Reply reply(place_->out, client_.protocol());
  if (cancelled_) {
    forget(actors);
    error_ != nullptr ? reply.error(error_) : reply.null_array();
    answered_ = true;
    return;
  }
  if (!check_writable(reply)) {
    forget(actors);
    answered_ = true;
    return;
  }
  try {
    attempt(actors);
    if (is_null(place_->out.view())) {
      place_->out.clear();
      be_known(actors);
      have_woken(actors);
      return;
    }
  } catch (const std::exception&) {
    client_.lacks(place_);
  }
  answered_ = true;
  forget(actors);
}

void BlockedCall::attempt(KeyActor* const* actors) {
  Reply reply(place_->out, client_.protocol());
  const bool first = marks_.empty();
  for (size_t i = 0; i < positions_.size(); ++i) {
    if (actors[i]->expire_if_due(home_.now_ms())) changed_[i] = 1;
  }
  if (first) {
    run_held(*entry_.spec, args_, positions_, actors, changed_.data(), open_, reply, home_.now_ms(), home_.random(),
             client_.settings().output_bytes_max);
  } else if (!narrow(actors)) {
    reply.null_array();
  } else {
    std::vector<KeyActor*> some(some_.size());
    std::vector<uint8_t> changed(some_.size());
    for (size_t i = 0; i < some_.size(); ++i) some[i] = actors[some_[i]];
    run_held(*entry_.spec, some_args_, some_positions_, some.data(), changed.data(), open_, reply, home_.now_ms(),
             home_.random(), client_.settings().output_bytes_max);
    for (size_t i = 0; i < some_.size(); ++i) changed_[some_[i]] |= changed[i];
  }
  if (reply.failed()) home_.count_error();
}

// A client that waits is not told of values of other types: their keys are left out. False: no key is left.
bool BlockedCall::narrow(KeyActor* const* actors) {
  some_args_.assign(args_.begin(), args_.end());
  some_positions_ = positions_;
  some_.clear();
  if (only_source_) {
    some_ = {0, 1};
    return actors[0]->value.type() == type_;
  }
  for (size_t i = 0; i < positions_.size(); ++i) {
    if (actors[i]->value.type() == type_) some_.push_back(i);
  }
  if (some_.empty()) return false;
  const uint32_t first = positions_[0];
  some_args_.assign(args_.begin(), args_.begin() + first);
  some_positions_.clear();
  for (const size_t i : some_) {
    some_positions_.push_back(static_cast<uint32_t>(some_args_.size()));
    some_args_.push_back(args_[positions_[i]]);
  }
  some_args_.insert(some_args_.end(), args_.begin() + positions_.back() + 1, args_.end());
  if (first == 3) {  // behind the timeout and the number of keys
    some_count_ = std::to_string(some_.size());
    some_args_[2] = some_count_;
  }
  return true;
}

void BlockedCall::be_known(KeyActor* const* actors) {
  if (marks_.empty()) {
    if (since_ == 0) since_ = 1 + home_.server.waits_begun.fetch_add(1, std::memory_order_relaxed);
    const size_t count = only_source_ ? 1 : positions_.size();
    marks_.reserve(count);
    for (size_t i = 0; i < count; ++i) marks_.push_back(actors[i]->wait({id_, home_.index, type_, since_}));
  }
  // Actors whose database was erased know nobody any more. Of a key that is named twice each mark counts.
  for (size_t i = 0; i < marks_.size(); ++i) {
    if (actors[i]->watch_mark().incarnation == marks_[i].incarnation) continue;
    marks_[i] = actors[i]->wait({id_, home_.index, type_, since_});
  }
}

// Elements that this client cannot take may be for the next one.
void BlockedCall::have_woken(KeyActor* const* actors) const {
  for (size_t i = 0; i < marks_.size(); ++i) actors[i]->wake_next();
}

void BlockedCall::forget(KeyActor* const* actors) {
  for (size_t i = 0; i < marks_.size(); ++i) {
    actors[i]->stop_waiting(id_, marks_[i]);
    actors[i]->wake_next();
  }
  marks_.clear();
}

void BlockedCall::failed(orbit_code code, const char* message) {
  place_->out.clear();
  Reply reply(place_->out, client_.protocol());
  write_error(reply, true, code, message);
  answered_ = true;
}

void BlockedCall::ended() {
  trying_ = false;
  if (answered_) return finish();
  if (settles_ != 0 && moved()) {
    for (orbit_actor_ref& ref : refs_) ref.type = home_.server.database(database_);
    to_settle_ |= settles_;
  }
  if (to_settle_ != 0) {
    Worker& home = home_;
    begin_settling();
    return home.ran();
  }
  settles_ = 0;
  until_settled_.clear();
  home_.ran();  // a gate that closes need not wait for who waits himself
  if (cancelled_ || again_) return try_again();
  if (waiting_) return;
  waiting_ = true;
  home_.server.blocked_clients.fetch_add(1, std::memory_order_relaxed);
  uint64_t timeout_ms = 0;
  parse_timeout(timeout_of(*entry_.spec, args_), timeout_ms);
  if (timeout_ms == 0) return;
  const Interfaces& node = home_.server.interfaces();
  timer_ = node.workers->after(
      node.host, timeout_ms,
      [](void* ctx) {
        auto* const self = static_cast<BlockedCall*>(ctx);
        self->timer_ = 0;
        self->home_.refresh_time();
        self->cancel();
      },
      this);
}

void BlockedCall::finish() {
  const Interfaces& node = home_.server.interfaces();
  if (timer_ != 0) node.workers->cancel(node.host, timer_);
  if (waiting_) home_.server.blocked_clients.fetch_sub(1, std::memory_order_relaxed);
  home_.blocked.erase(id_);
  home_.server.blocking_calls.fetch_sub(1, std::memory_order_relaxed);
  Session& client = client_;
  Slot* const place = place_;
  client.set_waiting(nullptr);
  delete this;
  client.finish(place);
}

void wake_blocked(void* server, uint32_t worker, uint64_t client) {
  struct Wake {
    Server& server;
    uint64_t client;
  };
  auto* const to = static_cast<Server*>(server);
  const Interfaces& node = to->interfaces();
  node.workers->post(
      node.host, worker,
      [](void* ctx) {
        const std::unique_ptr<Wake> wake(static_cast<Wake*>(ctx));
        Worker& here = wake->server.current_worker();
        const auto found = here.blocked.find(wake->client);
        if (found == here.blocked.end()) return;
        here.refresh_time();
        found->second->wake();
      },
      new Wake{*to, client});
}

namespace {

void block(Session& session, Args args) {
  const CommandEntry& entry = session.server().entry(find_command(args[0]));
  std::vector<uint32_t> positions;
  std::string why;
  if (!find_keys(*entry.spec, args, session.settings().command_keys_max, positions, why)) {
    return answer(session, [&](Reply& reply) { reply.error(why); });
  }
  if (positions.empty()) {
    return answer(session, [&](Reply& reply) { run_without_keys(session.worker(), entry, args, reply); });
  }
  (new BlockedCall(session, entry, args, positions))->start();
}

bool always(Args) { return true; }

constexpr SessionCommand blocks(const char* name) {
  return {.name = name, .operation = &block, .wanted = &always, .never_in_exec = true};
}

constexpr SessionCommand kBlockingCommands[] = {
    blocks("blpop"),  blocks("brpop"),    blocks("blmove"),   blocks("brpoplpush"),
    blocks("blmpop"), blocks("bzpopmin"), blocks("bzpopmax"), blocks("bzmpop"),
};

}  // namespace

std::span<const SessionCommand> blocking_commands() { return kBlockingCommands; }

}  // namespace orbit::resp
