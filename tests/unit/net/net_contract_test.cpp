// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What orbit/ext/net.h promises, of sockets and of the simulated network alike.
#include <doctest/doctest.h>

#include <atomic>
#include <set>

#include "executor/workers_api.hpp"
#include "net_fixture.hpp"
#include "sim_fixture.hpp"

namespace orbit::kernel {

TEST_CASE_TEMPLATE("an echo comes back over IPv4 and IPv6, and the ends of both sides are told", F, NetFixture,
                   SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    for (const char* where : {"127.0.0.1:0", "[::1]:0"}) {
      auto options = F::options();
      options.address = where;
      const std::string address = fixture.listen(options);
      typename F::Client client(address);
      REQUIRE(client.send("hello"));
      CHECK(client.read(5) == "hello");
    }
    REQUIRE(fixture.closed.wait_for(2));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK, ORBIT_OK});
  });
}

TEST_CASE_TEMPLATE("connections are handed to the workers in turn and stay there", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    std::mutex mutex;
    std::vector<uint32_t> workers;
    std::set<uint64_t> ids;
    fixture.on_opened = [&](orbit_connection* connection) {
      const std::lock_guard lock(mutex);
      workers.push_back(fixture.executor.current());
      ids.insert(net_table()->id(connection));
    };
    const std::string address = fixture.listen(F::options());
    std::vector<std::unique_ptr<typename F::Client>> clients;
    for (int i = 0; i < 6; ++i) {
      clients.push_back(std::make_unique<typename F::Client>(address));
      REQUIRE(fixture.opened.wait_for(static_cast<uint64_t>(i) + 1));
    }
    CHECK(workers == std::vector<uint32_t>{0, 1, 0, 1, 0, 1});
    CHECK(ids.size() == 6);
    const auto counters = fixture.net->counters();
    REQUIRE(counters.size() == 2);
    CHECK(counters[0].connections == 3);
    CHECK(counters[1].connections == 3);
  });
}

TEST_CASE_TEMPLATE("megabytes pass through unharmed while the reader is slow", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    auto options = F::options();
    options.output_pause_bytes = 16 * 1024;
    options.output_bytes_max = 1024 * 1024;
    const std::string address = fixture.listen(options);
    const std::string data = pattern(F::kSimulated ? 2'000'000 : 16 * 1024 * 1024);
    typename F::Client client(address, 32 * 1024);
    typename F::Sender sender(client, data);
    std::string back;
    while (back.size() < data.size()) {
      const std::string part = client.read(std::min<size_t>(50'000, data.size() - back.size()));
      if (part.empty()) break;
      back += part;
    }
    CHECK(back == data);
    CHECK(fixture.drained.value() > 0);
    const auto counters = fixture.net->counters();
    CHECK(counters[0].bytes_in + counters[1].bytes_in == data.size());
    CHECK(counters[0].bytes_out + counters[1].bytes_out == data.size());
  });
}

TEST_CASE_TEMPLATE("a codec that consumes whole records gets the rest again with more", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    fixture.received = [](orbit_connection* connection, const char* data, size_t size) {
      const size_t whole = size / 1000 * 1000;  // records of 1000 bytes
      net_table()->write(connection, data, whole);
      return whole;
    };
    const std::string address = fixture.listen(F::options());
    const std::string data = pattern(700'000);
    typename F::Client client(address);
    typename F::Sender sender(client, data,
                              [part = size_t{1}]() mutable { return std::exchange(part, part * 5 % 70'001 + 1); });
    CHECK(client.read(data.size()) == data);
  });
}

TEST_CASE_TEMPLATE("one record larger than every buffer arrives whole", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    const std::string data = pattern(F::kSimulated ? 500'000 : 5'000'000);
    fixture.received = [&](orbit_connection* connection, const char* bytes, size_t size) -> size_t {
      if (size < data.size()) return 0;
      net_table()->write(connection, std::string_view(bytes, size) == data ? "same" : "else", 4);
      return size;
    };
    typename F::Client client(fixture.listen(F::options()));
    REQUIRE(client.send(data));
    CHECK(client.read(4) == "same");
  });
}

TEST_CASE_TEMPLATE("a paused connection is asked again after resume, also without new bytes", F, NetFixture,
                   SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    orbit_connection* connection = nullptr;
    Count paused;
    fixture.received = [&](orbit_connection* where, const char* data, size_t size) -> size_t {
      if (connection == nullptr) {
        connection = where;
        net_table()->pause(where);
        paused.add();
        return 0;
      }
      net_table()->write(where, data, size);
      return size;
    };
    typename F::Client client(fixture.listen(F::options()));
    REQUIRE(client.send("one"));
    REQUIRE(paused.wait_for(1));
    REQUIRE(client.send("two"));
    client.shut_write();  // the answer still comes: only the client's direction has ended
    fixture.on_worker(0, [] {});
    CHECK(fixture.bytes.value() == 0);
    fixture.on_worker(0, [&] { net_table()->resume(connection); });
    CHECK(client.read_to_end() == "onetwo");
    REQUIRE(fixture.closed.wait_for(1));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK});
  });
}

