// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include "fake_node.hpp"
#include "probe.hpp"

using namespace probe;

namespace {

struct ProbeNode : fake::Node {
  ProbeNode() {
    add_type(orbit::detail::actor_type<ProbeActor>());
    add_type(orbit::detail::actor_type<NumberedActor>());
    add_type(orbit::detail::actor_type<BlobActor>());
  }
  State look(const std::string& key) {
    auto result = wait([](std::string k) -> orbit::Task<State> {
      const Probe p(k);
      State state = co_await p.look(Nothing());
      co_return state;
    }(key));
    REQUIRE(result);
    return *result;
  }
  int64_t stored_value(const std::string& key) {
    const std::string* bytes = stored("probe.Probe", key);
    REQUIRE(bytes != nullptr);
    State state;
    REQUIRE(state.ParseFromString(*bytes));
    return state.value();
  }
};

Number number(int64_t value) {
  Number out;
  out.set_value(value);
  return out;
}
Hop hop(std::string via, int64_t value) {
  Hop out;
  out.set_via(std::move(via));
  out.set_value(value);
  return out;
}

orbit::Task<Number> add(std::string key, int64_t value) {
  const Probe p(key);
  Number out = co_await p.add(number(value));
  co_return out;
}
orbit::Task<Number> add_checked(std::string key, int64_t value) {
  const Probe p(key);
  Number out = co_await p.add_checked(number(value));
  co_return out;
}
orbit::Task<Number> add_via(std::string key, std::string via, int64_t value) {
  const Probe p(key);
  Number out = co_await p.add_via(hop(via, value));
  co_return out;
}
orbit::Task<Number> add_via_checked(std::string key, std::string via, int64_t value) {
  const Probe p(key);
  Number out = co_await p.add_via_checked(hop(via, value));
  co_return out;
}

}  // namespace

TEST_CASE("a call changes state, answers, and what changed is stored") {
  ProbeNode node;
  for (const bool run_inline : {false, true}) {
    node.run_inline = run_inline;
    auto sum = node.wait(add("a", 5));
    REQUIRE(sum);
    CHECK(sum->value() == (run_inline ? 10 : 5));
    CHECK(node.stored_value("a") == sum->value());
  }
}

TEST_CASE("a call to an idle actor on the same worker does not suspend the caller") {
  ProbeNode node;
  node.run_inline = true;
  auto task = add("a", 5);
  const auto frame = task.release();
  frame.resume();
  CHECK(frame.done());
  CHECK(node.queued() == 0);
  frame.destroy();
}

TEST_CASE("a turn that throws changes no state and its caller learns why") {
  ProbeNode node;
  REQUIRE(node.wait(add("a", 5)));
  auto failed = node.wait(add("a", -3));
  REQUIRE(!failed);
  CHECK(failed.error().code == orbit::Code::internal);
  CHECK(failed.error().message == "negative");
  CHECK(node.look("a").value() == 5);
  CHECK(node.stored_value("a") == 5);
}

TEST_CASE("a turn that returns an error changes no state and keeps the error's code") {
  ProbeNode node;
  REQUIRE(node.wait(add_checked("a", 5)));
  auto failed = node.wait(add_checked("a", -3));
  REQUIRE(!failed);
  CHECK(failed.error().code == orbit::Code::out_of_range);
  CHECK(node.look("a").value() == 5);
}

TEST_CASE("an exception that is no std::exception becomes an error too") {
  ProbeNode node;
  auto failed = node.wait([]() -> orbit::Task<Nothing> {
    const Probe p("a");
    Nothing out = co_await p.delete_(Nothing());
    co_return out;
  }());
  REQUIRE(!failed);
  CHECK(failed.error().code == orbit::Code::internal);
}

TEST_CASE("a turn that waits for another actor ends later and stores what it changed before and after") {
  ProbeNode node;
  for (const bool run_inline : {false, true}) {
    node.run_inline = run_inline;
    auto sum = node.wait(add_via("a", "b", 5));
    REQUIRE(sum);
    CHECK(sum->value() == (run_inline ? 10 : 5));
    CHECK(node.look("a").note() == "b");
  }
  CHECK(node.stored_value("a") == 10);
  CHECK(node.stored_value("b") == 10);
}

TEST_CASE("an error of a called actor passes through a task with its code, and undoes the caller's turn") {
  ProbeNode node;
  for (const bool run_inline : {false, true}) {
    node.run_inline = run_inline;
    auto thrown = node.wait(add_via("a", "b", -1));
    REQUIRE(!thrown);
    CHECK(thrown.error().code == orbit::Code::internal);
    auto returned = node.wait(add_via_checked("a", "b", -1));
    REQUIRE(!returned);
    CHECK(returned.error().code == orbit::Code::out_of_range);
    CHECK(node.look("a").value() == 0);
    CHECK(node.stored("probe.Probe", "a") == nullptr);
    CHECK(node.stored("probe.Probe", "b") == nullptr);
  }
}

