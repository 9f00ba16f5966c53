// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "observe/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <deque>

#include "plugin/context.hpp"

namespace {

// A thread keeps its shard for life: workers land on different ones.
size_t own_shard() noexcept {
  static std::atomic<size_t> next{0};
  thread_local const size_t shard = next.fetch_add(1, std::memory_order_relaxed) % orbit_counter::kShards;
  return shard;
}

}  // namespace

void orbit_counter::add(uint64_t amount) noexcept {
  shards[own_shard()].value.fetch_add(amount, std::memory_order_relaxed);
}

uint64_t orbit_counter::value() const noexcept {
  uint64_t sum = 0;
  for (const Shard& shard : shards) sum += shard.value.load(std::memory_order_relaxed);
  return sum;
}

namespace orbit::kernel {
namespace {

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

bool valid_name(std::string_view name) {
  if (name.empty() || !(name_start(name[0]) || name[0] == ':')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return name_start(c) || digit(c) || c == ':'; });
}

// name="value",name="value" with \\ \" \n as the only escapes.
bool valid_labels(std::string_view text) {
  if (text.empty()) return true;
  size_t at = 0;
  for (;;) {
    if (at >= text.size() || !name_start(text[at])) return false;
    while (at < text.size() && (name_start(text[at]) || digit(text[at]))) ++at;
    if (text.substr(at, 2) != "=\"") return false;
    for (at += 2;; ++at) {
      if (at >= text.size() || text[at] == '\n') return false;
      if (text[at] == '"') break;
      if (text[at] == '\\') {
        ++at;
        if (at >= text.size() || std::strchr("\\\"n", text[at]) == nullptr) return false;
      }
    }
    if (++at == text.size()) return true;
    if (text[at++] != ',') return false;
  }
}

std::string escape_help(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char buffer[64];
    const bool whole = std::abs(value) < 9.0e15 && value == std::floor(value);
    const auto end = whole ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<int64_t>(value)).ptr
                           : std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    out.append(buffer, end);
  }
}

// Objects that plugins hold must outlive everything.
template <class T>
T* make_immortal() {
  static std::mutex mutex;
  static auto* objects = new std::deque<T>();
  const std::lock_guard lock(mutex);
  return &objects->emplace_back();
}

}  // namespace

void Exposition::sample(const char* type, std::string_view name, std::string_view help, std::string_view labels,
                        double value) {
  auto it = families_.find(name);
  if (it == families_.end()) it = families_.emplace(std::string(name), Family{type, std::string(help), {}}).first;
  it->second.samples[std::string(labels)] = value;
}

void Exposition::counter(std::string_view name, std::string_view help, std::string_view labels, double value) {
  sample("counter", name, help, labels, value);
}

void Exposition::gauge(std::string_view name, std::string_view help, std::string_view labels, double value) {
  sample("gauge", name, help, labels, value);
}

std::string Exposition::text() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    if (!family.help.empty()) out += "# HELP " + name + " " + escape_help(family.help) + "\n";
    out += "# TYPE " + name + " " + family.type + "\n";
    for (const auto& [labels, value] : family.samples) {
      out += name;
      if (!labels.empty()) out += "{" + labels + "}";
      out += ' ';
      append_number(out, value);
      out += '\n';
    }
  }
  return out;
}

std::string label(std::string_view name, std::string_view value) {
  std::string out(name);
  out += "=\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + '"';
}

Metrics::Metrics()
    : unrendered_counter_(make_immortal<orbit_counter>()), unrendered_gauge_(make_immortal<orbit_gauge>()) {}

Metrics::Family* Metrics::family(std::string_view name, std::string_view labels, std::string_view help,
                                 bool is_counter) {
  auto it = families_.find(name);
  if (series_ >= kSeriesMax || !valid_name(name) || !valid_labels(labels) ||
      (it != families_.end() && it->second.is_counter != is_counter)) {
    refused_.add(1);
    return nullptr;
  }
  if (it == families_.end())
    it = families_.emplace(std::string(name), Family{is_counter, std::string(help), {}, {}}).first;
  return &it->second;
}

orbit_counter* Metrics::counter(std::string_view name, std::string_view labels, std::string_view help) {
  const std::lock_guard lock(mutex_);
  if (const auto known = families_.find(name); known != families_.end() && known->second.is_counter)
    if (const auto it = known->second.counters.find(labels); it != known->second.counters.end()) return it->second;
  Family* made = family(name, labels, help, true);
  if (made == nullptr) return unrendered_counter_;
  ++series_;
  return made->counters[std::string(labels)] = make_immortal<orbit_counter>();
}

orbit_gauge* Metrics::gauge(std::string_view name, std::string_view labels, std::string_view help) {
  const std::lock_guard lock(mutex_);
  if (const auto known = families_.find(name); known != families_.end() && !known->second.is_counter)
    if (const auto it = known->second.gauges.find(labels); it != known->second.gauges.end()) return it->second;
  Family* made = family(name, labels, help, false);
  if (made == nullptr) return unrendered_gauge_;
  ++series_;
  return made->gauges[std::string(labels)] = make_immortal<orbit_gauge>();
}

void Metrics::add_collector(std::function<void(Exposition&)> collect) {
  const std::lock_guard lock(mutex_);
  collectors_.push_back(std::move(collect));
}

std::string Metrics::render() const {
  Exposition out;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, family] : families_) {
    for (const auto& [labels, counter] : family.counters)
      out.counter(name, family.help, labels, static_cast<double>(counter->value()));
    for (const auto& [labels, gauge] : family.gauges)
      out.gauge(name, family.help, labels, static_cast<double>(gauge->value.load(std::memory_order_relaxed)));
  }
  out.counter("orbit_metrics_refused_total", "Metrics refused: bad name or labels, another type, or too many series.",
              "", static_cast<double>(refused_.value()));
  for (const auto& collect : collectors_) collect(out);
  return out.text();
}

const orbit_metrics_v1* metrics_table() noexcept {
  static constexpr auto text = [](const char* s) { return s == nullptr ? std::string_view() : std::string_view(s); };
  static const orbit_metrics_v1 table = {
      sizeof(orbit_metrics_v1),
      0,
      [](const orbit_host* host, const char* name, const char* labels, const char* help) {
        return PluginContext::of(host).metrics->counter(text(name), text(labels), text(help));
      },
      [](const orbit_host* host, const char* name, const char* labels, const char* help) {
        return PluginContext::of(host).metrics->gauge(text(name), text(labels), text(help));
      },
      [](orbit_counter* counter, uint64_t amount) { counter->add(amount); },
      [](orbit_gauge* gauge, int64_t value) { gauge->value.store(value, std::memory_order_relaxed); },
  };
  return &table;
}

}  // namespace orbit::kernel