TEST_CASE_TEMPLATE("output written outside a callback is sent at the end of the round", F, NetFixture, SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    orbit_connection* connection = nullptr;
    fixture.on_opened = [&](orbit_connection* where) { connection = where; };
    typename F::Client client(fixture.listen(F::options()));
    REQUIRE(fixture.opened.wait_for(1));
    fixture.on_worker(0, [&] {
      std::memcpy(net_table()->reserve(connection, 100), "later", 5);
      net_table()->commit(connection, 5);
      CHECK(net_table()->output_bytes(connection) == 5);
    });
    CHECK(client.read(5) == "later");
  });
}

TEST_CASE_TEMPLATE("close sends what is left, reaches a client that has unread input, and stops the input", F,
                   NetFixture, SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    fixture.received = [](orbit_connection* connection, const char*, size_t) -> size_t {
      const std::string text(300'000, 'x');
      net_table()->write(connection, text.data(), text.size());
      net_table()->close(connection);
      net_table()->close(connection);
      return 0;
    };
    typename F::Client client(fixture.listen(F::options()));
    REQUIRE(client.send(std::string(100'000, 'q')));
    CHECK(client.read_to_end() == std::string(300'000, 'x'));
    REQUIRE(fixture.closed.wait_for(1));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK});
  });
}

TEST_CASE_TEMPLATE("a peer that shuts its side gets what the codec still owes it", F, NetFixture, SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    orbit_connection* owing = nullptr;
    Count finished;
    fixture.received = [&](orbit_connection* connection, const char*, size_t size) {
      owing = connection;
      return size;
    };
    fixture.on_peer_finished = [&](orbit_connection*, bool all_read) {
      CHECK(all_read);
      finished.add();
      return true;
    };
    typename F::Client client(fixture.listen(F::options()));
    REQUIRE(client.send("question"));
    client.shut_write();
    REQUIRE(finished.wait_for(1));
    fixture.on_worker(0, [&] { net_table()->write(owing, "first ", 6); });
    CHECK(client.read(6) == "first ");
    fixture.on_worker(0, [&] {
      net_table()->write(owing, "last", 4);
      net_table()->close(owing);
    });
    CHECK(client.read_to_end() == "last");
    REQUIRE(fixture.closed.wait_for(1));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_OK});
    CHECK(finished.value() == 1);
  });
}

TEST_CASE_TEMPLATE("a paused codec hears that the peer has finished, and again once it has read everything", F,
                   NetFixture, SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    orbit_connection* paused = nullptr;
    Count told;
    Count told_all;
    fixture.received = [&](orbit_connection* connection, const char*, size_t size) {
      if (paused != nullptr) return size;
      paused = connection;
      net_table()->pause(connection);
      return size_t{0};
    };
    fixture.on_peer_finished = [&](orbit_connection*, bool all_read) {
      (all_read ? told_all : told).add();
      return false;
    };
    typename F::Client client(fixture.listen(F::options()));
    REQUIRE(client.send("x"));
    client.shut_write();
    REQUIRE(told.wait_for(1));
    CHECK(told_all.value() == 0);
    fixture.on_worker(0, [&] { net_table()->resume(paused); });
    CHECK(client.read_to_end().empty());
    REQUIRE(fixture.closed.wait_for(1));
    CHECK(told.value() == 1);
    CHECK(told_all.value() == 1);
  });
}

