// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A simulated node with typed actors.
#pragma once

#include <orbit/actor.hpp>

#include <optional>

#include "sim_node.hpp"

namespace test {

template <class Reply>
Reply reply_of(const orbit::Call<Reply>&);

#define ORBIT_TEST_METHOD(name) [](const auto& to, const auto& request) { return to.name(request); }

// A coroutine that nobody waits for.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

// One at a time: typed actors of a process know one node.
struct TypedNode : SimNode {
  explicit TypedNode(Disk& disk, uint64_t seed = 1, uint32_t workers = 2, RuntimeOptions options = {});
  ~TypedNode();

  template <class... Impls>
  orbit::Result<> publish(const char* module, const char* version = "1") {
    const orbit_actor_type* types[] = {orbit::detail::actor_type<Impls>()...};
    return runtime.publish_module(module, version, std::string(module) + ".so", types);
  }
  // Runs a client's task on worker 0 to its end.
  template <class T>
  orbit::Result<T> wait(orbit::Task<T> task) {
    std::optional<orbit::Result<T>> out;
    start(std::move(task), out);
    if (!run_until([&] { return out.has_value(); }))
      return orbit::fail(orbit::Code::deadline_exceeded, "the task does not end");
    return *out;
  }
  // The same, without stepping. `out` is filled when it ends.
  template <class T>
  void start(orbit::Task<T> task, std::optional<orbit::Result<T>>& out, uint32_t worker = 0) {
    auto held = std::make_shared<orbit::Task<T>>(std::move(task));
    runtime.post(worker, [held, &out] {
      auto client = [](orbit::Task<T> inner, std::optional<orbit::Result<T>>* to) -> Detached {
        try {
          T value = co_await std::move(inner);
          *to = orbit::Result<T>(std::move(value));
        } catch (const orbit::CallError& error) {
          *to = orbit::Result<T>(tl::unexpected<orbit::Error>(error.error()));
        }
      };
      client(std::move(*held), &out);
    });
  }
  // Calls an actor: ask(Book("a"), ORBIT_TEST_METHOD(put), change).
  template <class Proxy, class Method, class Request>
  auto ask(const Proxy& proxy, Method method, const Request& request) {
    using Reply = decltype(reply_of(method(proxy, request)));
    auto task = [](const Proxy& to, Method call, Request what) -> orbit::Task<Reply> {
      Reply reply = co_await call(to, what);
      co_return reply;
    };
    return wait(task(proxy, method, request));
  }
  // Everything is stored and out of memory.
  void deactivate_all();
};

// Keys of the space in the disk that contain the text.
size_t count_keys(const Disk& disk, char space, std::string_view text);

}  // namespace test
