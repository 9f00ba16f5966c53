// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What wires build ETags, If-Match and reads of states on: versions, conditional turns, and states without their
// actors.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sim_node.hpp"
#include "state/record_format.hpp"

using namespace test;

namespace {

struct Told {
  orbit_code code = ORBIT_UNKNOWN;
  std::string message;
  uint64_t version = 0;  // of the reply
  std::optional<uint64_t> looked_at;
};

// A payload that decides whether the turn runs; the cell takes it for the number 0.
struct Conditional {
  std::function<bool(uint64_t version)> wanted;
  Told told;
  bool arrived = false;
};

const char kConditional = 0;
const orbit_payload_ops kConditionalOps = {
    .struct_size = sizeof(orbit_payload_ops),
    .room_bytes = 0,
    .token = &kConditional,
    .serialize = nullptr,
    .retain = nullptr,
    .destroy = nullptr,
    .condition = [](void* object, uint64_t version) -> int {
      auto& mine = *static_cast<Conditional*>(object);
      mine.told.looked_at = version;
      return mine.wanted(version) ? 1 : 0;
    },
};

Told call_if(SimNode& node, uint32_t worker, const std::string& type, const std::string& key, Method method,
             std::function<bool(uint64_t)> wanted = nullptr) {
  auto call = std::make_shared<Conditional>();
  const bool conditional = wanted != nullptr;
  call->wanted = std::move(wanted);
  node.runtime.post(worker, [=] {
    const orbit_actors_v1* api = Runtime::api();
    orbit_envelope* envelope = api->allocate();
    envelope->type = api->type(type.c_str());
    envelope->key = orbit::to_c(key);
    envelope->method = method;
    envelope->ops = &kConditionalOps;
    envelope->payload = call.get();
    if (conditional) envelope->flags |= ORBIT_ENVELOPE_CONDITIONAL;
    envelope->reply_ctx = call.get();
    envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
      auto& mine = *static_cast<Conditional*>(ctx);
      mine.told.code = reply->code;
      if (reply->message != nullptr) mine.told.message = reply->message;
      mine.told.version = reply->code == ORBIT_OK ? Runtime::api()->version(reply) : 0;
      mine.arrived = true;
      Runtime::api()->free_envelope(reply);
    };
    api->send(envelope, nullptr);
  });
  REQUIRE(node.run_until([&] { return call->arrived; }));
  return call->told;
}

struct State {
  orbit_code code = ORBIT_UNKNOWN;
  std::string message;
  int64_t value = 0;
  uint64_t version = 0;
  bool arrived = false;
};

State state_of(SimNode& node, uint32_t worker, const std::string& type, const std::string& key) {
  State out;
  node.runtime.post(worker, [&] {
    const orbit_actors_v1* api = Runtime::api();
    api->state(
        api->type(type.c_str()), orbit::to_c(key),
        [](void* ctx, orbit_bytes value, uint64_t version, orbit_code code, const char* message) {
          auto& told = *static_cast<State*>(ctx);
          told.code = code;
          told.version = version;
          if (message != nullptr) told.message = message;
          if (value.size >= sizeof told.value) std::memcpy(&told.value, value.data, sizeof told.value);
          told.arrived = true;
        },
        &out);
  });
  REQUIRE(node.run_until([&] { return out.arrived; }));
  return out;
}

// The only main record there is.
std::string& main_record(Disk& disk) {
  for (auto& [key, value] : disk.data)
    if (key[0] == kMainSpace) return value;
  FAIL("no actor is stored");
  return disk.data.begin()->second;
}

MainHeader header_of(std::string_view record) {
  const auto header = take_main_header(record);
  REQUIRE(header);
  return *header;
}

}  // namespace

TEST_CASE("the version of a state is one more with every turn that changed it, and no other, also over restarts") {
  Disk disk;
  {
    SimNode node(disk, 21, 2);
    CHECK(call_if(node, 0, "sync", "a", kGet).version == 0);
    CHECK(call_if(node, 0, "sync", "a", kAdd).version == 1);
    CHECK(call_if(node, 1, "sync", "a", kGet).version == 1);
    CHECK(call_if(node, 1, "sync", "a", kAdd).version == 2);
    CHECK(call_if(node, 0, "sync", "a", kFail).code == ORBIT_ABORTED);
    CHECK(call_if(node, 0, "sync", "b", kAdd).version == 1);
  }
  SimNode again(disk, 22, 2);
  CHECK(call_if(again, 1, "sync", "a", kGet).version == 2);
  CHECK(call_if(again, 0, "sync", "a", kAdd).version == 3);
}

