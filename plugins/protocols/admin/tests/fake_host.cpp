// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "fake_host.hpp"

#include <cstdlib>
#include <stdexcept>

namespace orbit::admin::test {

namespace {

FakeHost* g_current = nullptr;

void put(orbit_sink sink, std::string_view text) { sink.append(sink.ctx, to_c(text)); }

void ask(std::string what, void (*done)(void*, orbit_code, orbit_bytes), void* ctx) {
  FakeHost& host = FakeHost::current();
  host.asked.push_back(what);
  if (host.hold_answers)
    host.questions.push_back({std::move(what), done, ctx});
  else
    done(ctx, ORBIT_OK, to_c("{}"));
}

std::string words(std::initializer_list<orbit_bytes> parts) {
  std::string out;
  for (const orbit_bytes part : parts) out.append(out.empty() ? "" : " ").append(from_c(part));
  return out;
}

const orbit_net_v1 kNet = {
    .struct_size = sizeof(orbit_net_v1),
    .listen = [](const orbit_host*, const orbit_listen_options* options, const orbit_connection_handler*, void*,
                 orbit_listener** listener, orbit_error*) -> orbit_code {
      FakeHost::current().listened = options->address;
      FakeHost::current().listening = true;
      *listener = reinterpret_cast<orbit_listener*>(&FakeHost::current());
      return ORBIT_OK;
    },
    .address = [](orbit_listener*) -> const char* { return FakeHost::current().listened.c_str(); },
    .stop_listening = [](orbit_listener*) { FakeHost::current().listening = false; },
    .reserve = [](orbit_connection* connection, size_t size) -> char* {
      connection->reserved.resize(size);
      return connection->reserved.data();
    },
    .commit = [](orbit_connection* connection,
                 size_t size) { connection->output.append(connection->reserved, 0, size); },
    .write = [](orbit_connection* connection, const char* data, size_t size) { connection->output.append(data, size); },
    .output_bytes = [](orbit_connection* connection) -> size_t { return connection->output.size(); },
    .pause = [](orbit_connection* connection) { connection->paused = true; },
    .resume =
        [](orbit_connection* connection) {
          connection->paused = false;
          connection->resumed = true;
        },
    .close = [](orbit_connection* connection) { connection->closing = true; },
    .peer_address = nullptr,
    .local_address = nullptr,
    .id = nullptr,
    .set_idle_timeout = [](orbit_connection* connection, uint64_t ms) { connection->idle_timeout_ms = ms; },
};

const orbit_workers_v1 kWorkers = {
    .struct_size = sizeof(orbit_workers_v1),
    .count = [](const orbit_host*) -> uint32_t { return 1; },
    .current = [](const orbit_host*) -> uint32_t { return 0; },
    .post = nullptr,
    .after = [](const orbit_host*, uint64_t delay_ms, orbit_function function, void* ctx) -> orbit_timer {
      FakeHost& host = FakeHost::current();
      host.timers[++host.last_timer] = {host.now_ms + delay_ms, function, ctx};
      return host.last_timer;
    },
    .cancel = [](const orbit_host*, orbit_timer timer) -> int {
      return FakeHost::current().timers.erase(timer) != 0 ? 1 : 0;
    },
    .blocking = nullptr,
    .monotonic_ns = [](const orbit_host*) -> uint64_t { return FakeHost::current().now_ms * 1'000'000; },
    .unix_ms = [](const orbit_host*) -> uint64_t { return FakeHost::current().now_ms; },
    .random = nullptr,
};

const orbit_metrics_v1 kMetrics = {
    .struct_size = sizeof(orbit_metrics_v1),
    .counter = [](const orbit_host*, const char* name, const char* labels, const char*) -> orbit_counter* {
      return reinterpret_cast<orbit_counter*>(&FakeHost::current().counters[std::string(name) + "{" + labels + "}"]);
    },
    .gauge = nullptr,
    .add = [](orbit_counter* counter, uint64_t amount) { *reinterpret_cast<uint64_t*>(counter) += amount; },
    .set = nullptr,
};

const orbit_node_v1 kNode = {
    .struct_size = sizeof(orbit_node_v1),
    .node =
        [](orbit_sink json) {
          if (FakeHost::current().throw_in_node) throw std::runtime_error("node() failed");
          put(json, R"({"name":)");  // in parts, as a sink may get it
          put(json, R"("fake"})");
        },
    .workers = [](orbit_sink json) { put(json, R"([{"worker":0}])"); },
    .plugins = [](orbit_sink json) { put(json, "[]"); },
    .modules = [](orbit_sink json) { put(json, "[]"); },
    .types = [](orbit_sink json) { put(json, FakeHost::kTypes); },
    .config = [](orbit_sink json) { put(json, R"({"node":{"workers":1}})"); },
    .metrics = [](orbit_sink text) { put(text, "orbit_up 1\n"); },
    .ready = [] { return FakeHost::current().ready ? 1 : 0; },
    .set_log_level = [](orbit_bytes logger, orbit_bytes level, orbit_error*) -> orbit_code {
      FakeHost& host = FakeHost::current();
      if (logger.size == 0) {
        host.default_level = from_c(level);
        for (auto& entry : host.levels) entry.second = from_c(level);
      } else {
        host.levels[std::string(from_c(logger))] = from_c(level);
      }
      return ORBIT_OK;
    },
    .log_levels =
        [](orbit_sink json) {
          std::string text = R"({"default":")" + FakeHost::current().default_level + R"(","loggers":{)";
          const char* comma = "";
          for (const auto& [name, level] : FakeHost::current().levels) {
            text += comma + ("\"" + name + "\":\"" + level + "\"");
            comma = ",";
          }
          put(json, text + "}}");
        },
    .activations =
        [](orbit_bytes type, orbit_bytes cursor, size_t limit, orbit_node_done done, void* ctx) {
          ask("activations type=" + std::string(from_c(type)) + " cursor=" + std::string(from_c(cursor)) +
                  " limit=" + std::to_string(limit),
              done, ctx);
        },
    .activation = [](orbit_bytes type, orbit_bytes key, orbit_node_done done,
                     void* ctx) { ask("activation " + words({type, key}), done, ctx); },
    .deactivate = [](orbit_bytes type, orbit_bytes key, orbit_node_done done,
                     void* ctx) { ask("deactivate " + words({type, key}), done, ctx); },
    .load_module = [](orbit_bytes path, orbit_node_done done, void* ctx) { ask("load " + words({path}), done, ctx); },
    .retire_module = [](orbit_bytes name, orbit_node_done done,
                        void* ctx) { ask("retire " + words({name}), done, ctx); },
};

orbit_actors_v1 make_actors() {
  orbit_actors_v1 actors{};
  actors.struct_size = sizeof actors;
  actors.call_json = [](orbit_bytes type, orbit_bytes key, orbit_bytes method, orbit_bytes json, uint64_t deadline_ns,
                        void (*done)(void*, orbit_code, orbit_bytes), void* ctx) {
    const uint64_t timeout_ms = deadline_ns / 1'000'000 - FakeHost::current().now_ms;
    ask("call " + words({type, key, method, json}) + " " + std::to_string(timeout_ms) + "ms", done, ctx);
  };
  actors.query_json = [](orbit_bytes type, orbit_bytes index, orbit_bytes json,
                         void (*done)(void*, orbit_code, orbit_bytes),
                         void* ctx) { ask("query " + words({type, index, json}), done, ctx); };
  return actors;
}
const orbit_introspection_v1 kIntrospection = {
    .struct_size = sizeof(orbit_introspection_v1),
    .reserved = 0,
    .dead_letters = [](size_t limit, orbit_node_done done,
                       void* ctx) { ask("dead_letters " + std::to_string(limit), done, ctx); },
    .waits = [](size_t limit, orbit_node_done done, void* ctx) { ask("waits " + std::to_string(limit), done, ctx); },
    .top = [](uint32_t by, size_t limit, orbit_node_done done,
              void* ctx) { ask("top by=" + std::to_string(by) + " limit=" + std::to_string(limit), done, ctx); },
    .slow_turns = [](size_t limit, orbit_node_done done,
                     void* ctx) { ask("slow_turns " + std::to_string(limit), done, ctx); },
};
const orbit_actors_v1 kActors = make_actors();

const orbit_storage_ops_v1 kStorageOps = {
    .struct_size = sizeof(orbit_storage_ops_v1),
    .reserved = 0,
    .storages = [](orbit_sink json) { put(json, R"([{"name":"main"}])"); },
    .migrations = [](orbit_sink json) { put(json, "[]"); },
    .migrate = [](orbit_bytes from, orbit_bytes to, orbit_node_done done, void* ctx) { ask("migrate " + words({from, to}), done, ctx); },
    .backups = [](orbit_sink json) { put(json, "[]"); },
    .backup = [](orbit_bytes storage, orbit_bytes folder, orbit_node_done done, void* ctx) { ask("backup " + words({storage, folder}), done, ctx); },
};

const void* extension(const orbit_host*, const char* id) {
  const std::string_view wanted = id;
  if (wanted == ORBIT_NET_V1) return &kNet;
  if (wanted == ORBIT_WORKERS_V1) return &kWorkers;
  if (wanted == ORBIT_NODE_V1) return &kNode;
  if (wanted == ORBIT_ACTORS_V1) return &kActors;
  if (wanted == ORBIT_STORAGE_OPS_V1) return &kStorageOps;
  if (wanted == ORBIT_METRICS_V1) return &kMetrics;
  if (wanted == ORBIT_INTROSPECTION_V1) return &kIntrospection;
  return nullptr;
}

}  // namespace

FakeHost& FakeHost::current() {
  if (g_current == nullptr) std::abort();
  return *g_current;
}

FakeHost::FakeHost(ServerOptions options) {
  if (g_current != nullptr) std::abort();
  g_current = this;
  host_ = {sizeof(orbit_host), ORBIT_ABI_MAJOR, ORBIT_ABI_MINOR, &extension};
  if (options.listen.empty()) options.listen = "127.0.0.1:7080";
  server_ = std::make_unique<Server>(Host(&host_), std::move(options));
}

FakeHost::~FakeHost() {
  hold_answers = false;
  while (!questions.empty()) answer(ORBIT_UNAVAILABLE, "the test is over");
  // A ticket belongs to its timer: let every timer run out.
  advance(24ull * 3600 * 1000);
  g_current = nullptr;
}

void FakeHost::advance(uint64_t ms) {
  now_ms += ms;
  for (auto it = timers.begin(); it != timers.end();) {
    if (it->second.due_ms > now_ms) {
      ++it;
      continue;
    }
    const Timer timer = it->second;
    timers.erase(it);
    timer.function(timer.ctx);
    it = timers.begin();
  }
}

void FakeHost::answer(orbit_code code, std::string_view text) {
  const Question question = questions.front();
  questions.pop_front();
  question.done(question.ctx, code, to_c(text));
}

Client::Client(FakeHost& host) {
  context_ = Server::kHandler.opened(&host.server(), &connection_);
  connection_.idle_timeout_ms = host.server().options().idle_timeout_ms;
}

Client::~Client() { hang_up(); }

void Client::hang_up() {
  if (context_ != nullptr) Server::kHandler.closed(std::exchange(context_, nullptr), ORBIT_OK);
}

void Client::send(std::string_view bytes) {
  pending_ += bytes;
  if (connection_.paused || connection_.closing || context_ == nullptr) return;
  connection_.resumed = false;
  const size_t consumed = Server::kHandler.received(context_, pending_.data(), pending_.size());
  if (consumed > pending_.size()) std::abort();
  pending_.erase(0, consumed);
  pump();
}

void Client::pump() {
  while (connection_.resumed && !connection_.paused && !connection_.closing && context_ != nullptr &&
         !pending_.empty()) {
    connection_.resumed = false;
    const size_t consumed = Server::kHandler.received(context_, pending_.data(), pending_.size());
    if (consumed > pending_.size()) std::abort();
    pending_.erase(0, consumed);
  }
}

}  // namespace orbit::admin::test
