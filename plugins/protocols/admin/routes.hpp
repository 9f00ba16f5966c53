// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The routes of the API, said once: the router matches against this table and the OpenAPI document is written from it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange.hpp"

namespace orbit::admin {

struct Parameter {
  const char* name;
  const char* doc;
  const char* schema;  // as JSON text
};

struct Answer {
  int status;
  const char* doc;
  const char* media;   // null: no body
  const char* schema;  // a name among the schemas; null: any value of that media type
};

struct Route {
  const char* method;
  const char* path;  // "/v1/types/{type}"; every {name} is described by path_parameters()
  const char* operation;
  const char* tag;
  const char* summary;
  const char* doc;
  void (*handle)(const Services& services, ExchangePtr exchange);
  std::span<const Answer> answers;
  std::span<const int> errors;  // statuses that this route answers with problem details, beside those every route has
  std::span<const Parameter> query = {};
  const char* body = nullptr;  // the request's schema name, or "" for any JSON value; null: no body
  bool body_required = false;
  bool open = false;  // needs no token
  bool is_call = false;  // of an actor: type, key and method are its path parameters
};

std::span<const Route> routes() noexcept;
std::span<const Parameter> path_parameters() noexcept;

struct Match {
  const Route* route = nullptr;         // null: none
  std::vector<std::string> parameters;  // decoded
  std::string allow;                    // no route with this method, but the path has these: "GET, HEAD"
};

// HEAD finds the GET route.
Match match_route(std::string_view method, std::span<const std::string> segments);

}  // namespace orbit::admin
