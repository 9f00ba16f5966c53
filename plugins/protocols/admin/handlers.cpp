// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "handlers.hpp"

#include "console.hpp"
#include "handler_parts.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <optional>

namespace orbit::admin::handlers {

using http::json_response;
using http::Response;
using http::valid_utf8;

namespace json = boost::json;

// ---- what handlers share -------------------------------------------------------------------------------------------

std::string read(NodeQuery query) {
  std::string out;
  query({&out, [](void* ctx, orbit_bytes part) { static_cast<std::string*>(ctx)->append(from_c(part)); }});
  return out;
}

Response list_response(std::string_view member, NodeQuery query) {
  std::string body = "{\"";
  body += member;
  body += "\":";
  body += read(query);
  body += '}';
  return json_response(200, std::move(body));
}

void done_json(void* ctx, orbit_code code, orbit_bytes text) {
  const ExchangePtr exchange(static_cast<Exchange*>(ctx));
  if (code == ORBIT_OK)
    exchange->answer(json_response(200, std::string(from_c(text))));
  else
    exchange->fail(static_cast<Code>(code), from_c(text));
}

std::optional<json::object> parse_body(Exchange& exchange, std::initializer_list<std::string_view> known) {
  json::error_code error;
  json::value value = json::parse(exchange.request().body, error);
  if (error) {
    exchange.fail(Code::invalid_argument, "the body is no JSON: " + error.message());
    return std::nullopt;
  }
  if (!value.is_object()) {
    exchange.fail(Code::invalid_argument, "the body must be a JSON object");
    return std::nullopt;
  }
  for (const auto& member : value.get_object()) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string detail = "the body has an unknown member '" + std::string(key) + "'; known:";
    for (const std::string_view name : known) detail.append(" ").append(name);
    exchange.fail(Code::invalid_argument, detail);
    return std::nullopt;
  }
  return std::move(value.get_object());
}

void done_empty(void* ctx, orbit_code code, orbit_bytes text) {
  const ExchangePtr exchange(static_cast<Exchange*>(ctx));
  if (code == ORBIT_OK)
    exchange->answer({204, {}, {}, {}});
  else
    exchange->fail(static_cast<Code>(code), from_c(text));
}

namespace {

// A whole decimal number within the bounds, or nothing.
std::optional<uint64_t> parse_number(std::string_view text, uint64_t min, uint64_t max) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) return std::nullopt;
  return value;
}

constexpr std::array<std::string_view, 5> kLevels = {"trace", "debug", "info", "warn", "error"};

struct LevelChange {
  std::string logger;  // empty: all
  std::string level;
};

// What the body asks for, `default` first; answers the exchange itself when that is not possible.
std::optional<std::vector<LevelChange>> level_changes(Exchange& exchange, const json::object& body,
                                                      const json::object& in_force) {
  std::vector<LevelChange> changes;
  const auto add = [&](std::string_view logger, const json::value& level) {
    if (!level.is_string() || std::find(kLevels.begin(), kLevels.end(), view(level.get_string())) == kLevels.end()) {
      exchange.fail(Code::invalid_argument, "the level of '" + std::string(logger.empty() ? "default" : logger) +
                                                "' must be one of trace, debug, info, warn, error");
      return false;
    }
    changes.push_back({std::string(logger), std::string(view(level.get_string()))});
    return true;
  };
  if (const auto* level = body.if_contains("default"); level != nullptr && !add({}, *level)) return std::nullopt;
  if (const auto* loggers = body.if_contains("loggers")) {
    if (!loggers->is_object()) {
      exchange.fail(Code::invalid_argument, "'loggers' must be an object of logger names and levels");
      return std::nullopt;
    }
    const auto* known = in_force.if_contains("loggers");
    for (const auto& [name, level] : loggers->get_object()) {
      const std::string_view logger(name.data(), name.size());
      if (known == nullptr || !known->is_object() || !known->get_object().contains(name)) {
        exchange.fail(Code::not_found,
                      "there is no logger '" + std::string(logger) + "'; GET /v1/log/levels lists them");
        return std::nullopt;
      }
      if (!add(logger, level)) return std::nullopt;
    }
  }
  if (changes.empty()) {
    exchange.fail(Code::invalid_argument, "the body names no level: give 'default', 'loggers' or both");
    return std::nullopt;
  }
  return changes;
}

}  // namespace

void health(const Services&, ExchangePtr exchange) { exchange->answer(json_response(200, R"({"status":"ok"})")); }

