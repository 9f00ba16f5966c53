// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "pick.hpp"
#include "pool.hpp"

using orbit::client::detail::Candidate;
using orbit::client::detail::pick_least_loaded;

TEST_CASE("a call goes to the ready connection with the least to do") {
  const std::vector<Candidate> candidates = {{true, 3}, {false, 0}, {true, 1}, {true, 2}};
  for (size_t start = 0; start < 4; ++start) CHECK(pick_least_loaded(candidates, start) == 2);
}

TEST_CASE("connections with equally much to do take turns") {
  const std::vector<Candidate> candidates = {{true, 1}, {true, 1}, {true, 1}};
  for (size_t start = 0; start < 6; ++start) CHECK(pick_least_loaded(candidates, start) == start % 3);
}

TEST_CASE("without a ready connection there is none to take") {
  CHECK_FALSE(pick_least_loaded(std::vector<Candidate>{{false, 0}, {false, 0}}, 1));
  CHECK_FALSE(pick_least_loaded({}, 0));
}

TEST_CASE("calls that come at once spread evenly") {
  std::array<Candidate, 5> candidates;
  for (Candidate& candidate : candidates) candidate.ready = true;
  for (size_t i = 0; i < 1000; ++i) ++candidates[*pick_least_loaded(candidates, i * 7)].load;
  for (const Candidate& candidate : candidates) CHECK(candidate.load == 200);
}

TEST_CASE("the last connections may go on a thread that the library calls back on") {
  using orbit::client::detail::Pool;
  orbit::client::detail::Loop loop;
  orbit::client::ClientOptions options;
  options.endpoints = {"127.0.0.1:1"};           // nobody listens there
  options.reconnect_delay = std::chrono::hours(1);  // what has failed stays so
  for (int round = 0; round < 10; ++round) {
    auto pool = std::make_shared<Pool>(options, grpc::InsecureChannelCredentials(), loop);
    const auto failed = [&] {
      for (const auto& each : pool->connections())
        if (each->channel->GetState(true) != GRPC_CHANNEL_TRANSIENT_FAILURE) return false;
      return true;
    };
    while (!failed()) std::this_thread::yield();
    std::promise<void> let_go;
    std::promise<std::string> told;
    pool->explain([last = pool, &let_go, &told](const std::string& why) {
      let_go.get_future().wait();
      told.set_value(why);
    });
    const std::weak_ptr<Pool> gone = pool;
    pool.reset();
    let_go.set_value();
    CHECK(told.get_future().get() != "");
    while (!gone.expired()) std::this_thread::yield();
  }
}
