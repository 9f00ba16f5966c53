// SPDX-License-Identifier: MIT OR BSD-3-Clause
// All that a storage engine has, as one scan sees it.
#pragma once

#include <map>
#include <orbit/storage.hpp>
#include <string>

namespace orbit::test {

inline Result<std::map<std::string, std::string>> content(Storage& engine, const StorageSnapshot* snapshot = nullptr) {
  std::map<std::string, std::string> out;
  Result<> scanned = engine.scan(snapshot, {}, {}, false, [&](Bytes key, Bytes value) {
    out.emplace(key, value);
    return true;
  });
  if (!scanned) return tl::unexpected<Error>(std::move(scanned.error()));
  return out;
}

}  // namespace orbit::test
