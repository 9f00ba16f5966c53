// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "sim_node.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "state/record_format.hpp"

namespace test {

namespace {

std::string text(orbit_bytes bytes) { return {bytes.data, bytes.size}; }

orbit_code refuse(orbit_error* error) {
  return orbit::to_c(orbit::Code::resource_exhausted, "no space left on device (injected)", error);
}

struct Number {
  int64_t value;
};
const char kToken = 0;
const orbit_payload_ops kNumberOps = {sizeof(orbit_payload_ops), 0, &kToken, nullptr, nullptr, nullptr};

}  // namespace

void put_number(orbit_envelope* envelope, int64_t value) {
  envelope->ops = &kNumberOps;
  envelope->payload = new (envelope->room) Number{value};
}

std::optional<int64_t> number_of(const orbit_envelope* envelope) {
  if (envelope->ops != &kNumberOps) return std::nullopt;
  return static_cast<const Number*>(envelope->payload)->value;
}

namespace {

const orbit_payload_ops kRouteOps = {sizeof(orbit_payload_ops), 0, &kRouteOps, nullptr, nullptr,
                                     [](void* object) { delete static_cast<Route*>(object); }};

void put_route(orbit_envelope* envelope, Route route) {
  envelope->ops = &kRouteOps;
  envelope->payload = new Route(std::move(route));
}

// A call that a cell's pending turn awaits.
struct Awaited {
  Cell* cell;
  orbit_envelope* turn;
};

// Passes the envelope on along its route; true when its turn is over.
int relay(Cell* cell, orbit_envelope* envelope) {
  const orbit_actors_v1* api = Runtime::api();
  const bool one_way = envelope->method == kPost;
  Route route = *static_cast<Route*>(envelope->payload);
  kRouteOps.destroy(envelope->payload);
  envelope->ops = nullptr;
  envelope->payload = envelope->room;
  cell->deadline_seen_ns = api->deadline_ns();
  const size_t end = std::min(route.path.find(' '), route.path.size());
  std::string next = route.path.substr(0, end);
  route.path.erase(0, end + 1);
  const bool shielded = next.starts_with('*');
  if (shielded) next.erase(0, 1);
  const std::string type = next.substr(0, next.find('/'));
  const std::string key = next.substr(next.find('/') + 1);
  orbit_envelope* call = api->allocate();
  call->type = api->type(type.c_str());
  call->key = orbit::to_c(key);
  if (route.path.empty()) {
    call->method = route.last;
    put_number(call, route.argument);
  } else {
    call->method = envelope->method;
    put_route(call, std::move(route));
  }
  if (one_way) {
    api->send(call, nullptr);
    return ORBIT_TURN_DONE;
  }
  call->flags = static_cast<uint16_t>(ORBIT_ENVELOPE_AWAITED | ORBIT_ENVELOPE_INLINE | (shielded ? ORBIT_ENVELOPE_SHIELDED : 0));
  auto* awaited = new Awaited{cell, envelope};
  call->reply_ctx = awaited;
  call->on_reply = [](void* ctx, orbit_envelope* reply) {
    const std::unique_ptr<Awaited> done(static_cast<Awaited*>(ctx));
    CHECK(Runtime::api()->current() == done->cell->activation);
    orbit_envelope* turn = done->turn;
    done->cell->heard.push_back(reply->message != nullptr ? reply->message : "");
    if (reply->code != ORBIT_OK)
      Runtime::api()->fail(turn, reply->code, {reply->message, std::strlen(reply->message)});
    if (const auto number = number_of(reply)) put_number(turn, *number);
    Runtime::api()->free_envelope(reply);
    Runtime::api()->finish(done->cell->activation, turn);
  };
  api->send(call, nullptr);
  return ORBIT_TURN_PENDING;
}

int invoke(void* actor, orbit_envelope* envelope) {
  auto* cell = static_cast<Cell*>(actor);
  if (envelope->method == kRelay || envelope->method == kPost) return relay(cell, envelope);
  const int64_t argument = number_of(envelope).value_or(0);
  const orbit_actors_v1* api = Runtime::api();
  const auto answer = [&](int64_t value, bool dirty) {
    put_number(envelope, value);
    if (dirty) envelope->flags |= ORBIT_ENVELOPE_DIRTY;
    return ORBIT_TURN_DONE;
  };
  switch (envelope->method) {
    case kAdd:
      cell->value += argument;
      cell->exists = true;
      return answer(cell->value, true);
    case kGet:
      return answer(cell->value, false);
    case kFail:
      api->fail(envelope, ORBIT_ABORTED, {"asked to fail", 13});
      return ORBIT_TURN_DONE;
    case kSleep:
      cell->deadline_seen_ns = api->deadline_ns();
      cell->sleeping = envelope;
      return ORBIT_TURN_PENDING;
    case kExpireAt:
      cell->exists = true;
      cell->expires_at_ms = static_cast<uint64_t>(argument);
      return answer(cell->value, true);
    case kSetSub: {
      const std::string name = "sub" + std::to_string(argument);
      cell->exists = true;
      cell->changed_subs[name] = cell->subs[name] = std::string(static_cast<size_t>(argument), 'x');
      return answer(static_cast<int64_t>(cell->subs.size()), true);
    }
    case kErase:
      *cell = Cell{cell->activation, cell->key};
      return answer(0, true);
    case ORBIT_METHOD_EXPIRE:
      if (cell->expires_at_ms != 0 && cell->expires_at_ms <= this_runtime()->executor().unix_ms()) {
        *cell = Cell{cell->activation, cell->key};
        return answer(0, true);
      }
      return answer(0, false);
    default:
      api->fail(envelope, ORBIT_UNIMPLEMENTED, {"no such method", 14});
      return ORBIT_TURN_DONE;
  }
}

void collect(void* actor, const orbit_writer* writer) {
  auto* cell = static_cast<Cell*>(actor);
  if (!cell->exists) {
    writer->remove_all_subrecords(writer->ctx);
    writer->remove_main(writer->ctx);
    return;
  }
  char record[16];
  std::memcpy(record, &cell->value, 8);
  std::memcpy(record + 8, &cell->expires_at_ms, 8);
  writer->put_main(writer->ctx, {record, sizeof record}, cell->expires_at_ms, !cell->subs.empty());
  for (const auto& [name, value] : cell->changed_subs) writer->put(writer->ctx, orbit::to_c(name), orbit::to_c(value));
  cell->changed_subs.clear();
}

orbit_code load(void* actor, const orbit_record* records, size_t count, uint64_t, orbit_error* error) {
  auto* cell = static_cast<Cell*>(actor);
  if (count == 0) return ORBIT_OK;
  if (records[0].value.size != 16) return orbit::to_c(orbit::Code::data_loss, "a cell's record is not 16 bytes", error);
  std::memcpy(&cell->value, records[0].value.data, 8);
  std::memcpy(&cell->expires_at_ms, records[0].value.data + 8, 8);
  cell->exists = true;
  for (size_t i = 1; i < count; ++i) cell->subs[text(records[i].subkey)] = text(records[i].value);
  return ORBIT_OK;
}

}  // namespace

const orbit_storage_v1 Disk::kTable = {
    sizeof(orbit_storage_v1),
    0,
    [](void* self, orbit_snapshot*, orbit_bytes key, orbit_sink value, orbit_error*) -> orbit_code {
      auto& data = static_cast<Disk*>(self)->data;
      const auto found = data.find(text(key));
      if (found == data.end()) return ORBIT_NOT_FOUND;
      value.append(value.ctx, orbit::to_c(found->second));
      return ORBIT_OK;
    },
    nullptr,
    [](void* self, orbit_snapshot*, orbit_bytes from, orbit_bytes to, int reverse, orbit_visit_entry visit, void* ctx,
       orbit_error*) -> orbit_code {
      auto& data = static_cast<Disk*>(self)->data;
      const auto end_of_scan = std::shared_ptr<void>(nullptr, [self](void*) {
        if (static_cast<Disk*>(self)->scanned) static_cast<Disk*>(self)->scanned();
      });
      if (reverse != 0) {
        auto end = to.size == 0 ? data.end() : data.lower_bound(text(to));
        while (end != data.begin() && (--end)->first >= text(from))
          if (visit(ctx, orbit::to_c(end->first), orbit::to_c(end->second)) == 0) break;
        return ORBIT_OK;
      }
      for (auto at = data.lower_bound(text(from)); at != data.end() && (to.size == 0 || at->first < text(to)); ++at)
        if (visit(ctx, orbit::to_c(at->first), orbit::to_c(at->second)) == 0) break;
      return ORBIT_OK;
    },
    [](void* self, const orbit_write_op* ops, size_t count, int sync, orbit_error* error) -> orbit_code {
      auto& disk = *static_cast<Disk*>(self);
      if (disk.full || disk.fail_after_writes == 0) return refuse(error);
      if (disk.fail_after_writes > 0) --disk.fail_after_writes;
      ++disk.writes;
      disk.syncs += sync != 0;
      for (size_t i = 0; i < count; ++i) {
        const std::string key = text(ops[i].key);
        if (ops[i].kind == ORBIT_WRITE_PUT) disk.data[key] = text(ops[i].value);
        if (ops[i].kind == ORBIT_WRITE_DELETE) disk.data.erase(key);
        if (ops[i].kind == ORBIT_WRITE_DELETE_RANGE) {
          const auto end = ops[i].value.size == 0 ? disk.data.end() : disk.data.lower_bound(text(ops[i].value));
          disk.data.erase(disk.data.lower_bound(key), end);
        }
      }
      return ORBIT_OK;
    },
    [](void* self, orbit_error* error) -> orbit_code {
      auto& disk = *static_cast<Disk*>(self);
      ++disk.syncs;
      return disk.full ? refuse(error) : ORBIT_OK;
    },
    [](void* self, orbit_error* error) -> orbit_code { return static_cast<Disk*>(self)->full ? refuse(error) : ORBIT_OK; },
    [](void* self) -> uint64_t { return static_cast<Disk*>(self)->data.size(); },
};

const orbit_storage_cached_v1 Disk::kCachedTable = {
    sizeof(orbit_storage_cached_v1), 0,
    [](void* self, orbit_bytes key, orbit_sink value, orbit_error* error) -> orbit_code {
      return kTable.get(self, nullptr, key, value, error);
    }};

std::vector<Cell*>& cells() {
  static std::vector<Cell*> all;
  return all;
}

const orbit_actor_type* cell_type(const char* name, orbit_durability durability, uint64_t flush_delay_ms) {
  static std::deque<orbit_actor_type> made;
  orbit_actor_type& type = made.emplace_back();
  type = {};
  type.struct_size = sizeof type;
  type.durability = durability;
  type.name = name;
  type.flush_delay_ms = flush_delay_ms;
  type.create = [](void*, orbit_activation* activation, orbit_bytes key, orbit_error* error) -> void* {
    if (text(key) == "refused") {
      orbit::to_c(orbit::Code::invalid_argument, "this key is refused", error);
      return nullptr;
    }
    cells().push_back(new Cell{activation, text(key)});
    return cells().back();
  };
  type.destroy = [](void* actor) {
    cells().erase(std::find(cells().begin(), cells().end(), actor));
    delete static_cast<Cell*>(actor);
  };
  type.load = &load;
  type.invoke = &invoke;
  type.collect = &collect;
  return &type;
}

SimNode::SimNode(Disk& disk, uint64_t seed, uint32_t workers, RuntimeOptions options, bool cached)
    : SimNode({disk.engine(cached)}, {}, seed, workers, options) {}

SimNode::SimNode(std::vector<Engine> engines, Runtime::Route route, uint64_t seed, uint32_t workers, RuntimeOptions options)
    : executor({.seed = seed, .workers = workers}),
      runtime(executor, [&options] {
        options.threads_are_fixed = false;
        return options;
      }(), std::move(engines), std::move(route)) {
  const orbit_actor_type* types[] = {cell_type("sync", ORBIT_DURABILITY_SYNC), cell_type("async", ORBIT_DURABILITY_ASYNC, 100),
                                     cell_type("none", ORBIT_DURABILITY_NONE)};
  REQUIRE(runtime.publish_module("cells", "1", "cells.so", types));
  executor.start();
}

SimNode::~SimNode() { executor.stop(); }

std::shared_ptr<Answer> SimNode::send(uint32_t from_worker, const std::string& type, const std::string& key, Method method,
                                      int64_t argument, uint64_t deadline_ns) {
  return send_with(from_worker, type, key, method, deadline_ns,
                   [argument](orbit_envelope* envelope) { put_number(envelope, argument); });
}

std::shared_ptr<Answer> SimNode::relay(const std::string& route, Method last, int64_t argument, uint64_t deadline_ns) {
  const size_t slash = route.find('/');
  const size_t blank = route.find(' ');
  return send_with(0, route.substr(0, slash), route.substr(slash + 1, blank - slash - 1), kRelay, deadline_ns,
                   [=](orbit_envelope* envelope) { put_route(envelope, {route.substr(blank + 1), last, argument}); });
}

std::shared_ptr<Answer> SimNode::send_with(uint32_t from_worker, const std::string& type, const std::string& key, Method method,
                                           uint64_t deadline_ns, std::function<void(orbit_envelope*)> fill) {
  auto answer = std::make_shared<Answer>();
  runtime.post(from_worker, [type, key, method, deadline_ns, answer, fill = std::move(fill)] {
    const orbit_actors_v1* api = Runtime::api();
    orbit_envelope* envelope = api->allocate();
    envelope->type = api->type(type.c_str());
    envelope->key = orbit::to_c(key);
    envelope->method = method;
    envelope->deadline_ns = deadline_ns;
    fill(envelope);
    envelope->reply_ctx = new std::shared_ptr<Answer>(answer);
    envelope->on_reply = [](void* ctx, orbit_envelope* reply) {
      const std::unique_ptr<std::shared_ptr<Answer>> owned(static_cast<std::shared_ptr<Answer>*>(ctx));
      Answer& to = **owned;
      CHECK_FALSE(to.arrived);
      CHECK(Runtime::api()->current() == nullptr);
      to.arrived = true;
      to.call = nullptr;
      to.code = reply->code;
      if (reply->message != nullptr) to.message = reply->message;
      to.value = number_of(reply).value_or(0);
      Runtime::api()->free_envelope(reply);
    };
    answer->call = envelope;
    api->send(envelope, nullptr);
  });
  return answer;
}

void SimNode::post(const std::string& type, const std::string& key, Method method, int64_t argument) {
  on_worker(0, [&] {
    const orbit_actors_v1* api = Runtime::api();
    orbit_envelope* envelope = api->allocate();
    envelope->type = api->type(type.c_str());
    envelope->key = orbit::to_c(key);
    envelope->method = method;
    put_number(envelope, argument);
    api->send(envelope, nullptr);
  });
}

uint64_t metric(const SimNode& node, const std::string& name) {
  std::string text;
  node.runtime.append_metrics(text);
  uint64_t sum = 0;
  const std::string begins = "\n" + name + "{";
  for (size_t at = text.find(begins); at != std::string::npos; at = text.find(begins, at + 1))
    sum += std::stoull(text.substr(text.find("} ", at) + 2));
  return sum;
}

void SimNode::wake(const std::string& type, const std::string& key) {
  Cell* found = cell(type, key);
  REQUIRE(found != nullptr);
  REQUIRE(found->sleeping != nullptr);
  on_worker(found->activation->worker, [found] {
    orbit_envelope* turn = std::exchange(found->sleeping, nullptr);
    if (turn->ops != nullptr && turn->ops->destroy != nullptr) turn->ops->destroy(turn->payload);
    turn->ops = nullptr;
    Runtime::api()->finish(found->activation, turn);
  });
}

void SimNode::cancel(uint32_t worker, const std::shared_ptr<Answer>& answer) {
  on_worker(worker, [&] {
    if (answer->call != nullptr) Runtime::api()->cancel(answer->call);
  });
}

const Answer& SimNode::wait(const std::shared_ptr<Answer>& answer) {
  REQUIRE(run_until([&] { return answer->arrived; }));
  return *answer;
}

void SimNode::on_worker(uint32_t worker, std::function<void()> function) {
  bool ran = false;
  runtime.post(worker, [&] {
    function();
    ran = true;
  });
  REQUIRE(run_until([&] { return ran; }));
}

void SimNode::pass_ms(uint64_t ms) {
  const uint64_t end = executor.monotonic_ns() + ms * 1'000'000;
  while (executor.monotonic_ns() < end && executor.step()) {
  }
  if (executor.monotonic_ns() < end) executor.advance(end - executor.monotonic_ns());
}

Cell* SimNode::cell(const std::string& type, const std::string& key) {
  for (Cell* cell : cells())
    if (cell->key == key && cell->activation->type->name == type) return cell;
  return nullptr;
}

size_t SimNode::in_memory() const { return cells().size(); }

Cell* asleep(SimNode& node, const std::string& type, const std::string& key) {
  REQUIRE(node.run_until([&] {
    const Cell* cell = node.cell(type, key);
    return cell != nullptr && cell->sleeping != nullptr;
  }));
  return node.cell(type, key);
}

}  // namespace test
