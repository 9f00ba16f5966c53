// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Metrics: counters and gauges that are cheap to change from any thread, and the Prometheus text format 0.0.4. Parts of
// the kernel that count for themselves add a collector, which is asked when the text is rendered.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "orbit/ext/observe.h"

// Spread over cache lines so that workers do not fight over one.
struct orbit_counter {
  static constexpr size_t kShards = 8;
  struct alignas(64) Shard {
    std::atomic<uint64_t> value{0};
  };
  Shard shards[kShards];

  void add(uint64_t amount) noexcept;
  uint64_t value() const noexcept;
};

struct orbit_gauge {
  std::atomic<int64_t> value{0};
};

// How long something took, in buckets of 1, 2.5 and 5 from a microsecond to ten seconds.
struct orbit_histogram {
  static constexpr size_t kBounds = 22;
  static const uint64_t kBoundsNs[kBounds];
  struct alignas(64) Shard {
    std::atomic<uint64_t> buckets[kBounds + 1]{};  // the last one: longer than every bound
    std::atomic<uint64_t> sum_ns{0};
  };
  Shard shards[orbit_counter::kShards];

  void observe(uint64_t duration_ns) noexcept;
  // The lines of the text format for it; `labels` as for Exposition::counter.
  void append_to(std::string& text, std::string_view name, std::string_view labels) const;
};

namespace orbit::kernel {

// What a rendering is made of: families by name, samples by labels, both sorted.
class Exposition {
 public:
  // `labels` as in the text format without braces, already escaped (see label()). The first help and type of a name
  // win.
  void counter(std::string_view name, std::string_view help, std::string_view labels, double value);
  void gauge(std::string_view name, std::string_view help, std::string_view labels, double value);
  void histogram(std::string_view name, std::string_view help, std::string_view labels, const orbit_histogram& values);
  std::string text() const;

 private:
  struct Family {
    const char* type;
    std::string help;
    std::map<std::string, std::string> samples;  // by labels, their lines
  };
  Family& family(const char* type, std::string_view name, std::string_view help);
  void sample(const char* type, std::string_view name, std::string_view help, std::string_view labels, double value);
  std::map<std::string, Family, std::less<>> families_;
};

// `name="value"` with the value escaped.
std::string label(std::string_view name, std::string_view value);

class Metrics {
 public:
  static constexpr size_t kSeriesMax = 50'000;

  Metrics();

  // Same name and labels give the same object; lives until the process ends. A name or labels that the format does not
  // allow, a name used with another type, or more than kSeriesMax series give an object that is not rendered and count
  // in orbit_metrics_refused_total. [any thread]
  orbit_counter* counter(std::string_view name, std::string_view labels, std::string_view help);
  orbit_gauge* gauge(std::string_view name, std::string_view labels, std::string_view help);
  orbit_histogram* histogram(std::string_view name, std::string_view labels, std::string_view help);
  // `collect` is called by render on the rendering thread, one call at a time. [any thread]
  void add_collector(std::function<void(Exposition&)> collect);
  std::string render() const;  // [any thread]

 private:
  enum class Kind { counter, gauge, histogram };
  template <class T>
  using Series = std::map<std::string, T*, std::less<>>;
  struct Family {
    Kind kind;
    std::string help;
    Series<orbit_counter> counters;
    Series<orbit_gauge> gauges;
    Series<orbit_histogram> histograms;
  };
  // The object of that name and those labels, in `series` of its family; `unrendered` when it is refused.
  template <class T>
  T* find_or_make(std::string_view name, std::string_view labels, std::string_view help, Kind kind,
                  Series<T> Family::*series, T* unrendered);

  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
  std::vector<std::function<void(Exposition&)>> collectors_;
  size_t series_ = 0;
  orbit_counter refused_;
  orbit_counter* unrendered_counter_;
  orbit_gauge* unrendered_gauge_;
  orbit_histogram* unrendered_histogram_;
};

// The table of orbit.metrics/1; counts in the registry of the caller's PluginContext.
const orbit_metrics_v1* metrics_table() noexcept;

}  // namespace orbit::kernel
