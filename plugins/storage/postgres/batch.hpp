// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A batch as statements: operations in order become, between two erased ranges, one set of keys to erase and one of rows to
// put, each key once and sorted, so that nodes lock rows in one order.
#pragma once

#include <map>
#include <optional>
#include <orbit/storage.hpp>
#include <vector>

#include "connection.hpp"
#include "keys.hpp"

namespace orbit::storage_postgres {

class Batch {
 public:
  // Borrows the bytes. INVALID_ARGUMENT: an entry is larger than the protocol carries.
  static Result<Batch> of(Conditions conditions, WriteOps ops);

  // Queues the conditions, one statement each, then the operations.
  void queue(Connection& connection) const;
  bool empty() const noexcept { return parts_.empty() && conditions_.size() == 0; }

 private:
  struct Range {
    Bytes from;
    Bytes to;  // empty: to the end
  };
  // First the range is erased, if there is one; then the changes are made. No value: erase.
  struct Part {
    std::optional<Range> range;
    std::map<Bytes, std::optional<Bytes>> changes;
  };
  explicit Batch(Conditions conditions) : conditions_(conditions) {}
  void queue_changes(Connection& connection, const Part& part) const;

  Conditions conditions_;
  std::vector<Part> parts_;
};

}  // namespace orbit::storage_postgres
