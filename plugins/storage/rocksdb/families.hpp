// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Which column family a key lives in. A family holds the keys that start with its prefix, so that each is one stretch of the
// order of all keys, and a scan goes from stretch to stretch.
#pragma once

#include <rocksdb/db.h>

#include <orbit/result.hpp>
#include <string>
#include <vector>

namespace orbit::storage_rocksdb {

struct Stretch {
  std::string from;
  std::string to;  // empty: to the end
  rocksdb::ColumnFamilyHandle* family = nullptr;
};

class Families {
 public:
  // INVALID_ARGUMENT: a prefix is empty, or the beginning of another.
  static Result<> check(const std::vector<std::string>& prefixes);
  static std::string name_of(Bytes prefix);  // of the family
  // Nothing for a name that name_of does not make.
  static Result<std::string> prefix_of(const std::string& name);

  // Opens the database with the families that it has and those that are asked for. FAILED_PRECONDITION: a new one is
  // asked for, but there are such keys already; or the database has a family of somebody else.
  static rocksdb::Status open(const rocksdb::Options& options, const std::string& path,
                              const std::vector<std::string>& prefixes, std::unique_ptr<rocksdb::DB>& db, Families& out,
                              Result<>& refused);
  // Before the database is closed.
  void close(rocksdb::DB& db) noexcept;

  rocksdb::ColumnFamilyHandle* of(Bytes key) const noexcept { return one_ ? stretches_[0].family : stretch_of(key).family; }
  bool one() const noexcept { return one_; }
  const std::vector<rocksdb::ColumnFamilyHandle*>& all() const noexcept { return handles_; }
  // In order, from the empty key to the end.
  const std::vector<Stretch>& stretches() const noexcept { return stretches_; }

 private:
  const Stretch& stretch_of(Bytes key) const noexcept;
  void lay_out(const std::vector<std::pair<std::string, rocksdb::ColumnFamilyHandle*>>& families,
               rocksdb::ColumnFamilyHandle* rest);

  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::vector<Stretch> stretches_;
  bool one_ = true;
};

}  // namespace orbit::storage_rocksdb
