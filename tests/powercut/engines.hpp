// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The engines that lose power, with small buffers so that everything they do happens within a second.
#pragma once

#include <functional>
#include <memory>
#include <orbit/storage.hpp>
#include <string>
#include <vector>

namespace orbit::powercut {

struct Opened {
  std::unique_ptr<Storage> storage;
  // Reads everything and compares checksums, where the engine can.
  std::function<Result<>()> verify;
};

struct Kind {
  const char* name;
  Result<Opened> (*open)(const std::string& directory);
};
extern const std::vector<Kind> kKinds;

}  // namespace orbit::powercut
