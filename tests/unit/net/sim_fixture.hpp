// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The same as net_fixture.hpp in a simulation: every case runs with several seeds, which choose pieces, delays and what
// runs next.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "../../effort.hpp"
#include "../../seed.hpp"
#include "echo_codec.hpp"
#include "net/sim_net.hpp"

namespace orbit::kernel {

class SimFixture : public EchoCodec {
 public:
  static constexpr uint64_t kStepsMax = 5'000'000;
  static constexpr uint64_t kSeeds = testing::with_effort(40);
  static constexpr bool kSimulated = true;

  // As a client of sockets is: what it does not ask for is not read.
  class Client {
   public:
    explicit Client(const std::string& address, size_t window_bytes = 0) {
      SimNetworkOptions how = current_->network.options();
      const size_t usual = std::exchange(how.window_bytes, window_bytes != 0 ? window_bytes : how.window_bytes);
      current_->network.configure(how);
      auto made = current_->network.connect(address);
      REQUIRE(made.has_value());
      client_ = std::move(*made);
      client_->stop_reading();
      how.window_bytes = usual;
      current_->network.configure(how);
    }
    bool send(std::string_view data) {
      client_->send(data);
      return client_->is_open();
    }
    std::string read(size_t size) {
      return take([&] { return client_->received().size() >= size; }, size);
    }
    std::string read_to_end() {
      return take([] { return false; }, std::string::npos);
    }
    void shut_write() { client_->finish(); }
    void reset() { client_->reset(); }
    void close() { client_->close(); }
    std::string address() const { return client_->address(); }
    SimClient& raw() { return *client_; }

   private:
    template <class Enough>
    std::string take(Enough enough, size_t size) {
      client_->read_again();
      current_->run_until([&] { return enough() || client_->peer_finished() || client_->was_reset(); });
      client_->stop_reading();
      std::string out = client_->received().substr(0, size);
      client_->received().erase(0, out.size());
      return out;
    }
    std::unique_ptr<SimClient> client_;
  };
  class Sender {
   public:
    Sender(Client& client, const std::string& data, const NextSize& next_size = {}) {
      send_in_parts(client, data, next_size);
    }
  };

  template <class Body>
  static void each(uint32_t workers, const SocketNetOptions& options, Body&& body) {
    for (uint64_t seed = testing::seed_of_this_run(), i = 0; i < kSeeds; ++i, ++seed) {
      CAPTURE(seed);
      SimFixture fixture(workers, options, seed);
      body(fixture);
    }
  }
  static bool refuses(const std::string& address) {
    Client client(address);
    return client.read_to_end().empty() && client.raw().was_reset();
  }

  explicit SimFixture(uint32_t workers = 2, SocketNetOptions options = {}, uint64_t seed = 1)
      : network({.seed = seed, .delay_max_ns = seed % 3 == 0 ? 0 : uint64_t{3'000'000}}),
        executor({.seed = seed, .workers = workers}) {
    network.attach(executor);
    net = std::make_unique<SimNet>(executor, network, std::move(options));
    executor.start();
    current_ = this;
    run_simulation_until = [this](const std::function<bool()>& done) { return run_until(done); };
  }
  ~SimFixture() {
    net->stop();
    executor.stop();
    current_ = nullptr;
    run_simulation_until = nullptr;
  }

  std::string listen(const orbit_listen_options& options) {
    auto made = listen_on(*net, options);
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    listener = *made;
    return (*made)->address();
  }
  void on_worker(uint32_t worker, std::function<void()> body) { run_on(executor, worker, std::move(body)); }
  bool run_until(const std::function<bool()>& done) { return executor.run_until(done, kStepsMax); }

  SimNetwork network;
  SimExecutor executor;
  std::unique_ptr<SimNet> net;
  Listener* listener = nullptr;

 private:
  inline static SimFixture* current_ = nullptr;
};

}  // namespace orbit::kernel
