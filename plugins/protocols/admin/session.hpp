// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the admin API makes of the requests of one connection.
#pragma once

#include <optional>
#include <string>

#include "orbit/http/server.hpp"
#include "orbit/http/target.hpp"
#include "routes.hpp"
#include "server.hpp"

namespace orbit::admin {

class Session final : public http::Handler {
 public:
  Session(const Server& server, const Connection& connection);

  std::optional<http::Response> admit(const http::Request& head) override;
  void handle(http::Request request, http::Responder responder) override;

 private:
  const Server& server_;
  std::string peer_;         // as the next, with access control only
  std::string certificate_;  // the client's, in DER
  http::Target target_;  // of the current request, from admit to handle
  Match match_;
};

}  // namespace orbit::admin
