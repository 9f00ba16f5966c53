// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Where paths lead: "/bank.Account/Deposit" to a method of an actor type. Made anew when modules change.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "orbit/ext/descriptors.h"
#include "orbit/wire_types.hpp"

namespace orbit::grpc_wire {

struct Route {
  const WireType* type = nullptr;
  const WireMethod* method = nullptr;
};

// What the node offered at one moment. Pointers into it are good as long as it is held.
class Routes {
 public:
  explicit Routes(std::shared_ptr<const WireTypes> types);
  const WireTypes& types() const noexcept { return *types_; }
  // By path; a null method when there is none.
  Route find(std::string_view path) const noexcept;
  // By the names that a message gives. NOT_FOUND says which names there are.
  Result<Route> find(std::string_view type, std::string_view method) const;

 private:
  std::shared_ptr<const WireTypes> types_;
  std::unordered_map<std::string_view, Route> by_path_;
  std::vector<std::unique_ptr<std::string>> paths_;
};

class RouteTable {
 public:
  explicit RouteTable(const orbit_descriptors_v1* descriptors) : catalog_(descriptors) {}
  // [any thread]
  std::shared_ptr<const Routes> current();
  // Whether `routes` is what current() would return: one load of an atomic. [any thread]
  bool is_current(const Routes& routes) const noexcept { return catalog_.is_current(routes.types()); }

 private:
  WireCatalog catalog_;
  std::atomic<std::shared_ptr<const Routes>> routes_;
};

// Why a path leads nowhere, for a person: what is there instead.
std::string no_such_path(const Routes& routes, std::string_view path);

}  // namespace orbit::grpc_wire
