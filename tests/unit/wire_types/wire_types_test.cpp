// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>
#include <orbit/bytes_call.hpp>
#include <orbit/wire_types.hpp>

#include "actor/descriptors_api.hpp"
#include "desk.orbit.hpp"
#include "typed_node.hpp"

namespace {

using namespace test;

class DeskActor final : public desk::DeskBase<DeskActor> {
 public:
  desk::Number put(const desk::Add& add) {
    mutable_state().set_value(state().value() + add.value());
    desk::Number now;
    now.set_value(state().value());
    return now;
  }
  desk::Number look(const desk::Nothing&) const {
    desk::Number now;
    now.set_value(state().value());
    return now;
  }
  orbit::Result<desk::Nothing> fail(const desk::Number&) { return orbit::fail(orbit::Code::out_of_range, "asked to fail"); }
};
class QueueActor final : public desk::QueueBase<QueueActor> {
 public:
  desk::Number take(const desk::Ticket&) {
    desk::Number number;
    number.set_value(key());
    return number;
  }
};
class BoxActor final : public desk::BoxBase<BoxActor> {
 public:
  desk::Number look(const desk::Nothing&) const { return {}; }
};

// A desk node with its catalog.
struct Desks {
  Disk disk;
  TypedNode node{disk};
  orbit::WireCatalog catalog{orbit::kernel::descriptors_table()};

  Desks() {
    const auto published = node.publish<DeskActor, QueueActor, BoxActor>("desks");
    REQUIRE(published);
  }
  orbit::Result<std::string> call(const char* type, std::string_view key, const char* method, std::string request,
                                  uint64_t timeout_ms = 0) {
    const auto types = catalog.current();
    const orbit::WireType* found = types->find(type);
    REQUIRE(found != nullptr);
    REQUIRE(found->find(method) != nullptr);
    std::optional<orbit::Result<std::string>> out;
    node.on_worker(0, [&] {
      orbit::BytesCall what{found->type, key, found->find(method)->definition->id, std::move(request)};
      if (timeout_ms != 0) what.deadline_ns = node.executor.monotonic_ns() + timeout_ms * 1'000'000;
      orbit::start_bytes_call(orbit::host_actors, *orbit::host_workers, orbit::module_host, std::move(what),
                              [&out](orbit::Result<std::string> answer) { out = std::move(answer); });
    });
    const bool answered = node.run_until([&] { return out.has_value(); });
    REQUIRE(answered);
    return *out;
  }
};

int64_t number_in(const std::string& bytes) {
  desk::Number number;
  REQUIRE(number.ParseFromString(bytes));
  return number.value();
}

}  // namespace

TEST_CASE("a wire sees the protobuf types that are loaded, with methods, key kinds and key fields") {
  Desks desks;
  const orbit_actor_type* native[] = {cell_type("native", ORBIT_DURABILITY_SYNC)};
  const auto published = desks.node.runtime.publish_module("native", "1", "native.so", native);
  REQUIRE(published);
  const auto types = desks.catalog.current();
  std::vector<std::string> names;
  for (const orbit::WireType& type : types->all()) names.push_back(type.name);
  CHECK(names == std::vector<std::string>{"desk.Box", "desk.Desk", "desk.Queue"});  // native types have no messages

  const orbit::WireType* desk = types->find("desk.Desk");
  REQUIRE(desk != nullptr);
  CHECK(desk->key_kind == ORBIT_KEY_STRING);
  CHECK(types->find("desk.Queue")->key_kind == ORBIT_KEY_INT64);
  CHECK(types->find("desk.Box")->key_kind == ORBIT_KEY_BYTES);
  CHECK(types->find("desk.Des") == nullptr);
  REQUIRE(desk->find("Put") != nullptr);
  CHECK(desk->find("Put")->key_field->name() == "desk");
  CHECK(desk->find("Put")->descriptor->output_type()->full_name() == "desk.Number");
  CHECK_FALSE(desk->find("Put")->read_only());
  CHECK(desk->find("Look")->read_only());
  CHECK(desk->find("Look")->key_field == nullptr);
  CHECK(desk->find("look") == nullptr);
}

TEST_CASE("what a wire keeps of the types is replaced when modules change, and stays usable until then") {
  Desks desks;
  const auto before = desks.catalog.current();
  CHECK(desks.catalog.is_current(*before));
  CHECK(desks.catalog.current() == before);
  const auto* service = before->find("desk.Queue")->service;

  const auto upgraded = desks.node.publish<DeskActor, QueueActor>("desks", "2");
  REQUIRE(upgraded);
  CHECK_FALSE(desks.catalog.is_current(*before));
  const auto after = desks.catalog.current();
  CHECK(after->find("desk.Box") == nullptr);
  CHECK(after->find("desk.Queue")->module->version == "2");
  CHECK(after->find("desk.Queue")->service != service);
  CHECK(service->method(0)->name() == "Take");

  const auto other = desks.node.publish<BoxActor>("boxes");
  REQUIRE(other);
  const auto with_boxes = desks.catalog.current();
  CHECK(with_boxes->find("desk.Box") != nullptr);
  CHECK(with_boxes->find("desk.Queue")->service == after->find("desk.Queue")->service);  // its module did not change

  const auto retired = desks.node.runtime.retire_module("desks");
  REQUIRE(retired);
  CHECK(desks.catalog.current()->find("desk.Queue") == nullptr);
  CHECK(desks.catalog.current()->find("desk.Box") != nullptr);
}

