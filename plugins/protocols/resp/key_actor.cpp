// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "key_actor.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>
#include <vector>

#include "multi_key.hpp"
#include "orbit/result.hpp"
#include "slot.hpp"

namespace orbit::resp {
namespace {

std::atomic<uint64_t> next_incarnation{1};

const char command_token = 0;

class WriterAdapter final : public RecordWriter {
 public:
  explicit WriterAdapter(const orbit_writer* out) noexcept : out_(out) {}
  void put_main(std::string_view value, uint64_t expires_at_ms, bool has_subrecords) override {
    out_->put_main(out_->ctx, to_c(value), expires_at_ms, has_subrecords ? 1 : 0);
  }
  void put(std::string_view subkey, std::string_view value) override {
    out_->put(out_->ctx, to_c(subkey), to_c(value));
  }
  void remove(std::string_view subkey) override { out_->remove(out_->ctx, to_c(subkey)); }
  void remove_all_subrecords() override { out_->remove_all_subrecords(out_->ctx); }
  void remove_main() override { out_->remove_main(out_->ctx); }

 private:
  const orbit_writer* out_;
};

// A command over several keys that are all this one. In one turn, without a hold.
void run_equal_keys(KeyActor& actor, Command& command, orbit_envelope* envelope) {
  thread_local std::vector<uint32_t> positions;
  thread_local std::vector<OpenKey> open;
  std::string why;
  Reply reply(*command.out, command.protocol);
  if (!find_keys(*command.spec, command.args, UINT32_MAX, positions, why)) {
    reply.error(why);
    command.failed = true;
    return;
  }
  const std::vector<KeyActor*> actors(positions.size(), &actor);
  std::vector<uint8_t> changed(positions.size());
  run_held(*command.spec, command.args, positions, actors.data(), changed.data(), open, reply, command.now_ms,
           command.random, command.output_bytes_max);
  command.failed = reply.failed();
  if (std::ranges::find(changed, 1) != changed.end()) envelope->flags |= ORBIT_ENVELOPE_DIRTY;
}

void run_command(KeyActor& actor, Command& command, orbit_envelope* envelope) {
  if (actor.expire_if_due(command.now_ms)) [[unlikely]] envelope->flags |= ORBIT_ENVELOPE_DIRTY;
  const bool writes = (command.spec->flags & kWrite) != 0;
  if (writes) {
    ErrorOut error;
    if (const orbit_code code = actor.environment().actors->writable(&error); code != ORBIT_OK) [[unlikely]] {
      actor.environment().actors->fail(envelope, code, to_c(std::string_view(error.message)));
      return;
    }
  }
  if (command.one_of_many) return run_equal_keys(actor, command, envelope);
  OpenKey key{command.args[command.key_index], &actor.value};
  Reply reply(*command.out, command.protocol);
  CommandContext context{command.args, {&key, 1}, reply, command.now_ms, command.random};
  const size_t mark = command.out->size();
  const bool waits = command.out == &command.slot->out;
  const size_t waiting = waits ? std::min(command.waiting_bytes->load(std::memory_order_relaxed), command.output_bytes_max) : 0;
  std::exception_ptr lack;
  try {
    const OutputBound bound(*command.out, command.output_bytes_max - waiting, command.output_bytes_max);
    command.spec->run(context);
  } catch (const std::bad_alloc&) {
    lack = std::current_exception();
    key.changed = writes;  // what was changed before memory ran out stays
  }
  if (key.changed) {
    actor.touch();
    envelope->flags |= ORBIT_ENVELOPE_DIRTY;
  }
  if (lack) [[unlikely]] {
    command.out->truncate(mark);
    write_lack(reply, lack, writes);
  }
  if (waits) {
    command.slot->counted_bytes = command.out->size();
    command.waiting_bytes->fetch_add(command.out->size(), std::memory_order_relaxed);
  }
  command.failed = reply.failed();
}

int invoke(void* self, orbit_envelope* envelope) {
  auto& actor = *static_cast<KeyActor*>(self);
  if (envelope->method == kMethodCommand && envelope->ops != nullptr && envelope->ops->token == &command_token)
      [[likely]] {
    auto& command = *static_cast<Command*>(envelope->payload);
    try {
      if (command.args.empty()) [[unlikely]] throw std::bad_alloc();  // there was none to keep them
      run_command(actor, command, envelope);
    } catch (const std::bad_alloc&) {
      envelope->code = ORBIT_RESOURCE_EXHAUSTED;
    }
    return ORBIT_TURN_DONE;
  }
  if (envelope->method == ORBIT_METHOD_EXPIRE) {
    const KeyEnvironment& node = actor.environment();
    if (actor.expire_if_due(node.workers->unix_ms(node.host))) envelope->flags |= ORBIT_ENVELOPE_DIRTY;
    return ORBIT_TURN_DONE;
  }
  envelope->code = ORBIT_UNIMPLEMENTED;
  return ORBIT_TURN_DONE;
}

void* create(void* type_self, orbit_activation*, orbit_bytes, orbit_error* error) {
  auto* actor = new (std::nothrow) KeyActor(*static_cast<const KeyEnvironment*>(type_self));
  if (actor == nullptr) to_c(Code::resource_exhausted, "out of memory", error);
  return actor;
}

void destroy(void* self) { delete static_cast<KeyActor*>(self); }

orbit_code load(void* self, const orbit_record* records, size_t count, uint64_t, orbit_error* error) {
  if (count == 0) return ORBIT_OK;
  return at_edge(error, [&]() -> Result<> {
    std::vector<Record> all(count);
    for (size_t i = 0; i < count; ++i) all[i] = {from_c(records[i].subkey), from_c(records[i].value)};
    std::string why;
    if (static_cast<KeyActor*>(self)->value.load(all, &why)) return {};
    return fail(Code::data_loss, "a stored Redis value is damaged: " + why);
  });
}

void collect(void* self, const orbit_writer* writer) {
  WriterAdapter adapter(writer);
  static_cast<KeyActor*>(self)->value.collect(adapter);
}

size_t memory_bytes(const void* self) { return static_cast<const KeyActor*>(self)->memory_bytes(); }
int may_deactivate(const void* self) { return static_cast<const KeyActor*>(self)->watched() ? 0 : 1; }

void* retain_command(void* object) {
  static_cast<Command*>(object)->slot->retain();
  return object;
}

constexpr orbit_method kMethods[] = {
    {sizeof(orbit_method), 0, "Command", nullptr, nullptr, kMethodCommand, 0},
};

}  // namespace

const orbit_payload_ops kCommandOps = {
    sizeof(orbit_payload_ops), 1, &command_token,
    [](const void*, orbit_sink) -> orbit_code { return ORBIT_UNIMPLEMENTED; }, &retain_command, nullptr,
};

KeyActor::WatchMark KeyActor::watch() {
  if (watch_ == nullptr) {
    watch_ = std::make_unique<Watch>();
    watch_->mark.incarnation = next_incarnation.fetch_add(1, std::memory_order_relaxed);
  }
  ++watch_->watchers;
  return watch_->mark;
}

void KeyActor::unwatch(const WatchMark& mark) noexcept {
  if (watch_ == nullptr || watch_->mark.incarnation != mark.incarnation) return;
  if (--watch_->watchers == 0) watch_.reset();
}

void KeyActor::touch_watched() noexcept {
  ++watch_->mark.version;
  wake_next();
}

KeyActor::WatchMark KeyActor::wait(const Waiter& waiter) {
  const WatchMark mark = watch();
  try {
    auto& waiters = watch_->waiters;
    const auto behind = std::ranges::find_if(waiters, [&](const Waiter& one) { return one.since > waiter.since; });
    waiters.insert(behind, waiter);
  } catch (...) {
    unwatch(mark);
    throw;
  }
  return mark;
}

void KeyActor::stop_waiting(uint64_t client, const WatchMark& mark) noexcept {
  if (watch_ == nullptr || watch_->mark.incarnation != mark.incarnation) return;
  std::erase_if(watch_->waiters, [client](const Waiter& waiter) { return waiter.client == client; });
  unwatch(mark);
}

void KeyActor::wake_next() const noexcept {
  if (watch_ == nullptr || value.is_none()) return;
  for (const Waiter& waiter : watch_->waiters) {
    if (waiter.type == value.type()) return environment_->wake(environment_->server, waiter.worker, waiter.client);
  }
}

size_t KeyActor::memory_bytes() const noexcept {
  return sizeof(KeyActor) + value.memory_bytes() + (watch_ != nullptr ? sizeof(Watch) : 0);
}

KeyActorTypes::KeyActorTypes(const KeyEnvironment& environment, const std::string& family, orbit_durability durability,
                             uint64_t flush_delay_ms, uint64_t idle_timeout_ms)
    : environment_(environment), channels_name_(family + ".channels") {
  for (uint32_t i = 0; i < kTypeCount; ++i) {
    const bool order = i == kDatabaseCount;
    names_[i] = family + (order ? ".databases" : ".db" + std::to_string(i));
    orbit_actor_type& type = types_[i];
    type.struct_size = sizeof type;
    // What is written after SWAPDB must not be there without it.
    type.durability = order ? ORBIT_DURABILITY_SYNC : durability;
    type.name = names_[i].c_str();
    type.flush_delay_ms = flush_delay_ms;
    type.idle_timeout_ms = idle_timeout_ms;
    type.method_count = std::size(kMethods);
    type.methods = kMethods;
    type.type_self = &environment_;
    type.create = &create;
    type.destroy = &destroy;
    type.load = &load;
    type.invoke = &invoke;
    type.collect = &collect;
    type.memory_bytes = &memory_bytes;
    type.may_deactivate = &may_deactivate;
    pointers_[i] = &type;
  }
  table_ = {sizeof table_, kTypeCount, pointers_.data()};
}

}  // namespace orbit::resp
