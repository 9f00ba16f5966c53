// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the runtime tells about itself: JSON for orbit.node/1, text for Prometheus.
#include <atomic>
#include <boost/json.hpp>
#include <charconv>

#include "actor/due_index.hpp"
#include "actor/indexes.hpp"
#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "actor/turn_watch.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace json = boost::json;

namespace {

constexpr size_t kPageMax = 1000;

std::string_view durability_name(orbit_durability durability) {
  switch (durability) {
    case ORBIT_DURABILITY_SYNC:
      return "sync";
    case ORBIT_DURABILITY_ASYNC:
      return "async";
    default:
      return "none";
  }
}

std::string_view state_name(ModuleState state) {
  switch (state) {
    case ModuleState::active:
      return "active";
    case ModuleState::draining:
      return "draining";
    default:
      return "retired";
  }
}

constexpr size_t kTurnsShownMax = 16;

uint64_t ms_since(const Scheduler& scheduler, uint64_t since_ns) {
  return (scheduler.now_ns() - std::min(scheduler.now_ns(), since_ns)) / 1'000'000;
}

json::object describe(const TurnView::Step& step) {
  json::object out;
  out["type"] = step.type;
  out["key"] = step.key;
  out["method"] = step.method;
  return out;
}

json::object describe(const Scheduler& scheduler, const TurnView& turn) {
  json::object out;
  out["method"] = turn.method;
  out["age_ms"] = turn.since_ns != 0 ? json::value(ms_since(scheduler, turn.since_ns)) : json::value(nullptr);
  json::array waits;
  for (const TurnView::Step& call : turn.calls) {
    json::object wait = describe(call);
    wait["kind"] = "call";
    waits.emplace_back(std::move(wait));
  }
  for (const StorageWait& wait : turn.storage)
    waits.emplace_back(json::object{{"kind", wait.what}, {"for_ms", ms_since(scheduler, wait.since_ns)}});
  if (waits.empty()) waits.emplace_back(json::object{{"kind", "other"}});
  out["waits_for"] = std::move(waits);
  json::array chain;
  for (const TurnView::Step& step : turn.chain) chain.emplace_back(describe(step));
  out["called_by"] = std::move(chain);
  return out;
}

json::object describe(const Scheduler& scheduler, const orbit_activation* a) {
  const uint64_t idle_ns = scheduler.now_ns() - std::min<uint64_t>(scheduler.now_ns(), static_cast<uint64_t>(a->last_used) << 24);
  json::object out;
  out["type"] = a->type->name;
  out["key"] = shown_key(a->key());
  out["worker"] = scheduler.worker();
  out["mailbox"] = a->queued;
  out["memory_bytes"] = static_cast<uint64_t>(a->memory_bytes) * 16 + sizeof(orbit_activation);
  out["idle_ms"] = idle_ns / 1'000'000;
  // A hold of another worker may be counting it up.
  out["version"] = std::atomic_ref(const_cast<uint64_t&>(a->record_version)).load(std::memory_order_relaxed);
  out["generation"] = a->version != nullptr ? a->version->module->generation : 0;
  out["state"] = a->stage == Stage::loading ? "loading" : a->leaving ? "leaving" : a->current != nullptr ? "busy" : "idle";
  std::vector<TurnView> turns;
  scheduler.describe_turns(a, turns);
  json::array shown;
  for (size_t i = 0; i < std::min(turns.size(), kTurnsShownMax); ++i) shown.emplace_back(describe(scheduler, turns[i]));
  out["turns"] = std::move(shown);
  return out;
}

// A page is gathered worker by worker; the cursor is "worker:slot".
struct Page {
  Runtime* runtime;
  uint32_t home;
  std::string type;
  uint32_t worker = 0;
  size_t slot = 0;
  size_t limit = 0;
  json::array rows;
  Runtime::Done done;

