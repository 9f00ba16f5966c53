// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Calling actors: orbit::Call<Reply>, what a proxy's method returns, and orbit::Proxy, what generated proxies derive from.
//
//   Account account("alice");
//   DepositReply reply = co_await account.deposit(request);                     // throws orbit::CallError
//   orbit::Result<DepositReply> result = co_await account.deposit(request).as_result();
//   account.deposit([](DepositRequest& r) { r.set_cents(5); })                  // fills the request where it travels
//
// A call starts when it is awaited. When the callee answers at once (it is idle on the same worker, and the turn has not just
// sent many messages, which go before it), the caller does not suspend. A call that is destroyed before it was awaited is not
// made.
//
// A call made inside a turn belongs to the turn's chain: it has the turn's deadline if that is earlier than its own, it fails
// with FAILED_PRECONDITION and the path when it would wait for itself, and when the turn's caller cancels, it is cancelled and
// every later call of the turn fails with CANCELLED (see orbit::cancelled).
#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "key.hpp"
#include "payload.hpp"

namespace orbit {

// A call that failed; also what a method throws to fail its own caller with a code of its choice.
class CallError : public std::exception {
 public:
  explicit CallError(Error error) noexcept : error_(std::move(error)) {}
  CallError(Code code, std::string message) : error_{code, std::move(message)} {}
  const char* what() const noexcept override { return error_.message.c_str(); }
  Code code() const noexcept { return error_.code; }
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

namespace detail {

inline Error error_of(const orbit_envelope* reply) {
  return {static_cast<Code>(reply->code), reply->message != nullptr ? reply->message : std::string()};
}

inline Error no_worker_error() {
  return {Code::failed_precondition, "an actor can be called only from a worker of the node"};
}
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_no_worker() { throw CallError(no_worker_error()); }

// What a proxy keeps: a small one finds room beside others in the sender's caches. The text of a key is made only for the node that
// does not know yet where the actor is.
template <KeyKind Kind>
struct Address {
  uint64_t hint[2];  // see orbit_actors_v1.send; first, so that it tells where the address is
  KeptKey<Kind> key;

  [[gnu::cold, gnu::noinline]] static void send_unknown(orbit_envelope* envelope, uint64_t* hint) {
    static_assert(std::is_standard_layout_v<Address>);
    const auto& key = reinterpret_cast<const Address*>(hint)->key.key();
    envelope->key = to_c(key.bytes());
    host_actors.send(envelope, hint);
  }
};
static_assert(sizeof(Address<KeyKind::int64>) == 24);

}  // namespace detail

// A call that is about to be made, and then its reply. Awaited once, on the worker that made it.
template <class Reply>
class [[nodiscard("co_await the call: it is not made otherwise")]] Call {
 public:
  // send_unknown: see detail::Address.
  Call(orbit_envelope* request, uint64_t* hint, void (*send_unknown)(orbit_envelope*, uint64_t*)) noexcept
      : envelope_(request), hint_(hint), send_unknown_(send_unknown) {}
  // Before it is awaited; for who keeps a call that a proxy made.
  Call(Call&& other) noexcept
      : envelope_(std::exchange(other.envelope_, nullptr)), hint_(other.hint_), send_unknown_(other.send_unknown_) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (envelope_ != nullptr) host_actors.free_envelope(envelope_);
  }

  // The call fails with DEADLINE_EXCEEDED when its turn has not begun by then (monotonic time of orbit.workers/1).
  Call&& until_ns(uint64_t deadline_ns) && noexcept {
    if (envelope_ != nullptr) envelope_->deadline_ns = deadline_ns;
    return static_cast<Call&&>(*this);
  }
  // The same, counted from now. Needs a node with orbit.workers/1.
  Call&& within_ms(uint64_t timeout_ms) && {
    if (host_workers == nullptr) throw CallError(Code::failed_precondition, "this node has no " ORBIT_WORKERS_V1);
    return static_cast<Call&&>(*this).until_ns(host_workers->monotonic_ns(module_host) + timeout_ms * 1'000'000);
  }

