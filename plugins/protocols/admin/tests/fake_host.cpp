// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "fake_host.hpp"

#include <cstdlib>
#include <stdexcept>

#include "orbit/ext/descriptors.h"

namespace orbit::admin::test {

namespace {

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
    .log_tail =
        [](uint64_t after, size_t limit, orbit_sink json) {
          put(json, R"({"position":7,"lines":["after )" + std::to_string(after) + " limit " + std::to_string(limit) + " \xff\"]}");
        },
    .load_plugin = [](orbit_bytes entry, orbit_node_done done,
                      void* ctx) { ask("load plugin " + words({entry}), done, ctx); },
    .unload_plugin = [](const orbit_host*, orbit_bytes name, orbit_node_done done,
                        void* ctx) { ask("unload plugin " + words({name}), done, ctx); },
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

const orbit_descriptors_v1 kDescriptors = {
    .struct_size = sizeof(orbit_descriptors_v1),
    .reserved = 0,
    .generation = [] { return uint64_t{1}; },
    .each = [](void (*)(void*, const orbit_callable_type*), void*) { return uint64_t{1}; },
};

const orbit_storage_ops_v1 kStorageOps = {
    .struct_size = sizeof(orbit_storage_ops_v1),
    .reserved = 0,
    .storages = [](orbit_sink json) { put(json, R"([{"name":"main"}])"); },
    .migrations = [](orbit_sink json) { put(json, "[]"); },
    .migrate = [](orbit_bytes from, orbit_bytes to, orbit_node_done done,
                  void* ctx) { ask("migrate " + words({from, to}), done, ctx); },
    .backups = [](orbit_sink json) { put(json, "[]"); },
    .backup = [](orbit_bytes storage, orbit_bytes folder, orbit_node_done done,
                 void* ctx) { ask("backup " + words({storage, folder}), done, ctx); },
    .jobs = [](orbit_sink json) { put(json, "[]"); },
    .work = [](orbit_bytes kind, orbit_bytes storage, orbit_bytes path, orbit_node_done done,
               void* ctx) { ask("work " + words({kind, storage, path}), done, ctx); },
    .bytes_per_second = [] { return FakeHost::current().bytes_per_second; },
    .set_bytes_per_second = [](uint64_t limit) { FakeHost::current().bytes_per_second = limit; },
};

}  // namespace

FakeHost& FakeHost::current() { return static_cast<FakeHost&>(FakeNet::current()); }

const void* FakeHost::extension(std::string_view id) {
  if (id == ORBIT_DESCRIPTORS_V1) return &kDescriptors;
  if (id == ORBIT_NODE_V1) return &kNode;
  if (id == ORBIT_ACTORS_V1) return &kActors;
  if (id == ORBIT_STORAGE_OPS_V1) return &kStorageOps;
  if (id == ORBIT_INTROSPECTION_V1) return &kIntrospection;
  return FakeNet::extension(id);
}

FakeHost::FakeHost(ServerOptions options) {
  if (options.http.listen.address.empty()) options.http.listen.address = "127.0.0.1:7080";
  // As plugin.cpp does.
  options.http.header_timeout_ms = options.http.request_timeout_ms;
  server_ = std::make_unique<Server>(host(), std::move(options));
  if (!server_->start()) std::abort();
}

FakeHost::~FakeHost() {
  hold_answers = false;
  while (!questions.empty()) answer(ORBIT_UNAVAILABLE, "the test is over");
  advance(24ull * 3600 * 1000);
}

void FakeHost::answer(orbit_code code, std::string_view text) {
  const Question question = questions.front();
  questions.pop_front();
  question.done(question.ctx, code, to_c(text));
}

}  // namespace orbit::admin::test
