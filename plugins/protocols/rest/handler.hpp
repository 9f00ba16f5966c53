// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the REST wire makes of the requests of one connection.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "service.hpp"

namespace orbit::rest {

// What a request's path says.
struct Route {
  enum class Kind { none, page, document, types, call, state, stream };
  Kind kind = Kind::none;
  const Type* type = nullptr;
  const Method* method = nullptr;
  const HttpRule* rule = nullptr;  // null: the path is by convention
  std::string key;                 // by convention, or the stream's
  std::vector<std::pair<std::string_view, std::string>> variables;  // of a rule
  std::string_view query;          // still encoded
};

class Handler final : public http::Handler {
 public:
  Handler(Service& service, Connection& connection);

  std::optional<http::Response> admit(const http::Request& head) override;
  void handle(http::Request request, http::Responder responder) override;

 private:
  std::optional<http::Response> find_route(const http::Request& head);
  std::optional<http::Response> find_actor_route(const http::Request& head, std::string_view path);
  std::optional<http::Response> check_content(const http::Request& head) const;
  void serve(http::Request request, http::Responder responder, const Principal& caller, Route route,
             std::shared_ptr<const Catalog> catalog) {
    serve(service_, std::move(request), std::move(responder), caller, peer_, std::move(route), std::move(catalog));
  }
  static void serve(Service& service, http::Request request, http::Responder responder, const Principal& caller,
                    const std::string& peer, Route route, std::shared_ptr<const Catalog> catalog);

  Service& service_;
  std::string peer_;
  std::string certificate_;  // of the client, DER; empty: none, or nobody asks
  Principal anonymous_;
  std::shared_ptr<const Catalog> catalog_;
  Route route_;  // of the current request, from admit to handle
};

}  // namespace orbit::rest
