// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/rules.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace orbit::kernel {

namespace {

namespace json = boost::json;

constexpr std::string_view kEverybody = "*";

bool any_matches(const std::vector<Pattern>& patterns, std::string_view text, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& each) { return each.matches(text, name); });
}

bool any_matches_all(const std::vector<Pattern>& patterns) noexcept {
  return std::any_of(patterns.begin(), patterns.end(), [](const Pattern& each) { return each.matches_all(); });
}

json::array texts(const std::vector<Pattern>& patterns) {
  json::array out;
  for (const Pattern& each : patterns) out.push_back(json::value(each.text()));
  return out;
}

}  // namespace

std::string Rule::json() const {
  json::object out;
  json::array names;
  for (const std::string& role : roles) names.push_back(json::value(role));
  out["roles"] = std::move(names);
  if (!types.empty()) {
    out["types"] = texts(types);
    out["keys"] = texts(keys);
    out["methods"] = texts(methods);
  }
  if (!admin.empty()) out["admin"] = texts(admin);
  out["read_only"] = read_only;
  out["effect"] = allow ? "allow" : "deny";
  return json::serialize(out);
}

// An answer that a thread remembers. One place for each value of a hash, so that the memory has a bound.
struct Rules::Remembered {
  uint64_t epoch = 0;
  bool read_only = false;
  std::string roles;
  std::string type;
  std::string method;
  Fit fit;
};

Rules::Rules(std::vector<Rule> rules) : rules_(std::move(rules)), epoch_(next_epoch()) {}

uint64_t Rules::next_epoch() noexcept {
  static std::atomic<uint64_t> epochs{0};
  return epochs.fetch_add(1, std::memory_order_relaxed) + 1;
}

bool Rules::is_for(const Rule& rule, const Principal& principal) noexcept {
  return std::any_of(rule.roles.begin(), rule.roles.end(), [&](const std::string& role) {
    return role == kEverybody ? !principal.anonymous() : principal.has_role(role);
  });
}

Rules::Fit Rules::fit(const Principal& principal, const Call& call) const {
  const std::optional<bool> declared = read_only_ ? read_only_(call.type, call.method) : std::nullopt;
  const bool read_only = declared.value_or(call.read_only);
  Fit out;
  for (const Rule& rule : rules_) {
    if (rule.types.empty() || (rule.read_only && !read_only) || !is_for(rule, principal)) continue;
    if (!any_matches(rule.types, call.type, {}) || !any_matches(rule.methods, call.method, {})) continue;
    const bool all_keys = any_matches_all(rule.keys);
    (rule.allow ? out.allowed : out.denied) |= all_keys;
    if (!all_keys) (rule.allow ? out.allow : out.deny).push_back(&rule);
  }
  return out;
}

const Rules::Fit& Rules::remembered(const Principal& principal, const Call& call) const {
  constexpr size_t kPlaces = 256;  // power of two
  thread_local std::array<Remembered, kPlaces> memory;
  const std::hash<std::string_view> hash;
  const uint64_t mixed = (hash(call.type) * 31 + hash(call.method)) * 31 + principal.roles_hash() + (call.read_only ? 1 : 0);
  Remembered& place = memory[(mixed ^ (mixed >> 32)) & (kPlaces - 1)];
  const uint64_t epoch = epoch_.load(std::memory_order_acquire);
  if (place.epoch == epoch && place.read_only == call.read_only && place.method == call.method && place.type == call.type &&
      place.roles == principal.roles_text())
    return place.fit;
  place.epoch = 0;  // in case something throws
  place.fit = fit(principal, call);
  place.read_only = call.read_only;
  place.roles = principal.roles_text();
  place.type = call.type;
  place.method = call.method;
  place.epoch = epoch;
  return place.fit;
}

bool Rules::may_call(const Principal& principal, const Call& call) const {
  if (principal.admin()) return true;
  const Fit& found = remembered(principal, call);
  const auto fits = [&](const Rule* rule) { return any_matches(rule->keys, call.key, principal.name()); };
  if (found.denied || std::any_of(found.deny.begin(), found.deny.end(), fits)) return false;
  return found.allowed || std::any_of(found.allow.begin(), found.allow.end(), fits);
}

bool Rules::may_call_some(const Principal& principal, const Call& call) const {
  if (principal.admin()) return true;
  const Fit& found = remembered(principal, call);
  if (found.denied) return false;
  return found.allowed || std::any_of(found.allow.begin(), found.allow.end(), [&](const Rule* rule) {
           return std::any_of(rule->keys.begin(), rule->keys.end(),
                              [&](const Pattern& key) { return !key.uses_name() || !principal.anonymous(); });
         });
}

bool Rules::may_administer(const Principal& principal, std::string_view action, bool read_only) const {
  if (principal.admin()) return true;
  bool allowed = false;
  for (const Rule& rule : rules_) {
    if ((rule.read_only && !read_only) || !is_for(rule, principal) || !any_matches(rule.admin, action, {})) continue;
    if (!rule.allow) return false;
    allowed = true;
  }
  return allowed;
}

}  // namespace orbit::kernel
