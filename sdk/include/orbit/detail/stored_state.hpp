// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What actors of a type look like in storage: reading it when an actor comes into memory, writing what its turns
// changed. docs/formats/state.md has the format. Actor authors do not need this header.
#pragma once

#include <climits>
#include <string>

#include "../actor.hpp"

namespace orbit::detail {

template <class Impl>
struct StoredState {
  using Service = typename Impl::Service;
  using State = typename Service::State;
  static constexpr uint32_t kVersion = Service::kStateVersion;
  static constexpr bool kNamed = std::tuple_size_v<typename Service::NamedStates> != 0;
  // The record is the state's protobuf bytes and nothing else.
  static constexpr bool kPlain =
      !kNamed && !Service::kJournaled && !Service::kHasIndexes && !Service::kExpires && kVersion == 0;

  // ---- reading
  static Result<> load(Impl& impl, const orbit_record* records, size_t count) {
    impl.named_.each([&](auto, auto& slot) { slot.loaded = true; });
    if (count == 0) return {};
    orbit_main_record info{};
    info.struct_size = sizeof info;
    if constexpr (!kPlain) host_actors.main_record(impl.activation_, &info);
    impl.exists_ = true;
    Result<> read;
    if constexpr (Service::kJournaled)
      read = load_journal(impl, records, count, info.schema_version);
    else
      read = parse_state(from_c(records[0].value), info.schema_version, &impl.state_);
    if (!read) return read;
    impl.named_.each([&]<size_t I>(std::integral_constant<size_t, I>, auto& slot) {
      if (read) read = load_named<I>(slot, records, count);
    });
    if (!read) return read;
    if constexpr (Service::kReminders)
      if (Result<> loaded = impl.reminders_.load(records + 1, count - 1); !loaded) return loaded;
    if constexpr (Impl::kStreams)
      if (Result<> loaded = impl.streams_.load(records + 1, count - 1); !loaded) return loaded;
    if constexpr (Service::kHasIndexes) {
      impl.index_.stored = impl.entries_of(impl.state_, true);
      if constexpr (Service::kHasUnique) impl.index_.unique = impl.unique_entries();
    }
    if constexpr (Service::kExpires) {
      impl.expiry_.at_ms = info.expires_at_ms;
      // What is on its way to a stream must arrive first; the kernel asks again.
      if constexpr (!Impl::kStreams)
        if (expired(impl)) forget(impl);
    }
    return {};
  }

  static bool expired(const Impl& impl) noexcept { return impl.expiry_.at_ms != 0 && impl.expiry_.at_ms <= unix_ms(); }