  static void go_on(const std::shared_ptr<Page>& page) {
    page->runtime->post(page->worker, [page] {
      Scheduler& scheduler = page->runtime->scheduler(page->worker);
      ActivationTable& table = scheduler.table();
      scheduler.settle();
      // A worker with a million slots is visited in parts, so that its actors are not kept waiting.
      size_t visits = 20'000;
      for (; page->slot < table.slots() && page->rows.size() < page->limit && visits != 0; ++page->slot, --visits) {
        const orbit_activation* a = table.slot(page->slot);
        if (a->stage == Stage::free || (!page->type.empty() && a->type->name != page->type)) continue;
        page->rows.emplace_back(describe(scheduler, a));
      }
      if (page->rows.size() >= page->limit) return page->answer();
      if (page->slot >= table.slots()) {
        page->slot = 0;
        ++page->worker;
      }
      if (page->worker >= page->runtime->workers()) return page->answer();
      go_on(page);
    });
  }
  void answer() {
    json::object out;
    const bool more = worker < runtime->workers();
    out["next_cursor"] = more ? json::value(std::to_string(worker) + ":" + std::to_string(slot)) : json::value(nullptr);
    out["activations"] = std::move(rows);
    runtime->post(home, [done = std::move(done), text = json::serialize(out)] { done(ORBIT_OK, text); });
  }
};

// Finds one activation on its worker.
void on_activation(Runtime& runtime, const std::string& type_name, const std::string& key, Runtime::Done done,
                   std::function<std::string(Scheduler&, orbit_activation*)> act) {
  const uint32_t home = this_scheduler()->worker();
  orbit_type* type = runtime.types().find(type_name);
  if (type == nullptr) return done(ORBIT_NOT_FOUND, "no actor type is named " + type_name);
  const uint64_t mixed = ActivationTable::mix(type, key_hash(key));
  const uint32_t owner = runtime.worker_of(mixed);
  runtime.post(owner, [&runtime, home, owner, type, mixed, key, done = std::move(done), act = std::move(act)] {
    Scheduler& scheduler = runtime.scheduler(owner);
    scheduler.settle();
    orbit_activation* a = scheduler.table().find(type, mixed, key);
    const orbit_code code = a != nullptr ? ORBIT_OK : ORBIT_NOT_FOUND;
    std::string text = a != nullptr ? act(scheduler, a) : type->name + "/" + shown_key(key) + " is not in memory";
    runtime.post(home, [done, code, text = std::move(text)] { done(code, text); });
  });
}

}  // namespace

std::string Runtime::modules_json() const {
  json::array out;
  types_.each_module([&out](const Module& module) {
    json::object row;
    row["name"] = module.name;
    row["version"] = module.version;
    row["generation"] = module.generation;
    row["file"] = module.file;
    row["state"] = state_name(TypeRegistry::state(module));
    json::array names;
    for (const auto& made : module.types) names.emplace_back(made->type->name);
    row["types"] = std::move(names);
    row["activations"] = module.activations();
    out.emplace_back(std::move(row));
  });
  return json::serialize(out);
}

std::string Runtime::types_json() const {
  json::array out;
  types_.each_type([this, &out](const orbit_type& type) {
    const TypeVersion* version = type.current.load(std::memory_order_acquire);
    if (version == nullptr) return;
    json::object row;
    row["name"] = type.name;
    row["module"] = version->module->name;
    row["generation"] = version->module->generation;
    row["storage"] = stores_[version->store]->name();
    row["storage"] = stores_[version->store]->name();
    row["durability"] = durability_name(version->def->durability);
    row["state_type"] = version->def->state_type != nullptr ? json::value(version->def->state_type) : json::value(nullptr);
    row["idle_timeout_ms"] = version->idle_timeout_ns / 1'000'000;
    row["mailbox_max"] = version->mailbox_max;
    row["activations"] = version->activations.load(std::memory_order_relaxed);
    json::array methods;
    for (uint32_t i = 0; i < version->def->method_count; ++i) {
      const orbit_method& method = version->def->methods[i];
      json::object entry;
      entry["name"] = method.name;
      entry["input"] = method.input_type != nullptr ? json::value(method.input_type) : json::value(nullptr);
      entry["output"] = method.output_type != nullptr ? json::value(method.output_type) : json::value(nullptr);
      entry["read_only"] = (method.flags & ORBIT_METHOD_READ_ONLY) != 0;
      entry["one_way"] = (method.flags & ORBIT_METHOD_ONE_WAY) != 0;
      methods.emplace_back(std::move(entry));
    }
    row["methods"] = std::move(methods);
    row["state_version"] = version->state_version;
    json::array indexes;
    for (const orbit_index& index : version->indexes) {
      const Indexes::Shown shown = indexes_->shown(&type, index.number);
      json::object entry;
      entry["name"] = index.name;
      entry["unique"] = (index.flags & ORBIT_INDEX_UNIQUE) != 0;
      entry["stage"] = shown.stage;
      entry["error"] = shown.error.empty() ? json::value(nullptr) : json::value(shown.error);
      indexes.emplace_back(std::move(entry));
    }
    row["indexes"] = std::move(indexes);
    out.emplace_back(std::move(row));
  });
  return json::serialize(out);
}

