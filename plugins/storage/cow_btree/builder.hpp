// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Makes a tree of entries that come in ascending order: full pages, each written once, no log.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "page.hpp"
#include "seals.hpp"
#include "space.hpp"

namespace orbit::cow_btree {

class Builder {
 public:
  // `seals` is null when the file is not encrypted.
  Builder(File& file, Space& space, uint64_t version, Seals* seals) noexcept : file_(file), space_(space), version_(version), seals_(seals) {}

  // INVALID_ARGUMENT (raised): the key is not greater than the one before.
  void add(Bytes key, Bytes value);
  struct Built {
    PageId root = 0;
    uint32_t levels = 0;
    uint64_t sum = 0;
  };
  // Everything is written, but not synced.
  Built finish();

  struct Run {
    PageId page;
    uint32_t count;
  };
  const std::vector<Run>& made() const noexcept { return made_; }

 private:
  // The entries of the page that is being filled, and what they point to.
  struct Level {
    std::vector<Entry> entries;
    std::vector<std::unique_ptr<char[]>> bytes;
    uint16_t flags = 0;
  };
  Bytes keep(Level& level, Bytes data);
  void add_entry(size_t level, Entry entry);
  void flush(size_t level);
  ExternalRef write_run(Bytes tail, Bytes value);
  void write_page(PageId id, const char* page);
  void write_waiting();
  size_t room() const noexcept { return kPageBytes - (seals_ != nullptr ? kSealBytes : 0); }

  File& file_;
  Space& space_;
  const uint64_t version_;
  Seals* const seals_;
  std::vector<Level> levels_;
  std::vector<Run> made_;
  std::optional<std::string> last_key_;
  Entry leaf_separator_;  // of the leaf that is being filled
  std::string leaf_separator_key_;
  PageId waiting_first_ = 0;  // consecutive pages that are not written yet
  std::string waiting_;
  Built top_;
};

}  // namespace orbit::cow_btree
