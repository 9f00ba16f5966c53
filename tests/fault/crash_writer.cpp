// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "crash_writer.hpp"

#include <algorithm>

namespace orbit::fault {
namespace {

constexpr size_t kStepsMax = 200'000;
constexpr size_t kPipelineMax = 8;
constexpr size_t kKeys = 12;
constexpr uint64_t kCollectionMax = 400;  // then another one is begun

std::string text(uint64_t n) { return std::to_string(n); }

void complain(std::vector<std::string>& wrong, const std::string& key, const Range& range, const std::string& found) {
  wrong.push_back(key + ": acknowledged up to " + text(range.acked) + ", sent up to " + text(range.sent) + ", found " + found);
}

std::string shown(const Reply& reply) {
  switch (reply.kind) {
    case Reply::Kind::none: return "nothing";
    case Reply::Kind::integer: return std::to_string(reply.integer);
    case Reply::Kind::list: return "a list of " + text(reply.list.size());
    default: return "'" + reply.text + "'";
  }
}

// What a key holds as a number; 0: no such key. Nothing: neither.
bool number_of(const Reply& reply, uint64_t& out) {
  if (reply.kind == Reply::Kind::none) return out = 0, true;
  if (reply.kind != Reply::Kind::text || reply.text.empty()) return false;
  if (!std::all_of(reply.text.begin(), reply.text.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  return out = std::stoull(reply.text), true;
}

void settle(std::vector<std::string>& wrong, const std::string& key, Range& range, const Reply& reply) {
  uint64_t n = 0;
  if (!number_of(reply, n) || n < range.acked || n > range.sent) return complain(wrong, key, range, shown(reply));
  range = {n, n};
}

std::vector<std::string> keys_of(const std::map<std::string, Range>& ranges) {
  std::vector<std::string> out;
  for (const auto& [key, range] : ranges) out.push_back(key);
  return out;
}

}  // namespace

std::vector<std::string> shared_keys() { return {"shared:1", "shared:2", "shared:3"}; }

void CrashWriter::run(RespClient& client) {
  try {
    for (size_t steps = 0; steps < kStepsMax;) {
      std::vector<Step> pipeline;
      for (size_t left = 1 + random_() % kPipelineMax; left > 0; --left, ++steps) pipeline.push_back(step(client));
      client.flush();
      for (const Step& one : pipeline) {
        for (size_t i = 0; i < one.replies; ++i) {
          const Reply reply = client.read();
          if (!reply.is_error() && !(i + 1 == one.replies && reply.kind == Reply::Kind::none)) continue;
          error_ = reply.is_error() ? reply.text : "an EXEC without WATCH was refused";
          return;
        }
        one.acked();
        ++acknowledged_;
      }
    }
  } catch (const ConnectionLost&) {
  }
}

CrashWriter::Step CrashWriter::numbered(Range& range) {
  const uint64_t n = ++range.sent;
  return {1, [&range, n] { range.acked = n; }};
}

CrashWriter::Step CrashWriter::step(RespClient& client) {
  const std::string which = id_ + ":" + text(random_() % kKeys);
  switch (random_() % 8) {
    case 0: {
      Step step = numbered(values_["value:" + which]);
      client.add({"SET", "value:" + which, text(values_["value:" + which].sent)});
      return step;
    }
    case 1: {
      client.add({"INCR", "counter:" + which});
      return numbered(counters_["counter:" + which]);
    }
    case 2: {
      Range& range = pairs_["pair:" + which];
      Step step = numbered(range);
      client.add({"MSET", "pair:" + which + ":a", text(range.sent), "pair:" + which + ":b", text(range.sent)});
      return step;
    }
    case 3: {
      Range& range = pairs_["pair:" + which];
      Step step = numbered(range);
      client.add({"MULTI"});
      client.add({"SET", "pair:" + which + ":a", text(range.sent)});
      client.add({"SET", "pair:" + which + ":b", text(range.sent)});
      client.add({"EXEC"});
      step.replies = 4;
      return step;
    }
    case 4: {
      Range& range = switches_["switch:" + which];
      Step step = numbered(range);
      if (range.sent % 2 == 1)
        client.add({"SET", "switch:" + which, text(range.sent)});
      else
        client.add({"DEL", "switch:" + which});
      return step;
    }
    case 5: {
      std::string key = "list:" + id_ + ":0";
      for (uint64_t i = 0; lists_[key].sent == kCollectionMax; ++i) key = "list:" + id_ + ":" + text(i);
      Step step = numbered(lists_[key]);
      client.add({"LPUSH", key, text(lists_[key].sent)});
      return step;
    }
    case 6: {
      std::string key = "hash:" + id_ + ":0";
      for (uint64_t i = 0; hashes_[key].sent == kCollectionMax; ++i) key = "hash:" + id_ + ":" + text(i);
      Step step = numbered(hashes_[key]);
      const std::string n = text(hashes_[key].sent);
      client.add({"HSET", key, "f" + n, n});
      return step;
    }
    default: {
      std::vector<std::string> command{"MSET"};
      const std::string value = id_ + "-" + text(random_());
      for (const std::string& key : shared_keys()) command.insert(command.end(), {key, value});
      client.add(command);
      return {1, [] {}};
    }
  }
}

void CrashWriter::verify(RespClient& client, std::vector<std::string>& wrong) {
  verify_set(client, wrong);
  verify_pairs(client, wrong);
  verify_switches(client, wrong);
  verify_lists(client, wrong);
  verify_hashes(client, wrong);
}

void CrashWriter::verify_set(RespClient& client, std::vector<std::string>& wrong) {
  for (auto* ranges : {&values_, &counters_})
    for (auto& [key, range] : *ranges) settle(wrong, key, range, client.call({"GET", key}));
}

void CrashWriter::verify_pairs(RespClient& client, std::vector<std::string>& wrong) {
  for (auto& [key, range] : pairs_) {
    const Reply a = client.call({"GET", key + ":a"});
    const Reply b = client.call({"GET", key + ":b"});
    if (a.kind != b.kind || a.text != b.text) wrong.push_back(key + " is torn: " + shown(a) + " and " + shown(b));
    settle(wrong, key, range, a);
  }
}

void CrashWriter::verify_switches(RespClient& client, std::vector<std::string>& wrong) {
  for (auto& [key, range] : switches_) {
    const Reply reply = client.call({"GET", key});
    uint64_t n = 0;
    const bool is_number = number_of(reply, n);
    // Nothing there: some even number of operations was done, the last that is possible will do.
    if (is_number && reply.kind == Reply::Kind::none) n = range.sent - range.sent % 2;
    if (!is_number || n < range.acked || n > range.sent)
      complain(wrong, key, range, shown(reply));
    else
      range = {n, n};
  }
}

void CrashWriter::verify_lists(RespClient& client, std::vector<std::string>& wrong) {
  for (const std::string& key : keys_of(lists_)) {
    Range& range = lists_[key];
    const Reply all = client.call({"LRANGE", key, "0", "-1"});
    const uint64_t count = all.list.size();
    if (all.is_error() || count < range.acked || count > range.sent) {
      complain(wrong, key, range, shown(all));
      continue;
    }
    for (uint64_t i = 0; i < count; ++i)
      if (all.list[i].text != text(count - i)) wrong.push_back(key + " has " + shown(all.list[i]) + " at " + text(i) + " of " + text(count));
    range = {count, count};
  }
}

void CrashWriter::verify_hashes(RespClient& client, std::vector<std::string>& wrong) {
  for (const std::string& key : keys_of(hashes_)) {
    Range& range = hashes_[key];
    const Reply all = client.call({"HGETALL", key});
    const uint64_t count = all.list.size() / 2;
    if (all.is_error() || count < range.acked || count > range.sent) {
      complain(wrong, key, range, shown(all));
      continue;
    }
    std::map<std::string, std::string> fields;
    for (size_t i = 0; i + 1 < all.list.size(); i += 2) fields[all.list[i].text] = all.list[i + 1].text;
    for (uint64_t n = 1; n <= count; ++n)
      if (fields["f" + text(n)] != text(n)) wrong.push_back(key + " has no f" + text(n) + " of " + text(count));
    range = {count, count};
  }
}

}  // namespace orbit::fault
