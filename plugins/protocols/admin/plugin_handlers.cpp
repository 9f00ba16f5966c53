// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Plugins that are loaded into the running node, and unloaded.
#include <cstddef>

#include "handler_parts.hpp"
#include "handlers.hpp"

namespace orbit::admin::handlers {

namespace json = boost::json;

namespace {

// False, and the exchange is answered: this host is older than the functions that are asked for.
bool has_plugin_loads(const Services& services, Exchange& exchange) {
  constexpr size_t kNeeded = offsetof(orbit_node_v1, unload_plugin) + sizeof(orbit_node_v1::unload_plugin);
  if (services.node->struct_size >= kNeeded) return true;
  exchange.fail(Code::unimplemented, "this node's " ORBIT_NODE_V1 " cannot load plugins while it runs");
  return false;
}

// The node tells every mistake on a line of its own; clients get them in `detail` and one by one in `errors`.
void done_load(void* ctx, orbit_code code, orbit_bytes text) {
  if (code != ORBIT_INVALID_ARGUMENT) return done_json(ctx, code, text);
  const ExchangePtr exchange(static_cast<Exchange*>(ctx));
  json::array errors;
  std::string detail;
  for (std::string_view rest = from_c(text); !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    errors.emplace_back(http::valid_utf8(rest.substr(0, end)));
    detail.append(detail.empty() ? "" : "\n").append(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  http::Response answer = http::problem(http::status_of(Code::invalid_argument), Code::invalid_argument, detail,
                                        exchange->request().target);
  answer.body.pop_back();
  answer.body += ",\"errors\":" + json::serialize(errors) + "}";
  exchange->answer(std::move(answer));
}

}  // namespace

void load_plugin(const Services& services, ExchangePtr exchange) {
  if (!has_plugin_loads(services, *exchange)) return;
  const std::string body = exchange->request().body;
  services.node->load_plugin(to_c(body), done_load, exchange.release());
}

void unload_plugin(const Services& services, ExchangePtr exchange) {
  if (!has_plugin_loads(services, *exchange)) return;
  const std::string name = exchange->path(0);
  services.node->unload_plugin(services.host, to_c(name), done_empty, exchange.release());
}

}  // namespace orbit::admin::handlers
