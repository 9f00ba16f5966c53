// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "keyspace.hpp"

#include <algorithm>

#include "sort.hpp"

namespace orbit::resp::testing {

Words words(std::string_view line) {
  Words out(1);
  for (const char c : line) {
    if (c == ' ') {
      out.emplace_back();
    } else {
      out.back().push_back(c);
    }
  }
  return out;
}

Value& Keyspace::value(const std::string& key) {
  auto& slot = values_[key];
  if (slot == nullptr) slot = std::make_unique<Value>();
  return *slot;
}

std::string Keyspace::run(const Words& args) {
  changed_.clear();
  MemoryReplyBuffer buffer;
  Reply reply(buffer, protocol_);
  const CommandSpec* spec = find_command(args[0]);
  const auto count = static_cast<int>(args.size());
  if (spec == nullptr || spec->run == nullptr) return "-ERR not a command over values\r\n";
  if (spec->arity > 0 ? count != spec->arity : count < -spec->arity) {
    return std::string("-ERR wrong number of arguments for '") + spec->name + "' command\r\n";
  }
  const std::vector<std::string_view> views(args.begin(), args.end());
  std::vector<uint32_t> positions;
  if (spec->key_positions != nullptr) {
    positions.resize(args.size());
    positions.resize(static_cast<size_t>(spec->key_positions(views, positions)));
  } else if (spec->first_key != 0) {
    const int last = spec->last_key < 0 ? count + spec->last_key : spec->last_key;
    for (int i = spec->first_key; i <= last; i += spec->key_step) positions.push_back(static_cast<uint32_t>(i));
  }
  std::vector<OpenKey> keys;
  for (const uint32_t position : positions) {
    Value& opened = value(args[position]);
    opened.expire_if_due(now_ms);
    keys.push_back({views[position], &opened});
  }
  CommandContext context{views, keys, reply, now_ms, random += 0x9e3779b97f4a7c15ull};
  if (std::string_view(spec->name).starts_with("sort") && sort_names_keys(views)) {
    sort_with(context, (spec->flags & kWrite) != 0, [&](std::string_view name) -> const Value* {
      Value& found = value(std::string(name));
      found.expire_if_due(now_ms);
      return &found;
    });
  } else {
    spec->run(context);
  }
  for (const OpenKey& key : keys) {
    if (key.changed) changed_.emplace_back(key.name);
  }
  return std::string(buffer.view());
}

}  // namespace orbit::resp::testing
