// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Streams as an author of actors sees them: the real runtime, a simulated clock and disk.
#include <doctest/doctest.h>

#include <map>

#include "../../../examples/chat/chat.hpp"
#include "clock.hpp"
#include "news.orbit.hpp"
#include "stream/stream_actor.hpp"

using namespace sdk_time;

namespace {

int failures = 0;         // so many turns of listeners fail, after having changed the state
bool deaf = false;        // all of them do
bool awaits = false;      // listeners call somebody in their turns

template <class Self>
Said say_numbers(Self& self, const SayRequest& request, PublisherState& state) {
  const orbit::Stream<News> stream(request.stream());
  for (int64_t i = 0; i < request.count(); ++i) {
    News news;
    news.set_number(state.said() + 1);
    state.set_said(news.number());
    self.say_one(stream, news);
  }
  if (request.fail()) throw std::runtime_error("as asked");
  Said said;
  said.set_last(state.said());
  return said;
}

class PublisherActor final : public PublisherBase<PublisherActor> {
 public:
  Said say(const SayRequest& request) { return say_numbers(*this, request, mutable_state()); }
  void say_one(const orbit::Stream<News>& stream, const News& news) { publish(stream, news); }
};

class LazyPublisherActor final : public LazyPublisherBase<LazyPublisherActor> {
 public:
  Said say(const SayRequest& request) { return say_numbers(*this, request, mutable_state()); }
  void say_one(const orbit::Stream<News>& stream, const News& news) { publish(stream, news); }
};

class ListenerActor final : public ListenerBase<ListenerActor> {
 public:
  Done follow(const Place& place) {
    const orbit::Stream<News> stream(place.stream());
    subscribe(stream, place.from() == 0   ? orbit::from_now()
                      : place.from() < 0 ? orbit::from_start()
                                         : orbit::from_position(static_cast<uint64_t>(place.from())));
    return {};
  }
  Done unfollow(const Place& place) {
    Done done;
    done.set_done(unsubscribe(orbit::Stream<News>(place.stream())));
    return done;
  }
  ListenerState tell(const Done&) const { return state(); }
  orbit::Task<orbit::Result<>> on_event(const orbit::Event<News>& event) {
    mutable_state().add_heard(std::string(event.publisher_key) + ":" + std::to_string(event.message.number()));
    if (awaits) {
      const Clock clock("somebody");
      ClockState seen = co_await clock.look(Nothing());
    }
    if (deaf || failures > 0) {
      if (failures > 0) --failures;
      co_return orbit::fail(orbit::Code::aborted, "as asked");
    }
    co_return orbit::Result<>{};
  }
};

struct StreamNode : ClockNode {
  StreamNode(test::Disk& disk, uint64_t seed, uint32_t workers = 1,
             const orbit::kernel::StreamLimits& limits = kDefault)
      : ClockNode(disk, seed, workers,
                  {orbit::kernel::stream_type(limits), orbit::detail::actor_type<PublisherActor>(),
                   orbit::detail::actor_type<LazyPublisherActor>(), orbit::detail::actor_type<ListenerActor>(),
                   orbit::detail::actor_type<chat::RoomActor>(), orbit::detail::actor_type<chat::MemberActor>()}) {}
  static const orbit::kernel::StreamLimits kDefault;

