// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What one version of a type stored is read by the next, and not by the one before.
#include <doctest/doctest.h>

#include "grown.orbit.hpp"
#include "typed_node.hpp"

using namespace grown;

namespace test {
namespace {

Seen seen_of(int64_t cents, std::string note = {}) {
  Seen seen;
  seen.set_cents(cents);
  seen.set_note(std::move(note));
  return seen;
}

class OldActor final : public OldBase<OldActor> {
 public:
  Seen add(const Number& euros) {
    mutable_state().set_euros(state().euros() + euros.value());
    mutable_note().set_text("note");
    return look({});
  }
  Seen look(const Nothing&) const { return seen_of(state().euros() * 100, note().text()); }
};

class NewActor final : public NewBase<NewActor> {
 public:
  Seen add(const Number& cents) {
    mutable_state().set_cents(state().cents() + cents.value());
    return look({});
  }
  Seen look(const Nothing&) const { return seen_of(state().cents(), note().shouted()); }
  static orbit::Result<Cents> migrate(uint32_t from, orbit::Bytes bytes) {
    Euros old;
    if (from != 0 || !old.ParseFromString(std::string(bytes))) return orbit::fail(orbit::Code::data_loss, "no euros");
    Cents cents;
    cents.set_cents(old.euros() * 100);
    return cents;
  }
  static orbit::Result<LoudNote> migrate_note(uint32_t, orbit::Bytes bytes) {
    Note old;
    if (!old.ParseFromString(std::string(bytes))) return orbit::fail(orbit::Code::data_loss, "no note");
    LoudNote loud;
    loud.set_shouted(old.text() + "!");
    return loud;
  }
};

class JournalActor final : public JournalBase<JournalActor> {
 public:
  Seen add(const Number& euros) {
    Added event;
    event.set_euros(euros.value());
    record(event);
    return look({});
  }
  Seen look(const Nothing&) const { return seen_of(state().euros() * 100); }
  static void apply(Euros& state, const Added& event) { state.set_euros(state.euros() + event.euros()); }
};

class NewJournalActor final : public NewJournalBase<NewJournalActor> {
 public:
  Seen add(const Number& cents) {
    AddedCents event;
    event.set_cents(cents.value());
    record(event);
    return look({});
  }
  Seen look(const Nothing&) const { return seen_of(state().cents()); }
  static void apply(Cents& state, const AddedCents& event) { state.set_cents(state.cents() + event.cents()); }
  static orbit::Result<Cents> migrate(uint32_t from, orbit::Bytes bytes) { return NewActor::migrate(from, bytes); }
  static orbit::Result<NewEvent> migrate_event(uint32_t, orbit::Bytes bytes) {
    OldEvent old;
    if (!old.ParseFromString(std::string(bytes))) return orbit::fail(orbit::Code::data_loss, "no event");
    NewEvent event;
    event.mutable_added_cents()->set_cents(old.added().euros() * 100);
    return event;
  }
};

// Every version under the name that the proxy calls.
template <class Impl>
void publish_as_old(TypedNode& node, const char* version) {
  static orbit_actor_type type;
  type = *orbit::detail::actor_type<Impl>();
  type.name = "grown.Old";
  const orbit_actor_type* types[] = {&type};
  const auto published = node.runtime.publish_module("grown", version, "grown.so", types);
  REQUIRE_MESSAGE(published, published.error().message);
}

orbit::Result<Seen> add(TypedNode& node, int64_t value) {
  Number number;
  number.set_value(value);
  return node.ask(Old("a"), ORBIT_TEST_METHOD(add), number);
}
orbit::Result<Seen> look(TypedNode& node) { return node.ask(Old("a"), ORBIT_TEST_METHOD(look), Nothing()); }

TEST_CASE("a new version migrates what the old one stored, and a downgrade is refused with both versions") {
  Disk disk;
  TypedNode node(disk);
  publish_as_old<OldActor>(node, "1.0");
  REQUIRE(add(node, 5));
  publish_as_old<NewActor>(node, "2.0");
  CHECK(look(node)->cents() == 500);
  CHECK(look(node)->note() == "note!");
  // Not stored yet: the old version may still come back.
  publish_as_old<OldActor>(node, "1.0");
  CHECK(look(node)->cents() == 500);
  publish_as_old<NewActor>(node, "2.0");
  CHECK(add(node, 7)->cents() == 507);
  node.deactivate_all();
  CHECK(look(node)->cents() == 507);
  CHECK(look(node)->note() == "note!");
  publish_as_old<OldActor>(node, "1.0");
  const auto refused = look(node);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::failed_precondition);
  CHECK(refused.error().message.find("version 3") != std::string::npos);
  CHECK(refused.error().message.find("up to 0") != std::string::npos);
  publish_as_old<NewActor>(node, "2.0");
  CHECK(look(node)->cents() == 507);
}

TEST_CASE("a type becomes journaled and keeps its state; journaled types migrate snapshots and events") {
  for (int adds = 0; adds < 9; ++adds) {
    CAPTURE(adds);
    Disk disk;
    TypedNode node(disk);
    publish_as_old<OldActor>(node, "1.0");
    REQUIRE(add(node, 5));
    publish_as_old<JournalActor>(node, "2.0");
    for (int i = 0; i < adds; ++i) {
      REQUIRE(add(node, 1));
      if (i % 3 == 0) node.deactivate_all();
    }
    node.deactivate_all();
    CHECK(look(node)->cents() == (5 + adds) * 100);
    publish_as_old<NewJournalActor>(node, "3.0");
    CHECK(look(node)->cents() == (5 + adds) * 100);
    REQUIRE(add(node, 1));
    node.deactivate_all();
    CHECK(look(node)->cents() == (5 + adds) * 100 + 1);
    // Neither of the others reads that.
    publish_as_old<JournalActor>(node, "2.0");
    CHECK(look(node).error().code == orbit::Code::failed_precondition);
    publish_as_old<OldActor>(node, "1.0");
    CHECK_FALSE(look(node));
  }
}

}  // namespace
}  // namespace test
