// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "batch.hpp"

namespace orbit::storage_postgres {
namespace {

constexpr size_t kEntryBytesMax = size_t{512} << 20;  // a message and a value of PostgreSQL end at 1 GB
constexpr size_t kStatementBytesMax = size_t{8} << 20;
constexpr uint32_t kStatementRowsMax = 2000;

Result<> check_size(const char* what, Bytes key, Bytes value) {
  if (key.size() + value.size() <= kEntryBytesMax) return {};
  return fail(Code::invalid_argument, std::string(what) + " for the key " + detail::readable(key) + " has " +
                                          std::to_string(key.size() + value.size()) + " bytes, at most " +
                                          std::to_string(kEntryBytesMax) + " are possible");
}

// Rows for Statement::put; sends itself when it is big enough.
class Puts {
 public:
  explicit Puts(Connection& connection) : connection_(connection) {}
  void add(const RowKey& key, Bytes value) {
    if (heads_.count() == kStatementRowsMax || (heads_.count() > 0 && bytes_ + value.size() > kStatementBytesMax)) send();
    heads_.add(key.head());
    hashes_.add(key.hash());
    tails_.add(key.tail());
    values_.add(value);
    bytes_ += key.head().size() + key.tail().size() + value.size();
  }
  void send() {
    if (heads_.count() == 0) return;
    connection_.add(Statement::put, {heads_.value(), hashes_.value(), tails_.value(), values_.value()});
    for (ByteaArray* array : {&heads_, &hashes_, &tails_, &values_}) array->clear();
    bytes_ = 0;
  }

 private:
  Connection& connection_;
  ByteaArray heads_;
  ByteaArray hashes_;
  ByteaArray tails_;
  ByteaArray values_;
  size_t bytes_ = 0;
};

}  // namespace

Result<Batch> Batch::of(Conditions conditions, WriteOps ops) {
  Batch out(conditions);
  const auto last = [&]() -> Part& { return out.parts_.empty() ? out.parts_.emplace_back() : out.parts_.back(); };
  for (size_t i = 0; i < conditions.size(); ++i) {
    const Condition one = conditions[i];
    if (auto ok = check_size("a condition", one.key, one.value); !ok) return tl::unexpected<Error>(ok.error());
    // Its row was put there to hold the key.
    if (one.kind == ConditionKind::absent) last().changes[one.key] = std::nullopt;
  }
  for (size_t i = 0; i < ops.size(); ++i) {
    const WriteOp op = ops[i];
    if (op.kind != WriteKind::erase_range) {
      if (auto ok = check_size("a value", op.key, op.value); !ok) return tl::unexpected<Error>(ok.error());
      last().changes[op.key] = op.kind == WriteKind::put ? std::optional(op.value) : std::nullopt;
    } else if (op.value.empty() || op.key < op.value) {
      out.parts_.push_back({Range{op.key, op.value}, {}});
    }
  }
  return out;
}

void Batch::queue(Connection& connection) const {
  for (size_t i = 0; i < conditions_.size(); ++i) {
    const Condition one = conditions_[i];
    const RowKey key(one.key);
    switch (one.kind) {
      case ConditionKind::absent:
        connection.add(Statement::absent, {key.head(), key.hash(), key.tail()});
        break;
      case ConditionKind::equals:
        connection.add(Statement::equals, {key.head(), key.hash(), one.value});
        break;
      case ConditionKind::fence:
        connection.add(Statement::fence, {key.head(), key.hash(), key.tail(), one.value});
        break;
    }
  }
  for (const Part& part : parts_) {
    if (part.range) {
      const RowKey from(part.range->from);
      const RowKey to(part.range->to);
      if (part.range->to.empty())
        connection.add(Statement::erase_from, {from.head(), from.tail()});
      else
        connection.add(Statement::erase_range, {from.head(), from.tail(), to.head(), to.tail()});
    }
    queue_changes(connection, part);
  }
}

void Batch::queue_changes(Connection& connection, const Part& part) const {
  ByteaArray erased;
  const auto send_erased = [&] {
    if (erased.count() == 0) return;
    connection.add(Statement::erase, {erased.value()});
    erased.clear();
  };
  Puts puts(connection);
  for (const auto& [bytes, value] : part.changes) {
    const RowKey key(bytes);
    if (value) {
      puts.add(key, *value);
    } else if (key.cut()) {
      connection.add(Statement::erase_cut, {key.head(), key.hash()});
    } else {
      if (erased.count() == kStatementRowsMax) send_erased();
      erased.add(bytes);
    }
  }
  send_erased();
  puts.send();
}

}  // namespace orbit::storage_postgres
