// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Finds plugins by id: every *.so in the search paths is tried in a child process, once.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugin/library.hpp"

namespace orbit::kernel {

class PluginSearch {
 public:
  // An empty `executable` loads files without trying them in a child process first: for files that are known to be
  // good.
  PluginSearch(std::vector<std::string> paths, std::string executable, int64_t probe_timeout_ms);

  // The one file that has this id, as it was probed; refused when none or several have it. [main]
  Result<Descriptor> find(const std::string& id);
  // What is in the folders is looked at again by the next find or all. [main]
  void forget();
  // Tries one file. [main]
  Result<Descriptor> probe(const std::string& file) const;
  // Every good file, by id. [main]
  const std::multimap<std::string, Descriptor>& all();
  // Files that are no good, and why.
  const std::vector<std::string>& refused() const noexcept { return refused_; }

 private:
  void scan();
  const std::vector<std::string> paths_;
  const std::string executable_;
  const int64_t probe_timeout_ms_;
  bool scanned_ = false;
  std::multimap<std::string, Descriptor> files_;
  std::vector<std::string> refused_;
  std::vector<std::string> notes_;  // what was searched
};

}  // namespace orbit::kernel
