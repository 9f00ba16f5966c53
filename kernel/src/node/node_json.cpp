// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a node says about itself, as docs/admin-api.md names it.
#include <unistd.h>
#include <boost/json.hpp>
#include <ctime>
#include <fstream>

#include "actor/runtime.hpp"
#include "executor/asio_executor.hpp"
#include "net/socket_net.hpp"
#include "node/node.hpp"

namespace orbit::kernel {
namespace {

namespace json = boost::json;

const char* state_name(Node::State state) {
  switch (state) {
    case Node::State::starting:
      return "starting";
    case Node::State::ready:
      return "ready";
    case Node::State::draining:
      break;
  }
  return "draining";
}

std::string rfc3339(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

json::object plugin_object(const PluginStatus& status) {
  return {{"instance", status.instance},
          {"id", status.id},
          {"version", status.version},
          {"file", status.file},
          {"state", status.state},
          {"configured", status.configured},
          {"provides", json::value_from(status.provides)},
          {"needs", json::value_from(status.needs)},
          {"error", status.error}};
}

uint64_t resident_bytes() {
  uint64_t size = 0;
  uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

std::string Node::node_json() const {
  json::array where;
  for (const ListenerInfo& listener : listeners())
    where.push_back(json::object{{"plugin", listener.plugin},
                                 {"address", listener.address},
                                 {"tls", listener.exposure.tls},
                                 {"open_to", exposure_text(listener.exposure, exposure_policy_)}});
  const auto uptime =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_);
  return json::serialize(json::object{{"name", config_.node.string("name")},
                                      {"version", options_.version},
                                      {"state", state_name(state())},
                                      {"started_at", rfc3339(started_at_)},
                                      {"uptime_ms", uptime.count()},
                                      {"pid", ::getpid()},
                                      {"workers", executor_->workers()},
                                      {"memory_bytes", resident_bytes()},
                                      {"activations", runtime_->activations()},
                                      {"listeners", std::move(where)}});
}

std::string Node::plugins_json() const {
  json::array out;
  for (const PluginStatus& status : plugins_->status()) out.push_back(plugin_object(status));
  return json::serialize(out);
}

std::optional<std::string> Node::plugin_json(const std::string& instance) const {
  for (const PluginStatus& status : plugins_->status())
    if (status.instance == instance) return json::serialize(plugin_object(status));
  return std::nullopt;
}

std::string Node::workers_json() const {
  json::value workers = json::parse(runtime_->workers_json());
  const auto counters = net_->counters();
  size_t index = 0;
  for (json::value& worker : workers.as_array())
    if (index < counters.size()) worker.as_object()["connections"] = counters[index++].connections;
  return json::serialize(workers);
}

std::string Node::metrics_text() const {
  std::string text = metrics_.render();
  runtime_->append_metrics(text);
  return text;
}

}  // namespace orbit::kernel
