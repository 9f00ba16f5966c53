// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A node inside a test: the kernel that ships, on one thread, with a clock that the test moves and a seed that decides
// what runs next. The same seed gives the same history, so a test that failed once fails again.
//
//   orbit::testkit::Node node({.modules = {"build/bank.so"}});
//   bank::Account account(7);
//   bank::Balance balance = node.call(account.deposit(amount));   // throws orbit::CallError
//   node.advance(std::chrono::minutes(5));                        // timers, reminders, idle deactivation
//   node.crash();                                                 // a power cut
//   node.restart();
//   CHECK(node.call(account.get_balance({})).cents() == 500);
//
// Time stands still unless the test moves it (advance) or waits for something that only time brings: a call lets time
// pass as far as it must, patience at most. Workers, messages between them, reads and commits run in an order that the
// seed chooses.
//
// One Node at a time, used on the thread that made it. Its functions are not called from actors. Proxies of the test
// may outlive a crash; calls that were made and not awaited may not.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <orbit/actor.hpp>
#include <orbit/plugin.hpp>

#include "api.hpp"
#include "network.hpp"
#include "node_storage.hpp"
#include "seeds.hpp"

namespace orbit::testkit {

// A plugin of the node, as a [[plugin]] of a configuration: one that serves a wire (network.hpp has the clients), or any that
// needs no more than orbit.net/1, actors, workers, streams, the log, metrics, access (without access control), listeners,
// introspection and descriptors. TLS is refused. The node waits for no thread, so a `stop` that waits for its connections finds
// them closed.
struct PluginOptions {
  std::string file = {};                            // its shared object
  const orbit_plugin_descriptor* linked = nullptr;  // instead: one that is linked into the test
  std::string config = {};                          // its settings in TOML, checked as those of a node
  std::string name = {};                            // of the instance; its id when there is none
};

struct NodeOptions {
  std::optional<uint64_t> seed = {};                        // default_seed() when there is none
  uint32_t workers = 2;
  std::vector<std::string> modules = {};                    // files of actor modules
  std::vector<const orbit_plugin_descriptor*> linked = {};  // of modules that are linked into the test
  std::vector<const orbit_actor_type*> actors = {};         // of classes that are linked into the test: actors<...>()
  std::vector<PluginOptions> plugins = {};                  // started in this order
  std::chrono::milliseconds idle_timeout = std::chrono::minutes(5);  // of types that say none
  std::chrono::milliseconds flush_delay = std::chrono::seconds(1);   // as well, for DURABILITY_ASYNC
  uint32_t mailbox_max = 10'000;                                     // as well
  uint64_t activations_max = 1'000'000;
  uint64_t memory_bytes_max = uint64_t{1} << 30;
  std::chrono::milliseconds patience = std::chrono::minutes(1);  // of virtual time, for everything that waits
};

// The types of actor classes that are linked into the test, for NodeOptions::actors.
template <class... Impls>
std::vector<const orbit_actor_type*> actors() {
  return {orbit::detail::actor_type<Impls>()...};
}

namespace detail {

// Something that a test waits for.
struct Client {
  bool done = false;
  bool lost = false;  // its node crashed or stopped first
};

template <class T>
struct ClientOf : Client {
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> value;
  std::exception_ptr error;
};

// A coroutine that nobody awaits; the node owns its frame.
struct Driver {
  struct promise_type {
    Driver get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> frame;
};

template <class Reply>
Driver drive_call(Call<Reply> call, std::shared_ptr<ClientOf<Reply>> to) {
  try {
    Reply reply = co_await std::move(call);
    to->value.emplace(std::move(reply));
  } catch (...) {
    to->error = std::current_exception();
  }
  to->done = true;
}

template <class T, class Make>
Driver drive_task(Make make, std::shared_ptr<ClientOf<T>> to) {
  try {
    Task<T> task = make();
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      to->value.emplace();
    } else {
      T value = co_await std::move(task);
      to->value.emplace(std::move(value));
    }
  } catch (...) {
    to->error = std::current_exception();
  }
  to->done = true;
}

template <class Made>
struct TaskResult;
template <class T>
struct TaskResult<Task<T>> {
  using Type = T;
};

}  // namespace detail

class Node;

// What `Node::start` began. Belongs to its node.
template <class T>
class Pending {
 public:
  bool done() const noexcept { return client_->done; }
  // Runs the node until it is done. Throws what it threw; CallError with UNAVAILABLE when the node crashed or stopped
  // before, with DEADLINE_EXCEEDED when the node's patience was not enough. Once.
  T get();
  // The same, with the error of a CallError as a value.
  Result<T> result();

 private:
  friend class Node;
  Pending(Node* node, std::shared_ptr<detail::ClientOf<T>> client) : node_(node), client_(std::move(client)) {}
  Node* node_;
  std::shared_ptr<detail::ClientOf<T>> client_;
};

class ORBIT_TESTKIT_API Node {
 public:
  // Throws std::runtime_error when a module or plugin cannot be loaded or does not start.
  explicit Node(NodeOptions options = {}) : Node(std::move(options), &connect_module) {}
  // Without an orderly stop; see stop().
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  uint64_t seed() const noexcept;