std::string Runtime::workers_json() const {
  json::array out;
  for (const auto& scheduler : schedulers_) {
    const SchedulerTallies& t = scheduler->tallies();
    json::object row;
    row["worker"] = scheduler->worker();
    row["activations"] = t.activations.get() - t.deactivations.get();
    row["memory_bytes"] = t.memory_bytes.get();
    row["turns_total"] = t.turns.get();
    row["messages_total"] = t.messages.get();
    row["remote_messages_total"] = t.remote_messages.get();
    row["rejected_total"] = t.rejected.get();
    row["expired_total"] = t.expired.get();
    row["cancelled_total"] = t.cancelled.get();
    row["failed_turns_total"] = t.failed_turns.get();
    row["loads_total"] = t.loads.get();
    row["deactivations_total"] = t.deactivations.get();
    out.emplace_back(std::move(row));
  }
  return json::serialize(out);
}

void Runtime::activations_json(std::string type, std::string cursor, size_t limit, Done done) {
  auto page = std::make_shared<Page>();
  if (!cursor.empty()) {
    const size_t colon = cursor.find(':');
    const char* end = cursor.data() + cursor.size();
    const bool read = colon != std::string::npos &&
                      std::from_chars(cursor.data(), cursor.data() + colon, page->worker).ptr == cursor.data() + colon &&
                      std::from_chars(cursor.data() + colon + 1, end, page->slot).ptr == end;
    if (!read || page->worker >= workers())
      return done(ORBIT_INVALID_ARGUMENT, "the cursor '" + cursor + "' is none of this node's; expected one from next_cursor");
  }
  page->runtime = this;
  page->home = this_scheduler()->worker();
  page->type = std::move(type);
  page->limit = std::clamp<size_t>(limit, 1, kPageMax);
  page->done = std::move(done);
  Page::go_on(page);
}

void Runtime::activation_json(std::string type, std::string key, Done done) {
  on_activation(*this, type, key, std::move(done),
                [](Scheduler& scheduler, orbit_activation* a) { return json::serialize(describe(scheduler, a)); });
}

void Runtime::deactivate(std::string type, std::string key, Done done) {
  on_activation(*this, type, key, std::move(done), [](Scheduler& scheduler, orbit_activation* a) {
    std::string text = json::serialize(describe(scheduler, a));
    scheduler.leave(a, ORBIT_DEACTIVATION_ASKED);
    return text;
  });
}

