// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Envelopes of one worker: a free list, so that the steady state allocates nothing.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "actor/context.hpp"
#include "actor/envelope_memory.hpp"
#include "orbit/ext/actors.h"

namespace orbit::kernel {

static_assert(offsetof(orbit_envelope, room) % 16 == 0 && sizeof(orbit_envelope) == 256);

// Its header and the first line of its room.
inline void prefetch_envelope(const orbit_envelope* envelope) noexcept {
  if (envelope == nullptr) return;
  const auto* at = reinterpret_cast<const char*>(envelope);
  __builtin_prefetch(at, 1);
  __builtin_prefetch(at + 64, 1);
  __builtin_prefetch(at + 128, 1);
}

class EnvelopePool {
 public:
  explicit EnvelopePool(EnvelopeMemory& memory) noexcept : memory_(memory) {}
  EnvelopePool(const EnvelopePool&) = delete;
  EnvelopePool& operator=(const EnvelopePool&) = delete;
  ~EnvelopePool() { give_back(count_); }

  orbit_envelope* allocate() {
    if (free_ == nullptr) [[unlikely]] return allocate_anew();
    return cleared(take_one());
  }
  // The memory of one, for something else; given back with recycle_raw.
  void* allocate_raw() { return take(); }
  void recycle_raw(void* memory) noexcept { recycle(static_cast<orbit_envelope*>(memory)); }
  // How many it could hand out without making one.
  size_t spare() const noexcept { return count_; }
  // The payload must be destroyed already.
  void recycle(orbit_envelope* envelope) noexcept {
    if (count_ >= kKeep) [[unlikely]] give_back(kAtOnce);
    envelope->next = free_;
    free_ = envelope;
    ++count_;
  }

 private:
  static orbit_envelope* cleared(orbit_envelope* envelope) noexcept {
    std::memset(static_cast<void*>(envelope), 0, offsetof(orbit_envelope, room));
    envelope->payload = envelope->room;
    return envelope;
  }
  // Apart, so that what happens each time calls nothing.
  [[gnu::cold, gnu::noinline]] orbit_envelope* allocate_anew() {
    get_more();
    return cleared(take_one());
  }

  static constexpr size_t kKeep = 65'536;
  static constexpr size_t kAtOnce = 64;

  orbit_envelope* take() {
    if (free_ == nullptr) [[unlikely]] get_more();
    return take_one();
  }
  orbit_envelope* take_one() noexcept {
    orbit_envelope* envelope = free_;
    free_ = envelope->next;
    prefetch_envelope(free_);
    --count_;
    return envelope;
  }
  [[gnu::cold, gnu::noinline]] void get_more() {
    free_ = memory_.take(kAtOnce);
    count_ = kAtOnce;
  }
  [[gnu::cold, gnu::noinline, clang::preserve_most]] void give_back(size_t count) noexcept {
    orbit_envelope* list = nullptr;
    for (; count != 0; --count, --count_) {
      orbit_envelope* const envelope = free_;
      free_ = envelope->next;
      envelope->next = list;
      list = envelope;
    }
    memory_.give(list);
  }