TEST_CASE("collect during a waiting turn writes the last completed turn's state") {
  ProbeNode node;
  REQUIRE(node.wait(add("a", 5)));
  auto task = add_via("a", "b", 100);
  const auto frame = task.release();
  frame.resume();
  REQUIRE(node.step());  // the turn on a changes its state and calls b
  REQUIRE(node.queued() == 1);
  node.collect("probe.Probe", "a");
  CHECK(node.stored_value("a") == 5);
  node.run();
  REQUIRE(frame.done());
  frame.destroy();
  CHECK(node.stored_value("a") == 105);
}

TEST_CASE("an actor takes no other turn while one waits") {
  ProbeNode node;
  auto slow = add_via("a", "b", 1);
  auto quick = add("a", 10);
  const auto slow_frame = slow.release();
  const auto quick_frame = quick.release();
  slow_frame.resume();
  quick_frame.resume();
  REQUIRE(node.step());
  REQUIRE(node.step());  // reaches a, which is busy
  CHECK(!quick_frame.done());
  node.run();
  REQUIRE(slow_frame.done());
  REQUIRE(quick_frame.done());
  CHECK(quick_frame.promise().take().value() == 11);
  slow_frame.destroy();
  quick_frame.destroy();
}

TEST_CASE("an activation that goes away while its turn waits frees the turn") {
  ProbeNode node;
  auto task = add_via("a", "b", 1);
  const auto frame = task.release();
  frame.resume();
  REQUIRE(node.step());
  REQUIRE(node.queued() == 1);
  node.drop_everything();
  frame.destroy();
}

TEST_CASE("a turn that cannot be stored is refused before it changes anything") {
  ProbeNode node;
  REQUIRE(node.wait(add("a", 5)));
  node.writable_code = ORBIT_RESOURCE_EXHAUSTED;
  auto refused = node.wait(add("a", 1));
  REQUIRE(!refused);
  CHECK(refused.error().code == orbit::Code::resource_exhausted);
  CHECK(refused.error().message == "the disk is full");
  CHECK(node.look("a").value() == 5);
  node.writable_code = ORBIT_OK;
  CHECK(node.wait(add("a", 1))->value() == 6);
}

TEST_CASE("one-way methods return at once and run later") {
  ProbeNode node;
  const Probe p("a");
  p.tell(number(3));
  Number more = number(4);
  p.tell(more);
  p.tell([](Number& n) { n.set_value(5); });
  CHECK(node.queued() == 3);
  node.run();
  CHECK(node.stored_value("a") == 12);
  p.tell_later(hop("b", 7));
  node.run();
  CHECK(node.stored_value("a") == 7);
}

TEST_CASE("state comes back after the actor left memory") {
  ProbeNode node;
  REQUIRE(node.wait(add("a", 5)));
  node.deactivate("probe.Probe", "a");
  CHECK(node.look("a").value() == 5);
}

TEST_CASE("erase_state removes the record, and an erased actor starts from nothing") {
  ProbeNode node;
  REQUIRE(node.wait(add("a", 5)));
  REQUIRE(node.wait([]() -> orbit::Task<Nothing> {
    const Probe p("a");
    Nothing out = co_await p.erase(Nothing());
    co_return out;
  }()));
  CHECK(node.stored("probe.Probe", "a") == nullptr);
  CHECK(node.look("a").value() == 0);
  node.deactivate("probe.Probe", "a");
  CHECK(node.look("a").value() == 0);
}

TEST_CASE("a stored state that is no such message refuses the activation") {
  ProbeNode node;
  node.store("probe.Probe", "a", "\xff\xff\xff");
  auto failed = node.wait(add("a", 1));
  REQUIRE(!failed);
  CHECK(failed.error().code == orbit::Code::data_loss);
  CHECK(failed.error().message.find("probe.State") != std::string::npos);
}

TEST_CASE("on_activate can refuse the activation") {
  ProbeNode node;
  auto failed = node.wait(add("refuses", 1));
  REQUIRE(!failed);
  CHECK(failed.error().code == orbit::Code::permission_denied);
}