void Runtime::append_metrics(std::string& text) const {
  const auto head = [&text](std::string_view name, std::string_view type, std::string_view help) {
    text.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  };
  const auto per_worker = [&](std::string_view name, std::string_view type, std::string_view help, Tally SchedulerTallies::*tally) {
    head(name, type, help);
    for (const auto& scheduler : schedulers_)
      text.append(name).append("{worker=\"").append(std::to_string(scheduler->worker())).append("\"} ")
          .append(std::to_string((scheduler->tallies().*tally).get())).append("\n");
  };
  per_worker("orbit_turns_total", "counter", "Turns that began.", &SchedulerTallies::turns);
  per_worker("orbit_messages_total", "counter", "Messages that reached an activation.", &SchedulerTallies::messages);
  per_worker("orbit_remote_messages_total", "counter", "Messages sent to another worker.", &SchedulerTallies::remote_messages);
  per_worker("orbit_rejected_messages_total", "counter", "Messages refused before their turn: a full mailbox, an unknown type, a bound.",
             &SchedulerTallies::rejected);
  per_worker("orbit_expired_messages_total", "counter", "Messages whose deadline passed before their turn.", &SchedulerTallies::expired);
  per_worker("orbit_cancelled_calls_total", "counter", "Calls cancelled while they waited or ran.", &SchedulerTallies::cancelled);
  per_worker("orbit_failed_turns_total", "counter", "Turns that ended with an error.", &SchedulerTallies::failed_turns);
  per_worker("orbit_call_cycles_total", "counter", "Calls refused because they would wait for themselves.", &SchedulerTallies::cycles);
  per_worker("orbit_activations_total", "counter", "Activations made.", &SchedulerTallies::activations);
  per_worker("orbit_deactivations_total", "counter", "Activations that left memory.", &SchedulerTallies::deactivations);
  per_worker("orbit_state_loads_total", "counter", "Reads of an actor's state.", &SchedulerTallies::loads);
  per_worker("orbit_failed_activations_total", "counter", "Activations that could not be made.", &SchedulerTallies::load_failures);
  per_worker("orbit_timer_ticks_total", "counter", "Ticks of actors' timers.", &SchedulerTallies::timer_ticks);
  per_worker("orbit_actor_memory_bytes", "gauge", "Memory held by activations and their state.", &SchedulerTallies::memory_bytes);
  head("orbit_dead_letters_total", "counter", "One-way messages that no turn handled, by the code of the reason.");
  for (const auto& scheduler : schedulers_) {
    for (size_t code = 1; code < DeadLetters::kCodes; ++code) {
      const uint64_t count = scheduler->dead_letters().count(code).get();
      if (count == 0) continue;
      text.append("orbit_dead_letters_total{worker=\"").append(std::to_string(scheduler->worker())).append("\",code=\"")
          .append(code_name(static_cast<orbit_code>(code))).append("\"} ").append(std::to_string(count)).append("\n");
    }
  }
  head("orbit_slow_turns_total", "counter", "Turns that kept their worker for longer than slow_turn_ms.");
  for (uint32_t worker = 0; worker < workers(); ++worker)
    text.append("orbit_slow_turns_total{worker=\"").append(std::to_string(worker)).append("\"} ")
        .append(std::to_string(turn_watch_->found(worker).get())).append("\n");
  head("orbit_activations", "gauge", "Activations in memory, by type.");
  types_.each_type([&text](const orbit_type& type) {
    const TypeVersion* version = type.current.load(std::memory_order_acquire);
    if (version == nullptr) return;
    text.append("orbit_activations{type=\"").append(type.name).append("\"} ")
        .append(std::to_string(version->activations.load(std::memory_order_relaxed))).append("\n");
  });
  const auto per_store = [&](std::string_view name, std::string_view type, std::string_view help, auto&& value) {
    head(name, type, help);
    for (const auto& store : stores_)
      text.append(name).append("{storage=\"").append(store->name()).append("\"} ").append(std::to_string(value(*store))).append("\n");
  };
  using Count = std::atomic<uint64_t>;
  const auto committed = [&](std::string_view name, std::string_view help, Count Committer::Counters::*count) {
    per_store(name, "counter", help, [&](const Store& store) { return (store.committer.counters().*count).load(); });
  };
  const auto due = [&](std::string_view name, std::string_view type, std::string_view help, Count DueIndex::Counters::*count) {
    per_store(name, type, help, [&](const Store& store) { return (store.due->counters().*count).load(); });
  };
  committed("orbit_commits_total", "Writes to the storage engine; each joins one batch or more.", &Committer::Counters::commits);
  committed("orbit_commit_syncs_total", "Commits that waited for the device.", &Committer::Counters::syncs);
  committed("orbit_commit_batches_total", "Batches of turns that were committed.", &Committer::Counters::batches);
  committed("orbit_commit_operations_total", "Puts and deletes in commits.", &Committer::Counters::operations);
  committed("orbit_commit_bytes_total", "Bytes of keys and values in commits.", &Committer::Counters::bytes);
  committed("orbit_commit_failures_total", "Commits that the storage engine refused.", &Committer::Counters::failures);
  head("orbit_commit_seconds", "histogram", "How long the storage engine took for one commit.");
  for (const auto& store : stores_)
    store->committer.counters().writes.append_to(text, "orbit_commit_seconds", label("storage", store->name()));
  head("orbit_turn_seconds", "histogram", "How long turns ran before their end or their first wait, of those that were sampled.");
  for (const auto& scheduler : schedulers_)
    scheduler->turn_times().append_to(text, "orbit_turn_seconds", label("worker", std::to_string(scheduler->worker())));
  due("orbit_due_sent_total", "counter", "Reminders and expiries sent to their actors.", &DueIndex::Counters::sent);
  due("orbit_due_failed_total", "counter", "Those that an actor did not take; they come again.", &DueIndex::Counters::failed);
  due("orbit_due_read_total", "counter", "Entries read from the stored index of what is due.", &DueIndex::Counters::read);
  due("orbit_due_waiting", "gauge", "Entries of that index in memory.", &DueIndex::Counters::waiting);
  per_store("orbit_storage_writable", "gauge", "1 while the storage engine takes writes.",
            [](const Store& store) { return store.committer.writable() ? 1 : 0; });
}

}  // namespace orbit::kernel
