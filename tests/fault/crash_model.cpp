// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "crash_model.hpp"

#include <cstring>
#include <random>

namespace orbit::fault {
namespace {

constexpr size_t kLargeBytes = 100'000;
constexpr uint64_t kPhase = 128;  // operations that let a collection grow, and then shrink

// FNV-1a, for numbers that are the same everywhere.
uint64_t number_of(const std::string& key, uint64_t n) {
  uint64_t hash = 0xcbf29ce484222325ull ^ n;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  hash ^= hash >> 31;
  return (hash * 0x9e3779b97f4a7c15ull) ^ (hash >> 29);
}

std::string padded(const std::string& head, size_t size, uint64_t seed) {
  std::string out = head;
  if (size <= head.size()) return out;
  out.resize(size);
  std::mt19937_64 random(seed);
  for (size_t at = head.size(); at < size; at += 8) {
    const uint64_t word = random();
    std::memcpy(&out[at], &word, std::min<size_t>(8, size - at));
  }
  return out;
}

// How one operation changes a collection.
enum class Change { add, add_other_end, remove, drop };

struct Choice {
  Change change;
  std::string name;   // field or member
  std::string value;
  int64_t score;
};

// Grows and shrinks over and under the size at which a value is split into records of its own, and is dropped at times.
Choice choose(const std::string& key, uint64_t n) {
  std::mt19937_64 random(number_of(key, n));
  const bool shrinks = n % kPhase > kPhase * 5 / 8;
  Choice choice;
  const uint64_t dice = random() % 100;
  choice.change = dice < (shrinks ? 10u : 55u) ? Change::add : dice < (shrinks ? 20u : 85u) ? Change::add_other_end : Change::remove;
  if (random() % 300 == 0) choice.change = Change::drop;
  choice.name = padded("e" + std::to_string(random() % 64), random() % 4 == 0 ? 80 : 0, random() % 3);
  const size_t size = random() % 40 == 0 ? 5000 : random() % 300;
  choice.value = padded(std::to_string(n) + ":", size, number_of(key, n) + 1);
  choice.score = static_cast<int64_t>(random() % 2'000'000) - 1'000'000;
  return choice;
}

bool list_of(const Reply& reply) { return reply.kind == Reply::Kind::list; }

// Appends what is in a reply of names and values, pair after pair; false: that is not what it is.
bool pairs_of(const Reply& reply, std::map<std::string, std::string>& out) {
  if (!list_of(reply) || reply.list.size() % 2 != 0) return false;
  for (size_t i = 0; i < reply.list.size(); i += 2) out[reply.list[i].text] = reply.list[i + 1].text;
  return out.size() * 2 == reply.list.size();
}

std::string shown(const Reply& reply) {
  constexpr size_t kShown = 24;
  switch (reply.kind) {
    case Reply::Kind::none: return "nothing";
    case Reply::Kind::integer: return std::to_string(reply.integer);
    case Reply::Kind::list: return "a list of " + std::to_string(reply.list.size());
    case Reply::Kind::error: return "the error '" + reply.text + "'";
    case Reply::Kind::text: break;
  }
  std::string text = std::to_string(reply.text.size()) + " bytes '";
  for (const char c : reply.text.substr(0, kShown)) text += c >= ' ' && c <= '~' ? c : '?';
  return text + "'";
}

}  // namespace

std::string content(const std::string& key, uint64_t n) {
  const uint64_t number = number_of(key, n);
  size_t size = number % (number % 3 == 0 ? 16'384 : 600);
  if (number % 40 == 0) size = kLargeBytes + number % 4096;
  std::string head = std::to_string(n);
  if (head.size() < size) head += ":";  // what follows may begin with a digit
  if (size > 24) head += key;
  return padded(head, size, number);
}

Command Part::command(uint64_t n) const {
  if (kind_ == Kind::counter) return {"INCR", key_};
  if (kind_ == Kind::string) {
    const uint64_t dice = number_of(key_, n) % 16;
    if (dice == 0) return {"DEL", key_};
    if (dice == 1) return {"APPEND", key_, std::to_string(n)};
    return {"SET", key_, content(key_, n)};
  }
  const Choice choice = choose(key_, n);
  if (choice.change == Change::drop) return {"DEL", key_};
  const bool removes = choice.change == Change::remove;
  switch (kind_) {
    case Kind::hash:
      return removes ? Command{"HDEL", key_, choice.name} : Command{"HSET", key_, choice.name, choice.value, "last", std::to_string(n)};
    case Kind::list:
      if (removes) return {n % 2 == 0 ? "LPOP" : "RPOP", key_};
      return {choice.change == Change::add ? "RPUSH" : "LPUSH", key_, choice.value};
    case Kind::set:
      return {removes ? "SREM" : "SADD", key_, choice.name};
    default:
      if (removes) return {"ZREM", key_, choice.name};
      return {"ZADD", key_, std::to_string(choice.score), choice.name};
  }
}

void Part::apply(uint64_t n) {
  if (kind_ == Kind::counter) {
    ++count_;
    return;
  }
  if (kind_ == Kind::string) {
    const uint64_t dice = number_of(key_, n) % 16;
    exists_ = dice != 0;
    if (dice > 1) bytes_ = content(key_, n);
    if (dice == 0) bytes_.clear();
    if (dice == 1) bytes_ += std::to_string(n);
    return;
  }
  const Choice choice = choose(key_, n);
  if (choice.change == Change::drop) {
    fields_.clear();
    elements_.clear();
    members_.clear();
    scores_.clear();
    return;
  }
  const bool removes = choice.change == Change::remove;
  switch (kind_) {
    case Kind::hash:
      if (removes) {
        fields_.erase(choice.name);
      } else {
        fields_[choice.name] = choice.value;
        fields_["last"] = std::to_string(n);
      }
      break;
    case Kind::list:
      if (!removes && choice.change == Change::add) elements_.push_back(choice.value);
      if (!removes && choice.change != Change::add) elements_.push_front(choice.value);
      if (removes && !elements_.empty()) n % 2 == 0 ? elements_.pop_front() : elements_.pop_back();
      break;
    case Kind::set:
      if (removes) members_.erase(choice.name);
      else members_.insert(choice.name);
      break;
    default:
      if (removes) scores_.erase(choice.name);
      else scores_[choice.name] = choice.score;
  }
}

Command Part::reader() const {
  switch (kind_) {
    case Kind::hash: return {"HGETALL", key_};
    case Kind::list: return {"LRANGE", key_, "0", "-1"};
    case Kind::set: return {"SMEMBERS", key_};
    case Kind::sorted_set: return {"ZRANGE", key_, "0", "-1", "WITHSCORES"};
    default: return {"GET", key_};
  }
}

bool Part::matches(const Reply& reply) const {
  std::map<std::string, std::string> pairs;
  switch (kind_) {
    case Kind::string:
      return exists_ ? reply.kind == Reply::Kind::text && reply.text == bytes_ : reply.kind == Reply::Kind::none;
    case Kind::counter:
      if (count_ == 0) return reply.kind == Reply::Kind::none;
      return reply.kind == Reply::Kind::text && reply.text == std::to_string(count_);
    case Kind::hash:
      return list_of(reply) && reply.list.size() == fields_.size() * 2 && pairs_of(reply, pairs) && pairs == fields_;
    case Kind::list: {
      if (!list_of(reply) || reply.list.size() != elements_.size()) return false;
      for (size_t i = 0; i < elements_.size(); ++i)
        if (reply.list[i].text != elements_[i]) return false;
      return true;
    }
    case Kind::set: {
      if (!list_of(reply) || reply.list.size() != members_.size()) return false;
      std::set<std::string> found;
      for (const Reply& one : reply.list) found.insert(one.text);
      return found == members_;
    }
    default: {
      if (!list_of(reply) || reply.list.size() != scores_.size() * 2 || !pairs_of(reply, pairs)) return false;
      for (const auto& [member, score] : scores_) {
        const auto found = pairs.find(member);
        if (found == pairs.end() || found->second != std::to_string(score)) return false;
      }
      return true;
    }
  }
}

size_t Subject::send(RespClient& client) {
  const uint64_t n = ++sent_;
  std::vector<Command> commands;
  Command together{"MSET"};
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (!takes_part(i, n)) continue;
    commands.push_back(parts_[i].command(n));
    if (const Command& one = commands.back(); one[0] == "SET") together.insert(together.end(), {one[1], one[2]});
  }
  if (commands.size() == 1) {
    client.add(commands[0]);
    return 1;
  }
  if (n % 2 == 0 && together.size() == 1 + 2 * commands.size()) {
    client.add(together);
    return 1;
  }
  client.add({"MULTI"});
  for (const Command& command : commands) client.add(command);
  client.add({"EXEC"});
  return commands.size() + 2;
}

void Subject::apply_next() {
  ++base_;
  for (size_t i = 0; i < parts_.size(); ++i)
    if (takes_part(i, base_)) parts_[i].apply(base_);
}

bool Subject::matches(const std::vector<Reply>& replies) const {
  for (size_t i = 0; i < parts_.size(); ++i)
    if (!parts_[i].matches(replies[i])) return false;
  return true;
}

void Subject::verify(RespClient& client, bool may_lose, std::vector<std::string>& wrong) {
  std::vector<Reply> replies;
  for (const Part& part : parts_) replies.push_back(client.call(part.reader()));
  const uint64_t base = base_;
  const uint64_t least = may_lose ? base : acked_;
  while (base_ < least) apply_next();
  while (!matches(replies) && base_ < sent_) apply_next();
  if (!matches(replies)) {
    std::string text;
    for (size_t i = 0; i < parts_.size(); ++i) text += parts_[i].key() + " is " + shown(replies[i]) + ", ";
    wrong.push_back(text + "which is no state after " + std::to_string(least) + " to " + std::to_string(sent_) +
                    " operations (" + std::to_string(base) + " at the start, " + std::to_string(acked_) + " acknowledged)");
  }
  acked_ = sent_ = base_;
}

}  // namespace orbit::fault