TEST_CASE_TEMPLATE("a handler of the first orbit.net/1, without peer_finished, is taken", F, NetFixture, SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    const NetHost host(*fixture.net);
    orbit_connection_handler handler{offsetof(orbit_connection_handler, peer_finished),
                                     0,
                                     [](void*, orbit_connection* connection) -> void* { return connection; },
                                     [](void* context, const char* data, size_t size) {
                                       net_table()->write(static_cast<orbit_connection*>(context), data, size);
                                       return size;
                                     },
                                     nullptr,
                                     [](void*, orbit_code) {},
                                     [](void*, int) -> int { std::abort(); }};  // behind the end that the struct names
    auto options = F::options();
    orbit_listener* listener = nullptr;
    ErrorOut error;
    REQUIRE(net_table()->listen(&host, &options, &handler, nullptr, &listener, &error) == ORBIT_OK);
    typename F::Client client(net_table()->address(listener));
    REQUIRE(client.send("old"));
    client.shut_write();
    CHECK(client.read_to_end() == "old");
  });
}

TEST_CASE_TEMPLATE("a connection that is closed in opened gets what opened wrote", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    fixture.on_opened = [](orbit_connection* connection) {
      net_table()->write(connection, "go away", 7);
      net_table()->close(connection);
    };
    typename F::Client client(fixture.listen(F::options()));
    CHECK(client.read_to_end() == "go away");
    REQUIRE(fixture.closed.wait_for(1));
  });
}

TEST_CASE_TEMPLATE("addresses of both ends are told", F, NetFixture, SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    std::string peer, local;
    fixture.on_opened = [&](orbit_connection* connection) {
      char text[64];
      net_table()->peer_address(connection, text, sizeof text);
      peer = text;
      net_table()->local_address(connection, text, sizeof text);
      local = text;
      net_table()->local_address(connection, text, 5);
      CHECK(std::string(text) == "127.");
    };
    const std::string address = fixture.listen(F::options());
    typename F::Client client(address);
    REQUIRE(fixture.opened.wait_for(1));
    fixture.on_worker(0, [] {});
    CHECK(local == address);
    CHECK(peer == client.address());
  });
}

TEST_CASE_TEMPLATE("a port that is taken is an error that says so", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    const std::string address = fixture.listen(F::options());
    auto options = F::options();
    options.address = address.c_str();
    const auto handler = orbit_connection_handler{sizeof(orbit_connection_handler),
                                                  0,
                                                  [](void*, orbit_connection*) -> void* { return nullptr; },
                                                  [](void*, const char*, size_t size) { return size; },
                                                  nullptr,
                                                  [](void*, orbit_code) {},
                                                  nullptr};
    const auto second = fixture.net->listen(options, handler, nullptr);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().message ==
          "cannot listen on " + address + ": Address already in use; another process has the port");
  });
}

TEST_CASE_TEMPLATE("after stop_listening nobody is accepted and connections stay", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    const std::string address = fixture.listen(F::options());
    typename F::Client client(address);
    REQUIRE(client.send("a"));
    CHECK(client.read(1) == "a");
    net_table()->stop_listening(fixture.listener);
    CHECK(F::refuses(address));
    REQUIRE(client.send("b"));
    CHECK(client.read(1) == "b");
  });
}

TEST_CASE_TEMPLATE("stop closes every connection with UNAVAILABLE after sending what it can", F, NetFixture,
                   SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    const std::string address = fixture.listen(F::options());
    typename F::Client first(address), second(address);
    REQUIRE(fixture.opened.wait_for(2));
    fixture.net->stop();
    CHECK(first.read_to_end().empty());
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_UNAVAILABLE, ORBIT_UNAVAILABLE});
    const auto counters = fixture.net->counters();
    CHECK(counters[0].connections + counters[1].connections == 0);
  });
}

