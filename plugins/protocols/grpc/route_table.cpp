// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "route_table.hpp"

namespace orbit::grpc_wire {

namespace {

std::string methods_of(const WireType& type) {
  std::string names;
  for (const WireMethod& method : type.methods) names += (names.empty() ? "" : ", ") + std::string(method.name());
  return names;
}

}  // namespace

Routes::Routes(std::shared_ptr<const WireTypes> types) : types_(std::move(types)) {
  for (const WireType& type : types_->all())
    for (const WireMethod& method : type.methods) {
      paths_.push_back(std::make_unique<std::string>("/" + type.name + "/" + std::string(method.name())));
      by_path_.emplace(*paths_.back(), Route{&type, &method});
    }
}

Route Routes::find(std::string_view path) const noexcept {
  const auto found = by_path_.find(path);
  return found == by_path_.end() ? Route() : found->second;
}

Result<Route> Routes::find(std::string_view type_name, std::string_view method_name) const {
  const WireType* type = types_->find(type_name);
  if (type == nullptr)
    return fail(Code::not_found, "no actor type '" + std::string(type_name.substr(0, 255)) + "' can be called on this node");
  const WireMethod* method = type->find(method_name);
  if (method == nullptr)
    return fail(Code::not_found, "actor type " + type->name + " has no method '" + std::string(method_name.substr(0, 255)) +
                                     "'; it has " + methods_of(*type));
  return Route{type, method};
}

std::shared_ptr<const Routes> RouteTable::current() {
  std::shared_ptr<const Routes> routes = routes_.load(std::memory_order_acquire);
  if (routes != nullptr && catalog_.is_current(routes->types())) [[likely]] return routes;
  // Several threads may do this at the same time; each stores what is as new as what it saw.
  routes = std::make_shared<const Routes>(catalog_.current());
  routes_.store(routes, std::memory_order_release);
  return routes;
}

std::string no_such_path(const Routes& routes, std::string_view path) {
  const size_t slash = path.find('/', 1);
  if (!path.starts_with('/') || slash == std::string_view::npos)
    return "the path '" + std::string(path.substr(0, 255)) + "' is not of the form /package.Service/Method";
  const std::string_view service = path.substr(1, slash - 1);
  if (const WireType* type = routes.types().find(service))
    return "actor type " + type->name + " has no method '" + std::string(path.substr(slash + 1).substr(0, 255)) + "'; it has " +
           methods_of(*type);
  return "no service '" + std::string(service.substr(0, 255)) +
         "' is here: neither an actor type of a loaded module nor orbit.v1.ActorService";
}

}  // namespace orbit::grpc_wire
