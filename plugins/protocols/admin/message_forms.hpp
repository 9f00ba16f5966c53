// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The messages that methods take, field by field, so that a page can make a form of each.
#pragma once

#include <memory>
#include <string>

#include "orbit/ext/descriptors.h"

namespace orbit::admin {

class MessageForms {
 public:
  explicit MessageForms(const orbit_descriptors_v1* descriptors);
  ~MessageForms();

  // {"messages": {"bank.Amount": {"fields": [...]}}}; made anew when modules have changed. [any thread]
  std::string json();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace orbit::admin