void ready(const Services& services, ExchangePtr exchange) {
  if (services.node->ready() != 0)
    exchange->answer(json_response(200, R"({"status":"ready"})"));
  else
    exchange->fail(Code::unavailable, "the node is starting or draining");
}

void node(const Services& services, ExchangePtr exchange) {
  exchange->answer(json_response(200, read(services.node->node)));
}

void workers(const Services& services, ExchangePtr exchange) {
  exchange->answer(list_response("workers", services.node->workers));
}

void plugins(const Services& services, ExchangePtr exchange) {
  exchange->answer(list_response("plugins", services.node->plugins));
}

void modules(const Services& services, ExchangePtr exchange) {
  exchange->answer(list_response("modules", services.node->modules));
}

void load_module(const Services& services, ExchangePtr exchange) {
  const auto body = parse_body(*exchange, {"path"});
  if (!body) return;
  const auto* path = body->if_contains("path");
  if (path == nullptr || !path->is_string() || !path->get_string().starts_with('/'))
    return exchange->fail(Code::invalid_argument, "'path' must be an absolute path on the node's machine");
  services.node->load_module(to_c(view(path->get_string())), done_json, exchange.release());
}

void retire_module(const Services& services, ExchangePtr exchange) {
  const std::string name = exchange->path(0);
  services.node->retire_module(to_c(name), done_empty, exchange.release());
}

void types(const Services& services, ExchangePtr exchange) {
  exchange->answer(list_response("types", services.node->types));
}

void type(const Services& services, ExchangePtr exchange) {
  const std::string& name = exchange->path(0);
  const json::value all = json::parse(read(services.node->types));
  for (const auto& one : all.as_array())
    if (view(one.at("name").as_string()) == name) return exchange->answer(json_response(200, json::serialize(one)));
  exchange->fail(Code::not_found, "there is no actor type '" + name + "'");
}

void activations(const Services& services, ExchangePtr exchange) {
  const auto limit = parse_number(exchange->query("limit", "100"), 1, 1000);
  if (!limit) return exchange->fail(Code::invalid_argument, "'limit' must be a number from 1 to 1000");
  const std::string type_name(exchange->query("type"));
  const std::string cursor(exchange->query("cursor"));
  services.node->activations(to_c(type_name), to_c(cursor), static_cast<size_t>(*limit), done_json, exchange.release());
}

void activation(const Services& services, ExchangePtr exchange) {
  const std::string type_name = exchange->path(0), key = exchange->path(1);
  services.node->activation(to_c(type_name), to_c(key), done_json, exchange.release());
}

void deactivate(const Services& services, ExchangePtr exchange) {
  const std::string type_name = exchange->path(0), key = exchange->path(1);
  services.node->deactivate(to_c(type_name), to_c(key), done_empty, exchange.release());
}

// Values are text whatever the index holds: what takes a number or a boolean takes it as a string too.
void query_index(const Services& services, ExchangePtr exchange) {
  const auto limit = parse_number(exchange->query("limit", "100"), 1, ORBIT_QUERY_LIMIT_MAX);
  if (!limit)
    return exchange->fail(Code::invalid_argument,
                          "'limit' must be a number from 1 to " + std::to_string(ORBIT_QUERY_LIMIT_MAX));
  json::object query{{"limit", *limit}};
  for (const char* name : {"equals", "from", "to", "after"})
    if (exchange->has_query(name)) query[name] = exchange->query(name);
  const std::string_view order = exchange->query("order", "ascending");
  if (order != "ascending" && order != "descending")
    return exchange->fail(Code::invalid_argument, "'order' must be ascending or descending");
  query["descending"] = order == "descending";
  if (query.contains("equals") && (query.contains("from") || query.contains("to")))
    return exchange->fail(Code::invalid_argument, "give 'equals', or 'from' and 'to', not both");
  const std::string type_name = exchange->path(0), index = exchange->path(1);
  const std::string text = valid_utf8(json::serialize(query));
  services.actors->query_json(to_c(type_name), to_c(index), to_c(text), done_json, exchange.release());
}

namespace {

// `limit` of a question about what happens now; answers the exchange itself when it is none.
std::optional<size_t> limit_of(Exchange& exchange, std::string_view otherwise, uint64_t most) {
  const auto limit = parse_number(exchange.query("limit", otherwise), 1, most);
  if (!limit) exchange.fail(Code::invalid_argument, "'limit' must be a number from 1 to " + std::to_string(most));
  return limit ? std::optional<size_t>(static_cast<size_t>(*limit)) : std::nullopt;
}

}  // namespace

