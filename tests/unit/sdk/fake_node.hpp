// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A node of one thread for tests of the SDK's glue: envelopes wait in a queue that the test empties step by step. It keeps
// the promises of orbit/ext/actors.h that actor code relies on, and aborts the test where actor code breaks its own.
#pragma once

#include <orbit/actor.hpp>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace fake {

class Node {
 public:
  // One at a time: the functions of an orbit_actors_v1 have no context.
  Node();
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const orbit_host* host() const { return &host_; }
  void add_type(const orbit_actor_type* type);

  // Whether a call to an idle actor runs inside send().
  bool run_inline = false;

  // What a turn that changes state is told.
  orbit_code writable_code = ORBIT_OK;

  bool step();            // handles one envelope; false: the queue is empty
  void run();             // until the queue is empty
  size_t queued() const { return queue_.size(); }
  void collect(const std::string& type, const std::string& key);     // writes what completed turns changed
  void deactivate(const std::string& type, const std::string& key);  // collects and drops
  // The stored main record, or null.
  const std::string* stored(const std::string& type, const std::string& key) const;
  void store(const std::string& type, const std::string& key, std::string bytes);
  // Forgets every actor and every message, as a node that ends without draining does.
  void drop_everything();
  // Runs a task to its end, as a client on this worker would.
  template <class T>
  orbit::Result<T> wait(orbit::Task<T> task);

 private:
  using Id = std::pair<std::string, std::string>;
  struct Activation {
    Id id;
    const orbit_actor_type* type = nullptr;
    void* actor = nullptr;
    bool busy = false;
    std::deque<orbit_envelope*> mailbox;
  };

  static const orbit_type* type_handle(const char* name);
  static orbit_envelope* allocate();
  static void send(orbit_envelope* envelope, uint64_t* hint);
  static void free_envelope(orbit_envelope* envelope);
  static void fail(orbit_envelope* envelope, orbit_code code, orbit_bytes message);
  static void finish(orbit_activation* activation, orbit_envelope* envelope);
  static orbit_code writable(orbit_error* error);
  static void deactivate_when_idle(orbit_activation* activation);

  Activation* activate(const Id& id, orbit_envelope* envelope);
  void deliver(orbit_envelope* envelope);
  void turn(Activation& activation, orbit_envelope* envelope);
  void end_turn(Activation& activation, orbit_envelope* envelope);
  void write(Activation& activation);
  void reply(orbit_envelope* envelope);
  static Id id_of(const orbit_envelope* envelope);

  orbit_host host_;
  orbit_actors_v1 table_;
  std::map<std::string, const orbit_actor_type*> types_;
  std::map<Id, std::unique_ptr<Activation>> activations_;
  std::map<Id, std::string> store_;
  std::deque<orbit_envelope*> queue_;
  std::vector<orbit_envelope*> free_;
  std::set<orbit_envelope*> in_use_;
  std::map<orbit_envelope*, std::string> keys_;
  std::map<orbit_envelope*, std::string> messages_;
};

template <class T>
orbit::Result<T> Node::wait(orbit::Task<T> task) {
  orbit::Result<T> out = orbit::fail(orbit::Code::deadline_exceeded, "the task waits for something that does not come");
  auto client = [](orbit::Task<T> inner, orbit::Result<T>* to) -> orbit::Task<> {
    try {
      if constexpr (std::is_void_v<T>) {
        co_await std::move(inner);
        *to = {};
      } else {
        *to = co_await std::move(inner);
      }
    } catch (const orbit::CallError& error) {
      *to = tl::unexpected<orbit::Error>(error.error());
    }
  };
  orbit::Task<> outer = client(std::move(task), &out);
  const auto frame = outer.release();
  frame.resume();
  run();
  if (frame.done()) frame.destroy();
  return out;
}

}  // namespace fake
