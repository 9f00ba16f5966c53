// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A simulated node with the module of calls.proto, called as an operator would: with JSON.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "sim_node.hpp"

namespace test {

struct JsonAnswer {
  bool arrived = false;
  orbit_code code = ORBIT_OK;
  std::string text;                // JSON, or the error's message
  orbit_envelope* call = nullptr;  // until it arrives
};

class ModuleNode : public SimNode {
 public:
  ModuleNode(Disk& disk, uint64_t seed, uint32_t workers = 1, RuntimeOptions options = {});

  std::shared_ptr<JsonAnswer> start(const std::string& type, const std::string& key, const std::string& method,
                                    const std::string& json = "", uint32_t worker = 0, uint64_t deadline_ns = 0,
                                    const std::map<std::string, std::string>& with = {});
  const JsonAnswer& wait(const std::shared_ptr<JsonAnswer>& answer);
  // The "value" of the answer; fails the test on an error.
  int64_t value(const std::shared_ptr<JsonAnswer>& answer);
  int64_t value(const std::string& type, const std::string& key, const std::string& method, const std::string& json = "") {
    return value(start(type, key, method, json));
  }
  // Steps until that many wait at the gate.
  void await_gate(const std::string& key, int64_t count);
  void open_gate(const std::string& key) { value("calls.Gate", key, "Open"); }
};

}  // namespace test
