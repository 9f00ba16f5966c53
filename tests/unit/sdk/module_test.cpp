// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The example modules as a node sees them: loaded from their shared libraries, called with messages of another module (this
// test), which travel as bytes.
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "bank.orbit.hpp"
#include <vector>

#include "counter.orbit.hpp"
#include "fake_node.hpp"
#include "upgrade.orbit.hpp"

namespace {

// Instances end with the process, as activations may outlive the test's block.
std::vector<orbit_plugin_instance*>& kept() {
  static auto* all = new std::vector<orbit_plugin_instance*>;
  return *all;
}

struct Module {
  Module(fake::Node& node, const char* file) {
    void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    REQUIRE_MESSAGE(library != nullptr, dlerror());
    descriptor = reinterpret_cast<orbit_plugin_entry>(dlsym(library, ORBIT_PLUGIN_SYMBOL))();
    const orbit_config config{sizeof(orbit_config), 0, nullptr, "test"};
    orbit::ErrorOut error;
    REQUIRE(descriptor->create(node.host(), &config, &instance, &error) == ORBIT_OK);
    types = static_cast<const orbit_actor_types_v1*>(instance->get_extension(instance->self, ORBIT_ACTOR_TYPES_V1));
    REQUIRE(types != nullptr);
    kept().push_back(instance);
    for (uint32_t i = 0; i < types->count; ++i) node.add_type(types->types[i]);
  }
  const orbit_plugin_descriptor* descriptor = nullptr;
  orbit_plugin_instance* instance = nullptr;
  const orbit_actor_types_v1* types = nullptr;
};

orbit::Task<bank::Balance> deposit(int64_t account, int64_t cents) {
  const bank::Account to(account);
  bank::Balance out = co_await to.deposit([&](bank::Amount& amount) { amount.set_cents(cents); });
  co_return out;
}
orbit::Task<bank::Balance> balance(int64_t account) {
  const bank::Account at(account);
  bank::Balance out = co_await at.get_balance(bank::BalanceRequest());
  co_return out;
}
orbit::Task<bank::TransferReply> transfer(int64_t from, int64_t to, int64_t cents) {
  const bank::Teller teller("tina");
  bank::TransferRequest request;
  request.set_from(from);
  request.set_to(to);
  request.set_cents(cents);
  bank::TransferReply out = co_await teller.transfer(request);
  co_return out;
}
orbit::Task<counter::Value> count(std::string key, int64_t by) {
  const counter::Counter at(key);
  counter::AddRequest request;
  request.set_by(by);
  counter::Value out = co_await at.add(request);
  co_return out;
}

}  // namespace

TEST_CASE("a module is the plugin actors.<name> and provides its actor types") {
  fake::Node node;
  const Module module(node, BANK_MODULE);
  CHECK(std::string_view(module.descriptor->id) == "actors.bank");
  CHECK(std::string_view(module.descriptor->version) == "1.0.0");
  CHECK(std::string_view(module.descriptor->provides[0]) == ORBIT_ACTOR_TYPES_V1);
  CHECK(std::string_view(module.descriptor->needs[0]) == ORBIT_ACTORS_V1);
  REQUIRE(module.types->count == 2);
  CHECK(std::string_view(module.types->types[0]->name) == "bank.Account");
  CHECK(std::string_view(module.types->types[1]->name) == "bank.Teller");
}

TEST_CASE("a module carries a descriptor set that builds in a pool of its own") {
  fake::Node node;
  const Module module(node, BANK_MODULE);
  const orbit_bytes bytes = module.types->types[0]->descriptor_set;
  google::protobuf::FileDescriptorSet set;
  REQUIRE(set.ParseFromArray(bytes.data, static_cast<int>(bytes.size)));
  google::protobuf::DescriptorPool pool;
  for (const auto& file : set.file()) REQUIRE(pool.BuildFile(file) != nullptr);
  const auto* service = pool.FindServiceByName("bank.Account");
  REQUIRE(service != nullptr);
  for (uint32_t i = 0; i < module.types->types[0]->method_count; ++i) {
    const orbit_method& method = module.types->types[0]->methods[i];
    const auto* described = service->FindMethodByName(method.name);
    REQUIRE(described != nullptr);
    CHECK(described->input_type()->full_name() == method.input_type);
    CHECK(described->output_type()->full_name() == method.output_type);
  }
}

TEST_CASE("the bank moves money between accounts and refuses what would overdraw one") {
  fake::Node node;
  const Module module(node, BANK_MODULE);
  for (const bool run_inline : {false, true}) {
    node.run_inline = run_inline;
    const int64_t from = run_inline ? 3 : 1, to = from + 1;
    REQUIRE(node.wait(deposit(from, 1000)));
    auto moved = node.wait(transfer(from, to, 300));
    REQUIRE(moved);
    CHECK(moved->from().cents() == 700);
    CHECK(moved->to().cents() == 300);

    auto refused = node.wait(transfer(from, to, 701));
    REQUIRE(!refused);
    CHECK(refused.error().code == orbit::Code::failed_precondition);
    CHECK(refused.error().message.find("has 700 cents") != std::string::npos);
    CHECK(node.wait(balance(from))->cents() == 700);
    CHECK(node.wait(balance(to))->cents() == 300);
  }
  CHECK(node.wait(deposit(1, -5)).error().code == orbit::Code::invalid_argument);
  CHECK(node.wait(transfer(1, 1, 5)).error().code == orbit::Code::invalid_argument);
}

