// SPDX-License-Identifier: MIT OR BSD-3-Clause
// An echo protocol whose behaviour a test can bend, whatever network it speaks over.
#pragma once

#include <doctest/doctest.h>

#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "executor/executor.hpp"
#include "net/net_api.hpp"

namespace orbit::kernel {

// Runs a simulation until something is so; null where threads do it by themselves.
inline std::function<bool(const std::function<bool()>&)> run_simulation_until;

// A number that threads raise and a test waits for; the wait is bounded and says what it waited for.
class Count {
 public:
  void add(uint64_t n = 1) {
    const std::lock_guard lock(mutex_);
    value_ += n;
    changed_.notify_all();
  }
  uint64_t value() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  bool wait_for(uint64_t at_least) {
    if (run_simulation_until) return run_simulation_until([&] { return value_ >= at_least; });
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return value_ >= at_least; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t value_ = 0;
};

inline std::string pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return out;
}

// How large the next part is that a client sends; empty: everything at once.
using NextSize = std::function<size_t()>;
template <class Client>
void send_in_parts(Client& client, std::string_view data, const NextSize& next_size) {
  while (!data.empty()) {
    const std::string_view part = data.substr(0, next_size ? next_size() : data.size());
    if (!client.send(part)) return;
    data.remove_prefix(part.size());
  }
}

// A host that has nothing but the network.
struct NetHost : orbit_host {
  explicit NetHost(Net& offered)
      : orbit_host{sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR,
                   [](const orbit_host* raw, const char* id) -> const void* {
                     return std::strcmp(id, kNetExtension) == 0 ? static_cast<const NetHost*>(raw)->net : nullptr;
                   }},
        net(&offered) {}
  Net* const net;
};

class EchoCodec {
 public:
  using Received = std::function<size_t(orbit_connection*, const char*, size_t)>;

  static orbit_listen_options options() {
    orbit_listen_options out{};
    out.struct_size = sizeof out;
    out.address = "127.0.0.1:0";
    return out;
  }

  Result<Listener*> listen_on(Net& net, const orbit_listen_options& how) {
    static constexpr orbit_connection_handler kHandler = {sizeof(orbit_connection_handler),
                                                          0,
                                                          [](void* self, orbit_connection* connection) -> void* {
                                                            auto* const codec = static_cast<EchoCodec*>(self);
                                                            if (codec->on_opened) codec->on_opened(connection);
                                                            codec->opened.add();
                                                            return codec->keep(connection);
                                                          },
                                                          [](void* context, const char* data, size_t size) {
                                                            auto* const per = static_cast<Per*>(context);
                                                            const size_t consumed =
                                                                per->codec->received(per->connection, data, size);
                                                            per->codec->bytes.add(consumed);
                                                            return consumed;
                                                          },
                                                          [](void* context) {
                                                            auto* const per = static_cast<Per*>(context);
                                                            if (per->codec->on_drained)
                                                              per->codec->on_drained(per->connection);
                                                            per->codec->drained.add();
                                                          },
                                                          [](void* context, orbit_code code) {
                                                            auto* const per = static_cast<Per*>(context);
                                                            {
                                                              const std::lock_guard lock(per->codec->mutex);
                                                              per->codec->codes.push_back(code);
                                                            }
                                                            EchoCodec* const codec = per->codec;
                                                            codec->let_go(per);
                                                            codec->closed.add();
                                                          },
                                                          [](void* context, int all_read) {
                                                            auto* const per = static_cast<Per*>(context);
                                                            const auto& told = per->codec->on_peer_finished;
                                                            return told && told(per->connection, all_read != 0) ? 1 : 0;
                                                          }};
    return net.listen(how, kHandler, this);
  }

  // Runs on a worker and returns when it has run.
  static void run_on(Executor& executor, uint32_t worker, std::function<void()> body) {
    struct Ctx : Job {
      std::function<void()> body;
      Count done;
    } job;
    job.body = std::move(body);
    job.run = [](Job* raw) noexcept {
      auto* const mine = static_cast<Ctx*>(raw);
      mine->body();
      mine->done.add();
    };
    executor.post(worker, &job, &job);
    REQUIRE(job.done.wait_for(1));
  }

  std::vector<orbit_code> closed_codes() {
    const std::lock_guard lock(mutex);
    return codes;
  }

  Received received = [](orbit_connection* connection, const char* data, size_t size) {
    net_table()->write(connection, data, size);
    return size;
  };
  std::function<void(orbit_connection*)> on_opened;
  std::function<void(orbit_connection*)> on_drained;
  std::function<bool(orbit_connection*, bool)> on_peer_finished;  // whether the codec closes
  Count opened, closed, drained, bytes;
  std::mutex mutex;
  std::vector<orbit_code> codes;  // guarded by mutex

 private:
  struct Per {
    EchoCodec* codec;
    orbit_connection* connection;
  };
  Per* keep(orbit_connection* connection) {
    auto made = std::make_unique<Per>(Per{this, connection});
    const std::lock_guard lock(mutex);
    return kept_.emplace(made.get(), std::move(made)).first->first;
  }
  void let_go(Per* per) {
    const std::lock_guard lock(mutex);
    kept_.erase(per);
  }
  std::unordered_map<Per*, std::unique_ptr<Per>> kept_;  // nobody is told of connections that end with a power cut
};

}  // namespace orbit::kernel