  // What any version of the type stored.
  template <class Message, class Migrate>
  static Result<> parse_any(Bytes bytes, uint64_t version, const char* type_name, Message* out, Migrate migrate) {
    if (version > kVersion) {
      return fail(Code::failed_precondition, std::string(Service::kName) + ": a stored " + type_name + " has version " +
                                                 std::to_string(version) + ", this module reads versions up to " +
                                                 std::to_string(kVersion));
    }
    if constexpr (kVersion != 0) {
      if (version < kVersion) return migrate(static_cast<uint32_t>(version), bytes, out);
    }
    return parse(bytes, type_name, out);
  }
  template <class Message>
  static Result<> parse(Bytes bytes, const char* type_name, Message* out) {
    if (bytes.size() <= INT_MAX && out->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
    return fail(Code::data_loss, std::string(Service::kName) + ": the stored state (" + std::to_string(bytes.size()) +
                                     " bytes) is no message of type " + type_name);
  }
  template <class Message>
  static Result<> take(Result<Message> migrated, Message* out) {
    if (!migrated) return tl::unexpected<Error>(migrated.error());
    *out = std::move(*migrated);
    return {};
  }

  static Result<> parse_state(Bytes bytes, uint64_t version, State* out) {
    return parse_any(bytes, version, Service::kStateType, out, [](uint32_t from, Bytes old, State* to) -> Result<> {
      if constexpr (requires { Impl::migrate(from, old); })
        return take<State>(Impl::migrate(from, old), to);
      else
        return parse(old, Service::kStateType, to);
    });
  }

  template <size_t I, class Slot>
  static Result<> parse_named(Slot& slot, Bytes value) {
    uint64_t version = 0;
    const std::string type(Service::kNamed[I].type);
    if (!take_small(value, version)) return fail(Code::data_loss, "a stored " + type + " is empty");
    Result<> parsed =
        parse_any(value, version, type.c_str(), &slot.value, [&](uint32_t from, Bytes old, auto* to) -> Result<> {
          return Service::template migrate_named<Impl>(std::integral_constant<size_t, I>(), from, old, to);
        });
    slot.exists = parsed.has_value();
    return parsed;
  }

  template <size_t I, class Slot>
  static Result<> load_named(Slot& slot, const orbit_record* records, size_t count) {
    constexpr NamedStateInfo kInfo = Service::kNamed[I];
    slot.loaded = !kInfo.lazy;
    for (size_t i = 1; i < count; ++i) {
      const Bytes subkey = from_c(records[i].subkey);
      if (subkey.substr(1) != kInfo.name || (subkey[0] != kNamedSpace && subkey[0] != kLazySpace)) continue;
      slot.elsewhere = (subkey[0] == kLazySpace) != kInfo.lazy;
      slot.loaded = true;
      return parse_named<I>(slot, from_c(records[i].value));
    }
    return {};
  }

  // ---- journals
  template <class Event>
  static std::string stored_event(const Event& event) {
    std::string bytes;
    append_small(bytes, kVersion);
    append_small(bytes, unix_ms());
    event.AppendToString(&bytes);
    return bytes;
  }
  template <class Event>
  static Result<> parse_event(Bytes value, uint64_t number, Event* event, uint64_t* recorded_at_ms) {
    uint64_t version = 0;
    if (!take_small(value, version) || !take_small(value, *recorded_at_ms))
      return fail(Code::data_loss, std::string(Service::kName) + ": event " + std::to_string(number) + " ends early");
    return parse_any(value, version, Service::kEventType, event, [](uint32_t from, Bytes old, Event* to) -> Result<> {
      if constexpr (requires { Impl::migrate_event(from, old); })
        return take<Event>(Impl::migrate_event(from, old), to);
      else
        return parse(old, Service::kEventType, to);
    });
  }
  static std::string event_key(uint64_t number) {
    std::string key(1, kEventSpace);
    append_big_endian(key, number);
    return key;
  }

  // The main record of a journaled type begins with a zero byte, which no protobuf message does.
  static Result<> load_journal(Impl& impl, const orbit_record* records, size_t count, uint64_t version) {
    auto& journal = impl.journal_;
    Bytes main = from_c(records[0].value);
    if (main.empty() || main[0] != '\0') {
      // Stored before the type was journaled: the state before the first event.
      journal.snapshot_due = true;
      return parse_state(main, version, &impl.state_);
    }
    main.remove_prefix(1);
    if (!take_small(main, journal.last) || !take_small(main, journal.snapshot) || !take_small(main, journal.first))
      return fail(Code::data_loss, std::string(Service::kName) + ": the journal's record ends early");
    for (size_t i = 1; i < count; ++i) {
      if (from_c(records[i].subkey) != Bytes(&kSnapshotSpace, 1)) continue;
      Bytes value = from_c(records[i].value);
      uint64_t snapshot_version = 0;
      take_small(value, snapshot_version);
      if (Result<> parsed = parse_state(value, snapshot_version, &impl.state_); !parsed) return parsed;
    }
    uint64_t expected = journal.snapshot + 1;
    for (size_t i = 1; i < count; ++i) {
      const Bytes subkey = from_c(records[i].subkey);
      if (subkey.size() != 9 || subkey[0] != kEventSpace) continue;
      const uint64_t number = big_endian_of(subkey.substr(1));
      if (number < expected) continue;
      if (number != expected) break;
      typename Service::Event event;
      uint64_t recorded_at_ms = 0;
      if (Result<> parsed = parse_event(from_c(records[i].value), number, &event, &recorded_at_ms); !parsed)
        return parsed;
      Service::template apply_event<Impl>(impl.state_, event);
      ++expected;
    }
    if (expected != journal.last + 1)
      return fail(Code::data_loss, std::string(Service::kName) + ": event " + std::to_string(expected) + " of " +
                                       std::to_string(journal.last) + " is not stored");
    return {};
  }

  // ---- writing. Ends the node when there is no memory for it: the turn's reply would promise what cannot be kept.
  static void collect(Impl& impl, const orbit_writer* writer) noexcept {
    if (!impl.changed_) return;
    impl.changed_ = false;
    const bool exists = impl.changing_ ? impl.backup_exists_ : impl.exists_;
    const State& state = impl.backup_ != nullptr ? *impl.backup_ : impl.state_;
    bool kernel_parts = false;  // reminders, streams
    if constexpr (Service::kReminders) kernel_parts = impl.reminders_.stored();
    if constexpr (Impl::kStreams) kernel_parts = kernel_parts || impl.streams_.stored();
    if constexpr (kPlain) {
      impl.main_changed_ = impl.wiped_ = false;
      if (exists) {
        const std::string bytes = state.SerializeAsString();
        writer->put_main(writer->ctx, to_c(bytes), 0, kernel_parts ? 1 : 0);
      } else {
        writer->remove_main(writer->ctx);
      }
      write_kernel_parts(impl, exists, writer);
    } else {
      const bool main_changed = std::exchange(impl.main_changed_, false);
      // Reminders, which lie behind everything else, are removed one by one: each has an entry elsewhere.
      if (std::exchange(impl.wiped_, false) || !exists)
        writer->remove_range(writer->ctx, {"", 0}, to_c(kReminderPrefix.substr(0, 1)));
      bool subrecords = Service::kJournaled || Service::kHasLazy || kernel_parts;
      write_kernel_parts(impl, exists, writer);
      impl.named_.each([&]<size_t I>(std::integral_constant<size_t, I>, auto& slot) {
        subrecords = subrecords || slot.kept_exists();
        if (std::exchange(slot.changed, false) && exists) write_named<I>(slot, writer);
      });
      if constexpr (Service::kHasIndexes) write_indexes(impl, state, exists, writer);
      if (!exists) {
        if constexpr (Service::kJournaled) impl.journal_.drop_completed();
        writer->remove_main(writer->ctx);
        return;
      }
      if constexpr (Service::kJournaled) write_events(impl, state, writer);
      if (main_changed || Service::kJournaled) write_main(impl, state, subrecords, writer);
    }
  }

 private:
  // The stored state has expired; the removal is written with what changes next, or when the kernel asks.
  static void forget(Impl& impl) {
    impl.state_.Clear();
    impl.named_.each([](auto, auto& slot) {
      slot.value.Clear();
      slot.exists = false;
      slot.loaded = slot.changed = true;
    });
    impl.expiry_.at_ms = 0;
    impl.exists_ = false;
    if constexpr (Service::kReminders) {
      impl.reminders_.remove_all();
      impl.reminders_.keep();
    }
    impl.changed_ = impl.main_changed_ = impl.wiped_ = true;
    if constexpr (Service::kJournaled) impl.journal_.wipe();
    if constexpr (Service::kHasUnique) impl.index_.unique.clear();
  }

  static void write_kernel_parts(Impl& impl, bool exists, const orbit_writer* writer) {
    if constexpr (Impl::kStreams) {
      if (exists)
        impl.streams_.collect(writer);
      else
        impl.streams_.erased(writer);
    }
    if constexpr (Service::kReminders) impl.reminders_.collect(writer);
    static_cast<void>(impl);
    static_cast<void>(exists);
    static_cast<void>(writer);
  }

  static void write_main(Impl& impl, const State& state, bool subrecords, const orbit_writer* writer) {
    orbit_main_record with{};
    with.struct_size = sizeof with;
    with.schema_version = kVersion;
    with.has_subrecords = subrecords ? 1 : 0;
    if constexpr (Service::kExpires) with.expires_at_ms = impl.changing_ ? impl.expiry_.backup_ms : impl.expiry_.at_ms;
    std::string bytes;
    std::string from;
    if constexpr (Service::kJournaled) {
      const auto& journal = impl.journal_;
      bytes.push_back('\0');
      append_small(bytes, journal.last);
      append_small(bytes, journal.snapshot);
      append_small(bytes, journal.first);
      from = event_key(journal.snapshot + 1);
      static_cast<void>(state);
    } else {
      bytes = state.SerializeAsString();
      if constexpr (Service::kHasLazy) from.assign(1, kEventSpace);
    }
    with.load_from = to_c(from);
    writer->put_main_with(writer->ctx, to_c(bytes), &with);
  }

  template <size_t I, class Slot>
  static void write_named(Slot& slot, const orbit_writer* writer) {
    constexpr NamedStateInfo kInfo = Service::kNamed[I];
    const std::string subkey = (kInfo.lazy ? kLazySpace : kNamedSpace) + std::string(kInfo.name);
    if (slot.kept_exists()) {
      std::string value;
      append_small(value, kVersion);
      slot.kept().AppendToString(&value);
      writer->put(writer->ctx, to_c(subkey), to_c(value));
    } else {
      writer->remove(writer->ctx, to_c(subkey));
    }
    if (!std::exchange(slot.elsewhere, false)) return;
    const std::string other = (kInfo.lazy ? kNamedSpace : kLazySpace) + std::string(kInfo.name);
    writer->remove(writer->ctx, to_c(other));
  }

  static void write_events(Impl& impl, const State& state, const orbit_writer* writer) {
    auto& journal = impl.journal_;
    const size_t completed = journal.unsaved.size() - journal.turn_count;
    for (size_t i = 0; i < completed; ++i)
      writer->put(writer->ctx, to_c(event_key(journal.last - completed + 1 + i)), to_c(journal.unsaved[i]));
    journal.drop_completed();
    if (!journal.snapshot_due && journal.last - journal.snapshot < Service::kSnapshotEvery) return;
    journal.snapshot_due = false;
    journal.snapshot = journal.last;
    std::string value;
    append_small(value, kVersion);
    state.AppendToString(&value);
    writer->put(writer->ctx, {&kSnapshotSpace, 1}, to_c(value));
    const uint64_t first = journal.last > Service::kJournalKeep ? journal.last - Service::kJournalKeep + 1 : 1;
    if (first <= journal.first) return;
    writer->remove_range(writer->ctx, to_c(event_key(journal.first)), to_c(event_key(first)));
    journal.first = first;
  }

  static void write_indexes(Impl& impl, const State& state, bool exists, const orbit_writer* writer) {
    const std::vector<std::string> before = std::exchange(impl.index_.stored, impl.entries_of(state, exists));
    const std::vector<std::string>& now = impl.index_.stored;
    const bool rewrite = std::exchange(impl.index_.rewrite, false);
    const auto put = [&](const std::string& entry) {
      writer->put_index(writer->ctx, IndexEntries::number_of(entry), to_c(IndexEntries::value_of(entry)));
    };
    for (const std::string& entry : before)
      if (!std::binary_search(now.begin(), now.end(), entry))
        writer->remove_index(writer->ctx, IndexEntries::number_of(entry), to_c(IndexEntries::value_of(entry)));
    for (const std::string& entry : now)
      if (rewrite || !std::binary_search(before.begin(), before.end(), entry)) put(entry);
  }
};

}  // namespace orbit::detail