  template <class Actor>
  orbit::Result<Said> say(const std::string& key, const std::string& stream, int64_t count, bool fail = false) {
    SayRequest request;
    request.set_stream(stream);
    request.set_count(count);
    request.set_fail(fail);
    return run([](std::string k, SayRequest r) -> orbit::Task<Said> {
      const Actor publisher(k);
      Said said = co_await publisher.say(r);
      co_return said;
    }(key, request));
  }
  void follow(const std::string& key, const std::string& stream, int64_t from = 0) {
    Place place;
    place.set_stream(stream);
    place.set_from(from);
    REQUIRE(run([](std::string k, Place p) -> orbit::Task<Done> {
      const Listener listener(k);
      Done done = co_await listener.follow(p);
      co_return done;
    }(key, place)));
  }
  bool unfollow(const std::string& key, const std::string& stream) {
    Place place;
    place.set_stream(stream);
    auto done = run([](std::string k, Place p) -> orbit::Task<Done> {
      const Listener listener(k);
      Done out = co_await listener.unfollow(p);
      co_return out;
    }(key, place));
    REQUIRE(done);
    return done->done();
  }
  std::vector<std::string> heard(const std::string& key) {
    auto state = run([](std::string k) -> orbit::Task<ListenerState> {
      const Listener listener(k);
      ListenerState out = co_await listener.tell(Done());
      co_return out;
    }(key));
    REQUIRE(state);
    return {state->heard().begin(), state->heard().end()};
  }
};
const orbit::kernel::StreamLimits StreamNode::kDefault;

struct Fresh {
  Fresh() {
    failures = 0;
    deaf = awaits = false;
  }
};

std::vector<std::string> numbers(const std::string& publisher, int64_t from, int64_t to) {
  std::vector<std::string> out;
  for (int64_t i = from; i <= to; ++i) out.push_back(publisher + ":" + std::to_string(i));
  return out;
}

// What of one publisher was heard, in the order in which it was.
std::vector<std::string> of(const std::vector<std::string>& heard, const std::string& publisher) {
  std::vector<std::string> out;
  for (const std::string& one : heard)
    if (one.starts_with(publisher + ":")) out.push_back(one);
  return out;
}

}  // namespace

TEST_CASE_FIXTURE(Fresh, "every subscriber hears every event once, in the order of its publisher") {
  for (const uint32_t workers : {1u, 3u}) {
    test::Disk disk;
    StreamNode node(disk, 60 + workers, workers);
    for (const char* listener : {"x", "y", "z"}) node.follow(listener, "s");
    node.pass_ms(100);
    awaits = workers == 3;
    for (int i = 0; i < 20; ++i) {
      REQUIRE(node.say<Publisher>("a", "s", 10));
      REQUIRE(node.say<LazyPublisher>("b", "s", 5));
    }
    node.pass_ms(2000);
    for (const char* listener : {"x", "y", "z"}) {
      const auto heard = node.heard(listener);
      CHECK(heard.size() == 300);
      CHECK(of(heard, "a") == numbers("a", 1, 200));
      CHECK(of(heard, "b") == numbers("b", 1, 100));
    }
  }
}

TEST_CASE_FIXTURE(Fresh, "a turn that fails publishes nothing") {
  test::Disk disk;
  StreamNode node(disk, 70);
  node.follow("x", "s");
  node.pass_ms(100);
  CHECK(!node.say<Publisher>("a", "s", 3, true));
  REQUIRE(node.say<Publisher>("a", "s", 2));
  node.pass_ms(1000);
  CHECK(node.heard("x") == numbers("a", 1, 2));
}