TEST_CASE("the key is found in the bytes of a request") {
  Desks desks;
  const auto types = desks.catalog.current();
  const orbit::WireMethod& put = *types->find("desk.Desk")->find("Put");
  const orbit::WireMethod& take = *types->find("desk.Queue")->find("Take");

  desk::Add add;
  add.set_note("not this");
  add.set_desk("front");
  add.set_value(7);
  CHECK(put.key_in(add.SerializeAsString()).value() == "front");
  CHECK(put.key_in(add.SerializeAsString() + "\x12\x04"
                                             "last").value() == "last");  // as protobuf merges
  CHECK(put.key_in("").value().empty());
  const auto cut = put.key_in(add.SerializeAsString().substr(0, 5));
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == orbit::Code::invalid_argument);
  CHECK(cut.error().message == "5 bytes are no message of type desk.Add");

  desk::Ticket ticket;
  ticket.set_number(-12);
  CHECK(take.key_in(ticket.SerializeAsString()).value() == "-12");
  CHECK(take.key_in("").value() == "0");
  ticket.set_number(INT64_MIN);
  CHECK(take.key_in(ticket.SerializeAsString()).value() == "-9223372036854775808");
}

TEST_CASE("keys are checked by the kind that the type declares") {
  CHECK(orbit::check_key(ORBIT_KEY_INT64, "-42"));
  CHECK_FALSE(orbit::check_key(ORBIT_KEY_INT64, "042"));
  CHECK_FALSE(orbit::check_key(ORBIT_KEY_INT64, ""));
  CHECK(orbit::check_key(ORBIT_KEY_STRING, "k\xc3\xa4se"));
  CHECK_FALSE(orbit::check_key(ORBIT_KEY_STRING, "\xff"));
  CHECK(orbit::check_key(ORBIT_KEY_BYTES, "\xff"));
}

TEST_CASE("a call with protobuf bytes is answered with bytes or with the error") {
  Desks desks;
  desk::Add add;
  add.set_value(5);
  CHECK(number_in(desks.call("desk.Desk", "a", "Put", add.SerializeAsString()).value()) == 5);
  CHECK(number_in(desks.call("desk.Desk", "a", "Put", add.SerializeAsString()).value()) == 10);
  CHECK(number_in(desks.call("desk.Queue", "77", "Take", "").value()) == 77);

  const auto failed = desks.call("desk.Desk", "a", "Fail", "");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == orbit::Code::out_of_range);
  CHECK(failed.error().message == "asked to fail");
  const auto garbage = desks.call("desk.Desk", "a", "Put", "\xff\xff");
  REQUIRE_FALSE(garbage);
  CHECK(garbage.error().code == orbit::Code::invalid_argument);
  const auto bad_key = desks.call("desk.Queue", "07", "Take", "");
  REQUIRE_FALSE(bad_key);
  CHECK(bad_key.error().code == orbit::Code::invalid_argument);
  const auto long_key = desks.call("desk.Desk", std::string(ORBIT_ACTOR_KEY_MAX + 1, 'k'), "Look", "");
  REQUIRE_FALSE(long_key);
  CHECK(long_key.error().message == "the actor key has 65537 bytes, at most 65536 are allowed");
}

TEST_CASE("a call with protobuf bytes is answered at its deadline, whatever its turn does") {
  Desks desks;
  const orbit_actor_type* cells[] = {cell_type("cell", ORBIT_DURABILITY_SYNC)};
  const auto published = desks.node.runtime.publish_module("cells", "1", "cells.so", cells);
  REQUIRE(published);
  std::vector<orbit::Code> answers;
  desks.node.on_worker(0, [&] {
    orbit::BytesCall what{desks.node.runtime.types().type("cell"), "a", kSleep, ""};
    what.deadline_ns = desks.node.executor.monotonic_ns() + 50'000'000;
    orbit_envelope* call = orbit::start_bytes_call(
        orbit::host_actors, *orbit::host_workers, orbit::module_host, std::move(what),
        [&answers](const orbit::Result<std::string>& answer) { answers.push_back(answer ? orbit::Code::ok : answer.error().code); });
    CHECK(call != nullptr);
  });
  asleep(desks.node, "cell", "a");
  CHECK(answers.empty());
  desks.node.pass_ms(60);
  CHECK(answers == std::vector<orbit::Code>{orbit::Code::deadline_exceeded});
  desks.node.wake("cell", "a");  // the late answer is dropped
  CHECK(desks.node.call("cell", "a", kGet).arrived);
  CHECK(answers.size() == 1);
}