TEST_CASE_TEMPLATE("close_connections closes those of its listener, and the others stay", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    const std::string kept = fixture.listen(F::options());
    Listener* const other = fixture.listener;
    const std::string address = fixture.listen(F::options());
    typename F::Client stays(kept), first(address), second(address);
    for (typename F::Client* client : {&stays, &first, &second}) {
      REQUIRE(client->send("a"));
      CHECK(client->read(1) == "a");
    }
    CHECK(fixture.listener->connections() == 2);
    fixture.listener->stop();
    fixture.listener->close_connections();
    CHECK(first.read_to_end().empty());
    CHECK(second.read_to_end().empty());
    REQUIRE(fixture.closed.wait_for(2));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_UNAVAILABLE, ORBIT_UNAVAILABLE});
    for (uint32_t worker = 0; worker < 2; ++worker)
      fixture.on_worker(worker, [] {});  // the round that closed them is over
    CHECK(fixture.listener->connections() == 0);
    CHECK(other->connections() == 1);
    REQUIRE(stays.send("b"));
    CHECK(stays.read(1) == "b");
  });
}

TEST_CASE_TEMPLATE("listen through the table tells errors at the edge", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    const NetHost host(*fixture.net);
    auto options = F::options();
    options.address = "nowhere";
    const orbit_connection_handler handler{
        sizeof(orbit_connection_handler), 0, nullptr, nullptr, nullptr, nullptr, nullptr};
    orbit_listener* listener = nullptr;
    ErrorOut error;
    CHECK(net_table()->listen(&host, &options, &handler, nullptr, &listener, &error) == ORBIT_INVALID_ARGUMENT);
    CHECK(std::string(error.message).find("handler has no opened") != std::string::npos);
  });
}

TEST_CASE_TEMPLATE("a client that never reads is cut off at output_bytes_max and others are unharmed", F, NetFixture,
                   SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    auto options = F::options();
    options.output_bytes_max = 1024 * 1024;
    options.output_pause_bytes = 256 * 1024;
    fixture.received = [](orbit_connection* connection, const char* data, size_t size) {
      // Far more than is asked for, all at once: the codec does not look at output_bytes.
      for (size_t i = 0; i < 2'000 && data[0] == 'x'; ++i)
        net_table()->write(connection, std::string(1'000, 'y').data(), 1'000);
      if (data[0] != 'x') net_table()->write(connection, data, size);
      return size;
    };
    const std::string address = fixture.listen(options);
    typename F::Client greedy(address, 16 * 1024), other(address);
    REQUIRE(greedy.send(std::string(60'000, 'x')));
    for (int i = 0; i < 100; ++i) {
      REQUIRE(other.send("ping"));
      CHECK(other.read(4) == "ping");
    }
    REQUIRE(fixture.closed.wait_for(1));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_RESOURCE_EXHAUSTED});
  });
}

TEST_CASE_TEMPLATE(
    "a client that pipelines and reads all the while is not cut off when answers are larger than questions", F,
    NetFixture, SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    constexpr size_t kQuestions = F::kSimulated ? 100'000 : 2'000'000;
    constexpr size_t kAnswerBytes = 16;
    auto options = F::options();
    options.output_bytes_max = 1024 * 1024;
    options.output_pause_bytes = 16 * 1024;
    options.input_bytes_max = 256 * 1024;
    fixture.received = [](orbit_connection* connection, const char*, size_t size) -> size_t {
      const std::string answer(kAnswerBytes, 'a');
      size_t consumed = 0;
      while (consumed < size && net_table()->output_bytes(connection) <= 16 * 1024) {
        net_table()->write(connection, answer.data(), answer.size());
        ++consumed;
      }
      return consumed;
    };
    typename F::Client client(fixture.listen(options));
    typename F::Sender sender(client, std::string(kQuestions, 'q'));
    const size_t got = client.read(kQuestions * kAnswerBytes).size();
    client.shut_write();
    CHECK(got == kQuestions * kAnswerBytes);
  });
}

