// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/http/server.hpp"

#include <algorithm>

#include "session.hpp"

namespace orbit::http {

std::string_view Cors::allowed(std::string_view origin) const noexcept {
  for (const std::string& one : origins) {
    if (one == "*") return one;
    if (equal_ignoring_case(one, origin)) return origin;
  }
  return {};
}

void append_event(std::string& out, std::string_view id, std::string_view name, std::string_view data) {
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  if (!name.empty()) out.append("event: ").append(name).append("\n");
  for (;;) {
    const size_t end = std::min(data.find('\n'), data.size());
    out.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == data.size()) break;
    data.remove_prefix(end + 1);
  }
  out += '\n';
}

ServerOptions ServerOptions::from(const Config& config) {
  const auto number = [&config](std::string_view key) { return static_cast<uint64_t>(config.integer(key)); };
  ServerOptions out;
  out.listen.address = config.string("listen");
  out.listen.tls = TlsSettings(config);
  out.listen.connections_max = static_cast<uint32_t>(number("connections_max"));
  out.limits.header_bytes_max = static_cast<uint32_t>(number("header_bytes_max"));
  out.limits.request_line_bytes_max = std::min(out.limits.request_line_bytes_max, out.limits.header_bytes_max);
  out.limits.body_bytes_max = number("body_bytes_max");
  out.idle_timeout_ms = number("idle_timeout_ms");
  out.request_timeout_ms = number("request_timeout_ms");
  return out;
}

Server::Server(Host host, ServerOptions options, Service& service)
    : host_(host),
      options_(std::move(options)),
      service_(service),
      workers_(host.require<orbit_workers_v1>(ORBIT_WORKERS_V1)),
      metrics_(host.extension<orbit_metrics_v1>(ORBIT_METRICS_V1)) {
  ListenOptions& listen = options_.listen;
  listen.idle_timeout_ms = options_.idle_timeout_ms;
  // Room for a head that is just too long, so that the client is told so, and for requests that it sent ahead.
  listen.input_bytes_max = 2ull * options_.limits.header_bytes_max + 64 * 1024;
  // One answer may be as large as an actor's reply; what is not bounded here is by output_pause_bytes per request.
  listen.output_bytes_max = 256ull * 1024 * 1024;
  Response full = problem(503, Code::resource_exhausted, "connections_max is reached; try again later", {});
  full.headers.emplace_back("Retry-After", "1");
  listen.too_many_connections = serialize(full, {.keep_alive = false});
}

Result<> Server::start() {
  if (metrics_ != nullptr && !options_.metric.empty()) {
    const std::string name = options_.metric + "_answers_total", help = "Answers of the " + options_.name + ".";
    for (size_t digit = 1; digit < answers_.size(); ++digit) {
      const std::string label = "status=\"" + std::to_string(digit) + "xx\"";
      answers_[digit] = metrics_->counter(host_.raw(), name.c_str(), label.c_str(), help.c_str());
    }
  }
  auto listener = listen<Session>(host_, options_.listen, *this);
  if (!listener) return tl::unexpected<Error>(listener.error());
  listener_ = std::move(*listener);
  return {};
}

void Server::stop() noexcept {
  stopping_.store(true, std::memory_order_relaxed);
  listener_.stop();
}

std::string Server::url() const {
  return (options_.listen.tls.enabled() ? "https://" : "http://") + std::string(listener_.address());
}

void Server::count_answer(int status) const noexcept {
  const auto digit = static_cast<size_t>(status / 100);
  if (digit < answers_.size() && answers_[digit] != nullptr) metrics_->add(answers_[digit], 1);
}

}  // namespace orbit::http
