// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "families.hpp"

#include <algorithm>
#include <memory>

namespace orbit::storage_rocksdb {
namespace {

constexpr std::string_view kNameStart = "prefix:";
constexpr char kDigits[] = "0123456789abcdef";

// The first key after all that start with the prefix; empty: there is none.
std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace

Result<> Families::check(const std::vector<std::string>& prefixes) {
  std::vector<std::string> sorted = prefixes;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i].empty()) return fail(Code::invalid_argument, "column_families: a prefix is empty");
    if (i > 0 && sorted[i].starts_with(sorted[i - 1]))
      return fail(Code::invalid_argument, "column_families: \"" + sorted[i - 1] + "\" is the beginning of \"" + sorted[i] + '"');
  }
  return {};
}

std::string Families::name_of(Bytes prefix) {
  std::string out(kNameStart);
  for (const char c : prefix) out.append({kDigits[static_cast<unsigned char>(c) >> 4], kDigits[c & 15]});
  return out;
}

Result<std::string> Families::prefix_of(const std::string& name) {
  std::string out;
  const std::string_view digits = std::string_view(name).substr(std::min(name.size(), kNameStart.size()));
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    const size_t high = std::string_view(kDigits).find(digits[i]);
    const size_t low = std::string_view(kDigits).find(digits[i + 1]);
    if (high < 16 && low < 16) out += static_cast<char>(high << 4 | low);
  }
  if (out.empty() || name_of(out) != name)
    return fail(Code::failed_precondition,
                "the database has a column family \"" + name + "\", which is none of this engine's (\"prefix:\" and hex digits)");
  return out;
}

rocksdb::Status Families::open(const rocksdb::Options& options, const std::string& path,
                               const std::vector<std::string>& prefixes, std::unique_ptr<rocksdb::DB>& db, Families& out,
                               Result<>& refused) {
  std::vector<std::string> names;
  // What there is not yet has no families; what cannot be read is said by the attempt to open it.
  if (!rocksdb::DB::ListColumnFamilies(options, path, &names).ok()) names.assign(1, rocksdb::kDefaultColumnFamilyName);
  std::vector<std::string> all;  // prefixes, in the order of the handles after the default's
  std::vector<rocksdb::ColumnFamilyDescriptor> wanted{{rocksdb::kDefaultColumnFamilyName, options}};
  for (const std::string& name : names) {
    if (name == rocksdb::kDefaultColumnFamilyName) continue;
    auto prefix = prefix_of(name);
    if (!prefix) return refused = tl::unexpected<Error>(prefix.error()), rocksdb::Status();
    all.push_back(*prefix);
    wanted.emplace_back(name, options);
  }
  // Before anything is made: those of an earlier configuration count too.
  std::vector<std::string> united = prefixes;
  for (const std::string& prefix : all)
    if (std::find(united.begin(), united.end(), prefix) == united.end()) united.push_back(prefix);
  if (refused = check(united); !refused) return {};
  rocksdb::DB* raw = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  if (const auto status = rocksdb::DB::Open(options, path, wanted, &handles, &raw); !status.ok()) return status;
  db.reset(raw);
  out.handles_ = std::move(handles);
  rocksdb::ColumnFamilyHandle* rest = out.handles_[0];
  for (const std::string& prefix : prefixes) {
    if (std::find(all.begin(), all.end(), prefix) != all.end()) continue;
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator(rocksdb::ReadOptions(), rest));
    at->Seek(prefix);
    if (!at->status().ok()) return at->status();
    if (at->Valid() && at->key().starts_with(prefix)) {
      refused = fail(Code::failed_precondition, "column_families: the database " + path + " already has keys that start with \"" +
                                                    prefix + "\"; a family can be added only before there are such keys");
      return {};
    }
    rocksdb::ColumnFamilyHandle* made = nullptr;
    if (const auto status = db->CreateColumnFamily(options, name_of(prefix), &made); !status.ok()) return status;
    out.handles_.push_back(made);
    all.push_back(prefix);
  }
  std::vector<std::pair<std::string, rocksdb::ColumnFamilyHandle*>> families;
  for (size_t i = 0; i < all.size(); ++i) families.emplace_back(all[i], out.handles_[i + 1]);
  std::sort(families.begin(), families.end());
  out.lay_out(families, rest);
  return {};
}

void Families::lay_out(const std::vector<std::pair<std::string, rocksdb::ColumnFamilyHandle*>>& families,
                       rocksdb::ColumnFamilyHandle* rest) {
  stretches_.clear();
  std::string at;
  bool to_the_end = false;
  for (const auto& [prefix, handle] : families) {
    if (at < prefix) stretches_.push_back({at, prefix, rest});
    at = after_prefix(prefix);
    stretches_.push_back({prefix, at, handle});
    to_the_end = at.empty();
  }
  if (!to_the_end) stretches_.push_back({at, {}, rest});
  one_ = stretches_.size() == 1;
}

void Families::close(rocksdb::DB& db) noexcept {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db.DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  handles_.clear();
  stretches_.clear();
}

const Stretch& Families::stretch_of(Bytes key) const noexcept {
  const auto after = std::upper_bound(stretches_.begin(), stretches_.end(), key,
                                      [](Bytes k, const Stretch& stretch) { return k < Bytes(stretch.from); });
  return *(after - 1);  // the first one begins with the empty key
}

}  // namespace orbit::storage_rocksdb