  class ResultAwaiter {
   public:
    explicit ResultAwaiter(Call& call) noexcept : call_(call) {}
    bool await_ready() noexcept { return call_.await_ready(); }
    void await_suspend(std::coroutine_handle<> waiting) noexcept { call_.await_suspend(waiting); }
    Result<Reply> await_resume() { return call_.take_result(); }

   private:
    Call& call_;
  };
  // The call is made, and goes on, although the turn that makes it was cancelled: for cleaning up.
  Call&& shielded() && noexcept {
    if (envelope_ != nullptr) envelope_->flags |= ORBIT_ENVELOPE_SHIELDED;
    return static_cast<Call&&>(*this);
  }
  // Adds to the context that travels with the call; see orbit::context.
  Call&& with(Bytes name, Bytes value) && {
    if (envelope_ != nullptr) {
      ErrorOut error;
      if (const orbit_code code = host_actors.set_context(envelope_, to_c(name), to_c(value), &error); code != ORBIT_OK)
        throw CallError(error.take(code));
    }
    return static_cast<Call&&>(*this);
  }
  // Calls of the chain that this one begins may come back to the actor that makes it, and run there while it waits; without this
  // they fail, because they would wait for themselves. What the turn has changed is kept when one does (see actor.hpp).
  Call&& reentrant() && noexcept {
    if (envelope_ != nullptr) envelope_->flags |= ORBIT_ENVELOPE_REENTRY;
    return static_cast<Call&&>(*this);
  }
  // Awaits an error as a value instead of an exception.
  ResultAwaiter as_result() && noexcept { return ResultAwaiter(*this); }

  bool await_ready() noexcept {
    orbit_envelope* request = std::exchange(envelope_, nullptr);
    if (request == nullptr) [[unlikely]] return true;
    request->on_reply = &on_reply;
    request->reply_ctx = this;
    request->flags |= ORBIT_ENVELOPE_INLINE | ORBIT_ENVELOPE_AWAITED;
    if (host_actors.send_known(request, hint_) == 0) [[unlikely]] send_unknown_(request, hint_);
    return envelope_ != nullptr;
  }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { waiting_ = waiting; }
  Reply await_resume() {
    if (envelope_ != nullptr && envelope_->code == ORBIT_OK) [[likely]]
      if (Result<Reply*> reply = detail::payload_as<Reply>(envelope_)) [[likely]]
        return std::move(**reply);
    throw CallError(take_result().error());
  }

 private:
  static void on_reply(void* ctx, orbit_envelope* reply) {
    auto* call = static_cast<Call*>(ctx);
    call->envelope_ = reply;
    if (call->waiting_) call->waiting_.resume();  // may destroy the call
  }

  Result<Reply> take_result() {
    if (envelope_ == nullptr) return tl::unexpected<Error>(detail::no_worker_error());
    if (envelope_->code != ORBIT_OK) return tl::unexpected<Error>(detail::error_of(envelope_));
    Result<Reply*> reply = detail::payload_as<Reply>(envelope_);
    if (!reply) return tl::unexpected<Error>(Error{Code::internal, "the reply: " + reply.error().message});
    return std::move(**reply);
  }

