// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/hot_actors.hpp"

#include <algorithm>
#include <cstring>

#include "actor/activation.hpp"

namespace orbit::kernel {

namespace {

constexpr uint64_t kOftenNs = 250'000;  // samples closer than this are too many
constexpr uint64_t kSeldomNs = 1'000'000;
constexpr uint64_t kMeanMax = 1 << 16;
constexpr uint64_t kSampleMaxNs = 1'000'000'000;

// One turn that takes thousands of times as long as the others says little about how many do.
uint64_t stands_for_ns(uint64_t ns, uint64_t turns) { return std::max(ns, std::min(ns * turns, kSampleMaxNs)); }

}  // namespace

HotActors::Actor::Actor(const orbit_activation* a) noexcept : type(a->type), hash(a->hash), key_size(a->key_size) {
  std::memcpy(key, a->key().data(), std::min<size_t>(key_size, kKeyShownMax));
}

const HotActors::Hot* HotActors::Table::find(const Actor& actor) const noexcept {
  for (size_t i = 0; i < size; ++i)
    if (hashes[i] == actor.hash && entries[i].actor.type == actor.type) return &entries[i];
  return nullptr;
}

void HotActors::Table::add(const Actor& actor, uint64_t calls, uint64_t time_ns, uint64_t weight) noexcept {
  const Hot* found = find(actor);
  size_t at = found != nullptr ? static_cast<size_t>(found - entries.data()) : size;
  if (found == nullptr) {
    if (size < kEntries) {
      weights[size++] = 0;
    } else {
      at = static_cast<size_t>(std::min_element(weights.begin(), weights.end()) - weights.begin());
    }
    entries[at] = Hot{actor, 0, 0, weights[at]};
    hashes[at] = actor.hash;
  }
  entries[at].calls += calls;
  entries[at].time_ns += time_ns;
  weights[at] += weight;
}

uint64_t HotActors::Table::missed() const noexcept {
  return size < kEntries ? 0 : *std::min_element(weights.begin(), weights.end());
}

uint64_t HotActors::random() noexcept {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_;
}

void HotActors::roll(uint64_t turns, uint64_t now_ns) noexcept {
  if (windows_[now_].since_ns == 0) {
    windows_[now_].since_ns = now_ns;
    windows_[now_].turns_before = turns;
  }
  if (now_ns - windows_[now_].since_ns < kWindowNs) return;
  now_ ^= 1;
  Window& window = windows_[now_];
  window.since_ns = now_ns;
  window.turns_before = turns;
  window.by_calls.size = window.by_time.size = 0;
  turns_.sampled = turns;  // the next sample does not stand for turns of the window before
}

uint64_t HotActors::sample(Rate& rate, uint64_t count, uint64_t now_ns) noexcept {
  const uint64_t stands_for = count - rate.sampled;
  const uint64_t apart_ns = now_ns - rate.sampled_ns;
  if (apart_ns < kOftenNs)
    rate.mean = std::min(rate.mean * 2, kMeanMax);
  else if (apart_ns > kSeldomNs)
    rate.mean = std::max<uint64_t>(rate.mean / 2, 1);
  rate.sampled = count;
  rate.sampled_ns = now_ns;
  rate.next = count + random() % (2 * rate.mean - 1);
  return stands_for;
}

uint64_t HotActors::begins(uint64_t turns, uint64_t now_ns) noexcept {
  roll(turns - 1, now_ns);
  return sample(turns_, turns, now_ns);
}

void HotActors::ended(const Actor& actor, uint64_t stands_for, uint64_t began_ns, uint64_t now_ns) noexcept {
  const uint64_t time_ns = stands_for_ns(now_ns - began_ns, stands_for);
  windows_[now_].by_calls.add(actor, stands_for, time_ns, stands_for);
  windows_[now_].by_time.add(actor, stands_for, time_ns, time_ns);
}

void HotActors::ran_on(const Actor& actor, uint64_t stands_for, uint64_t began_ns, uint64_t now_ns) noexcept {
  const uint64_t time_ns = stands_for_ns(now_ns - began_ns, stands_for);
  windows_[now_].by_calls.add(actor, 0, time_ns, 0);
  windows_[now_].by_time.add(actor, 0, time_ns, time_ns);
}

void HotActors::tick(uint64_t turns, uint64_t answers, uint64_t now_ns) noexcept {
  roll(turns, now_ns);
  quieten(turns_, turns, now_ns);
  quieten(answers_, answers, now_ns);
}

// The worker may have become quieter than the distance between samples was made for.
void HotActors::quieten(Rate& rate, uint64_t count, uint64_t now_ns) noexcept {
  if (now_ns - rate.sampled_ns <= kSeldomNs) return;
  rate.mean = std::max<uint64_t>(rate.mean / 2, 1);
  rate.next = std::min(rate.next, count + random() % (2 * rate.mean - 1));
}

HotActors::Report HotActors::report(bool by_time, uint64_t turns, uint64_t now_ns) noexcept {
  roll(turns, now_ns);
  const Window& fresh = windows_[now_];
  const Window& before = windows_[now_ ^ 1];
  const Window& first = before.since_ns != 0 ? before : fresh;
  Report out;
  out.window_ns = now_ns - first.since_ns;
  out.turns = turns - first.turns_before;
  const Table& older = by_time ? before.by_time : before.by_calls;
  const Table& newer = by_time ? fresh.by_time : fresh.by_calls;
  for (size_t i = 0; i < older.size; ++i) {
    Hot sum = older.entries[i];
    const Hot* also = newer.find(sum.actor);
    sum.calls += also != nullptr ? also->calls : 0;
    sum.time_ns += also != nullptr ? also->time_ns : 0;
    sum.error += also != nullptr ? also->error : newer.missed();
    out.hot.push_back(sum);
  }
  for (size_t i = 0; i < newer.size; ++i) {
    if (older.find(newer.entries[i].actor) != nullptr) continue;
    out.hot.push_back(newer.entries[i]);
    out.hot.back().error += older.missed();
  }
  const auto more = [by_time](const Hot& a, const Hot& b) { return by_time ? a.time_ns > b.time_ns : a.calls > b.calls; };
  std::sort(out.hot.begin(), out.hot.end(), more);
  return out;
}

}  // namespace orbit::kernel