  // ---- calls --------------------------------------------------------------------------------------------------------
  // Calls an actor through its proxy and runs the node until the answer is there: call(Account(7).deposit(amount)).
  template <class Reply>
  Reply call(Call<Reply> call) {
    return start(std::move(call)).get();
  }
  // The same, with an error as a value.
  template <class Reply>
  Result<Reply> result(Call<Reply> call) {
    return start(std::move(call)).result();
  }
  // Begins a call and returns at once, so that several are under way together.
  template <class Reply>
  Pending<Reply> start(Call<Reply> call) {
    auto client = std::make_shared<detail::ClientOf<Reply>>();
    spawn(detail::drive_call<Reply>(std::move(call), client).frame, client);
    return Pending<Reply>(this, std::move(client));
  }
  // Runs a coroutine outside of actors to its end: run([&]() -> orbit::Task<int> { ... }).
  template <class Make>
  auto run(Make make) {
    return start(std::move(make)).get();
  }
  template <class Make>
    requires requires(Make make) { typename detail::TaskResult<decltype(make())>::Type; }
  auto start(Make make) {
    using T = typename detail::TaskResult<decltype(make())>::Type;
    auto client = std::make_shared<detail::ClientOf<T>>();
    spawn(detail::drive_task<T>(std::move(make), client).frame, client);
    return Pending<T>(this, std::move(client));
  }
  // A call as an operator would write it, from a worker that the seed chooses: the answer is JSON too.
  std::string call_json(std::string_view type, std::string_view key, std::string_view method,
                        std::string_view json = "{}") {
    Result<std::string> answer = result_json(type, key, method, json);
    if (!answer) throw CallError(std::move(answer.error()));
    return std::move(*answer);
  }
  Result<std::string> result_json(std::string_view type, std::string_view key, std::string_view method,
                                  std::string_view json = "{}");

  // ---- time and steps -----------------------------------------------------------------------------------------------
  // Virtual time passes, and what becomes due in it runs in its order. Also while the node is down. Due times are kept
  // to the millisecond, the idle timeout to a tenth of a second.
  void advance(std::chrono::milliseconds duration);
  // Runs what can run at this moment, time stands still.
  void run_until_idle();
  // Runs one thing that can run at this moment: a worker's messages, a round of its actors, a job of the I/O pool, the
  // arrival of a piece, what a socket has to tell. False: there is none.
  bool step();
  uint64_t unix_ms() const noexcept;

  // ---- life ---------------------------------------------------------------------------------------------------------
  // The power goes out: whatever is in memory is gone, and of the storage what was not synced. What the test had
  // started ends with UNAVAILABLE. No code of an actor runs any more, not even destructors: what was in memory stays
  // allocated, about a quarter of a megabyte per worker.
  void crash(Unsynced unsynced = Unsynced::seeded);
  // An orderly stop: running turns end, actors are told (Deactivation::shutdown), everything is stored. An error when
  // the node's patience was not enough, or the storage refuses to the end; then it is as after a crash.
  Result<> stop();
  // Starts it on what the storage has, after an orderly stop if it is up. Throws CallError when that stop failed.
  void restart() {
    if (Result<> stopped = stop(); !stopped) throw CallError(std::move(stopped.error()));
    go_up();
  }
  bool is_up() const noexcept;

  // ---- clients ------------------------------------------------------------------------------------------------------
  // Asks for a connection, as a client on the host `from` does: it is refused (Connection::closed) if nobody listens there
  // when that arrives. Also while the node is down. Throws std::invalid_argument when an address is none, or the node has no
  // plugins.
  Connection connect(std::string_view address, std::string_view from = "127.0.0.1");
  Network& network() noexcept;

  // ---- inside -------------------------------------------------------------------------------------------------------
  NodeStorage& storage() noexcept;
  template <class Service>
  bool is_active(const Proxy<Service>& actor) {
    return is_active(Service::kName, orbit::Key<Service::kKeyKind>(actor.key()).bytes());
  }
  bool is_active(std::string_view type, std::string_view key);
  // Actors in memory, of one type or (empty) of all but the kernel's own.
  size_t activations(std::string_view type = {});
  // Has an actor leave memory (Deactivation::asked) and waits until it has. False: it is not there, or does not leave
  // within the node's patience.
  template <class Service>
  bool deactivate(const Proxy<Service>& actor) {
    return deactivate(Service::kName, orbit::Key<Service::kKeyKind>(actor.key()).bytes());
  }
  bool deactivate(std::string_view type, std::string_view key);
  // A figure of the node or of a module, as orbitctl metrics shows it, summed over its labels; 0 when there is none.
  double metric(std::string_view name) const;
  // Sums up everything that has happened: equal for equal seeds and tests.
  uint64_t trace_hash() const noexcept;

  // Runs until done(), letting time pass; false when the node's patience was not enough.
  template <class Done>
  bool run_until(Done done) {
    const auto ask = [](void* it) { return static_cast<bool>((*static_cast<Done*>(it))()); };
    return run_while_not(ask, &done);
  }

 private:
  template <class T>
  friend class Pending;
  using Connect = Result<> (*)(const orbit_host*);

  Node(NodeOptions options, Connect connect);
  void go_up();
  void spawn(std::coroutine_handle<> frame, std::shared_ptr<detail::Client> client);
  Result<> wait_for(const detail::Client& client);
  bool run_while_not(bool (*done)(void*), void* ctx);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <class T>
T Pending<T>::get() {
  if (Result<> waited = node_->wait_for(*client_); !waited) throw CallError(std::move(waited.error()));
  if (client_->error) std::rethrow_exception(client_->error);
  if constexpr (!std::is_void_v<T>) return std::move(*client_->value);
}

template <class T>
Result<T> Pending<T>::result() {
  try {
    if constexpr (std::is_void_v<T>) {
      get();
      return {};
    } else {
      return get();
    }
  } catch (const CallError& error) {
    return tl::unexpected<Error>(error.error());
  }
}

}  // namespace orbit::testkit
