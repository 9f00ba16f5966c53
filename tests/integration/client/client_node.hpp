// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A node with the bank, the echo actors and the gRPC wire, for tests of orbit-client.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <string>

#include "bank.client.hpp"
#include "echo.client.hpp"
#include "orbit/client/client.hpp"
#include "support/node_process.hpp"

namespace orbit::test {

struct ClientNode {
  // limits: lines for [limits]; wire: for the gRPC plugin's [plugin.config]; more: entries behind.
  explicit ClientNode(const std::string& limits = "", const std::string& wire = "", const std::string& more = "");
  const std::string& address() const { return process.address("grpc"); }
  client::Client client(client::ClientOptions options = {}) const {
    options.endpoints = {address()};
    return client::Client(std::move(options));
  }
  NodeProcess process;
};

// Looks again and again until it holds; a bound for what is awaited, no time to sleep.
void await(const std::function<bool()>& holds, const std::string& what,
           std::chrono::milliseconds between = std::chrono::milliseconds(10));

// Writes NAME.pem and NAME.key into the folder, signed by `authority`, which is made when it is not there.
void sign(const std::string& folder, const std::string& authority, const std::string& name);

inline bank::Amount cents(int64_t value) {
  bank::Amount amount;
  amount.set_cents(value);
  return amount;
}

}  // namespace orbit::test