TEST_CASE("the bank gives the money back when the other account cannot take it") {
  fake::Node node;
  const Module module(node, BANK_MODULE);
  REQUIRE(node.wait(deposit(1, 100)));
  REQUIRE(node.wait(deposit(2, INT64_MAX)));
  auto refused = node.wait(transfer(1, 2, 60));
  REQUIRE(!refused);
  CHECK(refused.error().code == orbit::Code::out_of_range);
  CHECK(node.wait(balance(1))->cents() == 100);
}

TEST_CASE("the counter counts, forgets, and refuses to overflow") {
  fake::Node node;
  const Module module(node, COUNTER_MODULE);
  CHECK(node.wait(count("c", 2))->value() == 2);
  CHECK(node.wait(count("c", 3))->value() == 5);
  const counter::Counter c("c");
  c.bump([](counter::AddRequest& request) { request.set_by(10); });
  node.run();
  CHECK(node.wait(count("c", 0))->value() == 15);
  CHECK(node.wait(count("c", INT64_MAX)).error().code == orbit::Code::out_of_range);
  REQUIRE(node.wait([]() -> orbit::Task<counter::Nothing> {
    const counter::Counter at("c");
    counter::Nothing out = co_await at.reset(counter::ResetRequest());
    co_return out;
  }()));
  CHECK(node.stored("counter.Counter", "c") == nullptr);
  CHECK(node.wait(count("c", 1))->value() == 1);
}

TEST_CASE("two versions of one module live side by side, and state passes between them both ways") {
  fake::Node node;
  auto greet = []() -> orbit::Task<upgrade::Greeting> {
    const upgrade::Greeter greeter("g");
    upgrade::Greeting out = co_await greeter.greet(upgrade::GreetRequest());
    co_return out;
  };
  const Module v1(node, UPGRADE_V1_MODULE);
  CHECK(node.wait(greet())->text() == "v1: greeting 1");
  CHECK(node.wait(greet())->text() == "v1: greeting 2");
  node.deactivate("upgrade.Greeter", "g");

  const Module v2(node, UPGRADE_V2_MODULE);
  CHECK(std::string_view(v2.descriptor->version) == "2.0.0");
  CHECK(node.wait(greet())->text() == "v2: greeting 3, 1 since the upgrade");
  node.deactivate("upgrade.Greeter", "g");

  for (uint32_t i = 0; i < v1.types->count; ++i) node.add_type(v1.types->types[i]);
  CHECK(node.wait(greet())->text() == "v1: greeting 4");
  node.deactivate("upgrade.Greeter", "g");
  for (uint32_t i = 0; i < v2.types->count; ++i) node.add_type(v2.types->types[i]);
  CHECK(node.wait(greet())->text() == "v2: greeting 5, 2 since the upgrade");  // v1 kept the field it does not know
}

TEST_CASE("bytes that are no request are refused, and a payload without a wire form names the reason") {
  fake::Node node;
  const Module module(node, COUNTER_MODULE);
  static std::string bytes;
  static orbit_code serialized;
  static const orbit_payload_ops ops = {
      sizeof ops, 0, nullptr,
      [](const void*, orbit_sink sink) {
        if (serialized == ORBIT_OK) sink.append(sink.ctx, orbit::to_c(bytes));
        return serialized;
      },
      nullptr, nullptr};
  const auto add = [&](std::string payload, orbit_code code) {
    bytes = std::move(payload);
    serialized = code;
    struct Answer {
      orbit_code code = ORBIT_OK;
      std::string message;
    } answer;
    orbit_envelope* envelope = orbit::host_actors.allocate();
    envelope->type = orbit::host_actors.type("counter.Counter");
    envelope->key = orbit::to_c("c");
    envelope->method = orbit_method_id("Add", 3);
    envelope->ops = &ops;
    envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
      *static_cast<Answer*>(ctx) = {reply->code, reply->message == nullptr ? "" : reply->message};
      orbit::host_actors.free_envelope(reply);
    };
    envelope->reply_ctx = &answer;
    orbit::host_actors.send(envelope, nullptr);
    node.run();
    return answer;
  };
  CHECK(add("\x08\x05", ORBIT_OK).code == ORBIT_OK);
  CHECK(node.wait(count("c", 0))->value() == 5);
  const auto garbage = add("\xff\xff", ORBIT_OK);
  CHECK(garbage.code == ORBIT_INVALID_ARGUMENT);
  CHECK(garbage.message.find("counter.AddRequest") != std::string::npos);
  CHECK(add("", ORBIT_UNIMPLEMENTED).code == ORBIT_UNIMPLEMENTED);
  CHECK(node.wait(count("c", 0))->value() == 5);
}