TEST_CASE("a record keeps the epoch that it was stored with, over turns, an expiry and restarts; a new one has none") {
  Disk disk;
  {
    SimNode node(disk, 61);
    node.call("sync", "a", kAdd, 5);
    CHECK(header_of(main_record(disk)).epoch == 0);
  }
  {
    // As the node of a cluster whose directory has given this actor its 300th place would have written it.
    std::string& record = main_record(disk);
    std::string_view payload = record;
    auto header = take_main_header(payload);
    REQUIRE(header);
    header->epoch = 300;
    std::string owned;
    append_main_header(owned, *header);
    owned += payload;
    record = owned;
  }
  {
    SimNode node(disk, 62);
    CHECK(node.call("sync", "a", kAdd, 2).value == 7);
    CHECK(header_of(main_record(disk)).epoch == 300);
    CHECK(header_of(main_record(disk)).version == 2);
    const auto later = static_cast<int64_t>(node.executor.unix_ms() + 3'600'000);
    node.call("sync", "a", kExpireAt, later);
    CHECK(header_of(main_record(disk)).expires_at_ms == static_cast<uint64_t>(later));
    CHECK(header_of(main_record(disk)).epoch == 300);
  }
  SimNode again(disk, 63);
  CHECK(again.call("sync", "a", kAdd, 1).value == 8);
  CHECK(header_of(main_record(disk)).epoch == 300);
  CHECK(header_of(main_record(disk)).version == 4);
}

TEST_CASE("a change that storage refused has no version") {
  Disk disk;
  SimNode node(disk, 23);
  CHECK(call_if(node, 0, "sync", "a", kAdd).version == 1);
  disk.full = true;
  CHECK(call_if(node, 0, "sync", "a", kAdd).code == ORBIT_RESOURCE_EXHAUSTED);
  disk.full = false;
  node.pass_ms(5000);
  CHECK(call_if(node, 0, "sync", "a", kGet).version == 1);
  CHECK(call_if(node, 0, "sync", "a", kAdd).version == 2);
}

TEST_CASE("a conditional turn sees the version that it would change, and is refused before it changes anything") {
  for (const uint64_t seed : {31, 32, 33}) {
    Disk disk;
    SimNode node(disk, seed, 2);
    const auto is = [](uint64_t wanted) { return [wanted](uint64_t version) { return version == wanted; }; };
    const Told first = call_if(node, 0, "sync", "a", kAdd, is(0));
    CHECK(first.code == ORBIT_OK);
    CHECK(first.looked_at == 0);
    CHECK(first.version == 1);
    const Told late = call_if(node, 1, "sync", "a", kAdd, is(0));
    CHECK(late.code == ORBIT_FAILED_PRECONDITION);
    CHECK(late.looked_at == 1);
    CHECK(late.message.find("has version 1, which the call does not want") != std::string::npos);
    CHECK(call_if(node, 1, "sync", "a", kGet, is(1)).version == 1);
    CHECK(call_if(node, 1, "sync", "a", kAdd, is(1)).version == 2);
    // Not told that it is conditional, nobody asks it.
    CHECK_FALSE(call_if(node, 0, "sync", "a", kGet).looked_at.has_value());
  }
}

TEST_CASE("an erased state has version 0 for conditions") {
  Disk disk;
  SimNode node(disk, 41);
  call_if(node, 0, "sync", "a", kAdd);
  call_if(node, 0, "sync", "a", kErase);
  CHECK(call_if(node, 0, "sync", "a", kGet, [](uint64_t version) { return version == 0; }).code == ORBIT_OK);
}

TEST_CASE("a state is read as completed turns left it, without its actor in memory") {
  Disk disk;
  {
    SimNode node(disk, 51, 2);
    node.call("sync", "a", kAdd, 5);
    node.call("sync", "a", kAdd, 2);
    node.call("async", "b", kAdd, 9);
    for (const uint32_t worker : {0u, 1u}) {
      const State a = state_of(node, worker, "sync", "a");
      CHECK(a.code == ORBIT_OK);
      CHECK(a.value == 7);
      CHECK(a.version == 2);
      CHECK(state_of(node, worker, "async", "b").value == 9);  // although it may not be stored yet
    }
  }
  SimNode again(disk, 52, 2);
  const State a = state_of(again, 1, "sync", "a");
  CHECK(a.value == 7);
  CHECK(a.version == 2);
  CHECK(again.in_memory() == 0);
  CHECK(state_of(again, 0, "sync", "nobody").code == ORBIT_NOT_FOUND);
}
