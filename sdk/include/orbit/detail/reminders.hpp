// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The reminders of an actor, kept with its state: one sub-record each, and an entry in the node's index of what is due. Actor
// authors do not need this header.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../module.hpp"
#include "../reminder.hpp"

namespace orbit::detail {

// Sub-keys of a reminder: these two bytes and the name. 0xff is above every other part of a state, so that all of them are
// read on activation. docs/formats/state.md has the record.
inline constexpr std::string_view kReminderPrefix = "\xffr";
inline constexpr char kReminderFormat = 1;

inline void append_number(std::string& out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}
inline uint64_t number_at(std::string_view in, size_t at, size_t bytes) noexcept {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(in[at + i]);
  return value;
}

inline std::string reminder_record(const Reminder& reminder) {
  std::string out(1, kReminderFormat);
  append_number(out, reminder.due_ms, 8);
  append_number(out, reminder.period_ms, 8);
  append_number(out, static_cast<uint64_t>(reminder.missed), 1);
  append_number(out, reminder.catch_up_max, 4);
  return out;
}
inline Result<Reminder> parse_reminder(Bytes name, Bytes record) {
  if (record.size() != 22 || record[0] != kReminderFormat || number_at(record, 17, 1) > 2 || number_at(record, 1, 8) == 0 ||
      number_at(record, 18, 4) == 0)
    return fail(Code::data_loss, "the record of reminder '" + std::string(name) + "' (" + std::to_string(record.size()) +
                                     " bytes) is damaged, or a newer version wrote it");
  return Reminder{std::string(name), number_at(record, 1, 8), number_at(record, 9, 8),
                  static_cast<MissedTicks>(number_at(record, 17, 1)), static_cast<uint32_t>(number_at(record, 18, 4))};
}

// What an actor whose type has reminders keeps. Changes belong to the running turn until keep or undo.
class ReminderPart {
 public:
  // Those of another prefix are not touched.
  Result<> load(const orbit_record* records, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const Bytes subkey = from_c(records[i].subkey);
      if (!subkey.starts_with(kReminderPrefix)) continue;
      Result<Reminder> reminder = parse_reminder(subkey.substr(kReminderPrefix.size()), from_c(records[i].value));
      if (!reminder) return tl::unexpected<Error>(reminder.error());
      all_.push_back(std::move(*reminder));
    }
    return {};
  }

  const Reminder* find(std::string_view name) const noexcept {
    for (const Reminder& reminder : all_)
      if (reminder.name == name) return &reminder;
    return nullptr;
  }
  // Adds it, or puts it in place of the one of that name. False: there are too many.
  bool set(Reminder reminder) {
    begin_change();
    for (Reminder& old : all_) {
      if (old.name != reminder.name) continue;
      old = std::move(reminder);
      return true;
    }
    if (all_.size() >= kRemindersMax) return false;
    all_.push_back(std::move(reminder));
    return true;
  }
  bool remove(std::string_view name) {
    if (find(name) == nullptr) return false;
    begin_change();
    std::erase_if(all_, [&](const Reminder& reminder) { return reminder.name == name; });
    return true;
  }
  void remove_all() {
    if (all_.empty()) return;
    begin_change();
    all_.clear();
  }
  // Whether what completed turns changed is stored, or on its way.
  bool written() const noexcept { return !changed_; }
  // An entry of the index that no reminder stands for: its type was erased as a whole.
  void forget(std::string_view name, uint64_t due_ms) {
    orphans_.emplace_back(name, due_ms);
  }

  void keep() noexcept {
    if (!in_turn_) return;
    if (!changed_) written_.swap(before_);
    changed_ = true;
    in_turn_ = false;
    before_.clear();
  }
  void undo() noexcept {
    if (!in_turn_) return;
    all_.swap(before_);
    before_.clear();
    in_turn_ = false;
  }

  // Whether any is stored once completed turns are.
  bool stored() const noexcept { return !(in_turn_ ? before_ : all_).empty(); }
  void collect(const orbit_writer* writer) {
    for (const auto& [name, due_ms] : orphans_) writer->set_due(writer->ctx, to_c(name), due_ms, 0);
    orphans_.clear();
    if (!changed_) return;
    const std::vector<Reminder>& now = in_turn_ ? before_ : all_;
    const auto in = [](const std::vector<Reminder>& list, const std::string& name) -> const Reminder* {
      for (const Reminder& reminder : list)
        if (reminder.name == name) return &reminder;
      return nullptr;
    };
    std::string subkey;
    for (const Reminder& was : written_) {
      if (in(now, was.name) != nullptr) continue;
      subkey.assign(kReminderPrefix).append(was.name);
      writer->remove(writer->ctx, to_c(subkey));
      writer->set_due(writer->ctx, to_c(was.name), was.due_ms, 0);
    }
    for (const Reminder& is : now) {
      const Reminder* was = in(written_, is.name);
      if (was != nullptr && *was == is) continue;
      subkey.assign(kReminderPrefix).append(is.name);
      const std::string record = reminder_record(is);
      writer->put(writer->ctx, to_c(subkey), to_c(record));
      writer->set_due(writer->ctx, to_c(is.name), was != nullptr ? was->due_ms : 0, is.due_ms);
    }
    written_.clear();
    changed_ = false;
  }

  size_t heap_bytes() const noexcept { return (all_.capacity() + written_.capacity() + before_.capacity()) * sizeof(Reminder); }

  ReminderTick tick;  // of the running turn

 private:
  void begin_change() {
    if (in_turn_) return;
    before_ = all_;
    in_turn_ = true;
  }

  std::vector<Reminder> all_;
  std::vector<Reminder> before_;   // the running turn, while it has changed some
  std::vector<Reminder> written_;  // what storage has, while changed_
  std::vector<std::pair<std::string, uint64_t>> orphans_;
  bool in_turn_ = false;
  bool changed_ = false;           // completed turns changed what collect has not written yet
};

// For types without.
struct NoPart {};

}  // namespace orbit::detail
