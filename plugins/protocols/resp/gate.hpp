// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Lets one client have all keys for itself: no other command runs meanwhile. For commands that cannot name their keys
// before they run, and must not be seen half done. Others wait, as behind a long command in Redis.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

namespace orbit::resp {

class Server;
class Session;
class Worker;

// Closed at first, until leave is called once: nothing runs before the databases are known.
class Gate {
 public:
  explicit Gate(Server& server) noexcept : server_(server) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // `granted` runs on this worker when nothing else does; leave must follow. First come, first served. [worker]
  void enter(Worker& worker, std::function<void()> granted);
  // [any worker]
  void leave();
  // A worker whose gate was closed has come to rest. [worker]
  void quiet() noexcept;

 private:
  struct Request {
    uint32_t worker;
    std::function<void()> granted;
  };

  void close();
  void grant();

  Server& server_;
  std::mutex mutex_;
  std::deque<Request> waiting_;  // guarded by mutex_
  bool taken_ = true;            // guarded by mutex_
  std::atomic<uint32_t> busy_{0};
};

// Runs `body` within the session's operation, when all keys are its own; `body` sees to it that the function which it
// is given is called at the end. Inside an EXEC that has them already it runs at once. [worker]
void exclusively(Session& session, std::function<void(std::function<void()> leave)> body);

}  // namespace orbit::resp
