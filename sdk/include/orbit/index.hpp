// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Finding actors by an indexed field of their state. Generated proxies have by_name() for the index `name`:
//
//   orbit::Page<Account> page = co_await Account::by_owner("alice");
//   orbit::Page<Account> rich = co_await Account::by_cents().at_least(1'000'000).descending().limit(50);
//   rich = co_await Account::by_cents().at_least(1'000'000).descending().limit(50).after(rich.next);
//
// Entries come in order of value, then key. An actor has one entry for each value of a repeated field. What turns of
// SYNC types changed is found when their replies have left; for other types a query first stores what is in memory. A
// page is one consistent view, two pages are two. Throws CallError: FAILED_PRECONDITION while the index is being built.
#pragma once

#include <coroutine>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "call.hpp"
#include "index_key.hpp"

namespace orbit {

template <class Proxy>
struct Page {
  std::vector<Proxy> actors;
  std::string next;  // for after(); empty: there is no further page
};

// Value is bool, int64_t, uint64_t, double or std::string_view. Awaited once, on a worker.
template <class Proxy, class Value>
class [[nodiscard("co_await the query")]] IndexQuery {
 public:
  IndexQuery(const orbit_type* type, uint32_t number) noexcept : type_(type), number_(number) {}

  IndexQuery equals(Value value) && {
    from_ = encoded(value);
    to_ = behind(from_);
    return std::move(*this);
  }
  IndexQuery at_least(Value value) && {
    from_ = encoded(value);
    return std::move(*this);
  }
  IndexQuery more_than(Value value) && {
    from_ = behind(encoded(value));
    return std::move(*this);
  }
  IndexQuery at_most(Value value) && {
    to_ = behind(encoded(value));
    return std::move(*this);
  }
  IndexQuery less_than(Value value) && {
    to_ = encoded(value);
    return std::move(*this);
  }
  IndexQuery starts_with(std::string_view prefix) &&
    requires std::same_as<Value, std::string_view>
  {
    from_ = encoded(prefix);
    from_.resize(from_.size() - 2);
    to_ = behind(from_);
    return std::move(*this);
  }
  IndexQuery descending() && {
    descending_ = true;
    return std::move(*this);
  }
  // 1 to ORBIT_QUERY_LIMIT_MAX entries; 100 otherwise.
  IndexQuery limit(uint32_t entries) && {
    limit_ = entries;
    return std::move(*this);
  }
  // Goes on behind a page; the rest of the query must be the same.
  IndexQuery after(std::string next) && {
    after_ = std::move(next);
    return std::move(*this);
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    const orbit_index_query query = {sizeof(orbit_index_query), number_, to_c(from_), to_c(to_), to_c(after_), limit_,
                                     descending_ ? 1u : 0u};
    host_actors.query(type_, &query, &visit, &done, this);
  }
  Page<Proxy> await_resume() {
    if (code_ != ORBIT_OK) throw CallError(static_cast<Code>(code_), message_);
    Page<Proxy> page;
    for (const std::string& key : keys_) {
      auto parsed = Proxy::KeyType::parse(key);
      if (!parsed) throw CallError(Code::data_loss, "a key in an index: " + parsed.error().message);
      page.actors.emplace_back(*parsed);
    }
    page.next = std::move(next_);
    return page;
  }

 private:
  static std::string encoded(Value value) {
    std::string out;
    append_index_value(out, value);
    return out;
  }
  // The least bytes greater than all that start with these.
  static std::string behind(std::string bytes) {
    while (!bytes.empty() && bytes.back() == '\xff') bytes.pop_back();
    if (!bytes.empty()) ++bytes.back();
    return bytes;
  }
  static int visit(void* ctx, orbit_bytes, orbit_bytes key) {
    static_cast<IndexQuery*>(ctx)->keys_.emplace_back(from_c(key));
    return 1;
  }
  static void done(void* ctx, orbit_bytes next, orbit_code code, const char* message) {
    auto* query = static_cast<IndexQuery*>(ctx);
    query->next_ = from_c(next);
    query->code_ = code;
    if (code != ORBIT_OK) query->message_ = message;
    query->waiting_.resume();  // destroys the query
  }

  const orbit_type* type_;
  uint32_t number_;
  uint32_t limit_ = 100;
  bool descending_ = false;
  std::string from_;
  std::string to_;
  std::string after_;
  std::coroutine_handle<> waiting_;
  std::vector<std::string> keys_;
  std::string next_;
  orbit_code code_ = ORBIT_OK;
  std::string message_;
};

namespace detail {

// Of the field of a unique index: not set.
inline bool is_unset(std::string_view value) noexcept { return value.empty(); }
template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
bool is_unset(T value) noexcept {
  return value == T{};
}

template <class Description>
const orbit_index* index_of(uint32_t number) noexcept {
  for (uint32_t i = 0; i < Description::kIndexCount; ++i)
    if (Description::kIndexes[i].number == number) return &Description::kIndexes[i];
  return nullptr;
}

}  // namespace detail
}  // namespace orbit
