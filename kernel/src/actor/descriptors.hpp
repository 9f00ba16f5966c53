// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The protobuf descriptors that a module carries, in a pool of their own: two versions of one .proto live side by side.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "orbit/result.hpp"

namespace orbit::kernel {

class Descriptors {
 public:
  Descriptors();
  ~Descriptors();
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  // Adds a serialized google.protobuf.FileDescriptorSet; files that are there already must be equal. INVALID_ARGUMENT with
  // protobuf's own words otherwise.
  Result<> add(std::string_view descriptor_set);

  // Protobuf's JSON mapping, both ways, for the message of that full name. [any thread]
  Result<std::string> to_binary(std::string_view message_type, std::string_view json) const;
  Result<std::string> to_json(std::string_view message_type, std::string_view binary) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace orbit::kernel
