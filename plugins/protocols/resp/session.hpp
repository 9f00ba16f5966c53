// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One client: requests in, replies out in the same order.
//
// A command over one key is sent to the key's actor and usually runs inside send(): its reply is then in the worker's
// batch, no slot is used. Otherwise it takes a slot in the queue; later commands go on and queue behind it. Commands
// that need what came before to have run (several keys, SCAN, EXEC, ...) wait until no command is unexecuted;
// operations hold back what follows until they have run. All on the connection's worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parser.hpp"
#include "permission.hpp"
#include "pubsub.hpp"
#include "server.hpp"
#include "slot.hpp"
#include "transaction.hpp"
#include "worker.hpp"

namespace orbit::resp {

class BlockedCall;
class Exec;

class Session {
 public:
  Session(Worker& worker, orbit_connection* connection);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // ---- what the connection calls ----

  size_t received(const char* data, size_t size);
  void drained();
  // received threw: says so to the client and closes.
  void abandon(const char* why) noexcept;
  // The peer sends no more, see orbit_connection_handler. True: the session closes the connection.
  bool peer_finished(bool all_read);
  // The node stops: closes once what was asked is answered.
  void drain();
  // The connection is gone. The session deletes itself when nothing is under way any more.
  void closed();

  // ---- what commands use ----

  Worker& worker() const noexcept { return worker_; }
  Server& server() const noexcept { return worker_.server; }
  const Settings& settings() const noexcept { return worker_.settings; }
  orbit_connection* connection() const noexcept { return connection_; }
  uint64_t id() const noexcept { return id_; }
  bool gone() const noexcept { return gone_; }
  uint32_t database() const noexcept { return database_; }
  void select(uint32_t database) noexcept { database_ = static_cast<uint8_t>(database); }
  // The actor type of a database, as an EXEC that runs has left it.
  const orbit_type* database_type(uint32_t database) const noexcept;
  int protocol() const noexcept { return protocol_; }
  // As HELLO changes it.
  void set_protocol(int protocol) noexcept;

  // Takes the next place in the order of replies for an operation; nothing else of this connection runs until
  // executed().
  Slot* begin_operation();
  // The operation has taken effect; later commands may run. Its reply may still be missing.
  void executed(Slot* slot);
  // The reply in slot->out is complete.
  void finish(Slot* slot);

  // In a handler, of what was thrown while the slot's operation was answered: says what there was not enough of instead.
  void lacks(Slot* slot) noexcept;

  // An EXEC hands out the slots while it runs commands that take them.
  Exec* exec() const noexcept { return exec_; }
  void set_exec(Exec* exec) noexcept { exec_ = exec; }
  // The command that waits for an element, if any.
  BlockedCall* waiting() const noexcept { return waiting_; }
  void set_waiting(BlockedCall* call) noexcept { waiting_ = call; }

  // Published messages wait until every reply has left: an EXEC that subscribes confirms that first.
  void hold_pushes() noexcept { set_mode(kHoldsPushes, true); }
  void close_gate() noexcept { blocked_ |= kWaitGate; }
  void open_gate();
  void pause(bool all) noexcept;
  void unpause();

  // Bytes that are no reply: published messages. Closes the connection of a client that does not keep up.
  void push(std::string_view bytes);
  // Of a message to a subscriber: who has lost what it logged in as gets none, and the connection ends.
  void publish(std::string_view bytes);
  // Closes once the replies before are out; nothing more is read.
  void close_after_replies() noexcept { closing_ = true; }
  // Closes for another client's sake; what is unread stays unread.
  void kill();

  // Who the commands are run for. Without access control: nobody.
  const Principal& principal() const noexcept { return principal_; }
  std::string_view user() const noexcept { return principal_.name().empty() ? std::string_view("default") : principal_.name(); }
  void set_principal(Principal principal) noexcept { principal_ = std::move(principal); }
  Caller caller() const noexcept { return {server().access(), principal_, peer_.c_str()}; }
  // A new connection, or RESET: as whoever gives no credentials; and then, perhaps later, as the client's certificate says.
  void begin_as_nobody();
  void authenticate_by_certificate();
  bool authenticated() const noexcept { return (mode_ & kNeedsAuth) == 0; }
  void set_authenticated(bool yes) noexcept { set_mode(kNeedsAuth, !yes); }
  bool in_multi() const noexcept { return (mode_ & kInMulti) != 0; }
  void set_in_multi(bool yes) noexcept { set_mode(kInMulti, yes); }
  bool subscribed() const noexcept { return !subscriptions_.empty(); }
  enum class ReplyMode : uint8_t { kOn, kOff, kSkip };
  void set_reply_mode(ReplyMode mode) noexcept;

  bool muted() const noexcept { return (mode_ & (kReplyOff | kReplySkip)) != 0; }

  TransactionState& transaction() noexcept { return transaction_; }
  SessionSubscriptions& subscriptions() noexcept { return subscriptions_; }
  // Call after a change of subscriptions().
  void update_subscribed_mode() noexcept { set_mode(kSubscribed, subscribed()); }
  // RESET: as a new connection.
  void reset_state();

  // One line of CLIENT LIST, without the newline.
  std::string describe() const;

