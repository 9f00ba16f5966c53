// SPDX-License-Identifier: MIT OR BSD-3-Clause
// SORT and SORT_RO whose BY or GET name keys: those are known only when the elements are, so the command has all keys
// for itself while it reads the elements and then opens what they name.
#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "multi_key.hpp"
#include "orbit/result.hpp"
#include "session.hpp"
#include "sort.hpp"

namespace orbit::resp {
namespace {

class SortCall final : public HoldCall {
 public:
  SortCall(Session& session, Slot* slot, Args args, std::function<void()> leave)
      : client_(session),
        place_(slot),
        args_(args),
        entry_(session.server().entry(find_command(args[0]))),
        database_(session.server().database(session.database())),
        leave_(std::move(leave)) {
    std::string ignored;
    find_keys(*entry_.spec, args_, UINT32_MAX, positions_, ignored);
    refs_.push_back({database_, to_c(args_[1])});
    begin(session.worker(), nullptr, nullptr, session.worker().deadline_ns());
  }

 private:
  bool writes() const override { return (entry_.spec->flags & kWrite) != 0; }

  void use(KeyActor* const* actors) override {
    try {
      named_ ? sort_all(actors) : name_keys(actors);
    } catch (const std::exception&) {
      client_.out_of_memory(place_);
      answered_ = true;
    }
  }

  // The first hold: over what is sorted.
  void name_keys(KeyActor* const* actors) {
    if (actors[0]->expire_if_due(worker_->now_ms())) changed_[0] = 1;
    names_ = sort_named_keys(args_, actors[0]->value);
    std::sort(names_.begin(), names_.end());
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
    std::erase_if(names_, [](const std::string& name) { return name.size() > ORBIT_ACTOR_KEY_MAX; });
    const uint32_t keys_max = client_.settings().command_keys_max;
    if (names_.size() + positions_.size() <= keys_max) return;
    Reply(place_->out, client_.protocol())
        .error("ERR " + std::to_string(names_.size() + positions_.size()) +
               " keys in one command; the bound is command_keys_max = " + std::to_string(keys_max));
    answered_ = true;
  }

  // The second one: over all keys.
  void sort_all(KeyActor* const* actors) {
    answered_ = true;
    Reply reply(place_->out, client_.protocol());
    if (writes() && !check_writable(reply)) return;
    std::unordered_map<std::string_view, const Value*> values;
    std::vector<OpenKey> open;
    for (size_t i = 0; i < refs_.size(); ++i) {
      if (actors[i]->expire_if_due(worker_->now_ms())) changed_[i] = 1;
      if (i < positions_.size()) {
        open.push_back({args_[positions_[i]], &actors[i]->value});
      } else {
        values.emplace(names_[i - positions_.size()], &actors[i]->value);
      }
    }
    CommandContext context{args_, open, reply, worker_->now_ms(), worker_->random()};
    sort_with(context, writes(), [&values](std::string_view key) -> const Value* {
      const auto found = values.find(key);
      return found == values.end() ? nullptr : found->second;
    });
    for (size_t i = 0; i < open.size(); ++i) {
      if (!open[i].changed) continue;
      actors[i]->touch();
      changed_[i] = 1;
    }
    if (reply.failed()) worker_->count_error();
  }

  void failed(orbit_code code, const char* message) override {
    place_->out.clear();
    Reply reply(place_->out, client_.protocol());
    write_error(reply, writes(), code, message);
    answered_ = true;
  }

  void ended() override {
    if (!answered_) {
      named_ = true;
      refs_.clear();
      for (const uint32_t position : positions_) refs_.push_back({database_, to_c(args_[position])});
      for (const std::string& name : names_) refs_.push_back({database_, to_c(std::string_view(name))});
      begin(client_.worker(), nullptr, nullptr, client_.worker().deadline_ns());
      return;
    }
    Session& client = client_;
    Slot* const place = place_;
    const auto leave = std::move(leave_);
    delete this;
    client.finish(place);
    leave();
  }

  Session& client_;
  Slot* const place_;
  const Args args_;  // kept in the slot
  const CommandEntry& entry_;
  const orbit_type* const database_;
  std::function<void()> leave_;
  std::vector<uint32_t> positions_;
  std::vector<std::string> names_;
  bool named_ = false;
  bool answered_ = false;
};

void sort_by_patterns(Session& session, Args args) {
  const CommandEntry& entry = session.server().entry(find_command(args[0]));
  std::vector<uint32_t> positions;
  std::string why;
  if (!find_keys(*entry.spec, args, session.settings().command_keys_max, positions, why)) {
    return answer(session, [&](Reply& reply) { reply.error(why); });
  }
  Slot* const slot = session.begin_operation();
  const Args kept = slot->keep(args);
  exclusively(session, [&session, slot, kept](std::function<void()> leave) {
    new SortCall(session, slot, kept, std::move(leave));
  });
}

constexpr SessionCommand kSortCommands[] = {
    {.name = "sort", .operation = &sort_by_patterns, .wanted = &sort_names_keys},
    {.name = "sort_ro", .operation = &sort_by_patterns, .wanted = &sort_names_keys},
};

}  // namespace

std::span<const SessionCommand> sort_commands() { return kSortCommands; }

}  // namespace orbit::resp
