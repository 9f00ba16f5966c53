// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The host's orbit.node/1.
#include <boost/json.hpp>
#include <memory>

#include "actor/keep.hpp"
#include "actor/runtime.hpp"
#include "executor/asio_executor.hpp"
#include "node/node.hpp"

namespace orbit::kernel {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kDrainPoll{20};

void emit(orbit_sink sink, const std::string& text) { sink.append(sink.ctx, to_c(Bytes(text))); }

// Answers on the worker that asked.
struct Answer {
  uint32_t worker;
  orbit_node_done done;
  void* ctx;
  std::string frees = {};  // the unloaded plugin whose name is free with the answer

  void operator()(orbit_code code, std::string text) const {
    if (!frees.empty()) this_node()->plugin_unloaded(frees);
    this_node()->runtime()->post(worker,
                                 [d = done, c = ctx, code, text = std::move(text)] { d(c, code, to_c(Bytes(text))); });
  }
  void operator()(const Error& error) const { (*this)(static_cast<orbit_code>(error.code), error.message); }
};

// Runs `task(answer)` on the main thread.
template <class Task>
void on_main(orbit_node_done done, void* ctx, Task task) {
  Node& node = *this_node();
  const Answer answer{node.executor().current(), done, ctx};
  const bool taken = node.submit([answer, task = std::move(task)] {
    if (this_node()->state() == Node::State::draining)
      answer(Error{Code::unavailable, "the node is draining"});
    else
      task(answer);
  });
  if (taken) return;
  const std::string text = node.state() == Node::State::draining
                               ? "the node is draining"
                               : "more than " + std::to_string(Node::kTasksMax) + " requests wait for the main thread";
  done(ctx, node.state() == Node::State::draining ? ORBIT_UNAVAILABLE : ORBIT_RESOURCE_EXHAUSTED, to_c(Bytes(text)));
}

// The newest generation of a module as listed, or nothing.
std::optional<json::object> newest_module(const std::string& name) {
  std::optional<json::object> out;
  const json::value modules = json::parse(this_node()->runtime()->modules_json());
  for (const json::value& module : modules.as_array()) {
    const json::object& o = module.as_object();
    if (o.at("name").as_string() == name &&
        (!out || o.at("generation").to_number<uint64_t>() > out->at("generation").to_number<uint64_t>()))
      out = o;
  }
  return out;
}

void load_module(orbit_bytes path, orbit_node_done done, void* ctx) {
  on_main(done, ctx, [file = std::string(from_c(path))](const Answer& answer) {
    const auto name = this_node()->modules()->load(file);
    if (!name) return answer(name.error());
    const auto module = newest_module(*name);
    if (module)
      answer(ORBIT_OK, json::serialize(*module));
    else
      answer(Error{Code::internal, "the module '" + *name + "' is loaded but not listed"});
  });
}

// Answers when no activation of the module is left, or the node's patience ends.
void await_retired(const std::string& name, std::chrono::steady_clock::time_point until, const Answer& answer) {
  const auto module = newest_module(name);
  if (!module || module->at("state").as_string() == "retired") return answer(ORBIT_OK, "{}");
  if (this_node()->state() == Node::State::draining) return answer(Error{Code::unavailable, "the node is draining"});
  if (std::chrono::steady_clock::now() >= until)
    return answer(Error{Code::deadline_exceeded,
                        "activations of '" + name + "' still run after stop_timeout_ms; they leave when they end"});
  this_node()->later(kDrainPoll, [name, until, answer] { await_retired(name, until, answer); });
}

void retire_module(orbit_bytes raw, orbit_node_done done, void* ctx) {
  on_main(done, ctx, [name = std::string(from_c(raw))](const Answer& answer) {
    Node& node = *this_node();
    if (!node.modules()->has(name)) return answer(Error{Code::not_found, "no module '" + name + "' is loaded"});
    if (auto retired = node.runtime()->retire_module(name); !retired) return answer(retired.error());
    if (auto forgotten = node.modules()->forget(name); !forgotten) return answer(forgotten.error());
    await_retired(
        name,
        std::chrono::steady_clock::now() + std::chrono::milliseconds(node.config().limits.integer("stop_timeout_ms")),
        answer);
  });
}

void load_plugin(orbit_bytes entry, orbit_node_done done, void* ctx) {
  on_main(done, ctx, [text = std::string(from_c(entry))](const Answer& answer) {
    auto loaded = this_node()->load_plugin(text);
    if (loaded)
      answer(ORBIT_OK, std::move(*loaded));
    else
      answer(loaded.error());
  });
}

void unload_plugin(const orbit_host* host, orbit_bytes raw, orbit_node_done done, void* ctx) {
  on_main(done, ctx, [name = std::string(from_c(raw)), asks = PluginContext::of(host).name](const Answer& answer) {
    this_node()->unload_plugin(name, asks, [name, answer = answer](const Result<>& ended) mutable {
      if (!ended) return answer(ended.error());
      answer.frees = name;
      if (this_node()->modules()->has(name))
        return answer(ORBIT_OK, "{}");  // a wire without types, named like a module
      // The actors of types that it brought.
      const std::chrono::milliseconds patience(this_node()->config().limits.integer("stop_timeout_ms"));
      await_retired(name, std::chrono::steady_clock::now() + patience, answer);
    });
  });
}

Runtime::Done pass_on(orbit_node_done done, void* ctx) {
  return [done, ctx](orbit_code code, const std::string& text) { done(ctx, code, to_c(Bytes(text))); };
}

orbit_code set_log_level(orbit_bytes logger, orbit_bytes level, orbit_error* error) {
  return at_edge(error, [&]() -> Result<> {
    const auto parsed = parse_log_level(from_c(level));
    if (!parsed) return tl::unexpected(parsed.error());
    return this_node()->log().set_level(from_c(logger), *parsed);
  });
}

void log_levels(orbit_sink sink) {
  Log& log = this_node()->log();
  json::object loggers;
  for (const auto& [name, level] : log.levels()) loggers[name] = log_level_name(level);
  emit(sink, json::serialize(
                 json::object{{"default", log_level_name(log.default_level())}, {"loggers", std::move(loggers)}}));
}

void log_tail(uint64_t after, size_t limit, orbit_sink sink) {
  Log::Tail tail = this_node()->log().tail(after, limit);
  json::array lines;
  for (const std::string& line : tail.lines) lines.emplace_back(line);
  emit(sink, json::serialize(json::object{{"position", tail.position}, {"lines", std::move(lines)}}));
}

constexpr orbit_node_v1 kNodeTable = {
    .struct_size = sizeof(orbit_node_v1),
    .reserved = 0,
    .node = [](orbit_sink sink) { emit(sink, this_node()->node_json()); },
    .workers = [](orbit_sink sink) { emit(sink, this_node()->workers_json()); },
    .plugins = [](orbit_sink sink) { emit(sink, this_node()->plugins_json()); },
    .modules = [](orbit_sink sink) { emit(sink, this_node()->runtime()->modules_json()); },
    .types = [](orbit_sink sink) { emit(sink, this_node()->runtime()->types_json()); },
    .config = [](orbit_sink sink) { emit(sink, this_node()->config_json()); },
    .metrics = [](orbit_sink sink) { emit(sink, this_node()->metrics_text()); },
    .ready = []() -> int { return this_node()->state() == Node::State::ready; },
    .set_log_level = &set_log_level,
    .log_levels = &log_levels,
    .activations =
        [](orbit_bytes type, orbit_bytes cursor, size_t limit, orbit_node_done done, void* ctx) {
          this_node()->runtime()->activations_json(std::string(from_c(type)), std::string(from_c(cursor)), limit,
                                                   pass_on(done, ctx));
        },
    .activation =
        [](orbit_bytes type, orbit_bytes key, orbit_node_done done, void* ctx) {
          this_node()->runtime()->activation_json(std::string(from_c(type)), std::string(from_c(key)),
                                                  pass_on(done, ctx));
        },
    .deactivate =
        [](orbit_bytes type, orbit_bytes key, orbit_node_done done, void* ctx) {
          this_node()->runtime()->deactivate(std::string(from_c(type)), std::string(from_c(key)), pass_on(done, ctx));
        },
    .load_module = &load_module,
    .retire_module = &retire_module,
    .log_tail = &log_tail,
    .keep =
        [](orbit_bytes type, orbit_bytes key, uint64_t duration_ms, uint64_t deadline_ns, orbit_node_done done,
           void* ctx) {
          keep_activation(*this_node()->runtime(), std::string(from_c(type)), std::string(from_c(key)), duration_ms,
                          deadline_ns, pass_on(done, ctx));
        },
    .load_plugin = &load_plugin,
    .unload_plugin = &unload_plugin,
};

}  // namespace

const orbit_node_v1* node_table() noexcept { return &kNodeTable; }

}  // namespace orbit::kernel