TEST_CASE("a message larger than an envelope's room travels whole") {
  ProbeNode node;
  static_assert(!orbit::detail::kFitsInRoom<Wide>);
  static_assert(orbit::detail::kFitsInRoom<Number>);
  auto answer = node.wait([]() -> orbit::Task<Wide> {
    Wide wide;
    wide.set_a(std::string(100'000, 'x'));
    wide.add_d(7);
    const Probe p("a");
    Wide out = co_await p.echo(std::move(wide));
    co_return out;
  }());
  REQUIRE(answer);
  CHECK(answer->a().size() == 100'000);
  CHECK(answer->d(0) == 7);
}

TEST_CASE("an unknown method is answered with UNIMPLEMENTED, an expiry without an error") {
  ProbeNode node;
  orbit_envelope* reply = nullptr;
  for (const auto [method, code] : {std::pair{99u, ORBIT_UNIMPLEMENTED}, std::pair{ORBIT_METHOD_EXPIRE, ORBIT_OK}}) {
    orbit_envelope* envelope = orbit::host_actors.allocate();
    envelope->type = orbit::host_actors.type("probe.Probe");
    envelope->key = orbit::to_c("a");
    envelope->method = method;
    envelope->on_reply = [](void* ctx, orbit_envelope* r) { *static_cast<orbit_envelope**>(ctx) = r; };
    envelope->reply_ctx = &reply;
    orbit::host_actors.send(envelope, nullptr);
    node.run();
    REQUIRE(reply != nullptr);
    CHECK(reply->code == code);
    orbit::host_actors.free_envelope(reply);
  }
}

TEST_CASE("the type table says what the options in the .proto say") {
  const orbit_actor_type* type = orbit::detail::actor_type<ProbeActor>();
  CHECK(std::string_view(type->name) == "probe.Probe");
  CHECK(std::string_view(type->state_type) == "probe.State");
  CHECK(type->durability == ORBIT_DURABILITY_ASYNC);
  CHECK(type->flush_delay_ms == 25);
  CHECK(type->idle_timeout_ms == 5000);
  CHECK(type->mailbox_max == 77);
  REQUIRE(type->method_count == 10);
  CHECK(std::string_view(type->methods[0].name) == "Add");
  CHECK(std::string_view(type->methods[0].input_type) == "probe.Number");
  CHECK(type->methods[0].flags == 0);
  CHECK(type->methods[0].id == orbit_method_id("Add", 3));
  CHECK(type->methods[4].flags == ORBIT_METHOD_ONE_WAY);
  CHECK(type->methods[6].flags == ORBIT_METHOD_READ_ONLY);
  CHECK(orbit::detail::actor_type<NumberedActor>()->durability == ORBIT_DURABILITY_NONE);
  CHECK(orbit::detail::actor_type<BlobActor>()->durability == ORBIT_DURABILITY_SYNC);
}

TEST_CASE("memory_bytes grows with the state") {
  ProbeNode node;
  const orbit_actor_type* type = orbit::detail::actor_type<ProbeActor>();
  orbit::ErrorOut error;
  void* small = type->create(nullptr, nullptr, orbit::to_c("k"), &error);
  REQUIRE(small != nullptr);
  const size_t empty_bytes = type->memory_bytes(small);
  State state;
  state.set_note(std::string(10'000, 'x'));
  const std::string bytes = state.SerializeAsString();
  const orbit_record record{{}, orbit::to_c(bytes)};
  REQUIRE(type->load(small, &record, 1, 1, &error) == ORBIT_OK);
  CHECK(type->memory_bytes(small) >= empty_bytes + 10'000);
  type->destroy(small);
  CHECK(sizeof(ProbeActor) - sizeof(State) <= 128);
}

TEST_CASE("int64 keys arrive as numbers, and have one spelling") {
  ProbeNode node;
  auto where = node.wait([]() -> orbit::Task<Number> {
    const Numbered p(int64_t{-42});
    Number out = co_await p.where(Nothing());
    co_return out;
  }());
  REQUIRE(where);
  CHECK(where->value() == -42);
  const orbit_actor_type* type = orbit::detail::actor_type<NumberedActor>();
  for (const std::string_view wrong : {"042", "+1", "-0", "", "1 ", "x", "9223372036854775808"}) {
    orbit::ErrorOut error;
    CHECK(type->create(nullptr, nullptr, orbit::to_c(wrong), &error) == nullptr);
    CHECK(error.code == ORBIT_INVALID_ARGUMENT);
  }
}

TEST_CASE("string keys are UTF-8, bytes keys are anything") {
  const std::string_view not_utf8[] = {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xe2\x82", "\x80"};
  const std::string_view utf8[] = {"", "plain", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf"};
  for (const auto key : not_utf8) {
    CHECK(!orbit::Key<orbit::KeyKind::string>::parse(key));
    CHECK(orbit::Key<orbit::KeyKind::bytes>::parse(key));
  }
  for (const auto key : utf8) CHECK(orbit::Key<orbit::KeyKind::string>::parse(key));
}