  EnvelopeMemory& memory_;
  orbit_envelope* free_ = nullptr;
  size_t count_ = 0;
};

// Ends the payload; the envelope then carries none.
inline void drop_payload(orbit_envelope* envelope) noexcept {
  if (envelope->ops != nullptr && envelope->ops->destroy != nullptr) envelope->ops->destroy(envelope->payload);
  envelope->ops = nullptr;
  envelope->payload = envelope->room;
}

// Ends what the envelope owns beside its payload. The key is the kernel's copy only while kOwnsKey is set, and lies in the memory
// of another envelope while kKeyInBlock is.
inline constexpr uint16_t kOwnsKey = 0x100;
inline constexpr uint16_t kKeyInBlock = 0x1000;
inline void drop_key(EnvelopePool& pool, orbit_envelope* envelope) noexcept {
  if ((envelope->flags & kKeyInBlock) != 0)
    pool.recycle_raw(const_cast<char*>(envelope->key.data));
  else if ((envelope->flags & kOwnsKey) != 0)
    std::free(const_cast<char*>(envelope->key.data));
  envelope->flags = static_cast<uint16_t>(envelope->flags & ~(kOwnsKey | kKeyInBlock));
  envelope->key = {nullptr, 0};
}
inline void own_key(orbit_envelope* envelope) {
  if ((envelope->flags & kOwnsKey) != 0) return;
  auto* copy = static_cast<char*>(std::malloc(envelope->key.size + 1));
  if (copy == nullptr) throw std::bad_alloc();
  if (envelope->key.size != 0) std::memcpy(copy, envelope->key.data, envelope->key.size);
  envelope->key.data = copy;
  envelope->flags |= kOwnsKey;
}

// Copies the key for the way to another worker. Into the end of the room when the payload leaves it free and nobody at home will
// look at it again (a call may be cancelled), else into the memory of another envelope. Whoever delivers the envelope points
// `key` at the activation's, unless the envelope owns its key.
inline void carry_key(EnvelopePool& pool, orbit_envelope* envelope) {
  const size_t size = envelope->key.size;
  const uint32_t used = envelope->ops == nullptr ? 0 : envelope->ops->room_bytes;
  if ((envelope->flags & kOwnsKey) != 0) return;
  char* copy = nullptr;
  if (envelope->on_reply == nullptr && used != 0 && used + size <= ORBIT_ENVELOPE_ROOM) {
    copy = envelope->room + ORBIT_ENVELOPE_ROOM - size;
  } else if (size <= sizeof(orbit_envelope)) {
    copy = static_cast<char*>(pool.allocate_raw());
    envelope->flags |= kOwnsKey | kKeyInBlock;
  } else {
    return own_key(envelope);
  }
  if (size != 0) std::memmove(copy, envelope->key.data, size);
  envelope->key.data = copy;
}

// How much of a pool a message to another worker leaves there.
inline uint32_t stays_away(const orbit_envelope* envelope) noexcept {
  if (envelope->on_reply != nullptr) return 0;
  return (envelope->flags & kKeyInBlock) != 0 ? 2 : 1;
}

// The payload outlives the sender's memory from here on; asked once, wherever the envelope goes.
inline constexpr uint16_t kRetained = 0x200;
inline bool is_borrowed(const orbit_envelope* envelope) noexcept {
  return envelope->ops != nullptr && envelope->ops->retain != nullptr && (envelope->flags & kRetained) == 0;
}
inline void retain_payload(orbit_envelope* envelope) {
  if (!is_borrowed(envelope)) return;
  envelope->flags |= kRetained;
  envelope->payload = envelope->ops->retain(envelope->payload);
}

// Makes it an error reply.
inline void set_error(orbit_envelope* envelope, orbit_code code, std::string_view message) noexcept {
  drop_payload(envelope);
  Context::drop(envelope);
  std::free(envelope->message);
  envelope->code = code;
  envelope->flags = static_cast<uint16_t>(envelope->flags & ~ORBIT_ENVELOPE_DIRTY);
  envelope->message = static_cast<char*>(std::malloc(message.size() + 1));
  if (envelope->message == nullptr) return;
  if (!message.empty()) std::memcpy(envelope->message, message.data(), message.size());
  envelope->message[message.size()] = '\0';
}

// First in, first out, linked through `next`.
struct EnvelopeQueue {
  orbit_envelope* head = nullptr;
  orbit_envelope* tail = nullptr;
  bool empty() const noexcept { return head == nullptr; }
  void push(orbit_envelope* envelope) noexcept {
    envelope->next = nullptr;
    if (tail != nullptr)
      tail->next = envelope;
    else
      head = envelope;
    tail = envelope;
  }
  void push_front(orbit_envelope* envelope) noexcept {
    envelope->next = head;
    head = envelope;
    if (tail == nullptr) tail = envelope;
  }
  orbit_envelope* pop() noexcept {
    orbit_envelope* envelope = head;
    head = envelope->next;
    if (head == nullptr) tail = nullptr;
    envelope->next = nullptr;
    return envelope;
  }
};

}  // namespace orbit::kernel
