// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One request that waits for its one answer.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbit/ext/access.h"
#include "orbit/ext/actors.h"
#include "orbit/ext/introspection.h"
#include "orbit/ext/node.h"
#include "orbit/ext/storage_ops.h"
#include "orbit/http/server.hpp"

namespace orbit::admin {

// What the handlers work with. Lives as long as the plugin; the tables until the process ends.
struct Services {
  const orbit_node_v1* node = nullptr;
  const orbit_actors_v1* actors = nullptr;
  const orbit_storage_ops_v1* storage = nullptr;
  const orbit_introspection_v1* introspection = nullptr;
  const orbit_access_v1* access = nullptr;
  const orbit_host* host = nullptr;
  std::function<uint64_t()> monotonic_ns;
  uint64_t call_timeout_ms = 0;
  std::string openapi;  // the document, as text
  std::function<std::string()> message_forms;  // of the messages that methods take, as JSON
};

// Owned by whoever has to answer: a handler, then perhaps a call's context. Lives on the worker that owns the
// connection, and may outlive the connection. Destroyed without an answer it answers INTERNAL.
class Exchange {
 public:
  // path: the values of the route's {parameters} in order.
  Exchange(http::Request request, std::vector<std::string> path,
           std::vector<std::pair<std::string, std::string>> query, http::Responder responder)
      : request_(std::move(request)), path_(std::move(path)), query_(std::move(query)), responder_(std::move(responder)) {}
  Exchange(Exchange&&) = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const std::string& path(size_t index) const { return path_.at(index); }
  size_t path_count() const noexcept { return path_.size(); }
  const http::Request& request() const noexcept { return request_; }
  // The query parameter's value, or `otherwise`.
  std::string_view query(std::string_view name, std::string_view otherwise = {}) const noexcept {
    for (const auto& [key, value] : query_)
      if (key == name) return value;
    return otherwise;
  }

  bool has_query(std::string_view name) const noexcept {
    return std::any_of(query_.begin(), query_.end(), [name](const auto& each) { return each.first == name; });
  }

  std::string user;  // whose request it is, by access control; empty: nobody's

  void answer(http::Response response) { responder_.answer(std::move(response)); }
  void fail(Code code, std::string_view detail) {
    answer(http::problem(http::status_of(code), code, detail, request_.target));
  }

 private:
  http::Request request_;
  std::vector<std::string> path_;
  std::vector<std::pair<std::string, std::string>> query_;
  http::Responder responder_;
};

using ExchangePtr = std::unique_ptr<Exchange>;

}  // namespace orbit::admin