TEST_CASE_FIXTURE(Fresh, "a subscriber whose turns fail gets the events again, and what its turns change happens once") {
  test::Disk disk;
  StreamNode node(disk, 71);
  node.follow("x", "s");
  node.pass_ms(100);
  failures = 7;
  REQUIRE(node.say<Publisher>("a", "s", 50));
  node.pass_ms(60'000);
  CHECK(failures == 0);
  CHECK(node.heard("x") == numbers("a", 1, 50));
}

TEST_CASE_FIXTURE(Fresh, "a subscription begins where it is told, replays, and ends") {
  test::Disk disk;
  StreamNode node(disk, 72);
  REQUIRE(node.say<Publisher>("a", "s", 10));
  node.pass_ms(100);
  node.follow("new", "s");
  node.follow("all", "s", -1);
  node.follow("some", "s", 8);
  node.pass_ms(500);
  CHECK(node.heard("new").empty());
  CHECK(node.heard("all") == numbers("a", 1, 10));
  CHECK(node.heard("some") == numbers("a", 8, 10));
  REQUIRE(node.say<Publisher>("a", "s", 2));
  node.pass_ms(500);
  CHECK(node.heard("new") == numbers("a", 11, 12));
  node.follow("new", "s", 10);  // again from there
  node.pass_ms(500);
  auto expected = numbers("a", 11, 12);
  for (const std::string& one : numbers("a", 10, 12)) expected.push_back(one);
  CHECK(node.heard("new") == expected);
  CHECK(node.unfollow("all", "s"));
  CHECK_FALSE(node.unfollow("all", "s"));
  node.pass_ms(100);
  REQUIRE(node.say<Publisher>("a", "s", 1));
  node.pass_ms(500);
  CHECK(node.heard("all") == numbers("a", 1, 10 + 2));
}

TEST_CASE_FIXTURE(Fresh, "back pressure: a subscriber that takes nothing fills the stream, then the outbox, whose error names the bound") {
  test::Disk disk;
  orbit::kernel::StreamLimits limits;
  limits.backlog_max = 200;
  StreamNode node(disk, 73, 1, limits);
  node.follow("x", "s");
  node.pass_ms(100);
  deaf = true;
  int64_t said = 0;
  orbit::Error error;
  for (int i = 0; i < 100 && error.message.empty(); ++i) {
    auto more = node.say<Publisher>("a", "s", 50);
    node.pass_ms(300);
    if (more)
      said = more->last();
    else
      error = more.error();
  }
  CHECK(error.code == orbit::Code::resource_exhausted);
  CHECK(error.message.find("outbox_max") != std::string::npos);
  CHECK(said == static_cast<int64_t>(orbit::kOutboxMax) + 200);
  REQUIRE(node.say<Publisher>("a", "another", 0));
  deaf = false;
  node.pass_ms(120'000);
  CHECK(node.heard("x") == numbers("a", 1, said));
  REQUIRE(node.say<Publisher>("a", "s", 50));
}

TEST_CASE_FIXTURE(Fresh, "a subscriber that takes nothing for too long is dead: it holds nobody back until it subscribes again") {
  test::Disk disk;
  orbit::kernel::StreamLimits limits;
  limits.backlog_max = 20;
  limits.retained_max = 10;
  limits.dead_after_ms = 20'000;
  StreamNode node(disk, 74, 1, limits);
  node.follow("x", "s");
  node.pass_ms(100);
  deaf = true;
  REQUIRE(node.say<Publisher>("a", "s", 10));
  node.pass_ms(90'000);
  deaf = false;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(node.say<Publisher>("a", "s", 10));
    node.pass_ms(1000);
  }
  CHECK(node.heard("x").empty());
  node.follow("x", "s");
  node.pass_ms(1000);
  CHECK(node.heard("x") == numbers("a", 51, 60));  // what the stream still keeps
}

TEST_CASE_FIXTURE(Fresh, "nodes that die at any moment lose no event of an answered turn and deliver none twice") {
  for (const uint64_t seed : {81u, 82u, 83u, 84u, 85u, 86u}) {
    INFO("seed " << seed);
    test::Disk disk;
    orbit::kernel::Prng random(seed);
    std::map<std::string, int64_t> answered;
    {
      StreamNode node(disk, seed, 2);
      node.follow("x", "s");
      node.follow("y", "s");
      node.pass_ms(1000);
    }
    for (uint64_t life = 0; life < 12; ++life) {
      StreamNode node(disk, seed * 100 + life, 1 + static_cast<uint32_t>(random.below(3)));
      const uint64_t turns = random.below(12);
      for (uint64_t i = 0; i < turns; ++i) {
        const std::string key(1, static_cast<char>('a' + random.below(2)));
        const auto said = node.say<Publisher>(key, "s", static_cast<int64_t>(1 + random.below(5)));
        REQUIRE(said);
        answered[key] = said->last();
      }
      if (random.below(3) == 0) failures = 2;
      for (uint64_t i = random.below(2000); i != 0; --i) node.executor.step();
      disk.fail_after_writes = 0;  // it dies here: whatever it still does is not stored
      node.pass_ms(1);
      node.executor.stop();
      disk.fail_after_writes = -1;
    }
    failures = 0;
    StreamNode node(disk, seed * 1000, 2);
    node.pass_ms(60'000);
    for (const char* listener : {"x", "y"})
      for (const auto& [key, last] : answered) CHECK(of(node.heard(listener), key) == numbers(key, 1, last));
  }
}

TEST_CASE_FIXTURE(Fresh, "a transient observer sees what is stored until its lease ends or it cancels") {
  test::Disk disk;
  StreamNode node(disk, 90, 3);
  struct Seen {
    std::vector<uint64_t> positions;
    std::vector<orbit_code> ends;
  };
  Seen first, second;
  const auto on_events = [](void* ctx, const orbit_stream_event* events, size_t count) {
    for (size_t i = 0; i < count; ++i) static_cast<Seen*>(ctx)->positions.push_back(events[i].position);
  };
  const auto on_end = [](void* ctx, orbit_code code, const char*) { static_cast<Seen*>(ctx)->ends.push_back(code); };
  const orbit_streams_v1* streams = orbit::kernel::streams_table();
  const orbit::Stream<News> stream("s");
  uint64_t leased = 0;
  uint64_t cancelled = 0;
  REQUIRE(node.say<Publisher>("a", "s", 3));
  node.pass_ms(500);
  node.on_worker(1, [&] { leased = streams->observe(orbit::to_c(stream.key()), 2, 10'000, on_events, on_end, &first); });
  node.on_worker(2, [&] {
    cancelled = streams->observe(orbit::to_c(stream.key()), ORBIT_STREAM_NEW, 1'000'000, on_events, on_end, &second);
  });
  node.pass_ms(500);
  REQUIRE(node.say<Publisher>("a", "s", 2));
  node.pass_ms(500);
  CHECK(first.positions == std::vector<uint64_t>{2, 3, 4, 5});
  CHECK(second.positions == std::vector<uint64_t>{4, 5});
  node.on_worker(2, [&] { streams->cancel(cancelled); });
  CHECK(second.ends == std::vector<orbit_code>{ORBIT_OK});
  node.pass_ms(7000);
  node.on_worker(1, [&] { CHECK(streams->renew(leased, 10'000) == 1); });
  node.pass_ms(7000);
  REQUIRE(node.say<Publisher>("a", "s", 1));
  node.pass_ms(500);
  CHECK(first.positions.back() == 6);
  CHECK(second.positions.size() == 2);
  node.pass_ms(10'000);
  CHECK(first.ends == std::vector<orbit_code>{ORBIT_DEADLINE_EXCEEDED});
  node.on_worker(1, [&] { CHECK(streams->renew(leased, 10'000) == 0); });
}

TEST_CASE_FIXTURE(Fresh, "the chat example: who joins hears what is said, in order, and who leaves does not") {
  test::Disk disk;
  StreamNode node(disk, 91, 2);
  const auto join = [&](std::string member, uint64_t from) {
    REQUIRE(node.run([](std::string m, uint64_t f) -> orbit::Task<chat::Nothing> {
      const chat::Member proxy(m);
      chat::Which which;
      which.set_room("lobby");
      which.set_from_position(f);
      chat::Nothing done = co_await proxy.join(which);
      co_return done;
    }(member, from)));
    node.pass_ms(200);
  };
  const auto say = [&](std::string text) {
    auto posted = node.run([](std::string t) -> orbit::Task<chat::Posted> {
      const chat::Room room("lobby");
      chat::Posted out = co_await room.say([&](chat::Post& post) {
        post.set_author("bob");
        post.set_text(t);
      });
      co_return out;
    }(text));
    node.pass_ms(200);
    return posted;
  };
  const auto inbox = [&](std::string member) {
    auto seen = node.run([](std::string m) -> orbit::Task<chat::MemberState> {
      const chat::Member proxy(m);
      chat::MemberState out = co_await proxy.inbox(chat::Nothing());
      co_return out;
    }(member));
    REQUIRE(seen);
    return *seen;
  };
  join("ann", 0);
  REQUIRE(say("hello"));
  CHECK(!say(""));
  join("cid", 1);
  const auto posted = say("anybody?");
  REQUIRE(posted);
  CHECK(posted->number() == 2);
  for (const char* member : {"ann", "cid"}) {
    const chat::MemberState seen = inbox(member);
    REQUIRE(seen.inbox_size() == 2);
    CHECK(seen.inbox(0).message().text() == "hello");
    CHECK(seen.inbox(1).message().text() == "anybody?");
    CHECK(seen.inbox(1).room() == "lobby");
  }
}

TEST_CASE("damaged records of a stream are refused") {
  const orbit::kernel::StreamLimits limits;
  orbit::kernel::StreamLog log(limits);
  CHECK(!log.load_main("short"));
  CHECK(!log.load("", ""));
  CHECK(!log.load("x1", "value"));
  CHECK(!log.load("e1234567", "too short"));
  CHECK(!log.load("p", "too short"));
  CHECK(!log.load("u", std::string(17, '\xff')));
  std::string huge("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\xff\xff\xff\xff", 20);
  CHECK(!log.load(std::string_view("e\0\0\0\0\0\0\0\1", 9), huge));
}
