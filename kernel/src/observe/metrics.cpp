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

constexpr uint64_t orbit_histogram::kBoundsNs[kBounds] = {
    1'000,      2'500,      5'000,       10'000,      25'000,      50'000,        100'000,       250'000,
    500'000,    1'000'000,  2'500'000,   5'000'000,   10'000'000,  25'000'000,    50'000'000,    100'000'000,
    250'000'000, 500'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};

void orbit_histogram::observe(uint64_t duration_ns) noexcept {
  Shard& shard = shards[own_shard()];
  const auto bucket = std::lower_bound(kBoundsNs, kBoundsNs + kBounds, duration_ns) - kBoundsNs;
  shard.buckets[bucket].fetch_add(1, std::memory_order_relaxed);
  shard.sum_ns.fetch_add(duration_ns, std::memory_order_relaxed);
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

}  // namespace orbit::kernel

void orbit_histogram::append_to(std::string& text, std::string_view name, std::string_view labels) const {
  const auto line = [&](std::string_view suffix, std::string_view bound, double value) {
    text.append(name).append(suffix);
    if (!labels.empty() || !bound.empty()) {
      text.append("{").append(labels);
      if (!bound.empty()) text.append(labels.empty() ? "" : ",").append("le=\"").append(bound).append("\"");
      text += '}';
    }
    text += ' ';
    orbit::kernel::append_number(text, value);
    text += '\n';
  };
  uint64_t count = 0;
  uint64_t sum_ns = 0;
  for (size_t i = 0; i <= kBounds; ++i) {
    for (const Shard& shard : shards) count += shard.buckets[i].load(std::memory_order_relaxed);
    std::string bound;
    orbit::kernel::append_number(bound, i == kBounds ? HUGE_VAL : static_cast<double>(kBoundsNs[i]) / 1e9);
    line("_bucket", bound, static_cast<double>(count));
  }
  for (const Shard& shard : shards) sum_ns += shard.sum_ns.load(std::memory_order_relaxed);
  line("_sum", {}, static_cast<double>(sum_ns) / 1e9);
  line("_count", {}, static_cast<double>(count));
}

namespace orbit::kernel {

Exposition::Family& Exposition::family(const char* type, std::string_view name, std::string_view help) {
  auto it = families_.find(name);
  if (it == families_.end()) it = families_.emplace(std::string(name), Family{type, std::string(help), {}}).first;
  return it->second;
}

void Exposition::sample(const char* type, std::string_view name, std::string_view help, std::string_view labels,
                        double value) {
  std::string& line = family(type, name, help).samples[std::string(labels)];
  line = name;
  if (!labels.empty()) line.append("{").append(labels).append("}");
  line += ' ';
  append_number(line, value);
  line += '\n';
}

void Exposition::counter(std::string_view name, std::string_view help, std::string_view labels, double value) {
  sample("counter", name, help, labels, value);
}

void Exposition::gauge(std::string_view name, std::string_view help, std::string_view labels, double value) {
  sample("gauge", name, help, labels, value);
}

void Exposition::histogram(std::string_view name, std::string_view help, std::string_view labels,
                           const orbit_histogram& values) {
  std::string& lines = family("histogram", name, help).samples[std::string(labels)];
  lines.clear();
  values.append_to(lines, name, labels);
}

std::string Exposition::text() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    if (!family.help.empty()) out += "# HELP " + name + " " + escape_help(family.help) + "\n";
    out += "# TYPE " + name + " " + family.type + "\n";
    for (const auto& [labels, lines] : family.samples) out += lines;
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
    : unrendered_counter_(make_immortal<orbit_counter>()),
      unrendered_gauge_(make_immortal<orbit_gauge>()),
      unrendered_histogram_(make_immortal<orbit_histogram>()) {}

template <class T>
T* Metrics::find_or_make(std::string_view name, std::string_view labels, std::string_view help, Kind kind,
                         Series<T> Family::*series, T* unrendered) {
  const std::lock_guard lock(mutex_);
  auto family = families_.find(name);
  const bool known = family != families_.end();
  if (known && family->second.kind == kind)
    if (const auto it = (family->second.*series).find(labels); it != (family->second.*series).end()) return it->second;
  if (series_ >= kSeriesMax || !valid_name(name) || !valid_labels(labels) || (known && family->second.kind != kind)) {
    refused_.add(1);
    return unrendered;
  }
  if (!known) family = families_.emplace(std::string(name), Family{kind, std::string(help), {}, {}, {}}).first;
  ++series_;
  return (family->second.*series)[std::string(labels)] = make_immortal<T>();
}

orbit_counter* Metrics::counter(std::string_view name, std::string_view labels, std::string_view help) {
  return find_or_make(name, labels, help, Kind::counter, &Family::counters, unrendered_counter_);
}

orbit_gauge* Metrics::gauge(std::string_view name, std::string_view labels, std::string_view help) {
  return find_or_make(name, labels, help, Kind::gauge, &Family::gauges, unrendered_gauge_);
}

orbit_histogram* Metrics::histogram(std::string_view name, std::string_view labels, std::string_view help) {
  return find_or_make(name, labels, help, Kind::histogram, &Family::histograms, unrendered_histogram_);
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
    for (const auto& [labels, histogram] : family.histograms) out.histogram(name, family.help, labels, *histogram);
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
      [](const orbit_host* host, const char* name, const char* labels, const char* help) {
        return PluginContext::of(host).metrics->histogram(text(name), text(labels), text(help));
      },
      [](orbit_histogram* histogram, uint64_t duration_ns) { histogram->observe(duration_ns); },
  };
  return &table;
}

}  // namespace orbit::kernel
