// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "fake_node.hpp"

#include <doctest/doctest.h>

#include <cstring>

namespace fake {
namespace {

Node* the_node = nullptr;
const orbit_actors_v1* the_table = nullptr;

const void* get_extension(const orbit_host*, const char* id) {
  return std::string_view(id) == ORBIT_ACTORS_V1 ? the_table : nullptr;
}

}  // namespace

Node::Node() : host_{sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR, &get_extension}, table_{} {
  REQUIRE(the_node == nullptr);
  the_node = this;
  table_.struct_size = sizeof table_;
  table_.type = &type_handle;
  table_.allocate = &allocate;
  table_.send = &send;
  table_.send_known = [](orbit_envelope*, uint64_t*) -> int { return 0; };
  table_.free_envelope = &free_envelope;
  table_.fail = &fail;
  table_.finish = &finish;
  table_.writable = &writable;
  table_.deactivate_when_idle = &deactivate_when_idle;
  table_.cancelled = []() -> int { return 0; };
  table_.deadline_ns = []() -> uint64_t { return 0; };
  the_table = &table_;
  REQUIRE(orbit::connect_module(&host_));
}

Node::~Node() {
  for (auto& [id, activation] : activations_) activation->type->destroy(activation->actor);
  for (orbit_envelope* envelope : free_) delete envelope;
  CHECK_MESSAGE(in_use_.empty(), "envelopes were not given back");
  the_node = nullptr;
}

void Node::add_type(const orbit_actor_type* type) { types_[type->name] = type; }

const orbit_type* Node::type_handle(const char* name) {
  // Handles outlive the node of one test, as those of a real node outlive everything.
  static std::set<std::string> names;
  return reinterpret_cast<const orbit_type*>(&*names.insert(name).first);
}

Node::Id Node::id_of(const orbit_envelope* envelope) {
  return {*reinterpret_cast<const std::string*>(envelope->type), std::string(orbit::from_c(envelope->key))};
}

orbit_envelope* Node::allocate() {
  Node& node = *the_node;
  if (node.free_.empty()) node.free_.push_back(new orbit_envelope);
  orbit_envelope* envelope = node.free_.back();
  node.free_.pop_back();
  std::memset(static_cast<void*>(envelope), 0, sizeof *envelope);
  envelope->payload = envelope->room;
  node.in_use_.insert(envelope);
  return envelope;
}

void Node::free_envelope(orbit_envelope* envelope) {
  Node& node = *the_node;
  REQUIRE(node.in_use_.erase(envelope) == 1);
  orbit::detail::drop_payload(envelope);
  node.keys_.erase(envelope);
  node.messages_.erase(envelope);
  node.free_.push_back(envelope);
}

void Node::send(orbit_envelope* envelope, uint64_t*) {
  Node& node = *the_node;
  REQUIRE(node.in_use_.contains(envelope));
  std::string& key = node.keys_[envelope] = std::string(orbit::from_c(envelope->key));
  envelope->key = orbit::to_c(key);
  if (node.run_inline && (envelope->flags & ORBIT_ENVELOPE_INLINE) != 0) {
    const auto found = node.activations_.find(id_of(envelope));
    if (found == node.activations_.end() || !found->second->busy) return node.deliver(envelope);
  }
  node.queue_.push_back(envelope);
}

void Node::fail(orbit_envelope* envelope, orbit_code code, orbit_bytes message) {
  orbit::detail::drop_payload(envelope);
  std::string& text = the_node->messages_[envelope] = std::string(orbit::from_c(message));
  envelope->message = text.data();
  envelope->code = code;
}

bool Node::step() {
  if (queue_.empty()) return false;
  orbit_envelope* envelope = queue_.front();
  queue_.pop_front();
  deliver(envelope);
  return true;
}

void Node::run() {
  for (int i = 0; i < 1'000'000; ++i)
    if (!step()) return;
  FAIL("the queue does not become empty");
}

Node::Activation* Node::activate(const Id& id, orbit_envelope* envelope) {
  if (const auto found = activations_.find(id); found != activations_.end()) return found->second.get();
  const auto type = types_.find(id.first);
  if (type == types_.end()) return fail(envelope, ORBIT_NOT_FOUND, orbit::to_c("no such type")), nullptr;
  auto activation = std::make_unique<Activation>();
  activation->id = id;
  activation->type = type->second;
  orbit::ErrorOut error;
  activation->actor = type->second->create(type->second->type_self, reinterpret_cast<orbit_activation*>(activation.get()),
                                           orbit::to_c(id.second), &error);
  if (activation->actor == nullptr) return fail(envelope, error.code, orbit::to_c(orbit::Bytes(error.message))), nullptr;
  const auto stored = store_.find(id);
  const orbit_record record{{}, stored == store_.end() ? orbit_bytes{} : orbit::to_c(stored->second)};
  const orbit_code code =
      type->second->load(activation->actor, &record, stored == store_.end() ? 0 : 1, stored == store_.end() ? 0 : 1, &error);
  if (code != ORBIT_OK) {
    type->second->destroy(activation->actor);
    return fail(envelope, code, orbit::to_c(orbit::Bytes(error.message))), nullptr;
  }
  return (activations_[id] = std::move(activation)).get();
}

void Node::deliver(orbit_envelope* envelope) {
  Activation* activation = activate(id_of(envelope), envelope);
  if (activation == nullptr) return reply(envelope);
  if (activation->busy)
    activation->mailbox.push_back(envelope);
  else
    turn(*activation, envelope);
}

void Node::turn(Activation& activation, orbit_envelope* envelope) {
  activation.busy = true;
  if (activation.type->invoke(activation.actor, envelope) == ORBIT_TURN_DONE) end_turn(activation, envelope);
}

void Node::finish(orbit_activation* raw, orbit_envelope* envelope) {
  auto& activation = *reinterpret_cast<Activation*>(raw);
  REQUIRE(activation.busy);
  the_node->end_turn(activation, envelope);
}

orbit_code Node::writable(orbit_error* error) {
  if (the_node->writable_code == ORBIT_OK) return ORBIT_OK;
  return orbit::to_c(static_cast<orbit::Code>(the_node->writable_code), "the disk is full", error);
}

void Node::deactivate_when_idle(orbit_activation*) { FAIL("no test asks for it"); }

void Node::end_turn(Activation& activation, orbit_envelope* envelope) {
  activation.busy = false;
  if ((envelope->flags & ORBIT_ENVELOPE_DIRTY) != 0) {
    REQUIRE(envelope->code == ORBIT_OK);
    write(activation);
  }
  for (orbit_envelope* waiting : activation.mailbox) queue_.push_back(waiting);
  activation.mailbox.clear();
  reply(envelope);
}

void Node::reply(orbit_envelope* envelope) {
  if (envelope->on_reply == nullptr) return free_envelope(envelope);
  envelope->on_reply(envelope->reply_ctx, envelope);
}

void Node::write(Activation& activation) {
  struct Target {
    Node* node;
    Activation* activation;
  } target{this, &activation};
  const orbit_writer writer = {
      &target,
      [](void* ctx, orbit_bytes value, uint64_t expires_at_ms, int has_subrecords) {
        REQUIRE(expires_at_ms == 0);
        REQUIRE(has_subrecords == 0);
        auto* to = static_cast<Target*>(ctx);
        to->node->store_[to->activation->id] = std::string(orbit::from_c(value));
      },
      nullptr,
      nullptr,
      nullptr,
      [](void* ctx) {
        auto* to = static_cast<Target*>(ctx);
        to->node->store_.erase(to->activation->id);
      },
  };
  activation.type->collect(activation.actor, &writer);
}

void Node::collect(const std::string& type, const std::string& key) { write(*activations_.at({type, key})); }

void Node::deactivate(const std::string& type, const std::string& key) {
  const auto found = activations_.find({type, key});
  REQUIRE(found != activations_.end());
  REQUIRE(!found->second->busy);
  write(*found->second);
  found->second->type->destroy(found->second->actor);
  activations_.erase(found);
}

void Node::drop_everything() {
  for (auto& [id, activation] : activations_) activation->type->destroy(activation->actor);
  activations_.clear();
  queue_.clear();
  while (!in_use_.empty()) free_envelope(*in_use_.begin());
}

const std::string* Node::stored(const std::string& type, const std::string& key) const {
  const auto found = store_.find({type, key});
  return found == store_.end() ? nullptr : &found->second;
}

void Node::store(const std::string& type, const std::string& key, std::string bytes) {
  store_[{type, key}] = std::move(bytes);
}

}  // namespace fake
