// SPDX-License-Identifier: MIT OR BSD-3-Clause
// SORT and SORT_RO whose BY or GET name keys: those are known only when the elements are, so the command has all keys
// for itself while it reads the elements and then opens what they name. Inside an EXEC it uses the keys that this has.
#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exec.hpp"
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
        database_(session.database_type(session.database())),
        exec_(session.exec()),
        leave_(std::move(leave)) {
    std::string ignored;
    find_keys(*entry_.spec, args_, UINT32_MAX, positions_, ignored);
  }

  // Ends at once perhaps, and this object with it.
  void start() {
    if (exec_ != nullptr) {
      safely([&] { name_keys(*exec_->open(database_, args_[1])); });
      return ended();
    }
    refs_.push_back({database_, to_c(args_[1])});
    begin(client_.worker(), nullptr, nullptr, client_.worker().deadline_ns());
  }

 private:
  bool writes() const override { return (entry_.spec->flags & kWrite) != 0; }

  template <class Function>
  void safely(Function&& function) noexcept {
    try {
      function();
    } catch (const std::exception&) {
      client_.lacks(place_);
      answered_ = true;
    }
  }

  void use(KeyActor* const* actors) override {
    safely([&] {
      if (named_) return sort_all(actors);
      if (actors[0]->expire_if_due(worker_->now_ms())) changed_[0] = 1;
      name_keys(actors[0]->value);
    });
  }

  void name_keys(const Value& sorted) {
    names_ = sort_named_keys(args_, sorted);
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

  // All that are named. An EXEC that runs has those of the command, and others perhaps; what it erased is not there.
  void choose_refs() {
    refs_.clear();
    if (exec_ == nullptr) {
      for (const uint32_t position : positions_) refs_.push_back({database_, to_c(args_[position])});
    } else if (exec_->uncommitted().erased(database_)) {
      return;
    }
    first_named_ = refs_.size();
    for (const std::string& name : names_) {
      if (exec_ != nullptr && exec_->open(database_, name) != nullptr) continue;
      refs_.push_back({database_, to_c(std::string_view(name))});
    }
  }

  void sort_all(KeyActor* const* actors) {
    answered_ = true;
    Reply reply(place_->out, client_.protocol());
    if (exec_ == nullptr && writes() && !check_writable(reply)) return;
    std::unordered_map<std::string_view, const Value*> values;
    for (size_t i = 0; i < refs_.size(); ++i) {
      if (actors[i]->expire_if_due(worker_->now_ms())) changed_[i] = 1;
      if (i >= first_named_) values.emplace(from_c(refs_[i].key), &actors[i]->value);
    }
    std::vector<OpenKey> open;
    for (size_t i = 0; i < positions_.size(); ++i) {
      const std::string_view name = args_[positions_[i]];
      open.push_back({name, exec_ != nullptr ? exec_->open(database_, name) : &actors[i]->value});
    }
    CommandContext context{args_, open, reply, client_.worker().now_ms(), client_.worker().random()};
    const size_t output_bytes_max = client_.settings().output_bytes_max;
    const OutputBound bound(place_->out, output_bytes_max, output_bytes_max);
    sort_with(context, writes(), [&](std::string_view key) -> const Value* {
      if (const auto found = values.find(key); found != values.end()) return found->second;
      return exec_ != nullptr ? exec_->open(database_, key) : nullptr;
    });
    for (size_t i = 0; i < open.size(); ++i) {
      if (!open[i].changed) continue;
      if (exec_ != nullptr) {
        exec_->changed(database_, open[i].name);
      } else {
        actors[i]->touch();
        changed_[i] = 1;
      }
    }
    if (reply.failed()) client_.worker().count_error();
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
      safely([&] { choose_refs(); });
      if (!answered_ && !refs_.empty()) {
        return begin(client_.worker(), nullptr, nullptr, client_.worker().deadline_ns());
      }
      if (!answered_) safely([&] { sort_all(nullptr); });
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
  Exec* const exec_;  // inside of which it runs
  std::function<void()> leave_;
  std::vector<uint32_t> positions_;
  std::vector<std::string> names_;
  size_t first_named_ = 0;  // refs_ before it are the command's own
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
    (new SortCall(session, slot, kept, std::move(leave)))->start();
  });
}

constexpr SessionCommand kSortCommands[] = {
    {.name = "sort", .operation = &sort_by_patterns, .wanted = &sort_names_keys},
    {.name = "sort_ro", .operation = &sort_by_patterns, .wanted = &sort_names_keys},
};

}  // namespace

std::span<const SessionCommand> sort_commands() { return kSortCommands; }

}  // namespace orbit::resp