TEST_CASE_TEMPLATE("input that is never consumed closes at input_bytes_max", F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    auto options = F::options();
    options.input_bytes_max = 100'000;
    fixture.received = [](orbit_connection*, const char*, size_t) -> size_t { return 0; };
    typename F::Client client(fixture.listen(options));
    client.send(std::string(1'000'000, 'x'));
    REQUIRE(fixture.closed.wait_for(1));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_RESOURCE_EXHAUSTED});
  });
}

TEST_CASE_TEMPLATE("connections over connections_max are told so and closed, and there is room again after one leaves",
                   F, NetFixture, SimFixture) {
  F::each(2, {}, [&](F& fixture) {
    auto options = F::options();
    options.connections_max = 2;
    options.too_many_connections = "-ERR max number of clients reached\r\n";
    const std::string address = fixture.listen(options);
    auto first = std::make_unique<typename F::Client>(address);
    typename F::Client second(address);
    REQUIRE(fixture.opened.wait_for(2));
    typename F::Client third(address);
    CHECK(third.read_to_end() == "-ERR max number of clients reached\r\n");
    first.reset();
    REQUIRE(fixture.closed.wait_for(1));
    typename F::Client fourth(address);
    REQUIRE(fourth.send("hi"));
    CHECK(fourth.read(2) == "hi");
    CHECK(fixture.net->counters()[0].rejected == 1);
  });
}

TEST_CASE_TEMPLATE("the node's limit holds over all listeners", F, NetFixture, SimFixture) {
  SocketNetOptions net_options;
  net_options.connections_max = 1;
  F::each(2, net_options, [&](F& fixture) {
    const std::string one = fixture.listen(F::options());
    const std::string two = fixture.listen(F::options());
    typename F::Client first(one);
    REQUIRE(fixture.opened.wait_for(1));
    typename F::Client second(two);
    CHECK(second.read_to_end().empty());
    CHECK(fixture.opened.value() == 1);
  });
}

TEST_CASE_TEMPLATE("an idle connection is closed with DEADLINE_EXCEEDED, an active one and one without timeout stay", F,
                   NetFixture, SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    auto options = F::options();
    options.idle_timeout_ms = 60;
    int number = 0;
    fixture.on_opened = [&](orbit_connection* connection) {
      if (number++ == 1) net_table()->set_idle_timeout(connection, 0);
    };
    const std::string address = fixture.listen(options);
    typename F::Client idle(address);
    REQUIRE(fixture.opened.wait_for(1));
    typename F::Client patient(address);
    CHECK(idle.read_to_end().empty());
    REQUIRE(fixture.closed.wait_for(1));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_DEADLINE_EXCEEDED});
    REQUIRE(patient.send("still"));
    CHECK(patient.read(5) == "still");
  });
}

TEST_CASE_TEMPLATE("a peer that resets the connection is noticed while the codec is paused", F, NetFixture,
                   SimFixture) {
  F::each(1, {}, [&](F& fixture) {
    Count paused;
    fixture.received = [&](orbit_connection* connection, const char*, size_t) -> size_t {
      net_table()->pause(connection);
      paused.add();
      return 0;
    };
    typename F::Client client(fixture.listen(F::options()));
    REQUIRE(client.send("x"));
    REQUIRE(paused.wait_for(1));
    client.reset();
    REQUIRE(fixture.closed.wait_for(1));
    CHECK(fixture.closed_codes() == std::vector<orbit_code>{ORBIT_UNAVAILABLE});
  });
}

TEST_CASE_TEMPLATE("a client that neither reads nor hangs up does not keep close from ending", F, NetFixture,
                   SimFixture) {
  SocketNetOptions net_options;
  net_options.close_timeout_ms = 50;
  F::each(1, net_options, [&](F& fixture) {
    fixture.on_opened = [](orbit_connection* connection) {
      const std::string text(32 * 1024 * 1024, 'x');
      net_table()->write(connection, text.data(), text.size());
      net_table()->close(connection);
    };
    typename F::Client client(fixture.listen(F::options()), 16 * 1024);
    REQUIRE(fixture.closed.wait_for(1));
  });
}

}  // namespace orbit::kernel