  std::string name;
  std::string library_name;
  std::string library_version;

 private:
  enum Mode : uint32_t {
    kNeedsAuth = 1,
    kInMulti = 2,
    kSubscribed = 4,
    kReplyOff = 8,
    kReplySkip = 16,      // of the command that runs now
    kReplySkipNext = 32,  // CLIENT REPLY SKIP was the last command
    kWritesPaused = 64,   // CLIENT PAUSE WRITE
    kHoldsPushes = 128,
    kChecked = 256,  // there is access control
  };
  enum Blocked : uint32_t {
    kWaitExecuted = 1,   // a command waits until all before it have run
    kWaitReplies = 2,    // ... until all replies before it have left
    kWaitSlots = 4,      // too many replies are missing
    kWaitOperation = 8,  // an operation is under way
    kWaitGate = 16,      // somebody has all keys for itself
    kWaitPause = 32,     // CLIENT PAUSE
  };
  static constexpr size_t kFlushBytes = 64 * 1024;

  ~Session();

  // Ends what others know of it: subscriptions, watches, a transaction that nobody has executed.
  void let_go();
  void set_mode(uint32_t bit, bool on) noexcept { mode_ = on ? mode_ | bit : mode_ & ~bit; }

  bool must_wait(const CommandEntry& entry, Args args);
  // Whether CLIENT PAUSE WRITE holds it back.
  bool waits_for_pause(const CommandEntry& entry) const noexcept;
  bool dispatch(Args args);
  // Checks that only matter in special modes. True: the command was answered.
  bool intercept(const CommandEntry& entry, Args args);
  void run(const CommandEntry& entry, Args args);
  // False: access control forbids it, and the client was told.
  bool permitted(const CommandEntry& entry, Args args);
  void reject(std::string_view text, std::string_view more = {});
  void reject_unknown(Args args);
  void send_one_key(const CommandEntry& entry, uint32_t key_index, Args args, bool one_of_many = false);
  static void on_reply(void* ctx, orbit_envelope* reply);
  void write_failure(Slot* slot, const orbit_envelope& reply) noexcept;
  template <class Function>
  void reply_now(Function&& function);

  void append_slot(Slot* slot) noexcept;
  // Of an answer that is complete and waits for earlier ones.
  void count_answer(Slot* slot) noexcept;
  void discount_answer(Slot* slot) noexcept;
  size_t waiting_bytes() const noexcept { return waiting_bytes_.load(std::memory_order_relaxed); }
  void advance();
  void unblock();
  void emit(std::string_view bytes) noexcept;
  void emit_held_pushes();
  void flush_batch();
  void note_command(const CommandEntry& entry) noexcept { last_command_ = &entry; }

  Worker& worker_;
  orbit_connection* const connection_;
  RequestParser parser_;
  uint32_t mode_ = 0;
  uint32_t blocked_ = 0;
  uint32_t slots_ = 0;
  std::atomic<size_t> waiting_bytes_{0};  // of complete answers that wait for earlier ones; added to by whoever answers
  uint32_t unexecuted_ = 0;
  uint8_t database_ = 0;
  uint8_t protocol_ = 2;
  bool paused_ = false;
  bool closing_ = false;
  bool gone_ = false;
  bool cut_off_ = false;  // a reply was lost
  Slot* first_ = nullptr;  // replies that wait, oldest first
  Slot* last_ = nullptr;
  const uint64_t id_;
  const uint64_t opened_at_ms_;
  uint64_t active_at_ms_;
  const CommandEntry* last_command_ = nullptr;
  Exec* exec_ = nullptr;
  BlockedCall* waiting_ = nullptr;
  std::string held_pushes_;
  Principal principal_;
  std::string peer_;  // for the audit log; only with access control
  TransactionState transaction_;
  SessionSubscriptions subscriptions_;
};

// Who waits for a callback from the kernel that gives its answer at once.
struct Waiting {
  Session& session;
  Slot* slot;
};

// What a callback from the kernel writes to an operation's slot, and its end.
template <class Function>
void finish_with(Session& session, Slot* slot, Function&& function) noexcept {
  try {
    Reply reply(slot->out, session.protocol());
    function(reply);
    if (reply.failed()) session.worker().count_error();
  } catch (const std::exception&) {
    session.lacks(slot);
  }
  session.finish(slot);
}

// An operation that answers at once after all.
template <class Function>
void answer(Session& session, Function&& function) {
  Slot* const slot = session.begin_operation();
  Reply reply(slot->out, session.protocol());
  function(reply);
  if (reply.failed()) session.worker().count_error();
  slot->discard = session.muted();
  session.finish(slot);
}

// Whether CLIENT PAUSE WRITE would hold the command back.
bool may_write(const CommandSpec& spec) noexcept;

// "ERR unknown subcommand 'x'. Try CLIENT HELP."
void reply_unknown_subcommand(Args args, Reply& reply);
void reply_wrong_arguments(std::string_view command, Reply& reply);

// Writes what a failed call means to a Redis client: storage that refuses writes as MISCONF, others by their code's
// name.
void write_error(Reply& reply, bool write, orbit_code code, std::string_view message);

}  // namespace orbit::resp
