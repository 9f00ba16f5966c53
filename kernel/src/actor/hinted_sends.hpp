// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Messages on their way to activations of the same worker that their senders remembered, in the order of sending.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

struct orbit_activation;
struct orbit_envelope;

namespace orbit::kernel {

// First in, first out, in an array: unlike in a list, lines can be asked for many messages ahead. Belongs to one thread.
class HintedSends {
 public:
  static constexpr size_t kPlacesLeast = 64;
  static constexpr size_t kPlacesKept = 65'536;  // while empty

  struct Send {
    orbit_envelope* envelope;
    orbit_activation* to;
  };

  bool empty() const noexcept { return first_ == end_; }
  size_t size() const noexcept { return end_ - first_; }
  // Of 0 to size() - 1.
  const Send& operator[](size_t ahead) const noexcept { return sends_[first_ + ahead]; }

  // Whether push needs no memory.
  bool has_room() const noexcept { return end_ != places_; }
  // False: there is no memory, and nothing has changed.
  bool push(orbit_envelope* envelope, orbit_activation* to) noexcept {
    if (!has_room() && !make_room()) [[unlikely]] return false;
    push_into_room(envelope, to);
    return true;
  }
  void push_into_room(orbit_envelope* envelope, orbit_activation* to) noexcept {
    Send* const place = &sends_[end_++];
    place->envelope = envelope;
    place->to = to;
  }
  Send pop() noexcept {
    const Send send = sends_[first_++];
    if (first_ == end_) {
      first_ = end_ = 0;
      if (places_ > kPlacesKept) [[unlikely]] {
        sends_.reset();
        places_ = 0;
      }
    }
    return send;
  }

 private:
  // Those that wait move to the front when at least as many places there are free.
  [[gnu::cold, gnu::noinline, clang::preserve_most]] bool make_room() noexcept {
    const size_t waiting = size();
    Send* const from = sends_.get() + first_;
    if (first_ == 0 || first_ < waiting) {
      const size_t places = std::max(places_ * 2, kPlacesLeast);
      std::unique_ptr<Send[]> larger(new (std::nothrow) Send[places]);
      if (larger == nullptr) return false;
      std::copy_n(from, waiting, larger.get());
      sends_ = std::move(larger);
      places_ = places;
    } else {
      std::copy_n(from, waiting, sends_.get());
    }
    first_ = 0;
    end_ = waiting;
    return true;
  }

  std::unique_ptr<Send[]> sends_;
  size_t places_ = 0;
  size_t first_ = 0;  // of those that wait
  size_t end_ = 0;
};

}  // namespace orbit::kernel