  orbit_envelope* envelope_;  // the request, then nothing, then the reply
  uint64_t* hint_;
  void (*send_unknown_)(orbit_envelope*, uint64_t*);
  std::coroutine_handle<> waiting_;
};

// Whether the caller of the current turn, or somebody further up the chain of calls, no longer wants its answer. A turn that
// works for long without calling anyone asks now and then, and ends with CANCELLED. False outside turns.
inline bool cancelled() noexcept { return host_actors.cancelled() != 0; }
// The time (monotonic, of orbit.workers/1) by which the current turn's caller wants its answer; 0: none.
inline uint64_t deadline_ns() noexcept { return host_actors.deadline_ns(); }

// What travels with calls from hop to hop: the current turn's value of that name ("tenant", "user", "traceparent", ...), or
// nothing. Valid until the turn ends or sets its context.
inline std::optional<Bytes> context(Bytes name) noexcept {
  orbit_bytes value{};
  if (host_actors.context(to_c(name), &value) == 0) return std::nullopt;
  return from_c(value);
}
// For what the current turn sends from now on; an empty value takes the name away. Fails with RESOURCE_EXHAUSTED over
// ORBIT_CONTEXT_BYTES_MAX.
inline Result<> set_context(Bytes name, Bytes value) {
  ErrorOut error;
  if (const orbit_code code = host_actors.set_context(nullptr, to_c(name), to_c(value), &error); code != ORBIT_OK)
    return tl::unexpected<Error>(error.take(code));
  return {};
}

// A message that a proxy of this module is about to send, as an outgoing filter sees it. All of it is borrowed.
struct OutgoingCall {
  const char* type;
  uint32_t method;  // orbit_method.id
  Bytes key;
  orbit_envelope* envelope;
  // Adds to the call's context.
  void with(Bytes name, Bytes value) {
    ErrorOut error;
    if (const orbit_code code = host_actors.set_context(envelope, to_c(name), to_c(value), &error); code != ORBIT_OK)
      throw CallError(error.take(code));
  }
};
// Sees what this module's proxies send; throws CallError to refuse. Set it before the first call, in the constructor of the
// module's plugin or a test. Null: none.
inline constinit void (*outgoing_filter)(OutgoingCall& call) = nullptr;

// Base of generated proxies: names one actor. Making one is cheap, keeping one is cheaper: it remembers where the actor is.
// Belongs to one worker; a copy is a proxy of the same actor that starts without that memory.
template <class Service>
class Proxy {
 public:
  using KeyType = Key<Service::kKeyKind>;

  template <KeyOfTheDeclaredKind<Service::kKeyKind> K>
  explicit Proxy(const K& key) : to_{{0, 0}, KeptKey(key)} {}
  explicit Proxy(const KeyType& key) : to_{{0, 0}, KeptKey(key)} {}
  Proxy(const Proxy& other) : to_{{0, 0}, other.to_.key} {}
  Proxy& operator=(const Proxy& other) {
    to_ = {{0, 0}, other.to_.key};
    return *this;
  }

  // const std::string& or int64_t, as the key kind says.
  decltype(auto) key() const noexcept { return to_.key.value(); }

 protected:
  // `make` puts the request into the envelope.
  template <class Reply, class Make>
  Call<Reply> call(uint32_t method, Make&& make) const {
    return Call<Reply>(request(method, make), to_.hint, &Address::send_unknown);
  }

  template <class Make>
  [[gnu::always_inline]] void post(uint32_t method, Make&& make) const {
    __builtin_prefetch(to_.hint, 1);  // comes while the envelope is made
    orbit_envelope* envelope = request(method, make);
    if (envelope == nullptr) [[unlikely]] detail::throw_no_worker();
    if (host_actors.send_known(envelope, to_.hint) == 0) [[unlikely]] Address::send_unknown(envelope, to_.hint);
  }

 private:
  using KeptKey = detail::KeptKey<Service::kKeyKind>;
  using Address = detail::Address<Service::kKeyKind>;

  template <class Make>
  [[gnu::always_inline]] orbit_envelope* request(uint32_t method, Make& make) const {
    orbit_envelope* envelope = host_actors.allocate();
    if (envelope == nullptr) [[unlikely]] return nullptr;
    envelope->type = detail::type_handle<Service>();
    envelope->method = method;
    try {
      make(envelope);
      if (outgoing_filter != nullptr) [[unlikely]] filter(method, envelope);
    } catch (...) {
      host_actors.free_envelope(envelope);
      throw;
    }
    return envelope;
  }

  [[gnu::cold, gnu::noinline]] void filter(uint32_t method, orbit_envelope* envelope) const {
    const auto& key = to_.key.key();
    OutgoingCall call{Service::kName, method, key.bytes(), envelope};
    outgoing_filter(call);
  }

  mutable Address to_;
};

}  // namespace orbit
