// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "session.hpp"

#include <algorithm>
#include <exception>

#include "blocking.hpp"
#include "exec.hpp"
#include "multi_key.hpp"
#include "orbit/result.hpp"

namespace orbit::resp {

void write_error(Reply& reply, bool write, orbit_code code, std::string_view message) {
  if (write && (code == ORBIT_RESOURCE_EXHAUSTED || code == ORBIT_UNAVAILABLE || code == ORBIT_DATA_LOSS)) {
    reply.error("MISCONF Errors writing to storage: ", message);
    return;
  }
  std::string text = "ERR ";
  text += code_name(code);
  text += ": ";
  reply.error(text, message);
}

bool may_write(const CommandSpec& spec) noexcept {
  const std::string_view name = spec.name;
  return (spec.flags & kWrite) != 0 || name == "publish" || name == "spublish";
}

Session::Session(Worker& worker, orbit_connection* connection)
    : worker_(worker),
      connection_(connection),
      parser_(worker.settings.parser),
      id_(worker.server.interfaces().net->id(connection)),
      opened_at_ms_(worker.now_ms()),
      active_at_ms_(worker.now_ms()) {
  begin_as_nobody();
  worker_.sessions.emplace(id_, this);
  worker_.admit(*this);
}

Session::~Session() = default;

size_t Session::received(const char* data, size_t size) {
  if (closing_) return size;
  worker_.refresh_time();
  worker_.active = this;
  active_at_ms_ = worker_.now_ms();
  const Interfaces& node = server().interfaces();
  const size_t flush_bytes = std::min<size_t>(kFlushBytes, settings().output_pause_bytes);
  size_t used = 0;
  while (blocked_ == 0 && !closing_) {
    const auto status = parser_.parse(data + used, size - used, authenticated());
    if (status == RequestParser::Status::kIncomplete) break;
    if (status == RequestParser::Status::kError) {
      node.metrics->add(server().parse_errors_counter, 1);
      reject("ERR ", parser_.error());
      closing_ = true;
      break;
    }
    if (!parser_.args().empty() && !dispatch(parser_.args())) break;
    used += parser_.consumed();
    if (worker_.batch.size() >= flush_bytes) {
      flush_batch();
      if (node.net->output_bytes(connection_) > settings().output_pause_bytes) break;
    }
  }
  flush_batch();
  worker_.active = nullptr;
  worker_.flush_count();
  if (closing_) {
    if (first_ == nullptr) node.net->close(connection_);
    return size;
  }
  if (blocked_ != 0 && !paused_) {
    paused_ = true;
    node.net->pause(connection_);
  }
  return used;
}

bool Session::peer_finished(bool all_read) {
  if (waiting_ != nullptr) {
    // As in Redis: who waits for an element and hangs up, gets none.
    closing_ = true;
    waiting_->cancel();
    return true;
  }
  if (!all_read || first_ == nullptr) return false;
  closing_ = true;
  return true;
}

void Session::drain() {
  closing_ = true;
  if (waiting_ != nullptr) waiting_->cancel();
  if (first_ == nullptr) server().interfaces().net->close(connection_);
}

void Session::open_gate() {
  blocked_ &= ~static_cast<uint32_t>(kWaitGate);
  unblock();
}

void Session::pause(bool all) noexcept {
  if (all) {
    blocked_ |= kWaitPause;
  } else {
    set_mode(kWritesPaused, true);
  }
}

void Session::unpause() {
  set_mode(kWritesPaused, false);
  blocked_ &= ~static_cast<uint32_t>(kWaitPause);
  unblock();
}

bool Session::waits_for_pause(const CommandEntry& entry) const noexcept {
  return may_write(*entry.spec) || (transaction_.writes && std::string_view(entry.spec->name) == "exec");
}

void Session::lacks(Slot* slot) noexcept {
  worker_.count_error();
  try {
    slot->out.clear();
    Reply reply(slot->out, protocol_);
    write_lack(reply, std::current_exception(), false);
  } catch (const std::exception&) {
    slot->out.clear();
    kill();  // a connection that misses a reply would take the next one for it
  }
}

void Session::drained() {
  if (!paused_) server().interfaces().net->resume(connection_);
}

void Session::abandon(const char* why) noexcept {
  const Interfaces& node = server().interfaces();
  worker_.batch.clear();
  worker_.active = nullptr;
  closing_ = true;
  const std::string_view head = "-ERR the connection is closed: ";
  const std::string_view text(why);
  node.net->write(connection_, head.data(), head.size());
  node.net->write(connection_, text.data(), text.size());
  node.net->write(connection_, "\r\n", 2);
  node.net->close(connection_);
}

void Session::closed() {
  gone_ = true;
  worker_.sessions.erase(id_);
  let_go();  // and no more: an EXEC under way is in its database, and of its user, until it ends
  if (waiting_ != nullptr) return waiting_->cancel();  // whose end deletes the session
  if (first_ == nullptr) delete this;
}

void Session::publish(std::string_view bytes) {
  if ((mode_ & kChecked) != 0 && !server().access().still(principal_)) return kill();
  push(bytes);
}

void Session::kill() {
  closing_ = true;
  if (gone_) return;
  if (waiting_ != nullptr) waiting_->cancel();
  server().interfaces().net->close(connection_);
}

void Session::let_go() {
  subscriptions_.drop_all(*this);
  discard_transaction(*this);
  unwatch_all(*this);
}

void Session::reset_state() {
  let_go();
  mode_ &= kWritesPaused;
  begin_as_nobody();
  database_ = 0;
  protocol_ = 2;
  name.clear();
}

void Session::begin_as_nobody() {
  const Access& access = server().access();
  principal_ = access.anonymous();
  if (!access.enabled()) return set_authenticated(settings().password.empty());
  if (peer_.empty()) {
    char peer[80];
    server().interfaces().net->peer_address(connection_, peer, sizeof peer);
    peer_ = peer;
  }
  set_mode(kChecked, true);
  set_authenticated(principal_.identity().role_count != 0);
}

void Session::authenticate_by_certificate() {
  const orbit_net_v1& net = *server().interfaces().net;
  orbit_tls_info tls{};
  tls.struct_size = sizeof tls;
  if ((mode_ & kChecked) == 0 || net.struct_size <= offsetof(orbit_net_v1, tls) || net.tls(connection_, &tls) == 0 ||
      tls.peer_certificate.size == 0)
    return;
  // Commands wait as for an operation, and the slot keeps the session.
  Slot* const slot = begin_operation();
  server().access().authenticate(
      {.mechanism = ORBIT_MECHANISM_CERTIFICATE, .secret = from_c(tls.peer_certificate), .peer = peer_.c_str()},
      [this, slot](Result<Principal> who) {
        if (who) {
          principal_ = std::move(*who);
          set_authenticated(true);
        }
        finish(slot);
      });
}

bool Session::permitted(const CommandEntry& entry, Args args) {
  const uint32_t database = in_multi() ? transaction_.database.value_or(database_) : database_;
  const auto why = refuse(caller(), server(), entry, args, database);
  if (why) reject(*why);
  return !why;
}

const orbit_type* Session::database_type(uint32_t database) const noexcept {
  return exec_ != nullptr ? exec_->uncommitted().database(database) : server().database(database);
}

void Session::set_protocol(int protocol) noexcept { protocol_ = static_cast<uint8_t>(protocol); }

void Session::set_reply_mode(ReplyMode mode) noexcept {
  mode_ &= ~static_cast<uint32_t>(kReplyOff | kReplySkip | kReplySkipNext);
  if (mode == ReplyMode::kOff) mode_ |= kReplyOff;
  if (mode == ReplyMode::kSkip) mode_ |= kReplySkipNext | kReplySkip;
}

// ---- commands ------------------------------------------------------------------------------------------------------

template <class Function>
void Session::reply_now(Function&& function) {
  Slot* slot = nullptr;
  if (first_ != nullptr) {
    slot = worker_.take_slot();
    slot->session = this;
    slot->done = true;
    append_slot(slot);
  }
  OutputBuffer& out = slot != nullptr ? slot->out : worker_.batch;
  const size_t mark = out.size();
  Reply reply(out, protocol_);
  function(reply);
  if (reply.failed()) worker_.count_error();
  if (muted()) out.truncate(mark);
  if (slot != nullptr) count_answer(slot);
}

void Session::reject(std::string_view text, std::string_view more) {
  if (in_multi()) transaction_.failed = true;
  reply_now([&](Reply& reply) { reply.error(text, more); });
}

void Session::reject_unknown(Args args) {
  constexpr size_t kShownBytes = 128;
  std::string text = "ERR unknown command '";
  text += args[0].substr(0, kShownBytes);
  text += "', with args beginning with: ";
  const size_t begin = text.size();
  for (size_t i = 1; i < args.size() && text.size() - begin < kShownBytes; ++i) {
    text += '\'';
    text += args[i].substr(0, kShownBytes - (text.size() - begin));
    text += "' ";
  }
  reject(text);
}

bool Session::must_wait(const CommandEntry& entry, Args args) {
  if (slots_ >= settings().pipeline_max || waiting_bytes() > settings().output_pause_bytes) {
    blocked_ |= kWaitSlots;
    return true;
  }
  const bool after_replies =
      (entry.session != nullptr && entry.session->after_replies && !in_multi()) ||
      (transaction_.after_replies && std::string_view(entry.spec->name) == "exec");
  if (after_replies && first_ != nullptr) {
    blocked_ |= kWaitReplies;
    return true;
  }
  const bool ordered = entry.kind == CommandKind::kManyKeys || entry.kind == CommandKind::kTwoDatabases ||
                       entry.is_operation(args, false);
  if (ordered && unexecuted_ != 0) {
    blocked_ |= kWaitExecuted;
    return true;
  }
  return false;
}

// False: it must wait; the same bytes come again.
bool Session::dispatch(Args args) {
  const CommandSpec* spec = find_command(args[0]);
  if (spec == nullptr) [[unlikely]] {
    if (is_http(args[0])) {
      server().interfaces().metrics->add(server().parse_errors_counter, 1);
      closing_ = true;
      return true;
    }
    reject_unknown(args);
    return true;
  }
  const CommandEntry& entry = server().entry(spec);
  if (first_ != nullptr && must_wait(entry, args)) return false;
  worker_.count(entry);
  note_command(entry);
  const auto count = static_cast<int>(args.size());
  if (spec->arity >= 0 ? count != spec->arity : count < -spec->arity) [[unlikely]] {
    std::string text = "ERR wrong number of arguments for '";
    text += spec->name;
    reject(text, "' command");
    return true;
  }
  if (mode_ != 0) [[unlikely]] {
    if ((mode_ & kWritesPaused) != 0 && waits_for_pause(entry)) {
      worker_.uncount();
      blocked_ |= kWaitPause;
      return false;
    }
    if ((mode_ & kReplySkipNext) != 0) mode_ = (mode_ & ~static_cast<uint32_t>(kReplySkipNext)) | kReplySkip;
    else mode_ &= ~static_cast<uint32_t>(kReplySkip);
    if (intercept(entry, args)) return true;
  }
  run(entry, args);
  return true;
}

bool Session::intercept(const CommandEntry& entry, Args args) {
  const CommandSpec& spec = *entry.spec;
  if ((mode_ & kNeedsAuth) != 0 && (spec.flags & kNoAuth) == 0) {
    reject("NOAUTH Authentication required.");
    return true;
  }
  if ((mode_ & kSubscribed) != 0 && protocol_ < 3 && (spec.flags & kPubSub) == 0) {
    std::string text = "ERR Can't execute '";
    text += spec.name;
    reject(text, "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context");
    return true;
  }
  if ((mode_ & kChecked) != 0 && (spec.flags & kNoAuth) == 0 && !permitted(entry, args)) return true;
  if ((mode_ & kInMulti) == 0 || (entry.session != nullptr && entry.session->in_multi)) return false;
  if ((spec.flags & kNoMulti) != 0 || entry.kind == CommandKind::kUnknown) {
    reject("ERR Command not allowed inside a transaction");
    return true;
  }
  std::string why;
  if (!queue_command(*this, entry, args, why)) {
    reject(why);
  } else {
    reply_now([](Reply& reply) { reply.simple("QUEUED"); });
  }
  return true;
}

void Session::run(const CommandEntry& entry, Args args) {
  switch (entry.kind) {
    case CommandKind::kOneKey: send_one_key(entry, static_cast<uint32_t>(entry.spec->first_key), args); return;
    case CommandKind::kEither:
      if (entry.is_operation(args, false)) {
        entry.session->operation(*this, args);
        return;
      }
      [[fallthrough]];
    case CommandKind::kTwoDatabases:
    case CommandKind::kManyKeys: {
      std::vector<uint32_t>& positions = key_positions_scratch();
      if (std::string why; !find_keys(*entry.spec, args, settings().command_keys_max, positions, why)) {
        reject(why);
      } else if (entry.kind == CommandKind::kTwoDatabases) {
        run_two_databases(*this, entry, args, positions);
      } else if (positions.size() == 1) {
        send_one_key(entry, positions[0], args);
      } else if (positions.empty()) {
        reply_now([&](Reply& reply) { run_without_keys(worker_, entry, args, reply); });
      } else if (std::ranges::all_of(positions, [&](uint32_t at) { return args[at] == args[positions[0]]; })) {
        send_one_key(entry, positions[0], args, true);
      } else {
        run_many_keys(*this, entry, args, positions);
      }
      return;
    }
    case CommandKind::kNoKeys:
      reply_now([&](Reply& reply) { run_without_keys(worker_, entry, args, reply); });
      return;
    case CommandKind::kFunction:
      reply_now([&](Reply& reply) { entry.session->function(*this, args, reply); });
      return;
    case CommandKind::kOperation: entry.session->operation(*this, args); return;
    case CommandKind::kUnknown: reject_unknown(args); return;
  }
}

void Session::send_one_key(const CommandEntry& entry, uint32_t key_index, Args args, bool one_of_many) {
  const std::string_view key = args[key_index];
  if (key.size() > ORBIT_ACTOR_KEY_MAX) [[unlikely]] {
    reject(key_too_long(key.size()));
    return;
  }
  Slot* const slot = worker_.spare();
  const bool direct = first_ == nullptr && server().direct_replies();
  Command& command = slot->command;
  command.spec = entry.spec;
  command.args = args;
  command.out = direct ? &worker_.batch : &slot->out;
  command.output_bytes_max = settings().output_bytes_max;
  command.waiting_bytes = &waiting_bytes_;
  command.slot = slot;
  command.now_ms = worker_.now_ms();
  command.random = worker_.random();
  command.key_index = key_index;
  command.protocol = protocol_;
  command.one_of_many = one_of_many;
  command.failed = false;
  slot->session = this;
  slot->batch_mark = direct ? worker_.batch.size() : 0;
  slot->discard = muted();
  slot->counted_bytes = 0;
  slot->retained = false;
  slot->done = false;
  slot->in_send = true;

  const orbit_actors_v1& actors = *server().interfaces().actors;
  orbit_envelope* const envelope = actors.allocate();
  envelope->type = server().database(database_);
  envelope->key = to_c(key);
  envelope->ops = &kCommandOps;
  envelope->payload = &command;
  envelope->on_reply = &on_reply;
  envelope->reply_ctx = slot;
  envelope->deadline_ns = worker_.deadline_ns();
  envelope->method = kMethodCommand;
  envelope->flags = ORBIT_ENVELOPE_INLINE;
  actors.send(envelope, nullptr);

  slot->in_send = false;
  if (slot->done) [[likely]] {
    if (command.out == &worker_.batch) [[likely]] {
      if (slot->discard) worker_.batch.truncate(slot->batch_mark);
      return;
    }
    if (first_ == nullptr) {
      if (!slot->discard) emit(slot->out.view());
      discount_answer(slot);
      slot->out.clear();
      return;
    }
    if (slot->counted_bytes == 0) count_answer(slot);
  } else {
    if (command.out == &worker_.batch) {  // it ran, and its reply must wait for the commit
      slot->out.append(worker_.batch.view().substr(slot->batch_mark));
      worker_.batch.truncate(slot->batch_mark);
      command.out = &slot->out;
      count_answer(slot);
    }
    slot->unexecuted = slot->retained;
    unexecuted_ += slot->unexecuted ? 1 : 0;
    worker_.began(slot->unexecuted ? 1 : 0);
  }
  append_slot(worker_.take_slot());
}

void Session::on_reply(void* ctx, orbit_envelope* reply) {
  Slot* const slot = static_cast<Slot*>(ctx);
  Session& self = *slot->session;
  Command& command = slot->command;
  if (reply->code != ORBIT_OK) [[unlikely]] self.write_failure(slot, *reply);
  if (command.failed) [[unlikely]] self.worker_.count_error();
  self.server().interfaces().actors->free_envelope(reply);
  if (slot->in_send) {
    slot->done = true;
    return;
  }
  if (slot->unexecuted) {
    slot->unexecuted = false;
    --self.unexecuted_;
    self.worker_.ran();
  }
  self.finish(slot);
}

// The turn failed: its error is the reply.
void Session::write_failure(Slot* slot, const orbit_envelope& reply) noexcept {
  Command& command = slot->command;
  command.failed = true;
  command.out->truncate(command.out == &slot->out ? 0 : slot->batch_mark);
  try {
    Reply error(*command.out, command.protocol);
    write_error(error, (command.spec->flags & kWrite) != 0, reply.code, reply.message != nullptr ? reply.message : "");
  } catch (const std::exception&) {
    kill();
  }
}

// ---- the order of replies ------------------------------------------------------------------------------------------

void Session::append_slot(Slot* slot) noexcept {
  slot->next = nullptr;
  if (first_ == nullptr) {
    first_ = slot;
  } else {
    last_->next = slot;
  }
  last_ = slot;
  ++slots_;
}

void Session::count_answer(Slot* slot) noexcept {
  slot->counted_bytes = slot->out.size();
  waiting_bytes_.fetch_add(slot->counted_bytes, std::memory_order_relaxed);
}

void Session::discount_answer(Slot* slot) noexcept {
  if (slot->counted_bytes != 0) waiting_bytes_.fetch_sub(std::exchange(slot->counted_bytes, 0), std::memory_order_relaxed);
}

Slot* Session::begin_operation() {
  if (exec_ != nullptr) return exec_->take_part();
  Slot* const slot = worker_.take_slot();
  slot->session = this;
  slot->done = false;
  slot->discard = muted();
  slot->unexecuted = true;
  ++unexecuted_;
  worker_.began();
  append_slot(slot);
  blocked_ |= kWaitOperation;
  return slot;
}

void Session::executed(Slot* slot) {
  if (!slot->unexecuted) return;
  slot->unexecuted = false;
  --unexecuted_;
  worker_.ran();
  blocked_ &= ~static_cast<uint32_t>(kWaitOperation);
  unblock();
}

void Session::finish(Slot* slot) {
  if (slot->part) return exec_->finish_part(slot);
  executed(slot);
  slot->done = true;
  if (slot->counted_bytes == 0) count_answer(slot);
  advance();
}

void Session::advance() {
  while (first_ != nullptr && first_->done) {
    Slot* const slot = first_;
    first_ = slot->next;
    if (first_ == nullptr) last_ = nullptr;
    --slots_;
    discount_answer(slot);
    if (!slot->discard && !gone_) emit(slot->out.view());
    worker_.give_back(slot);
  }
  if ((mode_ & kHoldsPushes) != 0 && first_ == nullptr) [[unlikely]] emit_held_pushes();
  if (gone_) {
    if (first_ == nullptr) delete this;
    return;
  }
  if (closing_ && first_ == nullptr && worker_.active != this) server().interfaces().net->close(connection_);
  unblock();
}

void Session::unblock() {
  if (unexecuted_ == 0) blocked_ &= ~static_cast<uint32_t>(kWaitExecuted);
  if (first_ == nullptr) blocked_ &= ~static_cast<uint32_t>(kWaitReplies);
  if (slots_ <= settings().pipeline_max / 2 && waiting_bytes() <= settings().output_pause_bytes)
    blocked_ &= ~static_cast<uint32_t>(kWaitSlots);
  if (blocked_ == 0 && paused_ && !gone_) {
    paused_ = false;
    server().interfaces().net->resume(connection_);
  }
}

// Called from the kernel too, which no exception may reach.
void Session::emit(std::string_view bytes) noexcept {
  if (bytes.empty() || cut_off_) return;
  try {
    if (worker_.active == this) {
      worker_.batch.append(bytes);
    } else {
      server().interfaces().net->write(connection_, bytes.data(), bytes.size());
    }
  } catch (const std::exception&) {
    cut_off_ = true;  // who misses a reply would take the next one for it
    kill();
  }
}

void Session::emit_held_pushes() {
  set_mode(kHoldsPushes, false);
  if (!gone_) emit(held_pushes_);
  std::string().swap(held_pushes_);
}

void Session::flush_batch() {
  if (worker_.batch.empty()) return;
  const std::string_view bytes = worker_.batch.view();
  server().interfaces().net->write(connection_, bytes.data(), bytes.size());
  worker_.batch.clear();
}

void Session::push(std::string_view bytes) {
  if (gone_ || closing_) return;
  const orbit_net_v1& net = *server().interfaces().net;
  const size_t waiting = net.output_bytes(connection_) + held_pushes_.size();
  if (waiting + bytes.size() <= settings().subscriber_output_bytes_max) {
    if ((mode_ & kHoldsPushes) != 0) {
      held_pushes_.append(bytes);
    } else {
      emit(bytes);
    }
    return;
  }
  kill();
  // Closing takes a while, and publishers must not count this one any more; but the registry is being walked right now.
  struct Late {
    Worker& worker;
    uint64_t id;
  };
  const Interfaces& node = server().interfaces();
  node.workers->post(
      node.host, worker_.index,
      [](void* ctx) {
        const std::unique_ptr<Late> late(static_cast<Late*>(ctx));
        const auto found = late->worker.sessions.find(late->id);
        if (found != late->worker.sessions.end()) found->second->subscriptions_.drop_all(*found->second);
      },
      new Late{worker_, id_});
}

std::string Session::describe() const {
  const Interfaces& node = server().interfaces();
  char peer[80];
  char local[80];
  node.net->peer_address(connection_, peer, sizeof peer);
  node.net->local_address(connection_, local, sizeof local);
  const uint64_t now_ms = node.workers->unix_ms(node.host);
  std::string flags;
  if (subscribed()) flags += 'P';
  if (in_multi()) flags += 'x';
  if (waiting_ != nullptr) flags += 'b';
  if (flags.empty()) flags = "N";
  std::string out = "id=" + std::to_string(id_);
  const auto field = [&out](const char* key, std::string_view value) {
    out += ' ';
    out += key;
    out += '=';
    out += value;
  };
  const auto number = [&field](const char* key, uint64_t value) { field(key, std::to_string(value)); };
  field("addr", peer);
  field("laddr", local);
  field("fd", "-1");  // the kernel keeps it
  field("name", name);
  number("age", (std::max(now_ms, opened_at_ms_) - opened_at_ms_) / 1000);
  number("idle", (std::max(now_ms, active_at_ms_) - active_at_ms_) / 1000);
  field("flags", flags);
  number("db", database_);
  number("sub", subscriptions_.count(SubscriptionKind::kChannel));
  number("psub", subscriptions_.count(SubscriptionKind::kPattern));
  number("ssub", subscriptions_.count(SubscriptionKind::kShard));
  field("multi", in_multi() ? std::to_string(transaction_.queue.size()) : "-1");
  number("obl", node.net->output_bytes(connection_));
  number("oll", slots_);
  field("cmd", last_command_ != nullptr ? last_command_->spec->name : "NULL");
  field("user", user());
  number("resp", protocol_);
  field("lib-name", library_name);
  field("lib-ver", library_version);
  return out;
}

}  // namespace orbit::resp