void top(const Services& services, ExchangePtr exchange) {
  const auto limit = limit_of(*exchange, "20", 1000);
  if (!limit) return;
  const std::string_view by = exchange->query("by", "calls");
  if (by != "calls" && by != "time") return exchange->fail(Code::invalid_argument, "'by' must be calls or time");
  services.introspection->top(by == "time" ? ORBIT_HOT_BY_TIME : ORBIT_HOT_BY_CALLS, *limit, done_json,
                              exchange.release());
}

void waits(const Services& services, ExchangePtr exchange) {
  if (const auto limit = limit_of(*exchange, "1000", ORBIT_WAITING_TURNS_MAX))
    services.introspection->waits(*limit, done_json, exchange.release());
}

void slow_turns(const Services& services, ExchangePtr exchange) {
  if (const auto limit = limit_of(*exchange, "100", 1000))
    services.introspection->slow_turns(*limit, done_json, exchange.release());
}

void dead_letters(const Services& services, ExchangePtr exchange) {
  if (const auto limit = limit_of(*exchange, "100", 1000))
    services.introspection->dead_letters(*limit, done_json, exchange.release());
}

void call(const Services& services, ExchangePtr exchange) {
  uint64_t timeout_ms = services.call_timeout_ms;
  if (const auto text = exchange->query("timeout_ms"); !text.empty()) {
    const auto asked = parse_number(text, 1, services.call_timeout_ms);
    if (!asked)
      return exchange->fail(Code::invalid_argument, "'timeout_ms' must be a number from 1 to call_timeout_ms, " +
                                                        std::to_string(services.call_timeout_ms));
    timeout_ms = *asked;
  }
  const std::string type_name = exchange->path(0), key = exchange->path(1), method = exchange->path(2);
  const std::string body = exchange->request().body;
  const uint64_t deadline_ns = services.monotonic_ns() + timeout_ms * 1'000'000;
  if (exchange->user.empty())
    return services.actors->call_json(to_c(type_name), to_c(key), to_c(method), to_c(body), deadline_ns, done_json,
                                      exchange.release());
  const std::string user = exchange->user;
  const orbit_context_entry context{{"user", 4}, to_c(user)};
  services.actors->start_json(to_c(type_name), to_c(key), to_c(method), to_c(body), deadline_ns, &context, 1, done_json,
                              exchange.release());
}

void config(const Services& services, ExchangePtr exchange) {
  exchange->answer(json_response(200, read(services.node->config)));
}

void log_levels(const Services& services, ExchangePtr exchange) {
  exchange->answer(json_response(200, read(services.node->log_levels)));
}

void set_log_levels(const Services& services, ExchangePtr exchange) {
  const auto body = parse_body(*exchange, {"default", "loggers"});
  if (!body) return;
  const json::value in_force = json::parse(read(services.node->log_levels));
  const auto changes = level_changes(*exchange, *body, in_force.as_object());
  if (!changes) return;
  for (const auto& [logger, level] : *changes) {
    ErrorOut error;
    const orbit_code code = services.node->set_log_level(to_c(logger), to_c(level), &error);
    if (code != ORBIT_OK) return exchange->fail(static_cast<Code>(code), error.message);
  }
  exchange->answer(json_response(200, read(services.node->log_levels)));
}

void metrics(const Services& services, ExchangePtr exchange) {
  exchange->answer({200, "text/plain; version=0.0.4; charset=utf-8", read(services.node->metrics), {}});
}

void log_tail(const Services& services, ExchangePtr exchange) {
  constexpr uint64_t kMost = 1000;
  const auto after = parse_number(exchange->query("after", "0"), 0, UINT64_MAX);
  if (!after) return exchange->fail(Code::invalid_argument, "'after' must be a position, as 'position' of an answer is");
  const auto limit = parse_number(exchange->query("limit", "1000"), 1, kMost);
  if (!limit) return exchange->fail(Code::invalid_argument, "'limit' must be a number from 1 to 1000");
  std::string text;
  services.node->log_tail(*after, static_cast<size_t>(*limit), {&text, [](void* ctx, orbit_bytes part) {
                                                                  static_cast<std::string*>(ctx)->append(from_c(part));
                                                                }});
  exchange->answer(json_response(200, valid_utf8(text)));
}

void message_forms(const Services& services, ExchangePtr exchange) {
  exchange->answer(json_response(200, services.message_forms()));
}

void console(const Services&, ExchangePtr exchange) { exchange->answer(console_page()); }

void openapi(const Services& services, ExchangePtr exchange) { exchange->answer(json_response(200, services.openapi)); }

}  // namespace orbit::admin::handlers
